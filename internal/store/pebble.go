package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
)

// Options say where a store is and what it may use. They don't change after [Open].
type Options struct {
	// FS is the disk; nil takes vfs.Default.
	FS vfs.FS
	// Dir is the store's own directory; it is made when it doesn't exist. The caller holds a lock on it, or on a
	// directory above.
	Dir string
	// Identity is the group's. A directory with another one is fault.ErrForeign.
	Identity Identity
	// CacheBytes is the memory for blocks read, 0 for 64 MiB; at least 1 MiB.
	CacheBytes int64
	// MemtableBytes is the size at which commits are written to disk unasked, 0 for 32 MiB; up to four wait at a
	// time. At least 64 KiB.
	MemtableBytes uint64
	// ReadOnly opens what is there and changes nothing; a directory without a store is fault.ErrNotFound, and one that
	// somebody has open is fault.ErrLocked.
	ReadOnly bool
}

const (
	defaultCache    = 64 << 20
	defaultMemtable = 32 << 20
	memtables       = 4
)

// majorVersion is the version of Pebble's files. Raising it can't be undone, so it is raised on purpose only.
const majorVersion = pebble.FormatColumnarBlocks

// Open opens the store of a directory, or makes one. Databases that a crash left half-installed are removed.
//
// A store of another group is [fault.ErrForeign], a newer program's [fault.ErrFormatTooNew], one of an older version
// [fault.ErrFormatTooOld], and damage a *fault.Corrupt; each names the directory.
func Open(o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCache
	}
	if o.MemtableBytes == 0 {
		o.MemtableBytes = defaultMemtable
	}
	if o.CacheBytes < 1<<20 || o.MemtableBytes < 64<<10 || o.Dir == "" {
		return nil, fault.Refuse("store", "directory %q, cache of %d bytes (at least 1 MiB), memtables of %d (64 KiB)",
			o.Dir, o.CacheBytes, o.MemtableBytes)
	}
	m, err := prepare(o)
	if err != nil {
		return nil, err
	}
	f, err := openForm(o, m)
	if err != nil {
		return nil, err
	}
	s, err := start(o.Dir, o.Identity, f)
	if err == nil && !o.ReadOnly {
		// Only now is it sure that the others aren't needed.
		err = m.sweep(o.FS, o.Dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return s, nil
}

// prepare finds out which database counts, or makes the directory of a first one.
func prepare(o Options) (manifest, error) {
	if !o.ReadOnly {
		if err := vfs.MkdirAll(o.FS, o.Dir); err != nil {
			return manifest{}, err
		}
	}
	m, found, err := readManifest(o.FS, o.Dir, o.Identity)
	switch {
	case err != nil:
		return m, err
	case !found && o.ReadOnly:
		return m, fmt.Errorf("%s holds no store: %w", o.Dir, fault.ErrNotFound)
	case !found:
		// The manifest is written before its database: one alone is an empty store, a database alone is damage.
		m = newManifest(o.Identity, 1)
		return m, m.write(o.FS, o.Dir)
	}
	path := m.database(o.FS, o.Dir)
	if _, err := o.FS.Stat(path); errors.Is(err, fs.ErrNotExist) {
		switch {
		case m.Current > 1:
			return m, fault.Damaged(path, 0, "the database that %s names is missing", manifestName)
		case o.ReadOnly:
			return m, fmt.Errorf("%s holds no store yet: %w", o.Dir, fault.ErrNotFound)
		}
	}
	return m, nil
}

// pebbleForm is the form on disk: one Pebble database in a directory of its own.
type pebbleForm struct {
	o        Options
	manifest manifest
	dir      string
	db       *pebble.DB
	cache    *pebble.Cache
	watch    *watch
	remove   bool // at close
}

func openForm(o Options, m manifest) (*pebbleForm, error) {
	f := &pebbleForm{o: o, manifest: m, dir: m.database(o.FS, o.Dir), watch: newWatch()}
	if !o.ReadOnly {
		if err := vfs.MkdirAll(o.FS, f.dir); err != nil {
			return nil, err
		}
	}
	f.cache = pebble.NewCache(o.CacheBytes)
	err := f.watch.guard(func() (err error) {
		f.db, err = pebble.Open(f.dir, f.options())
		return err
	})
	if err != nil {
		f.cache.Unref()
		switch {
		case vfs.Held(err):
			return nil, fmt.Errorf("%w: %s (%w)", fault.ErrLocked, f.dir, err)
		case o.ReadOnly && m.Current == 1 && errors.Is(err, pebble.ErrDBDoesNotExist):
			// A process ended when it had written the manifest and not its first database.
			return nil, fmt.Errorf("%s holds no store yet: %w", o.Dir, fault.ErrNotFound)
		}
		return nil, f.damage("open", err)
	}
	return f, nil
}

// options are all that matter, spelled out: Pebble's defaults are for tests of its own.
func (f *pebbleForm) options() *pebble.Options {
	out := &pebble.Options{
		FS:                          orderedFS{f.o.FS},
		Cache:                       f.cache,
		MemTableSize:                f.o.MemtableBytes,
		MemTableStopWritesThreshold: memtables,
		FormatMajorVersion:          majorVersion,
		Merger:                      operator(),
		ReadOnly:                    f.o.ReadOnly,
		DisableWAL:                  true, // the group's log is that, and Meta says where to go on in it
		L0CompactionThreshold:       8,    // each compaction of random keys rewrites most of the last level
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                1000,
		Logger:                      f.watch,
		EventListener: &pebble.EventListener{
			BackgroundError: f.watch.fail,
			// Without this damage that a reader meets would be fatal. The reader gets an error as well.
			DataCorruption: func(info pebble.DataCorruptionInfo) { f.watch.damaged(info.Path) },
		},
	}
	// Whoever opens a store reads all of it, once: what single reads suggest is no reason to compact.
	out.Experimental.ReadSamplingMultiplier = -1
	for i := range out.Levels {
		l := &out.Levels[i]
		l.BlockSize, l.IndexBlockSize = 32<<10, 256<<10
		// Records are walked and hardly ever looked up, so there are no filters. Stronger compression takes as much
		// time as all the merging, and more without cgo.
		l.Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	return out
}

func (f *pebbleForm) commit(b *Batch) error {
	// Pebble gets a copy: guard may come back while it still reads.
	pb := f.db.NewBatchWithSize(len(b.bytes) + opOverhead*(len(b.ops)+1))
	err := b.all(b.sorted(), func(kind opKind, key, value []byte) error {
		switch kind {
		case opSet:
			return pb.Set(key, value, nil)
		case opMerge:
			return pb.Merge(key, value, nil)
		case opDelete:
			return pb.Delete(key, nil)
		case opDeleteRange:
			return pb.DeleteRange(key, value, nil)
		}
		panic(fmt.Sprintf("store: operation %d", kind))
	})
	if err != nil {
		return err
	}
	return f.watch.guard(func() error { return errors.Join(pb.Commit(pebble.NoSync), pb.Close()) })
}

func (f *pebbleForm) flush() error {
	return f.watch.guard(func() error {
		done, err := f.db.AsyncFlush()
		if err != nil {
			return err
		}
		// Pebble tries a flush that fails again, for ever; guard knows that it failed.
		select {
		case <-done:
			return nil
		case <-f.watch.failed:
			return f.watch.why()
		}
	})
}

func (f *pebbleForm) begin() (form, error) {
	m := f.manifest
	m.Current++
	if err := f.o.FS.RemoveAll(m.database(f.o.FS, f.o.Dir)); err != nil {
		return nil, fmt.Errorf("remove what an install left: %w", err)
	}
	next, err := openForm(f.o, m)
	if err != nil {
		return nil, err
	}
	next.remove = true
	return next, nil
}

func (f *pebbleForm) adopt(next form) error {
	n := next.(*pebbleForm)
	if err := n.flush(); err != nil {
		return err
	}
	// A write that fails may have replaced the file all the same, so neither database is removed then: the next Open
	// learns which one counts.
	n.remove = false
	if err := n.manifest.write(f.o.FS, f.o.Dir); err != nil {
		return err
	}
	f.remove = true
	return nil
}

// close gives the database up. After Pebble's own end (see [watch]) its files and its lock stay until the process
// ends: nothing else may write there meanwhile.
func (f *pebbleForm) close() error {
	select {
	case <-f.watch.ended:
		return nil
	default:
	}
	done := make(chan error, 1)
	go func() {
		err := f.db.Close()
		f.cache.Unref()
		if f.remove && err == nil {
			err = f.o.FS.RemoveAll(f.dir)
		}
		done <- err
	}()
	var err error
	select {
	case err = <-done:
	case <-f.watch.ended: // while Pebble tried once more what had failed: its Close waits for ever
		return nil
	}
	select {
	case <-f.watch.failed:
		return nil // the failure was told when it happened
	default:
	}
	if err != nil {
		return fmt.Errorf("close %s: %w", f.dir, err)
	}
	return nil
}

// damage turns Pebble's word for damage into ours.
func (f *pebbleForm) damage(verb string, err error) error {
	switch {
	case err == nil:
		return nil
	case pebble.IsCorruptionError(err):
		return fault.Damaged(cmp.Or(f.watch.file(), f.dir), 0, "%s: %v", verb, err)
	}
	return fmt.Errorf("%s %s: %w", verb, f.dir, err)
}

func (f *pebbleForm) view() (view, error) { return pebbleView{f, f.db.NewSnapshot()}, nil }

type pebbleView struct {
	form *pebbleForm
	snap *pebble.Snapshot
}

func (v pebbleView) get(key []byte) ([]byte, bool, error) {
	b, closer, err := v.snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, v.form.damage("read", err)
	}
	out := append([]byte{}, b...)
	return out, true, v.form.damage("read", closer.Close())
}

func (v pebbleView) scan(from, to []byte) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		it, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
		if err != nil {
			yield(pair{}, v.form.damage("read", err))
			return
		}
		for ok := it.First(); ok; ok = it.Next() {
			value, err := it.ValueAndErr()
			if err != nil {
				break // Close tells it again
			}
			if !yield(pair{it.Key(), value}, nil) {
				_ = it.Close()
				return
			}
		}
		if err := it.Close(); err != nil {
			yield(pair{}, v.form.damage("read", err))
		}
	}
}

