package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
)

// Member is one running member. Its methods may be called from any goroutine.
type Member struct {
	db      *tidal.DB
	replica *host.Replica

	closing sync.Once
	closed  error
	done    chan struct{}
	ended   sync.WaitGroup
	stop    context.CancelFunc
}

// Start opens a member's directory and connects it. A new member that joins has its place when Start returns; an old one
// answers reads of what it had, whether the others can be reached or not. See [Member.Ready] for more.
//
// It waits for others for Config.JoinTimeout; the first member of a new region then copies another region's database, which takes
// as long as it takes, and ends when nothing has come for that long. [StartContext] bounds all of it.
//
// Errors are those of tidal.Open, and: *tidal.InputError for what is wrong in the configuration; tidal.ErrForeign when the
// directory belongs to another cluster or group than the members that it was told to join; tidal.ErrClock when this machine's
// clock differs too much from theirs; tidal.ErrRemoved when this member was taken out.
func Start(c Config) (*Member, error) { return StartContext(context.Background(), c) }

// StartContext is [Start] within a context: when it ends before the member is started, waiting and copying end, with its error. Start
// it again to go on; what was copied in part is copied anew. A member that is started isn't bound by the context.
func StartContext(ctx context.Context, c Config) (*Member, error) {
	if err := ctx.Err(); err != nil {
		return nil, c.refused(err)
	}
	group, err := c.group()
	if err != nil {
		return nil, c.refused(err)
	}
	group.Within(ctx)
	opts := c.Options
	opts.Group = group
	db, err := tidal.Open(c.Dir, c.Schema, &opts)
	if err != nil {
		return nil, err
	}
	watch, stop := context.WithCancel(context.Background())
	m := &Member{db: db, replica: group.Replica(), done: make(chan struct{}), stop: stop}
	m.ended.Go(func() {
		defer close(m.done)
		m.replica.Ended(watch)
	})
	return m, nil
}

// DB is the database, of which this member holds a copy. It's closed by [Member.Close], and by nobody else.
func (m *Member) DB() *tidal.DB { return m.db }

// Address is where other members reach this one, as "host:port".
func (m *Member) Address() string { return m.replica.Address() }

// Ready returns once this member has caught up with what the group had committed when it was called, and somebody leads:
// reads are good then. ctx bounds how long that is waited for.
func (m *Member) Ready(ctx context.Context) error {
	for {
		err := m.db.Latest(ctx)
		if !errors.Is(err, fault.ErrNotLeader) {
			return err
		}
		pause := time.NewTimer(50 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-m.done:
			pause.Stop()
			return m.Err()
		}
	}
}

// Done is closed when this member does no work any more: it was closed, its disk failed, or it was removed. [Member.Err] says
// which.
func (m *Member) Done() <-chan struct{} { return m.done }

// Err says why this member does no work any more, and nil while it does: tidal.ErrClosed, tidal.ErrRemoved,
// tidal.ErrDisk and so on. The way back from most is to start it again.
func (m *Member) Err() error { return m.replica.Failure() }

// Leading reports whether this member takes writes.
func (m *Member) Leading() bool { return m.replica.Leading() }

// Leader says who leads, as far as this member knows: the number of the member, 0 if nobody is known to, and the URL for
// applications, which may be empty.
func (m *Member) Leader() (number uint64, url string) {
	number, _, url = m.replica.Leader()
	return number, url
}

// Remove takes a member out of the group for good; the others don't wait for it any more. It's refused, with a
// *tidal.InputError, where those left to vote and alive would be no majority. A member that is gone already is no error.
//
// It may be called on any member. Errors: tidal.ErrChanging while another change is under way, tidal.ErrNotLeader while nobody
// leads, tidal.ErrUnknown when ctx ended before the outcome was known.
func (m *Member) Remove(ctx context.Context, number uint64) error {
	return m.replica.Remove(ctx, number, false)
}

// RemoveForced is [Member.Remove] whatever comes of it: the group may not be able to write any more.
func (m *Member) RemoveForced(ctx context.Context, number uint64) error {
	return m.replica.Remove(ctx, number, true)
}

// Transfer has another member lead, 0 for the one that has most of the log, and returns once it does. It may be called on any
// member; errors are those of [Member.Remove], and tidal.ErrNoSuccessor when nobody took over, after four election timeouts: the
// leader goes on then, or somebody is elected.
func (m *Member) Transfer(ctx context.Context, number uint64) error {
	return m.replica.Transfer(ctx, number)
}

// Regions says how the regions are, as seen from here; see [tidal.DB.Regions].
func (m *Member) Regions() []tidal.RegionStatus { return m.db.Regions() }

// Promote makes a region, by name, the database's home: the one that gives numbers to new regions and may change the schema in
// more than additions. A follower region takes writes from then on, and the old home none, once it knows. It may be called on
// any member of any region, also while the old home is lost; it fails where the promoted one can't be reached.
//
// Errors: *tidal.InputError for a name that there isn't; tidal.ErrNotLeader while nobody leads there; tidal.ErrUnknown when ctx
// ended before the outcome was known.
func (m *Member) Promote(ctx context.Context, region string) error {
	return m.replica.Promote(ctx, region)
}

// RemoveRegion takes a region out for good: nobody waits for it, keeps anything for it or listens to it any more. What it
// stamped and should take back another region does, the successor; "" is home. It may be called on any member of any region that
// reaches home; errors are those of [Member.Promote].
func (m *Member) RemoveRegion(ctx context.Context, region, successor string) error {
	return m.replica.RemoveRegion(ctx, region, successor)
}

// Close hands leadership over to another member, if this one leads and there is somebody alive to take it, and closes the
// database. ctx bounds the handing over, not the rest: a context that has ended closes at once, and the others elect somebody.
func (m *Member) Close(ctx context.Context) error {
	m.closing.Do(func() {
		m.replica.HandOver(ctx)
		m.closed = m.db.Close()
		m.stop()
		m.ended.Wait()
	})
	return m.closed
}
