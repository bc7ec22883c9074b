// Package tidaltest opens databases for tests: in a directory that goes away with the test, under a clock that stands
// still until the test moves it.
//
//	func TestFeed(t *testing.T) {
//		db := tidaltest.New(t, nil)
//		db.Must(tidal.Put{Kind: tidal.Item, ID: "jazz-101"}, tidal.Signal{Type: "like", User: "ada", Item: "jazz-101"})
//		db.Clock.Advance(30 * 24 * time.Hour) // one half-life: the like counts half
//		…
//		db.Restart() // what was acknowledged is still there
//	}
//
// The database is a real one, with its log and its checkpoint on the disk. Only its time is made up: decay, windows and
// cohorts follow [Clock]; how long the disk takes, and how long calls wait, doesn't. When the test ends the database is
// closed, and the test fails if that does, or if a list would have held something hidden.
package tidaltest

import (
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// Clock is a wall clock that tests set. It may be used from any goroutine.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Start is what the clock of a database shows first: noon of 1 March 2026, UTC.
var Start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// NewClock returns a clock that shows a time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on and returns what it shows then. A database bears a clock that goes back, too, within the
// bound of its schema.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// DB is a database under a clock of the test's.
type DB struct {
	*tidal.DB
	// Clock is the database's clock, Dir its directory.
	Clock *Clock
	Dir   string

	t    testing.TB
	opts tidal.Options
}

// New opens a new database with a schema; nil is [schema.Events].
func New(t testing.TB, s *schema.Schema) *DB {
	t.Helper()
	return Open(t, s, nil)
}

// Open is [New] with options. Of these the clock is replaced.
func Open(t testing.TB, s *schema.Schema, opts *tidal.Options) *DB {
	t.Helper()
	if s == nil {
		s = schema.Events()
	}
	db := &DB{Clock: NewClock(Start), Dir: t.TempDir(), t: t}
	if opts != nil {
		db.opts = *opts
	}
	db.opts.Now = db.Clock.Now
	db.open(s)
	t.Cleanup(func() {
		t.Helper()
		db.close()
	})
	return db
}

// Must writes records as one request, and ends the test if that fails.
func (db *DB) Must(records ...tidal.Record) tidal.Receipt {
	db.t.Helper()
	r, err := db.Write(db.t.Context(), tidal.Request{Records: records})
	if err != nil {
		db.t.Fatalf("write: %v", err)
	}
	return r
}

// Restart closes the database and opens it again, as a new process would. Cursors, references and tokens from before stay
// good.
func (db *DB) Restart() {
	db.t.Helper()
	db.close()
	db.open(nil)
}

func (db *DB) open(s *schema.Schema) {
	db.t.Helper()
	opened, err := tidal.Open(db.Dir, s, &db.opts)
	if err != nil {
		db.t.Fatal(err)
	}
	db.DB = opened
}

func (db *DB) close() {
	db.t.Helper()
	if n := db.Stats().HiddenServed; n != 0 {
		db.t.Errorf("%d hidden items came to the last look at a list; that is a mistake of tidal's, please report it", n)
	}
	if err := db.Close(); err != nil {
		db.t.Errorf("close: %v", err)
	}
}
