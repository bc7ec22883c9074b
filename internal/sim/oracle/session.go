package oracle

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/sim/workload"
)

// sessionWrites is all that was written under one place of a user.
type sessionWrites struct{ all []sessionWrite }

type sessionWrite struct {
	*record.Session
	stamp  algebra.Stamp
	time   int64
	counts map[string]int64 // of signals, by type
}

func newSessionWrites() *sessionWrites { return &sessionWrites{} }

func (s *State) session(e *workload.Event) {
	x := e.Body.Session
	user := s.live(id.KindUser, x.User, x.UserGen)
	if user == nil {
		return
	}
	w := sessionWrite{Session: x, stamp: writeOf(e).stamp, time: e.Meta.Time, counts: map[string]int64{}}
	for _, c := range x.Signals {
		w.counts[s.kindOf(e.Schema, c.Type).Name] += int64(c.N)
	}
	at := at(s, user, algebra.KindSession, newSessionWrites, string([]byte{x.Place}))
	at.all = append(at.all, w)
}

// fold looks for the session that was opened last, and takes account of its records alone.
func (w *sessionWrites) fold(Rules) (any, error) {
	newest := slices.MaxFunc(w.all, func(a, b sessionWrite) int {
		return cmp.Or(cmp.Compare(a.Opened, b.Opened), strings.Compare(a.ID, b.ID))
	})
	out := algebra.Session{SessionKey: algebra.SessionKey{Opened: newest.Opened, ID: newest.ID}}
	counts, refused := map[string]int64{}, map[id.Origin]uint64{}
	for _, x := range w.all {
		if x.Opened != newest.Opened || x.ID != newest.ID {
			continue
		}
		switch x.What {
		case record.SessionOpens:
			if compareStamps(x.stamp, out.Begin.Stamp) > 0 {
				out.Begin = algebra.SessionBegin{
					Stamp: x.stamp, Agent: x.Agent, Policy: x.Policy, Until: x.Until, Idle: x.Idle, Taste: x.Taste,
				}
			}
			continue
		case record.SessionCloses:
			refused[x.stamp.Origin] = max(refused[x.stamp.Origin], x.Refused)
			if out.End.Stamp.IsZero() || compareStamps(x.stamp, out.End.Stamp) < 0 {
				out.End = algebra.SessionEnd{Stamp: x.stamp, At: x.At, Auto: x.Auto, Taste: x.Taste}
			}
			continue
		case record.SessionNotes:
			out.Notes++
		case record.SessionSearches:
			out.Searches++
		case record.SessionWrites:
			for name, n := range x.counts {
				counts[name] += n
			}
			out.Others += int64(x.Others)
			refused[x.stamp.Origin] = max(refused[x.stamp.Origin], x.Refused)
		}
		if x.What != record.SessionWrites || len(x.counts) > 0 || x.Others > 0 {
			out.Last = max(out.Last, x.time)
		}
	}
	for name, n := range counts {
		out.Signals = append(out.Signals, algebra.SessionCount{Type: name, N: n})
	}
	slices.SortFunc(out.Signals, func(a, b algebra.SessionCount) int { return strings.Compare(a.Type, b.Type) })
	for origin, n := range refused {
		out.Refused = out.Refused.Add(origin, n)
	}
	return out, nil
}

// keyWrites are what was written about one sealing key.
type keyWrites struct{ all []record.SealingKey }

func newKeyWrites() *keyWrites { return &keyWrites{} }

// fold returns the key as the first drop left it, or else the one drawn last.
func (w *keyWrites) fold(Rules) (any, error) {
	newest := slices.MaxFunc(w.all, func(a, b record.SealingKey) int {
		return cmp.Or(len(b.Secret)-len(a.Secret), cmp.Compare(a.Created, b.Created), strings.Compare(string(a.Secret), string(b.Secret)))
	})
	return algebra.SealingKey{Created: newest.Created, Secret: newest.Secret}, nil
}
