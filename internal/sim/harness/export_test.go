package harness

import "github.com/tidaldb/tidal/internal/record"

// Again writes the session's last write once more, as somebody does who missed the answer.
func (s *Session) Again(region, item string) error {
	p, err := s.c.proposed(&Signal{Item: item, Type: "like", User: s.user})
	if err != nil {
		return err
	}
	what := record.Session{
		What: record.SessionWrites, User: s.user, ID: s.name, Opened: s.opened,
		Signals: []record.SessionCount{{Type: p.Signal.Type, N: 1}},
	}
	return s.send(region, []record.Proposed{{Kind: record.KindSession, Session: &what}, p})
}
