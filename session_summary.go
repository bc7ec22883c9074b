package tidal

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/ranker"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/token"
)

// SessionSummary says what happened in a session.
type SessionSummary struct {
	ID, User, Agent, Policy string
	// Opened is when it was begun, Until when it ends at the latest, zero for never, and Last when something was written
	// in it last, zero for never.
	Opened, Until, Last time.Time
	// Ended reports that it has ended, at Closed. AutoClosed means that its time was up. Duration is its length so far.
	Ended      bool
	Closed     time.Time
	AutoClosed bool
	Duration   time.Duration
	// Signals is the number of signals written, of which Types are the parts by type, the most frequent first. An undo
	// takes nothing from them.
	Signals int64
	Types   []TypeCount
	// Others are marks, relations and collections written; Notes and Searches what their names say.
	Others, Notes, Searches int64
	// Rejections is the number of requests refused while it was open. Those of the last minute are lost if the process
	// ends without closing the database.
	Rejections int64
}

// TypeCount is how many signals of one type there were.
type TypeCount struct {
	Type string
	N    int64
}

// SessionQuery asks for a user's sessions.
type SessionQuery struct {
	User string
	// Since leaves out sessions that were begun before; zero takes all that are kept.
	Since time.Time
	// After is the session behind which the page begins: the last one of the page before, of which Opened and ID count.
	After SessionSummary
	// Limit is the length of the page, 1–10,000; 0 is 100. There are at most 64 sessions of one user.
	Limit int
}

// UserSessionSummary says what happened in several sessions of a user.
type UserSessionSummary struct {
	// Sessions were begun, of which Open haven't ended.
	Sessions, Open int
	// Signals and Rejections are those of all of them.
	Signals, Rejections int64
	// TopTypes are the up to 10 most frequent types of signals, the most frequent first.
	TopTypes []TypeCount
	// Drift says how far what the user likes has moved from the beginning of the first session to the end of the last: 0 is
	// not at all, 1 that the two have nothing in common, 2 that they are opposites (1 less the cosine of the user's main
	// interest then and now). DriftKnown reports whether it is known: the schema needs embeddings of items, and the user must
	// have liked items that have vectors.
	Drift      float64
	DriftKnown bool
}

// SessionSummary returns what happened in a session, open or not. [ErrNotFound] means that there is none of that id among
// the user's 64 newest.
func (db *DB) SessionSummary(ctx context.Context, user, name string) (SessionSummary, error) {
	all, err := db.sessionsOf(ctx, user)
	if err != nil {
		return SessionSummary{}, err
	}
	for i := range all {
		if all[i].ID == name {
			return db.summary(user, &all[i]), nil
		}
	}
	return SessionSummary{}, fmt.Errorf("session %q of user %q: %w", name, user, fault.ErrNotFound)
}

// Sessions returns the sessions of a user, the newest first.
func (db *DB) Sessions(ctx context.Context, q SessionQuery) ([]SessionSummary, error) {
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return nil, err
	}
	all, err := db.sessionsOf(ctx, q.User)
	if err != nil {
		return nil, err
	}
	var out []SessionSummary
	after := algebra.SessionKey{ID: q.After.ID}
	if after.ID != "" {
		after.Opened = q.After.Opened.UnixMilli()
	}
	for i := range all {
		p := &all[i]
		switch {
		case after.ID != "" && p.Compare(after) >= 0, p.Opened < sinceMillis(q.Since):
		case len(out) < limit:
			out = append(out, db.summary(q.User, p))
		}
	}
	return out, nil
}

// UserSessions sums up the sessions of a user that were begun at a time or later; zero takes all that are kept.
func (db *DB) UserSessions(ctx context.Context, user string, since time.Time) (UserSessionSummary, error) {
	all, err := db.sessionsOf(ctx, user)
	if err != nil {
		return UserSessionSummary{}, err
	}
	all = slices.DeleteFunc(all, func(p engine.PlacedSession) bool { return p.Opened < sinceMillis(since) })
	var out UserSessionSummary
	counts := map[string]int64{}
	for i := range all {
		x := db.summary(user, &all[i])
		out.Sessions++
		if !x.Ended {
			out.Open++
		}
		out.Signals += x.Signals
		out.Rejections += x.Rejections
		for _, c := range x.Types {
			counts[c.Type] += c.N
		}
	}
	for name, n := range counts {
		out.TopTypes = append(out.TopTypes, TypeCount{name, n})
	}
	slices.SortFunc(out.TopTypes, compareTypes)
	out.TopTypes = out.TopTypes[:min(10, len(out.TopTypes))]
	out.Drift, out.DriftKnown = drift(all)
	return out, nil
}

func compareTypes(a, b TypeCount) int {
	return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Type, b.Type))
}

func sinceMillis(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64
	}
	return t.UnixMilli()
}

