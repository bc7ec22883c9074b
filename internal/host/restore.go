package host

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"time"

	"github.com/tidaldb/tidal/internal/backup"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
)

// RestoreOptions say how a backup is made a directory.
type RestoreOptions struct {
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
	// VerifyOnly makes the directory, checks it, and removes it again.
	VerifyOnly bool
	// UserMemory is as in [Options], for the check.
	UserMemory int64
	// SegmentBytes is the size of the log's files; 0 is the log's default.
	SegmentBytes int64
	// Tell is told what was made, once it was compared with the manifest; nil is nobody.
	Tell func(Restored)
}

// besides is what the name of the directory that a restore works in has at its end.
const besides = ".restoring"

// Restore makes a directory of what [Replica.Backup] wrote, whole or not at all, and returns its manifest, its size and the
// origin of what will be written there: a new incarnation, for behind the backup more may have been acknowledged.
//
// The directory must be missing or empty. All is written beside it, under its name with ".restoring" behind, opened there
// and compared with the manifest; only then it takes its place. What an interrupted restore left there is overwritten by
// the next. Two at a time for one directory are fault.ErrLocked. Every difference is a *fault.Corrupt that names the part
// and, where it is known, the offset in the stream.
func Restore(ctx context.Context, from io.Reader, dir string, opts RestoreOptions) (m backup.Manifest, size int64,
	now id.Origin, err error,
) {
	if opts.FS == nil {
		opts.FS = vfs.Default
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if dir, err = place(opts.FS, dir, opts.VerifyOnly); err != nil {
		return m, 0, now, err
	}
	work := dir + besides
	if err := vfs.MkdirAll(opts.FS, work); err != nil {
		return m, 0, now, fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	lock, err := vfs.Lock(opts.FS, work)
	if err != nil {
		return m, 0, now, err
	}
	x := &restorer{opts: opts, dir: work, segment: opts.SegmentBytes}
	if err = x.empty(); err == nil {
		err = x.build(ctx, from)
	}
	if err == nil && !opts.VerifyOnly {
		err = x.rename(dir)
	}
	if err != nil || opts.VerifyOnly {
		err = errors.Join(err, x.remove())
	}
	if cerr := lock.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return m, 0, now, err
	}
	return x.in.Manifest(), x.in.Offset(), x.who.origin(), nil
}

// place checks that a directory may be made at a path, and returns the path that no symbolic link leads away from.
func place(fsys vfs.FS, dir string, verifyOnly bool) (string, error) {
	if dir == "" {
		return "", fault.Refuse("dir", "is empty")
	}
	if fsys == vfs.Default {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
		dir = filepath.Clean(dir)
	}
	if verifyOnly {
		return dir, nil
	}
	info, err := fsys.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return dir, nil
	}
	if err != nil {
		return "", fmt.Errorf("look for %s: %w: %w", dir, fault.ErrDisk, err)
	}
	if !info.IsDir() {
		return "", fault.Refuse("dir", "%s is a file", dir)
	}
	names, err := fsys.List(dir)
	if err != nil {
		return "", fmt.Errorf("list %s: %w: %w", dir, fault.ErrDisk, err)
	}
	if len(names) > 0 {
		return "", fault.Refuse("dir", "%s isn't empty: it holds %q; a backup is restored into a directory that is missing or "+
			"empty", dir, names[0])
	}
	return dir, nil
}

// restorer makes one directory.
type restorer struct {
	opts RestoreOptions
	dir  string // that it works in
	in   *backup.Reader
	who  identity
	as   *newRegion // nil: the group goes on, under a new incarnation
	// segment is the size of the log's files; 0 is the log's default.
	segment int64
}

// empty removes what an interrupted restore left. The lock is held.
func (x *restorer) empty() error {
	names, err := x.opts.FS.List(x.dir)
	for _, name := range names {
		if err == nil && name != vfs.LockName {
			err = x.opts.FS.RemoveAll(x.opts.FS.PathJoin(x.dir, name))
		}
	}
	if err != nil {
		return fmt.Errorf("empty %s: %w: %w", x.dir, fault.ErrDisk, err)
	}
	return nil
}

