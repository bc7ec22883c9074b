package host

import (
	"errors"

	"github.com/tidaldb/tidal/internal/fault"
)

// follower is the goroutine that brings the checkpoint after the log. It works when enough of the log has gathered,
// so that one commit has many events, and when the replica is closed, so that the next open is short.
type follower struct {
	m       *Materialiser
	journal *Journal
	retain  func(flushed uint64) (below uint64, err error)
	// rangeBytes is how much of the log gathers before it is folded; finalBytes how much makes a last commit at close
	// worth its time.
	rangeBytes, finalBytes int64

	quit   chan struct{} // closed by stop
	failed chan error    // receives at most one failure
	ended  chan struct{}
}

func startFollower(b *Base, j *Journal) *follower {
	f := &follower{
		m: b.Materialiser(), journal: j, retain: b.releasable, rangeBytes: b.opts.RangeBytes, finalBytes: b.opts.FinalBytes,
		quit: make(chan struct{}), failed: make(chan error, 1), ended: make(chan struct{}),
	}
	go f.run()
	return f
}

func (f *follower) run() {
	defer close(f.ended)
	for {
		select {
		case <-f.quit:
			return
		case <-f.m.base.gathered:
		}
		if err := f.follow(f.rangeBytes, f.quit); err != nil {
			f.failed <- err
			return
		}
	}
}

// follow commits ranges of about that many bytes until none is left that large, then flushes, and lets the log go.
func (f *follower) follow(bytes int64, quit <-chan struct{}) error {
	if f.m.Behind() < bytes {
		return nil
	}
	for f.m.Behind() >= bytes {
		for done := false; !done && f.m.Pending() < f.rangeBytes; {
			select {
			case <-quit:
				return nil // what was folded is folded again
			default:
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
	below, err := f.retain(f.m.Flushed())
	if err != nil {
		return err
	}
	f.journal.Release(below)
	return nil
}

// stop ends the goroutine and waits for it.
func (f *follower) stop() {
	close(f.quit)
	<-f.ended
}

// finish makes the last checkpoint of a replica that was closed in order. Nothing is applied any more.
func (f *follower) finish() error {
	select {
	case err := <-f.failed:
		return err
	default:
	}
	if err := f.follow(max(1, f.finalBytes), nil); err != nil && !errors.Is(err, fault.ErrClosed) {
		return err
	}
	return nil
}