// sessionsOf returns what is kept of a user's sessions, the newest first.
func (db *DB) sessionsOf(ctx context.Context, user string) (all []engine.PlacedSession, err error) {
	err = db.readUser(ctx, user, func(e *engine.Engine) (err error) {
		all, err = e.Sessions(user)
		return err
	})
	all = slices.DeleteFunc(all, func(p engine.PlacedSession) bool { return p.Begin.Stamp.IsZero() })
	slices.SortFunc(all, func(a, b engine.PlacedSession) int { return b.Compare(a.SessionKey) })
	return all, err
}

// summary is what is kept of a session, with what this process knows beside it. A session whose time is up has ended then,
// whether or not that is written yet.
func (db *DB) summary(user string, p *engine.PlacedSession) SessionSummary {
	now := db.now().UnixMilli()
	out := SessionSummary{
		ID: p.ID, User: user, Agent: p.Begin.Agent, Policy: p.Begin.Policy,
		Opened: timeOf(p.Opened), Until: timeOf(p.Begin.Until), Last: timeOf(p.Last),
		Others: p.Others, Notes: p.Notes, Searches: p.Searches, Rejections: p.Refused.Value(),
	}
	end := now
	if due, ok := p.Due(); ok && due <= now {
		end, out.Ended, out.AutoClosed = due, true, true
	} else if !p.End.Stamp.IsZero() {
		end, out.Ended, out.AutoClosed = p.End.At, true, p.End.Auto
	}
	if out.Ended {
		out.Closed = timeOf(end)
	}
	out.Duration = time.Duration(max(0, end-p.Opened)) * time.Millisecond
	for _, c := range p.Signals {
		out.Signals += c.N
		out.Types = append(out.Types, TypeCount(c))
	}
	slices.SortFunc(out.Types, compareTypes)
	if s := db.sessions.get(sessionName{user, p.ID}); s != nil {
		out.Rejections += max(0, int64(s.refusals())-int64(p.Refused.Added(db.host.Origin())))
	}
	return out
}

// Token returns a text that names everything that the session has written and seen, for [DB.Wait]; see [DB.Token].
func (s *Session) Token() string {
	seen := token.Seen{Vector: s.vector()}
	_ = s.db.host.Read(func(e *engine.Engine) error {
		seen.Highest = e.Highest()
		return nil
	})
	return s.db.seal(&seen)
}

// taste is what a user likes most now, in signed bytes; nil if that isn't known.
func (db *DB) taste(e *engine.Engine, user string, now int64) ([]byte, error) {
	v, err := ranker.Taste(e, viewsOf(e), user, now)
	if err != nil || len(v) == 0 {
		return nil, err
	}
	return quantise(fold(v, record.MaxTaste)), nil
}

// fold makes a vector of at most so many parts, which keeps angles about as they are: each part is added to one of them or
// taken from it (a count sketch: M. Charikar, K. Chen, M. Farach-Colton, Finding Frequent Items in Data Streams, ICALP
// 2002). Of 256 parts cosines are off by about 0.06.
func fold(v []float32, most int) []float32 {
	if len(v) <= most {
		return v
	}
	out := make([]float32, most)
	for i, x := range v {
		h := uint32(i) * 0x9e3779b1
		h ^= h >> 15
		h *= 0x85ebca6b
		if h>>31 == 1 {
			x = -x
		}
		out[int(h>>8)%most] += x
	}
	return out
}

// quantise makes signed bytes of a vector's parts, of which the largest becomes 127.
func quantise(v []float32) []byte {
	most := float32(0)
	for _, x := range v {
		most = max(most, x, -x)
	}
	if most == 0 {
		return nil
	}
	out := make([]byte, len(v))
	for i, x := range v {
		out[i] = byte(int8(math.RoundToEven(float64(x / most * 127))))
	}
	return out
}

// drift is the distance from the first to the last taste of sessions, which come the newest first.
func drift(all []engine.PlacedSession) (float64, bool) {
	var tastes [][]byte // the oldest first
	for i := len(all) - 1; i >= 0; i-- {
		for _, t := range [][]byte{all[i].Begin.Taste, all[i].End.Taste} {
			if len(t) > 0 {
				tastes = append(tastes, t)
			}
		}
	}
	if len(tastes) < 2 {
		return 0, false
	}
	return distance(tastes[0], tastes[len(tastes)-1])
}

// distance is 1 less the cosine of two vectors of signed bytes; false if they have none.
func distance(x, y []byte) (float64, bool) {
	if len(x) != len(y) {
		return 0, false
	}
	var ab, aa, bb float64
	for i := range x {
		a, b := float64(int8(x[i])), float64(int8(y[i]))
		ab, aa, bb = ab+a*b, aa+a*a, bb+b*b
	}
	if aa == 0 || bb == 0 {
		return 0, false
	}
	return 1 - max(-1, min(1, ab/math.Sqrt(aa*bb))), true
}
