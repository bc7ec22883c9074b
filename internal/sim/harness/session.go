package harness

import (
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// Session is a session of a user, which goes on in whatever region its next write or read is in. It carries what it has
// written and seen.
type Session struct {
	c      *SimulatedCluster
	user   string
	name   string
	opened int64
	lane   uint64 // of its last write
	seen   id.VersionVector
}

// sessions is the shard that sessions are in: users aren't spread here.
const sessions = 0

// OpenSession begins a session of a user in a region.
func (c *SimulatedCluster) OpenSession(region, user, name string) (*Session, error) {
	s := &Session{c: c, user: user, name: name, opened: c.cfg.Start.Add(c.now).UnixMilli()}
	return s, s.write(region, record.Session{What: record.SessionOpens, Agent: "agent"})
}

// Like writes a preference: that the user likes an item.
func (s *Session) Like(region, item string) error {
	p, err := s.c.proposed(&Signal{Item: item, Type: "like", User: s.user})
	if err != nil {
		return err
	}
	return s.write(region, record.Session{
		What: record.SessionWrites, Signals: []record.SessionCount{{Type: p.Signal.Type, N: 1}},
	}, p)
}

// write writes something under the session's own lane, so that a retry counts once in every region.
func (s *Session) write(region string, what record.Session, more ...record.Proposed) error {
	what.User, what.ID, what.Opened = s.user, s.name, s.opened
	s.lane++
	return s.send(region, append([]record.Proposed{{Kind: record.KindSession, Session: &what}}, more...))
}

// send writes records under the session's last number, for the first time or again.
func (s *Session) send(region string, records []record.Proposed) error {
	r, err := s.c.named(region)
	if err != nil {
		return err
	}
	receipt, err := r.groups[sessions].writeUnder("session "+s.name, s.lane, records)
	if err != nil {
		return err
	}
	last := receipt.First
	last.Seq += id.Seq(receipt.Count) - 1
	if last.Seq > s.seen.Get(last.Origin()) {
		s.seen = s.seen.With(last.Origin(), last.Seq)
	}
	return nil
}

// Read returns what is kept of the session in a region, once all that it has written and seen is visible there: at most a limit
// of virtual time later, or it is [fault.ErrNotYet].
func (s *Session) Read(region string, limit time.Duration) (algebra.Session, error) {
	c := s.c
	r, err := c.named(region)
	if err != nil {
		return algebra.Session{}, err
	}
	g := r.groups[sessions]
	seen := func() bool {
		n := g.reader()
		return n != nil && n.base.Engine.Vector().Includes(s.seen)
	}
	if err := c.until(limit, seen); err != nil {
		return algebra.Session{}, err
	}
	if !seen() {
		return algebra.Session{}, fault.ErrNotYet
	}
	e := g.reader().base.Engine
	s.seen = s.seen.Merge(e.Vector())
	list, err := e.Sessions(s.user)
	if err != nil {
		return algebra.Session{}, err
	}
	for _, x := range list {
		if x.ID == s.name {
			return x.Session, nil
		}
	}
	return algebra.Session{}, fault.ErrNotFound
}
