package host

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// follower is the goroutine that brings the checkpoint after the log. It works when enough of the log has gathered,
// so that one commit has many events, and when the replica is closed, so that the next open is short.
type follower struct {
	m    *Materialiser
	base *Base
	disk *disk
	// rangeBytes is how much of the log gathers before it is folded; lagBytes is up to where folding gives way to
	// writes; finalBytes how much makes a last commit at close worth its time.
	rangeBytes, lagBytes, finalBytes int64

	asked  chan wish     // who wants a checkpoint now
	pauses chan pause    // who wants it to stand still
	still  atomic.Bool   // somebody does
	wishes atomic.Int32  // how many do
	quit   chan struct{} // closed by stop
	failed chan error    // receives at most one failure
	ended  chan struct{}
}

// wish is a checkpoint that somebody waits for: of an entry at least.
type wish struct {
	entry uint64
	done  chan error // has room for one
}

// pause is a time for which the store isn't written to.
type pause struct {
	begun chan struct{} // closed when it's so
	over  chan struct{} // closed when it needn't be any more
}

// upkeepInterval is how often a database that is hardly written is looked after: its checkpoint follows, and what is
// old of its log goes.
const upkeepInterval = time.Hour

// reportsInterval is how often it's looked whether what other regions reported is to be written down.
const reportsInterval = 5 * time.Second

func startFollower(b *Base, d *disk) *follower {
	f := &follower{
		m: b.Materialiser(), base: b, disk: d, rangeBytes: b.opts.RangeBytes, lagBytes: b.opts.LagBytes,
		finalBytes: b.opts.FinalBytes, asked: make(chan wish), pauses: make(chan pause), quit: make(chan struct{}), failed: make(chan error, 1), ended: make(chan struct{}),
	}
	go f.run()
	return f
}

func (f *follower) run() {
	defer close(f.ended)
	ticker := time.NewTicker(upkeepInterval)
	defer ticker.Stop()
	reports := time.NewTicker(reportsInterval)
	defer reports.Stop()
	if err := f.begin(); err != nil {
		f.failed <- err
		return
	}
	for {
		bytes := f.rangeBytes
		select {
		case <-f.quit:
			return
		case p := <-f.pauses:
			f.rest(p)
			continue
		case w := <-f.asked:
			err := f.follow(func() bool { return f.m.committed < w.entry }, false, f.quit)
			w.done <- err
			if err != nil {
				f.failed <- err
				return
			}
			continue
		case <-reports.C:
			err := f.base.keepReports(false)
			if err == nil && f.base.putOff {
				err = f.release()
			}
			if err != nil {
				f.failed <- err
				return
			}
			continue
		case <-f.base.gathered:
		case <-ticker.C:
			if f.rangeBytes < 0 {
				continue
			}
			bytes = 1
			f.base.rollOld(f.disk)
		}
		// Writes without a pause make one range after another due: who waits comes between them.
		if err := f.follow(func() bool { return f.due(bytes) && f.wishes.Load() == 0 }, true, f.quit); err != nil {
			f.failed <- err
			return
		}
	}
}

// begin lets go what grew old while the database was closed.
func (f *follower) begin() error {
	if f.m.Flushed() == 0 {
		return nil
	}
	f.base.rollOld(f.disk)
	return f.release()
}

// checkpoint brings the checkpoint after everything that is applied by now.
func (f *follower) checkpoint(ctx context.Context) error {
	f.wishes.Add(1)
	defer f.wishes.Add(-1)
	w := wish{f.base.applied.Load(), make(chan error, 1)}
	select {
	case f.asked <- w:
	case <-f.ended:
		return fault.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errStopped means that the replica is being closed. What was folded and not committed is folded again.
var errStopped = fmt.Errorf("checkpoint: %w", fault.ErrClosed)

// due reports whether a range should be committed: so much of the log is behind the checkpoint, which below 0 it never
// is, or users take too much memory.
func (f *follower) due(bytes int64) bool {
	behind := f.m.Behind()
	return bytes > 0 && behind >= bytes || behind > 0 && (f.urgent() || f.base.wanted.Load())
}

// urgent reports whether writes may soon have to wait for the checkpoint.
func (f *follower) urgent() bool { return f.base.pressed(f.m.committed) }

// follow commits ranges for as long as one is due, then flushes, and lets the log go. If polite, it gives way to writes.
func (f *follower) follow(due func() bool, polite bool, quit <-chan struct{}) error {
	defer f.base.relieve()
	for due() {
		for done := false; !done; {
			if f.giveWay(polite, quit) {
				return errStopped
			}
			if f.still.Load() {
				select {
				case p := <-f.pauses:
					f.rest(p)
				case <-f.quit: // of who pauses nobody is left
				}
			}
			var err error
			if done, err = f.m.Fold(); err != nil {
				return err
			}
		}
		if err := f.m.Commit(); err != nil {
			return err
		}
	}
	if err := f.m.Flush(); err != nil {
		return err
	}
	return f.release()
}

// pause lets the checkpoint stand still, from when it returns until resume is called. It waits for a commit that is under way.
func (f *follower) pause() (resume func()) {
	f.still.Store(true)
	p := pause{make(chan struct{}), make(chan struct{})}
	select {
	case f.pauses <- p:
		<-p.begun
	case <-f.ended:
	}
	return func() {
		f.still.Store(false)
		close(p.over)
	}
}

// rest stands still.
func (f *follower) rest(p pause) {
	close(p.begun)
	select {
	case <-p.over:
	case <-f.quit:
	}
}

// release lets the log go as far as it may.
func (f *follower) release() error {
	for {
		below, more, err := f.m.Releasable()
		if err != nil {
			return err
		}
		f.disk.Release(below)
		f.disk.tidied()
		if !more {
			return nil
		}
		select {
		case <-f.quit:
			return nil // it goes on after the next open
		default:
		}
	}
}

// maxRange bounds what is folded for one commit where nothing else does: it is in memory meanwhile.
const maxRange = 64 << 20

// busyPercent is how much of its time the loop works when writes need the processors more than the checkpoint does.
const busyPercent = 30

// lookInterval is how often that is looked at.
const lookInterval = 100 * time.Millisecond

// giveWay waits while the loop is busy, the checkpoint not too far behind, and nobody waits for it. It reports whether the replica is being
// closed.
func (f *follower) giveWay(polite bool, quit <-chan struct{}) (closing bool) {
	for {
		select {
		case <-quit:
			return true
		default:
		}
		if !polite || f.wishes.Load() > 0 || f.still.Load() || f.urgent() || f.m.Behind() >= f.lagBytes || f.base.effort.percent.Load() < busyPercent {
			return false
		}
		select {
		case <-quit:
			return true
		case <-time.After(lookInterval):
		}
	}
}

// stop ends the goroutine and waits for it.
func (f *follower) stop() {
	close(f.quit)
	<-f.ended
}

// finish makes the last checkpoint of a replica that was closed in order, if one is worth its time. Nothing is applied
// any more.
func (f *follower) finish() error {
	select {
	case err := <-f.failed:
		if !errors.Is(err, errStopped) {
			return err
		}
	default:
	}
	if err := f.base.keepReports(true); err != nil {
		return err
	}
	if behind := f.m.Behind(); behind < f.finalBytes || behind > f.rangeBytes {
		return nil
	}
	return f.follow(func() bool { return f.due(1) }, false, nil)
}