func (x *restorer) remove() error {
	if err := x.opts.FS.RemoveAll(x.dir); err != nil {
		return fmt.Errorf("remove %s: %w: %w", x.dir, fault.ErrDisk, err)
	}
	return nil
}

// build reads the stream into files, and checks what they amount to.
func (x *restorer) build(ctx context.Context, from io.Reader) (err error) {
	if x.in, err = backup.NewReader(from); err != nil {
		return err
	}
	h := x.in.Head()
	if h.Replica == 0 {
		return fault.Damaged("backup, part head", 0, "replica 0; they count from 1")
	}
	if x.as != nil {
		x.who, err = x.as.identity(h)
	} else {
		x.who = identity{
			Format: 1, Cluster: hex.EncodeToString(h.Cluster[:]), Tenant: h.Tenant, Region: h.Region,
			Shard: h.Shard, Replica: h.Replica, Incarnation: nextLife(h.Incarnation, x.opts.Now()),
		}
	}
	if err != nil {
		return err
	}
	parts, err := x.begin(h)
	if err != nil {
		return err
	}
	err = parts.readAll(ctx, x.in)
	if cerr := parts.close(err == nil, x.in); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if x.as != nil {
		x.who.Format, x.who.Begins = 3, x.in.Manifest().Applied+1
	}
	if err := x.who.write(x.opts.FS, x.dir); err != nil {
		return err
	}
	return x.check()
}

// nextLife is the incarnation of what is written to a restored directory. The next number wouldn't do: a backup may be
// restored twice, and then both would give out the same positions. So it counts the seconds since 1970, or goes on from
// where it was if that is more. Who may do it twice within a second waits for the end of it.
func nextLife(was id.Incarnation, now time.Time) id.Incarnation {
	seconds := min(max(now.Unix(), 0), math.MaxUint32)
	return max(was+1, id.Incarnation(seconds))
}

// check opens what was made, as a reader does, and compares it with the manifest.
func (x *restorer) check() error {
	b, err := OpenBase(Options{FS: x.opts.FS, Dir: x.dir, ReadOnly: true, UserMemory: x.opts.UserMemory, Now: x.opts.Now})
	if err != nil {
		return fmt.Errorf("open what was restored: %w", err)
	}
	if err = x.compare(b); err == nil && x.opts.Tell != nil {
		x.opts.Tell(b.madeOf())
	}
	if cerr := b.Close(); err == nil {
		err = cerr
	}
	return err
}

func (x *restorer) compare(b *Base) error {
	m := x.in.Manifest()
	digest, err := b.Digest()
	if err != nil {
		return err
	}
	cells, err := b.DigestCells()
	if err != nil {
		return err
	}
	bad := func(what string, got, want any) error {
		return fault.Damaged("backup, part manifest", x.in.Offset(), "%s is %v, and that of what was restored is %v", what,
			want, got)
	}
	switch v := b.Engine.Vector(); {
	case !v.Equal(m.Vector):
		return bad("the vector", v, m.Vector)
	case digest != m.Digest:
		return bad("the digest", digest, m.Digest)
	case cells != m.Cells:
		return bad("the digest of cells", cells, m.Cells)
	case b.Engine.Counters().Signals != m.Signals:
		return bad("the number of signals", b.Engine.Counters().Signals, m.Signals)
	}
	return nil
}

// rename gives the directory its name. An empty one of that name goes first.
func (x *restorer) rename(dir string) error {
	fsys := x.opts.FS
	if _, err := fsys.Stat(dir); err == nil {
		if err := fsys.Remove(dir); err != nil {
			return fmt.Errorf("%s can't be replaced; restore into a folder that isn't there yet, such as one in it: %w: %w",
				dir, fault.ErrDisk, err)
		}
	}
	err := fsys.Rename(x.dir, dir)
	if err == nil {
		err = vfs.SyncDir(fsys, fsys.PathDir(dir))
	}
	if err != nil {
		return fmt.Errorf("give %s its name: %w: %w", dir, fault.ErrDisk, err)
	}
	return nil
}
