package wal

import (
	"context"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
)

// tailBytes is how much a tail reads ahead.
const tailBytes = 256 << 10

// Tail follows the log. It delivers durable entries in order; durable isn't committed, so an entry may later be
// superseded. When one that was delivered is, the tail steps back and delivers what took its place: an entry with an
// index that isn't above the one before replaces it and all that followed, as it does in the log itself.
//
// A tail is for one goroutine. [Tail.Close] it when it is no longer needed.
type Tail struct {
	log   *Log
	next  uint64  // the entry to deliver; guarded by log.mu
	ahead []Entry // read but not delivered; ahead[0] is next; guarded by log.mu
}

// Tail returns a tail that begins at an index, which may lie ahead of the log.
func (l *Log) Tail(from uint64) *Tail {
	t := &Tail{log: l, next: from}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tails[t] = struct{}{}
	return t
}

// Close ends the tail; the log keeps no trace of it.
func (t *Tail) Close() {
	t.log.mu.Lock()
	defer t.log.mu.Unlock()
	delete(t.log.tails, t)
}

// Next returns the next durable entry and waits for it if need be. It returns ctx's error when ctx ends,
// [fault.ErrClosed] when the log closes, the failure when the log's disk fails and nothing durable is left, and
// [fault.ErrNotFound] when the entry was released: then only a snapshot helps. An error leaves the tail in place.
func (t *Tail) Next(ctx context.Context) (Entry, error) {
	for {
		e, ok, wait, err := t.step()
		if ok || err != nil {
			return e, err
		}
		if wait == nil {
			if err := t.fill(); err != nil {
				return Entry{}, err
			}
			continue
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return Entry{}, fmt.Errorf("wait for entry: %w", context.Cause(ctx))
		}
	}
}

// step delivers an entry that was read ahead. Otherwise wait is what to wait for, or nil when there is something to
// read.
func (t *Tail) step() (_ Entry, ok bool, wait <-chan struct{}, _ error) {
	l := t.log
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return Entry{}, false, nil, fmt.Errorf("tail: %w", fault.ErrClosed)
	case len(t.ahead) > 0:
		e := t.ahead[0]
		t.ahead = t.ahead[1:]
		t.next++
		return e, true, nil, nil
	case t.next < l.index.base:
		return Entry{}, false, nil, fmt.Errorf("tail at entry %d of a log that begins at %d: %w",
			t.next, l.index.base, fault.ErrNotFound)
	case t.next <= l.durable:
		return Entry{}, false, nil, nil
	case l.failed != nil:
		return Entry{}, false, nil, fmt.Errorf("tail: log stopped earlier: %w", l.failed)
	}
	return Entry{}, false, l.moved, nil
}

// fill reads ahead. When entries are superseded while it reads, it does nothing, and is called again.
func (t *Tail) fill() error {
	l := t.log
	l.mu.RLock()
	from, to, before := t.next, l.durable, l.superseded
	l.mu.RUnlock()
	if from > to {
		return nil
	}
	entries, err := l.Entries(from, to+1, tailBytes)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.superseded != before:
		return nil // superseded meanwhile; what was read, or the failure to, is out of date
	case err != nil:
		return err
	}
	t.ahead = entries
	return nil
}

// stepBack drops what was superseded from an index on; the log's mu is held.
func (t *Tail) stepBack(from uint64) {
	if from < t.next {
		t.next, t.ahead = from, nil
		return
	}
	if keep := from - t.next; keep < uint64(len(t.ahead)) {
		t.ahead = t.ahead[:keep]
	}
}
