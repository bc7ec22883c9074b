package workload

import (
	"bytes"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// session is something that happens in one of a few sessions, so that all of their records meet, also those of sessions
// that had the same place. It may be the first that anybody hears of the session.
func (a *author) session() *record.Session {
	s := &record.Session{
		What: record.SessionWhat(1 + a.rng.IntN(5)), User: a.g.names.user(a.rng), ID: string("ab"[a.rng.IntN(2)]),
		Place: uint8(a.rng.IntN(2)), Opened: 1 + a.rng.Int64N(3),
	}
	s.UserGen = a.gen(id.KindUser, s.User)
	switch s.What {
	case record.SessionOpens:
		s.Agent, s.Policy = "helper", "careful"
		s.Until, s.Idle, s.Taste = a.rng.Int64N(2)*day, a.rng.Int64N(2)*minute, a.taste()
	case record.SessionWrites:
		for i := range a.version().Signals {
			if a.rng.IntN(3) == 0 {
				s.Signals = append(s.Signals, record.SessionCount{Type: uint16(i), N: 1 + a.rng.Uint32N(4)})
			}
		}
		s.Others, s.Refused = a.rng.Uint64N(3), a.rng.Uint64N(9)
	case record.SessionNotes:
		s.Name, s.Text = "mood", "calm"
	case record.SessionSearches:
		s.Text, s.Results = "slow jazz", []string{a.g.names.item(a.rng)}
	case record.SessionCloses:
		s.At, s.Auto, s.Refused, s.Taste = 1+a.rng.Int64N(day), a.rng.IntN(2) == 0, a.rng.Uint64N(9), a.taste()
	}
	return s
}

func (a *author) taste() []byte {
	if a.rng.IntN(2) == 0 {
		return nil
	}
	return []byte{127, byte(a.rng.IntN(256)), 0}
}

// sealingKey draws or drops one of a few keys, which meet under one id as they never would.
func (a *author) sealingKey() record.SealingKey {
	k := record.SealingKey{ID: a.rng.Uint32N(3), Created: 1 + a.rng.Int64N(4)}
	if a.rng.IntN(4) > 0 {
		k.Secret = bytes.Repeat([]byte{byte(a.rng.IntN(3))}, record.SecretSize)
	}
	return k
}
