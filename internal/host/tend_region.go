package host

import (
	"context"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/record"
)

// What a leader sees to for other regions.

// tellRegions enters where the members of the own region are, when the table says otherwise, and once in any case: a region of
// which nothing is known that it wrote isn't asked when numbers are given.
func (t *tending) tellRegions(ctx context.Context) {
	r := t.r
	all, _ := r.table()
	for i := range all {
		x := &all[i]
		if x.Number != r.base.identity.Region {
			continue
		}
		is := r.endpoints()
		if x.Removed || len(is.Members) == 0 || slices.Equal(x.Endpoints, is.Members) && r.wrote(x.Number) {
			return
		}
		// If it fails, it's tried again.
		_ = r.enter(ctx, []record.Proposed{{Kind: record.KindEndpoints, Endpoints: is}})
		return
	}
}

// seekEvery is between two questions to the addresses that the group was told, for where another region is.
const (
	seekEvery = 2 * time.Second
	seekBound = 500 * time.Millisecond // for an answer: the goroutine has more to do
)

// seekRegions asks the members of other regions that the group was told of, one a time, who and where they are, while a region
// isn't heard of: it may have moved. And it says where this member is, in case that is who has.
func (t *tending) seekRegions(ctx context.Context, mono int64) {
	r := t.r
	g := r.links.group
	if g.Region == nil || len(g.Region.Join) == 0 || t.sought != 0 && mono-t.sought < int64(seekEvery) {
		return
	}
	if !slices.ContainsFunc(r.Regions(), func(s RegionStatus) bool { return s.Unreachable }) {
		return
	}
	t.sought = mono
	t.askedFar = (t.askedFar + 1) % len(g.Region.Join)
	ctx, cancel := context.WithTimeout(ctx, seekBound)
	defer cancel()
	a, err := r.links.ask(ctx, g.Region.Join[t.askedFar], question{
		Kind: questionRegions, Wall: r.loop.now().Wall / 1e6, Address: r.links.address(), URL: g.URL,
	})
	if err != nil || a.err() != nil || a.Region == r.base.identity.Region {
		return // another one is asked next time
	}
	members := make([]RegionMember, len(a.Members))
	for i, m := range a.Members {
		members[i] = RegionMember{Number: m.Number, Address: m.Address, URL: m.URL}
	}
	r.links.moved(a.Region, members)
}
