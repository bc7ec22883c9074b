package algebra

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// This file is the argument that deleting and erasing commute with sums, although a delete takes away what was summed
// and a sum can't be asked which of its events came before. A delete raises the entity's generation, a join; a signal
// carries the generation that its stamping leader knew; cells are kept by (entity, generation). So a cell only ever
// sums events of one generation, and which generation counts is known by a join: neither asks what came first.

// oneEntity is a replica's state about one entity and one signal type.
type oneEntity struct {
	entity Entity
	gen    hlc.Timestamp // of cell
	cell   SignalState
}

// happening is a delete, or a signal that was stamped when the generation gen was known.
type happening struct {
	stamp    Stamp
	isDelete bool
	gen      hlc.Timestamp
	time     int64
	weight   fixed.Weight
}

// apply keeps the highest generation only, and drops lower ones on sight.
func (s *oneEntity) apply(h happening) {
	if h.isDelete {
		s.entity = s.entity.ApplyDelete(h.stamp)
		s.settle()
		return
	}
	if h.gen < max(s.gen, s.entity.Generation()) {
		return
	}
	if h.gen > s.gen {
		s.cell, s.gen = SignalState{}, h.gen
	}
	s.cell.Add(cellShape(), h.time, h.weight)
}

// merge joins two states of disjoint sets of signals.
func (s *oneEntity) merge(o *oneEntity) {
	s.entity = s.entity.Merge(o.entity)
	switch {
	case o.gen > s.gen:
		s.cell, s.gen = *o.cell.Clone(), o.gen
	case o.gen == s.gen:
		s.cell.Merge(&o.cell)
	}
	s.settle()
}

func (s *oneEntity) settle() {
	if g := s.entity.Generation(); g > s.gen {
		s.cell, s.gen = SignalState{}, g
	}
}

func (s *oneEntity) String() string {
	return fmt.Sprintf("%x gen %v cell %x", s.entity.AppendBinary(nil), s.gen, s.cell.AppendBinary(nil))
}

// forgetful is the rule without generations: a delete empties the cell, whatever was or will be summed there.
type forgetful struct{ cell SignalState }

func (s *forgetful) apply(h happening) {
	if h.isDelete {
		s.cell.Reset()
		return
	}
	s.cell.Add(cellShape(), h.time, h.weight)
}

// randomHappenings lets regions sign and delete on what each has heard of the other's deletes.
func randomHappenings(rng *rand.Rand) []happening {
	var (
		all   []happening
		known [nodes]hlc.Timestamp
	)
	for i := range 3 + rng.IntN(40) {
		region := rng.IntN(nodes)
		stamp := Stamp{hlc.Make(1_700_000_000_000+int64(i), 0), id.Origin{Region: id.Region(region)}}
		heard := rng.IntN(nodes)
		known[region] = max(known[region], known[heard])
		if rng.IntN(8) == 0 {
			known[region] = stamp.HLC
			all = append(all, happening{stamp: stamp, isDelete: true})
			continue
		}
		all = append(all, happening{
			stamp: stamp, gen: known[region],
			time:   1_700_000_000_000 + rng.Int64N(40*24*3600_000),
			weight: 1 + fixed.Weight(rng.Int64N(int64(fixed.MaxWeight))),
		})
	}
	return all
}

func TestDeletesCommuteWithSums(t *testing.T) {
	rng := dice(t)
	forgetfulDiffers := 0
	const runs = 800
	for range runs {
		all := randomHappenings(rng)
		// The oracle: the last delete, then the events that were stamped under it.
		var want oneEntity
		for _, h := range all {
			if h.isDelete {
				want.entity = want.entity.ApplyDelete(h.stamp)
			}
		}
		want.gen = want.entity.Generation()
		for _, h := range all {
			if !h.isDelete && h.gen == want.gen {
				want.cell.Add(cellShape(), h.time, h.weight)
			}
		}
		var plain forgetful
		for _, h := range all {
			plain.apply(h)
		}
		differs := false
		for range 4 {
			shuffled := slices.Clone(all)
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			var states [3]oneEntity
			var other forgetful
			for _, h := range shuffled {
				other.apply(h)
				at := rng.IntN(len(states))
				states[at].apply(h)
				if h.isDelete { // a join may be heard anywhere, any number of times
					states[rng.IntN(len(states))].apply(h)
				}
			}
			got := &states[rng.IntN(len(states))]
			for i := range states {
				if &states[i] != got {
					got.merge(&states[i])
				}
			}
			if got.String() != want.String() {
				t.Fatalf("%+v\ngot  %v\nwant %v", shuffled, got, &want)
			}
			differs = differs || string(other.cell.AppendBinary(nil)) != string(plain.cell.AppendBinary(nil))
		}
		if differs {
			forgetfulDiffers++
		}
	}
	t.Logf("without generations, the order mattered in %d of %d runs", forgetfulDiffers, runs)
	if forgetfulDiffers*2 < runs {
		t.Errorf("without generations, the order mattered in only %d of %d runs: this test sees nothing",
			forgetfulDiffers, runs)
	}
}
