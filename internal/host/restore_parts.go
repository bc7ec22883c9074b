package host

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidaldb/tidal/internal/backup"
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
)

// restoring are the files that the frames of a backup go into.
type restoring struct {
	fsys vfs.FS
	dir  string
	head backup.Head
	as   *newRegion // nil: the group goes on
	log  *wal.Log
	// The checkpoint, nil when the backup has none.
	store     *store.Store
	installer *store.Installer // nil once it is installed
}

// begin makes an empty log, and an empty checkpoint if there is to be one.
func (x *restorer) begin(h backup.Head) (*restoring, error) {
	p := &restoring{fsys: x.opts.FS, dir: x.dir, head: h, as: x.as}
	who, err := x.who.wal()
	if err != nil {
		return nil, err
	}
	p.log, _, err = wal.Open(wal.Options{FS: p.fsys, Dir: p.fsys.PathJoin(p.dir, logDir), Identity: who, SegmentBytes: x.segment})
	if err != nil {
		return nil, err
	}
	if h.After > 0 {
		err = p.log.Reset(h.After, h.AfterTerm)
	}
	if err == nil && h.Stored > 0 {
		err = p.beginStore(store.Identity{Cluster: who.Cluster, Tenant: who.Tenant, Region: who.Region, Shard: who.Shard})
	}
	if err != nil {
		return nil, errors.Join(err, p.close(false, nil))
	}
	return p, nil
}

func (p *restoring) beginStore(who store.Identity) (err error) {
	p.store, err = store.Open(store.Options{FS: p.fsys, Dir: p.fsys.PathJoin(p.dir, storeDir), Identity: who})
	if err == nil {
		p.installer, err = p.store.Installer()
	}
	if err == nil && p.as != nil {
		p.installer.Adopt(p.as.meta)
	}
	return err
}

// readAll reads frames until the stream was found to be whole.
func (p *restoring) readAll(ctx context.Context, in *backup.Reader) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.take(&f); err != nil {
			return located(err, f.Part, f.Offset)
		}
	}
}

func (p *restoring) take(f *backup.Frame) error {
	switch f.Part {
	case backup.PartKeys:
		list, err := decodeKeys("", f.Payload)
		if err != nil {
			return err
		}
		return writeKeys(p.fsys, p.fsys.PathJoin(p.dir, keysName), list)
	case backup.PartStore:
		if p.installer == nil {
			return fault.Damaged("", 0, "the head says that there is no checkpoint")
		}
		return p.installer.Add(f.Payload)
	case backup.PartLog:
		if p.as != nil {
			otherGroup(f.Entries)
		}
		return p.log.Append(f.Entries, nil)
	}
	return nil
}

// otherGroup takes out of entries who was in the group that made them.
func otherGroup(entries []wal.Entry) {
	for i := range entries {
		if e := &entries[i]; e.Kind == wal.KindConfiguration {
			*e = wal.Entry{Kind: wal.KindEmpty, Term: e.Term, Index: e.Index}
		}
	}
}

// located gives damage that was found in a frame its place in the stream.
func located(err error, part backup.Part, offset int64) error {
	var c *fault.Corrupt
	switch {
	case errors.As(err, &c):
		return fault.Damaged("backup, part "+part.String(), offset, "%s", c.Reason)
	case errors.Is(err, fault.ErrGap), errors.Is(err, fault.ErrForeign):
		return fault.Damaged("backup, part "+part.String(), offset, "%v", err)
	}
	return err
}

// close makes everything durable if the stream was whole, and releases the files.
func (p *restoring) close(whole bool, in *backup.Reader) (err error) {
	if whole {
		err = p.finish(in)
	}
	if p.installer != nil {
		err = errors.Join(err, p.installer.Abort())
	}
	if p.store != nil {
		err = errors.Join(err, p.store.Close())
	}
	return errors.Join(err, p.log.Close())
}

// finish enters what the parts amount to.
func (p *restoring) finish(in *backup.Reader) error {
	m := in.Manifest()
	if p.installer != nil {
		if got := p.installer.Meta(); got.Applied != p.head.Stored {
			return fault.Damaged("backup, part store", in.Offset(), "it is of entry %d, and should be of %d", got.Applied,
				p.head.Stored)
		}
		err := p.installer.Finish()
		if errors.Is(err, fault.ErrGap) {
			return located(err, backup.PartStore, in.Offset())
		}
		p.installer = nil // also where that failed
		if err != nil {
			return fmt.Errorf("restore the checkpoint: %w", err)
		}
	}
	var alone []wal.Entry
	if p.as == nil { // a new region's group has its founder alone by its checkpoint
		var err error
		if alone, err = p.alone(m.Applied, m.Current); err != nil {
			return fmt.Errorf("restore the log: %w", err)
		}
	}
	err := p.log.Append(alone, &wal.HardState{Term: m.Current, Commit: m.Applied + uint64(len(alone))})
	if err != nil {
		return fmt.Errorf("restore the log: %w", err)
	}
	if err := p.log.Sync(); err != nil {
		return fmt.Errorf("restore the log: %w", err)
	}
	return p.log.Release(p.head.After + 1) // the file with which it began holds nothing
}

// alone are the entries that leave out the other members of the group that the copy was made of: they go on with what they
// have, or are gone, and what is restored is a database of its own.
func (p *restoring) alone(applied, term uint64) ([]wal.Entry, error) {
	var m consensus.Members
	stored := uint64(0)
	if p.store != nil {
		meta := p.store.Meta()
		stored = meta.Applied
		var err error
		if m, err = consensus.DecodeMembers(meta.Configuration); err != nil {
			return nil, err
		}
	}
	err := eachEntry(p.log, stored+1, func(e consensus.Entry) (err error) {
		m, err = m.After(e)
		return err
	})
	if err != nil || m.Highest() == 0 {
		return nil, err
	}
	self, _ := m.Get(p.head.Replica)
	changes, err := consensus.Alone(m, consensus.Member{Number: p.head.Replica, Address: self.Address, URL: self.URL}, applied, term)
	out := make([]wal.Entry, len(changes))
	for i, e := range changes {
		out[i] = wal.Entry{Kind: toLog(e.Kind), Term: e.Term, Index: e.Index, Data: e.Data}
	}
	return out, err
}
