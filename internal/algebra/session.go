package algebra

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// Session is what is kept of one session of a user: how it began, what was written in it, how it ended.
//
// A user has a few places for sessions, and each holds one: that of the highest [SessionKey] that anything named there.
// So a record is (key, parts), and of two with different keys the lower one has no part in their merge, as if it had
// never been. Under one key the counts are sums, and all else is a join: the latest beginning, the earliest end, the
// latest time, the highest number of refusals of each origin. The zero value names no session, and is the identity.
type Session struct {
	SessionKey
	// Begin is how it began, zero if that isn't known.
	Begin SessionBegin
	// End is how it ended, zero if it hasn't, as far as is known.
	End SessionEnd
	// Last is the latest time of anything in it, in Unix milliseconds, 0 if there is none.
	Last int64
	// Signals counts the signals by type, in order of their names, none with 0.
	Signals []SessionCount
	// Others counts the other records about items and creators, Notes and Searches what their names say.
	Others, Notes, Searches int64
	// Refused counts what was refused. It is each origin's own total, since it can't be known whether one that was under
	// way when a process ended is there.
	Refused PNCounter
}

// SessionKey names a session among those that had the same place. The order is by Opened, then by ID.
type SessionKey struct {
	// Opened is when it was opened, in Unix milliseconds, as who opened it says. It is above that of any session that
	// was known to have the place before.
	Opened int64
	// ID is chosen by the application or drawn, 1 to [MaxSessionID] bytes.
	ID string
}

// The bounds of a session's texts and bytes.
const (
	MaxSessionID     = 64
	MaxSessionAgent  = 64
	MaxSessionPolicy = 63
	MaxSessionTaste  = 256
)

// Compare returns -1, 0 or 1. It is a total order.
func (k SessionKey) Compare(o SessionKey) int {
	return cmp.Or(cmp.Compare(k.Opened, o.Opened), strings.Compare(k.ID, o.ID))
}

// SessionBegin is how a session began. Of two the one with the later stamp counts.
type SessionBegin struct {
	Stamp Stamp
	// Agent and Policy are who acts and by which rules; either may be empty.
	Agent, Policy string
	// Until is when it ends at the latest, and Idle after how long without anything written, in milliseconds; 0 is never.
	Until, Idle int64
	// Taste is what the user liked then: a vector's parts as signed bytes, empty if that wasn't known.
	Taste []byte
}

// SessionEnd is how a session ended. Of two the one with the earlier stamp counts.
type SessionEnd struct {
	Stamp Stamp
	// At is when, in Unix milliseconds, and Auto whether that was for want of time.
	At   int64
	Auto bool
	// Taste is as in [SessionBegin].
	Taste []byte
}

// SessionCount is how many signals of one type there were.
type SessionCount struct {
	Type string
	N    int64
}

// IsZero reports whether s names no session.
func (s *Session) IsZero() bool { return s.ID == "" }

// Merge returns the session of the higher key; of two with one key, what both amount to.
func (s Session) Merge(o Session) Session {
	switch {
	case o.IsZero():
		return s
	case s.IsZero():
		return o
	}
	switch c := s.Compare(o.SessionKey); {
	case c > 0:
		return s
	case c < 0:
		return o
	}
	return Session{
		SessionKey: s.SessionKey,
		Begin:      s.Begin.merge(o.Begin),
		End:        s.End.merge(o.End),
		Last:       max(s.Last, o.Last),
		Signals:    addCounts(s.Signals, o.Signals),
		Others:     s.Others + o.Others,
		Notes:      s.Notes + o.Notes,
		Searches:   s.Searches + o.Searches,
		Refused:    s.Refused.Merge(o.Refused),
	}
}

// Minus returns s without what o counts. What is a join stays, as the marks of cells do.
func (s Session) Minus(o Session) Session {
	o.Signals = slices.Clone(o.Signals)
	for i := range o.Signals {
		o.Signals[i].N = -o.Signals[i].N
	}
	o.Others, o.Notes, o.Searches = -o.Others, -o.Notes, -o.Searches
	return s.Merge(o)
}

// merge breaks ties, which stamps leave to nobody but a test, by content.
func (b SessionBegin) merge(o SessionBegin) SessionBegin {
	c := b.Stamp.Compare(o.Stamp)
	if c == 0 {
		c = bytes.Compare(b.append(nil), o.append(nil))
	}
	if c < 0 {
		return o
	}
	return b
}

func (e SessionEnd) merge(o SessionEnd) SessionEnd {
	switch {
	case e.Stamp.IsZero():
		return o
	case o.Stamp.IsZero():
		return e
	}
	c := e.Stamp.Compare(o.Stamp)
	if c == 0 {
		c = bytes.Compare(e.append(nil), o.append(nil))
	}
	if c > 0 {
		return o
	}
	return e
}

// addCounts adds two lists that are ordered by type, and leaves out what comes to 0.
func addCounts(a, b []SessionCount) []SessionCount {
	out := make([]SessionCount, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := strings.Compare(a[0].Type, b[0].Type); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			if n := a[0].N + b[0].N; n != 0 {
				out = append(out, SessionCount{a[0].Type, n})
			}
			a, b = a[1:], b[1:]
		}
	}
	if out = append(append(out, a...), b...); len(out) == 0 {
		return nil
	}
	return out
}

// Due is when the session ends by itself, in Unix milliseconds; false if that is never, or it has ended, or its
// beginning isn't known.
func (s *Session) Due() (int64, bool) {
	if s.Begin.Stamp.IsZero() || !s.End.Stamp.IsZero() {
		return 0, false
	}
	due, ok := s.Begin.Until, s.Begin.Until != 0
	if s.Begin.Idle != 0 {
		if idle := max(s.Last, s.Opened) + s.Begin.Idle; !ok || idle < due {
			due, ok = idle, true
		}
	}
	return due, ok
}
