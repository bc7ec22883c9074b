package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
)

// Loss is what [Cut] gave up.
type Loss struct {
	// Damage is each damage that was found, in the order in which it was dealt with. Empty: there was none.
	Damage []*fault.Corrupt
	// LastIndex is the last entry that is left, LastSeen the highest index of an entry that was recognised in what was
	// given up, 0 if none was; there may have been more.
	LastIndex, LastSeen uint64
	// SetAside names the files that were renamed, with their new names. They are never read again.
	SetAside []string
}

// Cut gives up everything behind the first damaged record of the log in dir, so that it can be opened again. It is
// for the operator who has no other copy: entries that were acknowledged are lost, and Raft's vote may be; in a
// group, the replica must come back under a new member id instead.
//
// No byte is overwritten: files behind the damage are renamed, and a new file fences off the rest of the damaged one.
// A log without damage is left as it is. Interrupted, Cut can be called again. It takes the lock.
func Cut(fsys vfs.FS, dir string) (Loss, error) {
	lock, err := vfs.Lock(fsys, dir)
	if err != nil {
		return Loss{}, fmt.Errorf("cut log: %w", err)
	}
	defer func() { _ = lock.Close() }()
	var loss Loss
	for {
		ld, err := load(fsys, dir, nil, nil)
		if err == nil {
			loss.LastIndex = ld.recovery().LastIndex
			return loss, nil
		}
		var c *fault.Corrupt
		if !errors.As(err, &c) {
			return loss, fmt.Errorf("cut log: %w", err)
		}
		if slices.ContainsFunc(loss.Damage, func(d *fault.Corrupt) bool { return *d == *c }) {
			return loss, fmt.Errorf("cut log: damage is still there after the cut: %w", err)
		}
		loss.Damage = append(loss.Damage, c)
		if err := cutAt(fsys, dir, ld, c, &loss); err != nil {
			return loss, fmt.Errorf("cut log: %w: %w", fault.ErrDisk, err)
		}
	}
}

// cutAt sets aside what follows the damaged file, newest first, so that an interruption leaves no gap; then the
// damaged file itself, when not even its first record is good, or what follows the damage in it.
func cutAt(fsys vfs.FS, dir string, ld *loaded, c *fault.Corrupt, loss *Loss) error {
	name := fsys.PathBase(c.File)
	later, err := laterFiles(fsys, dir, name)
	if err != nil {
		return err
	}
	if c.Offset == 0 {
		later = append(later, name)
	}
	for _, name := range later {
		if err := setAside(fsys, dir, name, loss); err != nil {
			return err
		}
	}
	if c.Offset == 0 {
		return nil
	}
	if err := loss.see(fsys, c.File, c.Offset); err != nil {
		return err
	}
	l := &Log{fs: fsys, index: ld.index, moved: make(chan struct{})}
	s := l.index.segments[len(l.index.segments)-1]
	// The file is valid up to the damage, also when the index was told of more.
	s.length = c.Offset
	l.options = Options{Dir: dir, Identity: s.header.identity, SegmentBytes: 1}
	l.writer.segment = s
	term, _ := l.index.term(l.index.last)
	if err := l.roll(l.index.last+1, term, false); err != nil {
		return err
	}
	return errors.Join(l.seal(), l.writer.file.Close())
}

// laterFiles returns the files created after the named one, newest first.
func laterFiles(fsys vfs.FS, dir, name string) ([]string, error) {
	type numbered struct {
		name     string
		sequence uint32
	}
	var files []numbered
	from := uint32(math.MaxUint32)
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	for _, other := range names {
		if !isSegmentName(other) {
			continue
		}
		sequence, err := sequenceOf(fsys, fsys.PathJoin(dir, other))
		if err != nil {
			return nil, err
		}
		if other == name {
			from = sequence
			continue
		}
		files = append(files, numbered{other, sequence})
	}
	if from == 0 {
		return nil, nil // the file has no record at all: nothing says what comes after it
	}
	files = slices.DeleteFunc(files, func(f numbered) bool { return f.sequence <= from })
	slices.SortFunc(files, func(a, b numbered) int { return int(int64(b.sequence) - int64(a.sequence)) })
	later := make([]string, len(files))
	for i, f := range files {
		later[i] = f.name
	}
	return later, nil
}

// sequenceOf returns the creation number of a file, from its first record or any other; 0 when none can be read.
func sequenceOf(fsys vfs.FS, path string) (sequence uint32, _ error) {
	if info, err := fsys.Stat(path); err != nil || info.Size() > maxFile {
		return 0, err
	}
	data, err := readFile(fsys, path, maxFile)
	if err != nil {
		return 0, err
	}
	findRecord(data, func(n uint32) bool { sequence = n; return true })
	return sequence, nil
}

// setAside renames a file so that it is no part of the log any more.
func setAside(fsys vfs.FS, dir, name string, loss *Loss) error {
	path := fsys.PathJoin(dir, name)
	if err := loss.see(fsys, path, 0); err != nil {
		return err
	}
	aside := name + cutSuffix
	for n := 2; ; n++ {
		_, err := fsys.Stat(fsys.PathJoin(dir, aside))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		aside = fmt.Sprintf("%s%s%d", name, cutSuffix, n)
	}
	if err := fsys.Rename(path, fsys.PathJoin(dir, aside)); err != nil {
		return err
	}
	loss.SetAside = append(loss.SetAside, aside)
	return vfs.SyncDir(fsys, dir)
}

// see notes the highest entry that can be recognised in a file from an offset on.
func (loss *Loss) see(fsys vfs.FS, path string, from int64) error {
	if info, err := fsys.Stat(path); err != nil || info.Size() > maxFile {
		return err
	}
	data, err := readFile(fsys, path, maxFile)
	if err != nil {
		return err
	}
	for at := from; at+headerLen <= int64(len(data)); at += align {
		if r, ok := peek(data[at:], 0); ok && r.kind.entry() {
			loss.LastSeen = max(loss.LastSeen, r.index)
		}
	}
	return nil
}
