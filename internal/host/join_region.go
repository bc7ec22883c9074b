package host

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// A new region's first member asks any member of another region for a number, which home gives. It then begins with a copy of
// the state of a member that knows of it already, since that state says where the other regions are.

// begin makes the directory of a new region's first member. The caller holds its lock, and it has no identity.
func (n *links) begin(ctx context.Context, opts *Options, c clock) (identity, error) {
	wait, cancel := context.WithTimeout(ctx, n.group.JoinTimeout)
	defer cancel()
	j, err := n.askAll(wait, func(address string) (*Joined, error) { return n.nameAt(wait, address, c) })
	if err != nil {
		return identity{}, err
	}
	// The members that know of the region: one at least, or who takes its place, will.
	var from []string
	_, err = n.askAll(wait, func(address string) (*Joined, error) {
		a, err := n.ask(wait, address, question{Kind: questionRegions, Wall: c.now().UnixMilli()})
		if err == nil {
			err = a.err()
		}
		if err == nil && !slices.ContainsFunc(a.Regions, func(s RegionStatus) bool { return s.Number == j.Region }) {
			err = fmt.Errorf("region %d isn't known there yet: %w", j.Region, fault.ErrNotLeader)
		}
		if err == nil {
			from = append(from, address)
		}
		return j, err
	})
	if err != nil {
		return identity{}, err
	}
	return bootstrap(ctx, n, opts, from, j)
}

// nameAt asks one address for a number.
func (n *links) nameAt(ctx context.Context, address string, c clock) (*Joined, error) {
	a, err := n.askWith(ctx, address, c, question{
		Kind: questionRegion, Address: n.address(), URL: n.group.URL, Name: n.group.Region.Name, Follower: n.group.Region.Follower,
	})
	if err != nil {
		return nil, err
	}
	if a.Replica != 1 {
		return nil, fault.Refuse("answer", "gives number %d to the first member of a region", a.Replica)
	}
	return &a.Joined, nil
}

// askAll asks the members of other regions that the group was told of, one after the other, until one answers.
func (n *links) askAll(ctx context.Context, ask func(address string) (*Joined, error)) (*Joined, error) {
	pause := time.NewTicker(joinPause)
	defer pause.Stop()
	var last error
	for {
		for _, address := range n.group.Region.Join {
			j, err := ask(address)
			if err == nil {
				return j, nil
			}
			if last = telling(ctx, last, fmt.Errorf("ask %s, to begin a region: %w", address, err)); final(err) {
				return nil, last
			}
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ctx.Err(), last)
		case <-n.quit:
			return nil, fault.ErrClosed
		}
	}
}
