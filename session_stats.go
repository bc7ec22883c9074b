package tidal

import "sync/atomic"

// SessionStats counts sessions since the database was opened: those that this process began and ended itself. What was done
// through other members of a group, or in other regions, they count.
type SessionStats struct {
	// Held are in memory here, and open as far as is known: those that something was done in here and that haven't ended since.
	Held int
	// Begun were begun here, Closed were ended by [Session.Close], and Expired because their time was up.
	Begun, Closed, Expired uint64
	// Refused are requests that were refused: by a session's policy, its rate, or for what was wrong in them.
	Refused uint64
}

// sessionCounts are the counters behind SessionStats.
type sessionCounts struct{ begun, closed, expired, refused atomic.Uint64 }

func (x *sessions) stats() SessionStats {
	x.mu.Lock()
	held := len(x.open)
	x.mu.Unlock()
	return SessionStats{
		Held: held, Begun: x.counts.begun.Load(), Closed: x.counts.closed.Load(), Expired: x.counts.expired.Load(),
		Refused: x.counts.refused.Load(),
	}
}
