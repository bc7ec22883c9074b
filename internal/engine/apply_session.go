package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// applySession is the effect of what happened in a session, on the place that its user has for it.
func (e *Engine) applySession(ev *event, v *version, s *record.Session) error {
	h := &e.users
	at, user := h.owner(id.KindUser, s.User)
	if !at.raise(id.KindUser, user, s.UserGen) {
		h.stale++
		return nil
	}
	effect, err := effectOf(ev, v, s)
	if err != nil {
		return err
	}
	key := sessionKey(user, s.Place)
	place := at.table.Lookup(key)
	old, err := algebra.DecodeSession(at.table.Value(place))
	if err != nil {
		return err
	}
	merged := old.Merge(effect)
	h.scratch.bytes = merged.AppendBinary(h.scratch.bytes[:0])
	at.table.Set(key, place, h.scratch.bytes)
	if s.What == record.SessionOpens {
		e.due(s.User, &merged)
	}
	return nil
}

// effectOf is a session of which nothing but one record is known.
func effectOf(ev *event, v *version, s *record.Session) (algebra.Session, error) {
	// What is kept outlives the batch, but for the vectors, which are encoded at once.
	x := algebra.Session{SessionKey: algebra.SessionKey{Opened: s.Opened, ID: s.ID}}
	switch s.What {
	case record.SessionOpens:
		x.Begin = algebra.SessionBegin{
			Stamp: ev.stamp, Agent: s.Agent, Policy: s.Policy, Until: s.Until, Idle: s.Idle, Taste: s.Taste,
		}
		return x, nil
	case record.SessionCloses:
		x.End = algebra.SessionEnd{Stamp: ev.stamp, At: s.At, Auto: s.Auto, Taste: s.Taste}
		x.Refused = x.Refused.Add(ev.position.Origin(), s.Refused)
		return x, nil
	case record.SessionNotes:
		x.Notes = 1
	case record.SessionSearches:
		x.Searches = 1
	case record.SessionWrites:
		for _, c := range s.Signals {
			rules, err := v.rules(c.Type)
			if err != nil {
				return x, err
			}
			x.Signals = append(x.Signals, algebra.SessionCount{Type: rules.name, N: int64(c.N)})
		}
		slices.SortFunc(x.Signals, func(a, b algebra.SessionCount) int { return strings.Compare(a.Type, b.Type) })
		x.Others = int64(s.Others)
		x.Refused = x.Refused.Add(ev.position.Origin(), s.Refused)
	}
	// That something was refused isn't something that was written.
	if s.What != record.SessionWrites || len(s.Signals) > 0 || s.Others > 0 {
		x.Last = max(0, ev.order.Time)
	}
	return x, nil
}

// due tells who listens when a session ends by itself.
func (e *Engine) due(user string, s *algebra.Session) {
	if e.cfg.SessionDue == nil {
		return
	}
	if at, ok := s.Due(); ok {
		e.cfg.SessionDue(strings.Clone(user), strings.Clone(s.ID), at)
	}
}

// dueIn is due for an encoded session.
func (e *Engine) dueIn(user string, value []byte) error {
	if e.cfg.SessionDue == nil {
		return nil
	}
	s, err := algebra.DecodeSession(value)
	if err == nil {
		e.due(user, &s)
	}
	return err
}

// PlacedSession is what is kept in one of a user's places for sessions.
type PlacedSession struct {
	Place uint8
	algebra.Session
}

// Sessions returns what is kept of a user's sessions, by place. Of one whose beginning hasn't arrived the beginning is
// zero.
func (e *Engine) Sessions(user string) ([]PlacedSession, error) {
	n, ok := e.user(user)
	if !ok {
		return nil, nil
	}
	var out []PlacedSession
	for place := range uint8(record.SessionPlaces) {
		v, ok := e.table.Get(sessionKey(n, place))
		if !ok {
			continue
		}
		s, err := algebra.DecodeSession(v)
		if err != nil {
			return nil, fmt.Errorf("user %q, session in place %d: %w", user, place, err)
		}
		// The table's memory moves, and what is decoded lies in there.
		s.Begin.Taste, s.End.Taste = slices.Clone(s.Begin.Taste), slices.Clone(s.End.Taste)
		out = append(out, PlacedSession{place, s})
	}
	return out, nil
}