// cuts takes tables as samples: most are a few MiB of neighbouring keys.
func (v pebbleView) cuts(n int) [][]byte {
	levels, err := v.form.db.SSTables()
	if err != nil {
		return nil // whoever reads learns what's wrong
	}
	var tables []weighed
	for _, level := range levels {
		for _, t := range level {
			tables = append(tables, weighed{t.Smallest.UserKey, t.Size})
		}
	}
	slices.SortFunc(tables, func(a, b weighed) int { return bytes.Compare(a.key, b.key) })
	return cutsOf(tables, n)
}

func (v pebbleView) close() error { return v.form.damage("close view of", v.snap.Close()) }

// watch is how Pebble's failures reach us. It reports those of its goroutines to an event listener and goes on trying;
// where it can't go on, as when its MANIFEST can't be written, it calls Fatalf, from which it doesn't expect to come
// back: the calling goroutine, its or guard's, ends there, and whoever waits for it is told here. Reads call Fatalf
// only where Pebble finds a mistake of its own.
type watch struct {
	failed chan struct{} // closed at the first failure
	ended  chan struct{} // closed by Fatalf

	mu   sync.Mutex
	err  error
	end  bool
	path string // of a file in which damage was found
}

func newWatch() *watch { return &watch{failed: make(chan struct{}), ended: make(chan struct{})} }

// guard runs f, which calls Pebble, and returns early when Pebble fails meanwhile: f may never come back then.
func (w *watch) guard(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-w.failed:
		return w.why()
	}
}

func (w *watch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	if pebble.IsCorruptionError(err) {
		err = fault.Damaged(w.path, 0, "%v", err)
	}
	w.err = fmt.Errorf("%w: %w", fault.ErrDisk, err)
	close(w.failed)
}

func (w *watch) damaged(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.path = path
}

// file returns the file in which damage was found last, "" if none was.
func (w *watch) file() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.path
}

func (w *watch) why() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Infof and Errorf are of no interest: what matters is returned or goes to fail.
func (w *watch) Infof(string, ...any) {}

// Errorf see Infof.
func (w *watch) Errorf(string, ...any) {}

// Fatalf ends the calling goroutine, and the use of this database.
func (w *watch) Fatalf(format string, args ...any) {
	w.fail(fmt.Errorf(format, args...)) //nolint:govet // Pebble's format
	w.mu.Lock()
	if !w.end {
		w.end = true
		close(w.ended)
	}
	w.mu.Unlock()
	runtime.Goexit()
}
