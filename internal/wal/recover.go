package wal

import (
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
)

// recover reads the log and leaves it so that the next record can be appended.
func (l *Log) recover() (Recovery, error) {
	var visit visitor
	if tell := l.options.Visit; tell != nil {
		visit = func(_ *segment, r record, _ int64) {
			if r.kind.entry() || r.kind == KindSegment || r.kind == KindTruncation {
				tell(Visited{Kind: r.kind, Index: r.index, Data: r.data})
			}
		}
	}
	ld, err := load(l.fs, l.options.Dir, &l.options.Identity, visit)
	if err != nil {
		return Recovery{}, err
	}
	found := ld.recovery()
	switch {
	case l.options.ReadOnly && !ld.started:
		return Recovery{}, fmt.Errorf("no log in %s: %w", l.options.Dir, fault.ErrNotFound)
	case l.options.ReadOnly:
		l.index = ld.index
	case !ld.started:
		err = l.create(ld)
	default:
		err = l.repair(ld)
	}
	if err != nil {
		return Recovery{}, err
	}
	found.Segments = len(l.index.segments)
	l.durable = l.index.last
	return found, nil
}

// recovery describes what was loaded. Without files it describes the log that will be created.
func (ld *loaded) recovery() Recovery {
	x := &ld.index
	if !ld.started {
		return Recovery{FirstIndex: 1, Created: true}
	}
	found := Recovery{
		FirstIndex: x.base, LastIndex: x.last, HardState: x.hardState, Segments: len(x.segments),
	}
	if ld.ending.torn > 0 {
		found.TornBytes, found.TornOffset = ld.ending.torn, ld.ending.end
		found.TornFile = x.segments[len(x.segments)-1].name
	}
	return found
}

// create begins a log.
func (l *Log) create(ld *loaded) error {
	if err := l.removeUnused(ld.unused); err != nil {
		return err
	}
	return l.roll(1, 0, false)
}

// repair makes what was recovered durable and finds the place to go on: behind the last record where only zeros
// follow, otherwise in a new file that fences off what follows.
func (l *Log) repair(ld *loaded) error {
	if err := l.removeUnused(ld.unused); err != nil {
		return err
	}
	l.index = ld.index
	s := l.index.segments[len(l.index.segments)-1]
	path := l.fs.PathJoin(l.options.Dir, s.name)
	file, err := l.fs.OpenReadWrite(path, category)
	if err != nil {
		return l.fail("open "+s.name, err)
	}
	e := ld.ending
	l.writer = writer{file: file, segment: s, offset: e.end}
	// What no mark covers was read, perhaps from memory only: a sync that failed may have left it clean there and absent
	// on disk. Writing the same bytes again makes the next sync real, and a crash in between is harmless.
	if _, err := file.WriteAt(slices.Clone(ld.tail[e.proven:e.end]), e.proven); err != nil {
		return l.fail("write "+s.name, err)
	}
	l.writer.unsynced = true
	if e.end != e.proven+size(markLen) { // more than the mark itself
		if err := file.Sync(); err != nil {
			return l.fail("sync "+s.name, err)
		}
		if err := vfs.SyncDir(l.fs, l.options.Dir); err != nil {
			return l.fail("sync "+s.name, err)
		}
		l.writer.unsynced, l.writer.unproven, l.writer.markDue = false, true, true
	}
	if e.torn > 0 {
		term, _ := l.index.term(l.index.last)
		if err := l.roll(l.index.last+1, term, false); err != nil {
			return err
		}
	}
	if !l.writer.markDue {
		return nil // closed cleanly, and nothing was written since
	}
	if err := l.Mark(); err != nil {
		return err
	}
	return l.sync()
}

// removeUnused removes files whose creation a crash interrupted, so that their names are free.
func (l *Log) removeUnused(names []string) error {
	for _, name := range names {
		if err := l.fs.Remove(l.fs.PathJoin(l.options.Dir, name)); err != nil {
			return l.fail("remove unused "+name, err)
		}
	}
	if len(names) == 0 {
		return nil
	}
	if err := vfs.SyncDir(l.fs, l.options.Dir); err != nil {
		return l.fail("remove unused files", err)
	}
	return nil
}
