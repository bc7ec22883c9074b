package host

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
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

// seekRegions asks members of other regions, one a time, who and where they are, while a region isn't heard of: it may have moved,
// or been taken back to before it heard of this one. And it says where this member is, in case that is who has moved.
func (t *tending) seekRegions(ctx context.Context, mono int64) {
	r := t.r
	if t.sought != 0 && mono-t.sought < int64(seekEvery) {
		return
	}
	t.sought = mono
	addresses, name := r.whereToSeek()
	if len(addresses) == 0 {
		return
	}
	t.askedFar = (t.askedFar + 1) % len(addresses)
	ctx, cancel := context.WithTimeout(ctx, seekBound)
	defer cancel()
	a, err := r.links.ask(ctx, addresses[t.askedFar], question{
		Kind: questionRegions, Wall: r.loop.now().Wall / 1e6, Name: name, Address: r.links.address(), URL: r.links.group.URL,
	})
	if err == nil {
		err = a.err()
	}
	if errors.Is(err, fault.ErrForeign) {
		t.warn(addresses[t.askedFar], err)
	}
	if err != nil || a.Region == r.base.identity.Region {
		return // another one is asked next time
	}
	members := make([]RegionMember, len(a.Members))
	for i, m := range a.Members {
		members[i] = RegionMember{Number: m.Number, Address: m.Address, URL: m.URL}
	}
	r.links.moved(a.Region, members)
}

// warn says, once, that somebody takes this region for another one.
func (t *tending) warn(address string, err error) {
	if log := t.r.links.group.Log; log != nil && t.warned != err.Error() {
		t.warned = err.Error()
		log.Warn("refused by another region", slog.String("address", address), slog.String("why", err.Error()))
	}
}

// whereToSeek are the addresses of regions that aren't heard of, with those that the group was told, and what the own region is
// called; none while all are heard of. A table without anybody may be an old one.
func (r *Replica) whereToSeek() (addresses []string, name string) {
	all := r.Regions()
	lost := len(all) == 0
	for i := range all {
		s := &all[i]
		if s.Own {
			name = s.Name
		}
		if !s.Unreachable {
			continue
		}
		lost = true
		for _, m := range s.Members {
			if m.Address != "" {
				addresses = append(addresses, m.Address)
			}
		}
	}
	if g := r.links.group; lost && g.Region != nil {
		addresses = append(addresses, g.Region.Join...)
	}
	return addresses, name
}
