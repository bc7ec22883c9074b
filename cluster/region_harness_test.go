package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/transport/pair"
)

// world is some regions on one network. The first is the founder, "us-east".
type world struct {
	t       *testing.T
	net     *pair.Network
	regions []*fleet
	// silence is after how long without word a region counts as not reachable. It's longer than a test stands still.
	silence time.Duration
}

var regionNames = []string{"us-east", "eu-west", "ap-south", "sa-east"}

// newWorld returns so many regions of so many members each.
func newWorld(t *testing.T, regions, members int) *world {
	t.Parallel() // most of the time they wait
	w := &world{t: t, silence: 2 * time.Second}
	for i := range regions {
		w.found(i)
		for n := 1; n < members; n++ {
			w.join(i, n)
		}
		w.regions[i].voters(members)
	}
	w.known()
	return w
}

// address is that of a member of a region, both counted from 0.
func (w *world) address(region, member int) string {
	return fmt.Sprintf("%s-%d", regionNames[region], member+1)
}

// found starts the first member of the next region.
func (w *world) found(i int) *Member {
	w.t.Helper()
	var f *fleet
	if w.net == nil {
		f = newFleet(w.t)
		w.net = f.net
	} else {
		f = newFleetOn(w.t, w.net)
	}
	w.regions = append(w.regions, f)
	c := f.config(w.address(i, 0))
	c.Region, c.silence = regionNames[i], w.silence
	if i > 0 {
		c.RegionJoin = []string{w.address(0, 0)}
		c.Schema = nil
	}
	return f.run(c)
}

// join starts another member of a region.
func (w *world) join(i, n int) *Member {
	f := w.regions[i]
	c := f.config(w.address(i, n), w.address(i, 0))
	c.Region, c.silence = regionNames[i], w.silence
	return f.run(c)
}

// each calls f with every member.
func (w *world) each(f func(address string, m *Member)) {
	for _, r := range w.regions {
		for address, m := range r.members {
			f(address, m)
		}
	}
}

// known waits until every region knows where all others are.
func (w *world) known() {
	w.t.Helper()
	w.regions[0].await("all regions know each other", func() bool {
		ok := true
		w.each(func(_ string, m *Member) {
			all := m.Regions()
			ok = ok && (len(w.regions) == 1 || len(all) == len(w.regions))
			for i, s := range all {
				ok = ok && len(s.Addresses) == len(w.regions[i].members)
			}
		})
		return ok
	})
}

// leader is the leader's of a region.
func (w *world) leader(i int) *Member {
	w.t.Helper()
	_, m := w.regions[i].leader()
	return m
}

// write writes into a region, through whoever leads there.
func (w *world) write(i int, r tidal.Request) tidal.Receipt {
	w.t.Helper()
	return w.regions[i].write(r)
}

// converge waits until all members hold the same events, and holds their digests against each other. What regions still have to
// write by themselves, such as what they take back, may come in between; then it's looked again.
func (w *world) converge() {
	w.t.Helper()
	w.until("the regions come together", func() bool {
		before, same := w.vectors()
		if !same {
			return false
		}
		digests := map[string]tidal.Digest{}
		w.each(func(address string, m *Member) { digests[address] = m.DB().Digest() })
		if after, _ := w.vectors(); !slices.EqualFunc(before, after, tidal.VersionVector.Equal) {
			return false
		}
		first := digests[w.address(0, 0)]
		for address, d := range digests {
			if first == (tidal.Digest{}) {
				first = d
			}
			if d != first {
				w.t.Errorf("%s has digest %v, another member %v\n%s", address, d, first, w.picture())
			}
		}
		return true
	})
}

// vectors are what all members hold, and whether that is the same.
func (w *world) vectors() (out []tidal.VersionVector, same bool) {
	for _, f := range w.regions {
		for _, address := range slices.Sorted(maps.Keys(f.members)) {
			out = append(out, f.members[address].DB().Stats().Vector)
		}
	}
	return out, !slices.ContainsFunc(out, func(v tidal.VersionVector) bool { return !v.Equal(out[0]) })
}

// cut cuts a region off from all others, or mends that.
func (w *world) cut(region int, off bool) {
	do := w.net.Mend
	if off {
		do = w.net.Cut
	}
	for i, f := range w.regions {
		if i == region {
			continue
		}
		for there := range f.members {
			for here := range w.regions[region].members {
				do(here, there)
				do(there, here)
			}
		}
	}
}

// counts holds how often an item was viewed at every member.
func (w *world) counts(item string, want uint64) {
	w.t.Helper()
	for _, f := range w.regions {
		f.counts(item, want)
	}
}

// await waits for something at a member, which comes with what is applied there.
func (w *world) await(m *Member, text string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := m.DB().Wait(ctx, text); err != nil {
		w.t.Fatalf("%v\n%s", err, w.picture())
	}
}

func (w *world) picture() (out string) {
	for _, f := range w.regions {
		out += f.picture()
	}
	w.each(func(address string, m *Member) {
		out += fmt.Sprintf("%s has %v\n", address, m.DB().Stats().Vector)
		for _, s := range m.Regions() {
			out += fmt.Sprintf("    %+v\n", s)
		}
	})
	return out
}

// until waits until something is so.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline.C:
			w.t.Fatalf("in vain waited until %s\n%s", what, w.picture())
		}
	}
}

// settled reports whether an item counts so often everywhere.
func (w *world) settled(item string, want uint64) bool {
	for _, f := range w.regions {
		for address := range f.members {
			if f.count(address, item) != want {
				return false
			}
		}
	}
	return true
}

// roles are those of all regions, as one sees them.
func (w *world) roles(region int) (out []tidal.RegionRole) {
	for _, s := range w.leader(region).Regions() {
		out = append(out, s.Role)
	}
	return out
}
