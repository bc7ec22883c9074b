package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
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

// Cut gives up everything behind the first damaged record of the log in dir, so that it can be opened again; of a
// damaged file whose entries are all among the first held ones, which somebody else holds too, it gives up what lies
// before its successor instead, and nothing is lost. It is for the operator who has no other copy: entries that were acknowledged are lost, and Raft's vote may be; in a
// group, the replica must come back under a new member id instead.
//
// No byte is overwritten: files behind the damage are renamed, and a new file fences off the rest of the damaged one.
// A log without damage is left as it is. Interrupted, Cut can be called again. It takes the lock.
func Cut(fsys vfs.FS, dir string, held uint64) (Loss, error) {
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
		front, err := frontFiles(fsys, dir, fsys.PathBase(c.File), held)
		for i := 0; err == nil && i < len(front); i++ {
			seen := loss.LastSeen // what is in them isn't lost
			err = setAside(fsys, dir, front[i], &loss)
			loss.LastSeen = seen
		}
		if err == nil && len(front) == 0 {
			err = cutAt(fsys, dir, ld, c, &loss)
		}
		if err != nil {
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
	files, at, err := inOrder(fsys, dir, name)
	if err != nil || at < 0 {
		return nil, err // the file has no record at all: nothing says what comes after it
	}
	later := files[at+1:]
	slices.Reverse(later)
	return later, nil
}

// frontFiles returns the named file and those created before it, the oldest first, if the file after it can be read and
// begins with an entry behind no more than the first held ones.
func frontFiles(fsys vfs.FS, dir, name string, held uint64) ([]string, error) {
	files, at, err := inOrder(fsys, dir, name)
	if err != nil || at < 0 || at+1 == len(files) || held == 0 {
		return nil, err
	}
	h, err := readHeader(fsys, fsys.PathJoin(dir, files[at+1]))
	if errors.Is(err, fault.ErrCorrupt) {
		return nil, nil
	}
	if err != nil || h.first > held+1 {
		return nil, err
	}
	return files[:at+1], nil
}

// inOrder returns the log's files in order of creation, and the place of the named one, −1 if that isn't known. Files
// whose place isn't known come first.
func inOrder(fsys vfs.FS, dir, name string) (files []string, at int, err error) {
	type numbered struct {
		name     string
		sequence uint32
	}
	names, err := fsys.List(dir)
	if err != nil {
		return nil, 0, err
	}
	var all []numbered
	for _, other := range names {
		if !isSegmentName(other) {
			continue
		}
		sequence, err := sequenceOf(fsys, fsys.PathJoin(dir, other))
		if err != nil {
			return nil, 0, err
		}
		all = append(all, numbered{other, sequence})
	}
	slices.SortStableFunc(all, func(a, b numbered) int { return cmp.Compare(a.sequence, b.sequence) })
	at = -1
	for i, f := range all {
		if files = append(files, f.name); f.name == name && f.sequence > 0 {
			at = i
		}
	}
	return files, at, nil
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
