package tidal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/schema"
)

// NotLeaderError says that this member of a group takes no writes, and who does. Reach it with errors.As. Nothing was
// written, so the same request may be sent there, with a lane or a key or without.
type NotLeaderError = fault.NotLeader

// Errors of groups; ask with errors.Is. A database that Open opened is in none.
var (
	ErrNotLeader = fault.ErrNotLeader // see NotLeaderError
	ErrChanging  = fault.ErrChanging  // another change of members is under way
	ErrRemoved   = fault.ErrRemoved   // this member was taken out of its group

	ErrNoSuccessor = fault.ErrNoSuccessor // leadership was to be handed over, and nobody took it
)

// Latest returns once everything is visible here that anybody had been told was written when it was called, through
// whichever member of the group: a read behind it is as good as one at the leader. A majority of the members is asked, and
// that takes a round trip. In a group of one it's at once.
//
// It fails with ctx, or with [NotLeaderError] when no leader is known; reads without it are answered still.
func (db *DB) Latest(ctx context.Context) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	if err := db.host.Latest(ctx); err != nil {
		return fmt.Errorf("wait for the latest: %w", err)
	}
	return nil
}

// reign is what a member does while it leads its group, and nobody else does: it sees to the schema, the level of the format
// and the keys, and ends sessions.
type reign struct {
	schema *schema.Schema // that Open was given, or nil
	opened chan struct{}  // closed once the database can be written to, or won't be
	// The goroutine of a present reign; only the host's herald touches them.
	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex
	failed error         // why the present reign couldn't begin, nil if it could or will
	final  chan struct{} // closed when one never can
	once   sync.Once     // closes final
}

func newReign(s *schema.Schema) *reign {
	return &reign{schema: s, opened: make(chan struct{}), final: make(chan struct{})}
}

// leads is told by the host when this member begins to lead and when it ceases to, in order.
func (db *DB) leads(leading bool) {
	x := db.reign
	<-x.opened
	if x.stop != nil {
		x.stop()
		<-x.done
		x.stop = nil
		x.fail(nil)
	}
	if !leading || db.host == nil {
		return
	}
	var ctx context.Context
	ctx, x.stop = context.WithCancel(context.Background())
	x.done = make(chan struct{})
	go func() {
		defer close(x.done)
		db.reigns(ctx)
	}()
}

// end ends a present reign; the host is closed, and tells of no other.
func (x *reign) end() {
	if x != nil && x.stop != nil {
		x.stop()
		<-x.done
	}
}

// reignPause is between attempts to begin a reign, and between looks at what other regions have entered then.
const reignPause = 250 * time.Millisecond

// reigns begins a reign, again and again until it succeeds, and then sees to what comes of other regions, until ctx ends.
func (db *DB) reigns(ctx context.Context) {
	x := db.reign
	pause := time.NewTicker(reignPause)
	defer pause.Stop()
	begun := false
	for {
		var err error
		switch {
		case !db.host.Writes(): // what there is to enter, regions that take writes enter; this one does when it's promoted
			begun = false
		case begun:
			err = db.unite(ctx)
		default:
			if err = db.adopt(ctx, x.schema); err == nil {
				err = db.upgrade(ctx)
			}
			begun = err == nil
		}
		if ctx.Err() != nil {
			return
		}
		if !lostLead(err) {
			x.fail(err)
		}
		if hopeless(err) {
			x.once.Do(func() { close(x.final) })
			return
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// follows reports whether this is a member of a group of which another one leads, or of a region that takes no writes.
func (db *DB) follows() bool { return db.reign != nil && (!db.host.Leading() || !db.host.Writes()) }

// hopeless reports whether an error comes of what was asked for, and not of the moment.
func hopeless(err error) bool {
	return errors.Is(err, fault.ErrInput) || errors.Is(err, fault.ErrSchema) || errors.Is(err, fault.ErrForeign) ||
		errors.Is(err, fault.ErrFormatTooNew) || errors.Is(err, fault.ErrNotFound)
}

func (x *reign) fail(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.failed = err
}

// failure is why the present reign couldn't begin yet.
func (x *reign) failure() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.failed
}

// settle waits until a member has a schema, which its group's first leader enters, and compares it with the one it was
// opened with. What that adds is entered when this member leads.
func (db *DB) settle(group *host.Group, s *schema.Schema) error {
	wait := group.JoinTimeout
	ctx, cancel := context.WithTimeout(group.Opening(), wait)
	defer cancel()
	go func() {
		select {
		case <-db.reign.final:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := db.host.Until(ctx, func(e *engine.Engine) bool {
		current, _ := e.Schema()
		return current != nil
	})
	if err != nil {
		if failed := db.reign.failure(); failed != nil {
			return failed
		}
		return fmt.Errorf("wait for the group's schema: %w", err)
	}
	_, err = reconcileSchemas(db.Schema(), s)
	return err
}
