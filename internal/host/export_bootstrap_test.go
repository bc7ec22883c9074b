package host

import (
	"context"
	"errors"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
)

// Begin fills a directory as that of a region's first member by a copy of somebody at one of some addresses, who belongs to the
// database of a replica.
func Begin(ctx context.Context, opts Options, region id.Region, of *Replica, from ...string) (err error) {
	opts.complete()
	if err := opts.Group.complete(); err != nil {
		return err
	}
	n, err := connect(opts.Group)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	if err := vfs.MkdirAll(opts.FS, opts.Dir); err != nil {
		return err
	}
	lock, err := vfs.Lock(opts.FS, opts.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	opts.Founder = consensus.Member{Address: n.address(), URL: opts.Group.URL}
	j := of.base.joined()
	j.Region, j.Replica, j.Incarnation = region, 1, 0
	_, err = bootstrap(ctx, n, &opts, from, &j)
	return err
}

// Pieces has a replica give copies in pieces of a size.
func Pieces(r *Replica, size int) { r.lends.piece = size }

// Lent is how many copies a replica has begun to give.
func Lent(r *Replica) int {
	return int(r.lends.count())
}
