package host

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/tidaldb/tidal/internal/backup"
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/vfs"
)

// An empty region begins with a copy of another one. Its first member pulls the backup stream of a member of that region,
// writes it into a folder of its own directory, opens it there as a reader would, and compares it with the stream's manifest.
// Then the folder is renamed, which says that it's whole, and its files are moved up, the identity last. So a crash leaves
// a directory without an identity: what was pulled in part is pulled again, and what was whole is moved up by whoever opens
// the directory next. What happened at the source since the copy was made comes by the regions' streams.

// The folders that a bootstrap works in.
const (
	bootstrapping = "bootstrap"
	bootstrapped  = "bootstrap.whole"
)

// bootstrap makes the first member's directory of the region that j says it was taken in as: by the state of a member of
// another region, asked for at the addresses of from, one after the other, until one gives a whole copy. The group has
// this member alone, under number 1, and incarnation 0.
//
// The caller holds the lock of opts.Dir, which has no identity; it has one when no error is returned. It takes as long
// as the copy does; an end to waiting is when no member has given anything for the group's JoinTimeout. Members that hold
// another database, or one too new to be read, and a disk that fails are errors at once.
func bootstrap(ctx context.Context, n *links, opts *Options, from []string, j *Joined) (identity, error) {
	x := &restorer{
		opts: RestoreOptions{FS: opts.FS, Now: opts.Now, UserMemory: opts.UserMemory},
		dir:  opts.FS.PathJoin(opts.Dir, bootstrapping), segment: opts.SegmentBytes,
		as: &newRegion{joined: j, founder: opts.Founder},
	}
	if err := n.pullInto(ctx, x, from, j); err != nil {
		return identity{}, err
	}
	whole := opts.FS.PathJoin(opts.Dir, bootstrapped)
	err := opts.FS.Rename(x.dir, whole)
	if err == nil {
		err = vfs.SyncDir(opts.FS, opts.Dir)
	}
	if err != nil {
		return identity{}, fmt.Errorf("rename %s: %w: %w", x.dir, fault.ErrDisk, err)
	}
	if _, err := moveUp(opts.FS, opts.Dir); err != nil {
		return identity{}, err
	}
	return readIdentity(opts.FS, opts.Dir)
}

// pullInto pulls copies until one is whole.
func (n *links) pullInto(ctx context.Context, x *restorer, from []string, j *Joined) error {
	if len(from) == 0 {
		return fault.Refuse("region.join", "names no member of another region to begin with the state of")
	}
	patience := newPatience(n.group.JoinTimeout)
	pause := time.NewTicker(joinPause)
	defer pause.Stop()
	for {
		var last error
		for _, address := range from {
			err := n.pullFrom(ctx, x, address, j, patience)
			if err == nil {
				return nil
			}
			last = fmt.Errorf("begin region %d with the state of %s: %w", j.Region, address, err)
			if ctx.Err() != nil || final(err) || errors.Is(err, fault.ErrFormatTooNew) || errors.Is(err, fault.ErrDisk) {
				return last
			}
		}
		if patience.over() {
			return last
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), last)
		case <-n.quit:
			return fault.ErrClosed
		}
	}
}

// pullFrom makes one attempt at one address, from the beginning.
func (n *links) pullFrom(ctx context.Context, x *restorer, address string, j *Joined, p *patience) error {
	if err := vfs.MkdirAll(x.opts.FS, x.dir); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	if err := x.empty(); err != nil {
		return err
	}
	in := &pulled{ctx: ctx, links: n, address: address, region: j.Region, patience: p}
	if n.group.Log != nil {
		n.group.Log.Info("begins with the state of another region", "from", address, "region", uint16(j.Region))
	}
	err := x.build(ctx, in)
	if err == nil {
		n.pulled.Add(1)
	}
	if err == nil && n.group.Log != nil {
		m := x.in.Manifest()
		n.group.Log.Info("has the state of another region", "from", address, "bytes", x.in.Offset(), "signals", m.Signals)
	}
	return err
}

// newRegion is what a copy is made, in the place of the group that it was made of.
type newRegion struct {
	joined  *Joined
	founder consensus.Member
}

// identity is that of the founder's directory.
func (r *newRegion) identity(h backup.Head) (identity, error) {
	j := r.joined
	if h.Cluster != j.Cluster || h.Tenant != j.Tenant || h.Shard != j.Shard || h.Region == j.Region {
		return identity{}, fmt.Errorf("what came is of cluster %x, tenant %q, group %d/%d, and region %d of cluster %x, tenant %q "+
			"can't begin with it: %w", h.Cluster, h.Tenant, h.Region, h.Shard, j.Region, j.Cluster, j.Tenant, fault.ErrForeign)
	}
	return identity{
		Format: 1, Cluster: hex.EncodeToString(j.Cluster[:]), Tenant: j.Tenant, Region: j.Region, Shard: j.Shard, Replica: 1,
	}, nil
}

// meta is what the checkpoint says of itself: the instant is the copied group's, the members are our own.
func (r *newRegion) meta(m store.Meta) (store.Meta, error) {
	self := r.founder
	self.Number, self.Learner = 1, false
	members, err := consensus.Founded(self)
	if err != nil {
		return m, err
	}
	own := id.Origin{Region: r.joined.Region, Shard: r.joined.Shard}
	if m.Vector.Get(own) > 0 {
		return m, fault.Damaged("", 0, "it has events of region %d, which is about to begin", own.Region)
	}
	m.Incarnation, m.Configuration = 0, members.AppendBinary(nil)
	return m, nil
}

// waitsToMoveUp reports whether a bootstrap was interrupted when its copy was whole.
func waitsToMoveUp(fsys vfs.FS, dir string) bool {
	_, err := fsys.Stat(fsys.PathJoin(dir, bootstrapped))
	return err == nil
}

// moveUp moves what a bootstrap has made whole to where it belongs, the identity last, and reports whether there was
// something. The caller holds the directory's lock.
func moveUp(fsys vfs.FS, dir string) (bool, error) {
	from := fsys.PathJoin(dir, bootstrapped)
	names, err := fsys.List(from)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = moveAll(fsys, from, dir, names)
	}
	if err == nil {
		err = fsys.RemoveAll(from)
	}
	if err == nil {
		err = vfs.SyncDir(fsys, dir)
	}
	if err != nil {
		return true, fmt.Errorf("move up what lies in %s: %w: %w", from, fault.ErrDisk, err)
	}
	return true, nil
}

// moveAll moves all files of a folder, and what has an identity is whole. Both folders are made durable before that moves, so
// that nothing is in neither after a crash.
func moveAll(fsys vfs.FS, from, to string, names []string) error {
	has := false
	for _, name := range names {
		if name == identityName {
			has = true
			continue
		}
		if name == vfs.LockName {
			continue
		}
		// Of what is in both places after a crash, the one that isn't moved is whole.
		err := fsys.RemoveAll(fsys.PathJoin(to, name))
		if err == nil {
			err = fsys.Rename(fsys.PathJoin(from, name), fsys.PathJoin(to, name))
		}
		if err != nil {
			return err
		}
	}
	if !has {
		return nil // it was moved before, and what is left is the empty folder
	}
	err := errors.Join(vfs.SyncDir(fsys, to), vfs.SyncDir(fsys, from))
	if err == nil {
		err = fsys.Rename(fsys.PathJoin(from, identityName), fsys.PathJoin(to, identityName))
	}
	if err == nil {
		err = vfs.SyncDir(fsys, to)
	}
	return err
}
