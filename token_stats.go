package tidal

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// TokenStats counts what became of tokens in [DB.Wait] since the database was opened. A request may bring several.
type TokenStats struct {
	// Here are those of which all was visible at once, and Came those that were waited for and then were visible. Waited is
	// how long those of Came waited, together.
	Here, Came uint64
	Waited     time.Duration
	// NotYet are those for which what they name didn't come in time, or the key that has sealed them. Ahead are those of NotYet
	// that name events of this database's own region that it doesn't have though it leads there: it is younger than what
	// its clients saw, as after a restore, and unless another region has these events they never come.
	NotYet, Ahead uint64
	// Refused are those that were changed, too old, or another database's.
	Refused uint64
}

// tokenCounts are the counters behind TokenStats.
type tokenCounts struct {
	here, came, notYet, ahead, refused atomic.Uint64
	waited                             atomic.Int64 // nanoseconds
}

func (c *tokenCounts) stats() TokenStats {
	return TokenStats{
		Here: c.here.Load(), Came: c.came.Load(), Waited: time.Duration(c.waited.Load()), NotYet: c.notYet.Load(), Ahead: c.ahead.Load(),
		Refused: c.refused.Load(),
	}
}

// unsealed counts a token that can't be opened, if that is so.
func (c *tokenCounts) unsealed(err error) {
	switch {
	case errors.Is(err, fault.ErrNotYet):
		c.notYet.Add(1)
	case errors.Is(err, fault.ErrInput):
		c.refused.Add(1)
	}
}

// await waits for what a token names, and counts what became of it.
func (db *DB) await(ctx context.Context, seen VersionVector) error {
	lacking, lacks := db.host.Lacks(seen)
	if !lacks {
		db.tokens.here.Add(1)
		return nil
	}
	begun := time.Now() // of the wall: it's a wait
	err := db.host.Await(ctx, seen)
	switch {
	case err == nil:
		db.tokens.came.Add(1)
		db.tokens.waited.Add(int64(time.Since(begun)))
		return nil
	case errors.Is(err, fault.ErrNotYet):
		db.tokens.notYet.Add(1)
		if own := db.host.Origin(); lacking.Origin().Region == own.Region && (db.reign == nil || db.host.Leading()) {
			db.tokens.ahead.Add(1)
		}
	}
	return fmt.Errorf("wait: %w", err)
}
