package wal

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
)

// Release removes the oldest files as far as they hold only entries below an index. [Log.FirstIndex] rises to the
// first index of the oldest file that stays; the last file always does. What isn't durable is never released.
//
// A file that can't be removed is reported, and tried again by the next Release; the log goes on without its entries.
func (l *Log) Release(below uint64) error {
	if err := l.writable("release"); err != nil {
		return err
	}
	l.mu.Lock()
	below = max(l.index.base, min(below, l.durable+1))
	n := 0
	for i, s := range l.index.segments {
		if s.header.first <= below {
			n = i
		}
	}
	for _, s := range l.index.segments[:n] {
		l.released = append(l.released, s.name)
	}
	if n > 0 {
		l.index.dropFront(n)
	}
	l.mu.Unlock()
	// Oldest first and one by one: a gap between files would be taken for damage.
	for len(l.released) > 0 {
		name := l.released[0]
		err := l.fs.Remove(l.fs.PathJoin(l.options.Dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("release %s: %w: %w", name, fault.ErrDisk, err)
		}
		if err := vfs.SyncDir(l.fs, l.options.Dir); err != nil {
			return l.fail("release "+name, err)
		}
		l.released = l.released[1:]
	}
	return nil
}

// Reset empties the log, durably: it goes on at index+1, behind an entry of the given term, as after the snapshot of
// that index was installed. The hard state stays, with the commit raised to index and the term at least to term.
// Earlier files stay until [Log.Release].
func (l *Log) Reset(index, term uint64) error {
	if err := l.writable("reset"); err != nil {
		return err
	}
	return l.roll(index+1, term, true)
}
