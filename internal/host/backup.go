package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/tidaldb/tidal/internal/backup"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/wal"
)

// BackupOptions say what a backup holds.
type BackupOptions struct {
	// WithoutLog leaves out what the log holds from before the checkpoint.
	WithoutLog bool
	// LogBytes is how much of that is in it at most, the newest whole files; 0 is no limit.
	LogBytes int64
}

// Backup writes a copy of what is there now, as package backup describes it, and returns its manifest and its size. Writes
// go on meanwhile, and nothing is locked while w is written to; Close ends it with fault.ErrClosed.
//
// A replica that writes makes a checkpoint first, and the copy is of that: what was applied when Backup was called is in
// it. From there on the checkpoint stays as it is for the copy alone, and so does the log, from its beginning. The digests are
// computed of the records as they go by.
//
// One that reads copies the checkpoint that it found, and the log behind it, up to what it saw when it was opened.
func (r *Replica) Backup(ctx context.Context, w io.Writer, opts BackupOptions) (backup.Manifest, int64, error) {
	ctx, done, err := r.copies.begin(ctx)
	if err != nil {
		return backup.Manifest{}, 0, err
	}
	defer done()
	if r.loop != nil {
		if err := r.Checkpoint(ctx); err != nil {
			return backup.Manifest{}, 0, ended(ctx, err)
		}
	}
	c := &copier{base: r.base, ctx: ctx}
	if err := c.prepare(opts); err != nil {
		return backup.Manifest{}, 0, errors.Join(err, c.close())
	}
	m, n, err := c.write(w)
	if cerr := c.close(); err == nil {
		err = cerr
	}
	return m, n, ended(ctx, err)
}

// ended returns why a context ended, if it is that what err says.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}

// copier writes one backup.
type copier struct {
	base     *Base
	ctx      context.Context
	unpin    func()
	snapshot *store.Snapshot // nil: there is no checkpoint, and the log is whole
	head     backup.Head
	manifest backup.Manifest
}

// prepare pins what is copied, and finds out what it amounts to, as far as that isn't learned by copying.
func (c *copier) prepare(opts BackupOptions) (err error) {
	b := c.base
	who, err := b.identity.wal()
	if err != nil {
		return err
	}
	c.head = backup.Head{
		Cluster: who.Cluster, Tenant: who.Tenant, Region: who.Region, Shard: who.Shard, Replica: who.Replica,
		Incarnation: b.identity.Incarnation,
	}
	first, unpin := b.pinLog()
	c.unpin = unpin
	if s := b.store.Load(); s != nil {
		if err = c.pinStore(s); err != nil {
			return err
		}
	}
	c.manifest.At = b.opts.Now()
	c.head.After = first - 1
	switch {
	case opts.WithoutLog:
		c.head.After = c.head.Stored
	case opts.LogBytes == 0: // whoever joins what is restored would be sent what isn't their group's
		c.head.After = max(c.head.After, min(c.head.Stored, max(b.identity.Begins, 1)-1))
	default:
		c.head.After = max(c.head.After, min(c.head.Stored, behindNewest(b.Log.Files(), opts.LogBytes)))
	}
	switch {
	case b.opts.ReadOnly:
		err = c.asOpened()
	case c.snapshot == nil:
		err = fmt.Errorf("nothing was written yet: %w", fault.ErrNotFound)
	default:
		m := c.snapshot.Meta()
		c.manifest.Applied, c.manifest.Term, c.manifest.Vector = m.Applied, m.Term, m.Vector
	}
	if err != nil {
		return err
	}
	c.manifest.Current = max(b.Log.HardState().Term, c.manifest.Term)
	if c.head.AfterTerm, err = b.Log.Term(c.head.After); err != nil {
		return fmt.Errorf("copy the log behind entry %d: %w", c.head.After, err)
	}
	return nil
}

// behindNewest is the entry behind which a log's newest files begin that have so many bytes together, or fewer.
func behindNewest(files []wal.File, limit int64) uint64 {
	for i := len(files) - 1; i >= 0; i-- {
		if limit -= files[i].Bytes; limit < 0 {
			return files[i].Last
		}
	}
	return 0
}

// pinStore takes a snapshot of the checkpoint. One that was made and never flushed, because the database was closed just
// then, holds nothing, and the log is whole: it is as good as none.
func (c *copier) pinStore(s *store.Store) (err error) {
	if c.snapshot, err = s.Snapshot(); err != nil {
		return err
	}
	if c.head.Stored = c.snapshot.Meta().Applied; c.head.Stored > 0 {
		return nil
	}
	err = c.snapshot.Close()
	c.snapshot = nil
	return err
}

// asOpened describes what a reader saw when it opened: nothing has changed since.
func (c *copier) asOpened() (err error) {
	b, m := c.base, &c.manifest
	m.Applied = b.Log.LastIndex()
	if m.Term, err = b.Log.Term(m.Applied); err != nil {
		return err
	}
	if m.Digest, err = b.Digest(); err != nil {
		return err
	}
	if m.Cells, err = b.DigestCells(); err != nil {
		return err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	m.Vector, m.Signals = b.Engine.Vector(), b.Engine.Counters().Signals
	return nil
}

func (c *copier) close() (err error) {
	if c.snapshot != nil {
		err = c.snapshot.Close()
	}
	if c.unpin != nil {
		c.unpin()
	}
	return err
}

// write writes the parts in order.
func (c *copier) write(to io.Writer) (backup.Manifest, int64, error) {
	w, err := backup.NewWriter(to, c.head)
	for _, part := range []func(*backup.Writer) error{c.keys, c.store, c.log} {
		if err == nil {
			err = part(w)
		}
	}
	if err != nil {
		return backup.Manifest{}, w.Bytes(), err
	}
	m, err := w.Close(c.manifest)
	return m, w.Bytes(), err
}

// keys copies the file of keys, if there is one.
func (c *copier) keys(w *backup.Writer) error {
	fsys := c.base.opts.FS
	path := fsys.PathJoin(c.base.opts.Dir, keysName)
	list, err := readKeys(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return w.Keys(encodeKeys(list))
}

// store copies the checkpoint and, for the copy of a replica that writes, sums up what it holds.
func (c *copier) store(w *backup.Writer) error {
	if c.snapshot == nil {
		return nil
	}
	put := func(chunk []byte) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		return w.Chunk(chunk)
	}
	if c.base.opts.ReadOnly {
		return c.snapshot.Each(put, nil, nil)
	}
	var sum state.Summing
	var failed error
	err := c.snapshot.Each(put, func(r *store.Record) {
		sum.Add(r.OwnerKind, r.Owner, r.Generation, r.Kind, r.Sub, r.Value)
	}, func(key, value []byte) {
		if n, ok, err := engine.StoredCounters(key, value); err != nil {
			failed = err
		} else if ok {
			c.manifest.Signals = n.Signals
		}
	})
	c.manifest.Digest, c.manifest.Cells = sum.Digests()
	return errors.Join(err, failed)
}

// copyBytes is how much of the log is read at a time.
const copyBytes = 1 << 20

// log copies the entries that are due.
func (c *copier) log(w *backup.Writer) error {
	last := c.manifest.Applied
	for next := c.head.After + 1; next <= last; {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		entries, err := c.base.Log.Entries(next, last+1, copyBytes)
		if err != nil {
			return fmt.Errorf("copy the log at entry %d: %w", next, err)
		}
		for i := range entries {
			if err := w.Entry(&entries[i]); err != nil {
				return err
			}
		}
		next += uint64(len(entries))
	}
	return nil
}
