package explore

import (
	"math"

	"github.com/tidaldb/tidal/schema"
)

// Place is a place of the list that belongs to a slot.
type Place struct {
	// Rank counts from 1.
	Rank int
	// Slot is an index into the slots.
	Slot int
}

// Places decides which places of a list of n belong to which slot, by rank. The ranks in fixed, such as those of pins,
// are none of them.
//
// A slot has ⌊n·Share⌋ places and, with the probability of what is left of n·Share, one more. If there aren't enough
// places, the slots declared last get fewer. The first place of the list belongs to a slot only if all places do that
// aren't fixed.
//
// The places are spread over the list: what may be given away is cut into as many stretches of equal length as there
// are places to give, but for rounding, and one place is drawn from each, all of a stretch being equally likely. Which
// slot gets which of them is a shuffle, all orders being equally likely.
func Places(n int, slots []schema.Slot, fixed []int, seed uint64) []Place {
	n = max(n, 0)
	g := newGenerator(seed, "")
	var labels []int
	for i, slot := range slots {
		for range count(g, n, slot.Share) {
			labels = append(labels, i)
		}
	}
	free := ranks(n, fixed)
	labels = labels[:min(len(labels), len(free))]
	if len(labels) < len(free) && free[0] == 1 {
		free = free[1:]
	}
	for i := len(labels) - 1; i > 0; i-- {
		j := g.below(i + 1)
		labels[i], labels[j] = labels[j], labels[i]
	}
	places := make([]Place, len(labels))
	for i, slot := range labels {
		from, to := i*len(free)/len(labels), (i+1)*len(free)/len(labels)
		places[i] = Place{Rank: free[from+g.below(to-from)], Slot: slot}
	}
	return places
}

// count is the number of places of a slot: rounded up or down at random, so that it is right on average.
func count(g generator, n int, share float64) int {
	// Rounded here, lest some processors fuse the product with what comes next, and differ in a draw.
	x := float64(float64(n) * share)
	if !(x > 0) {
		x = 0
	}
	x = min(x, float64(n))
	// 0.29·100 is a little less than 29 in floating point.
	whole := math.Floor(x + 1e-9)
	places := int(whole)
	if g.fraction() < x-whole {
		places++
	}
	return places
}

// ranks is those of a list that aren't fixed.
func ranks(n int, fixed []int) []int {
	taken := make([]bool, n+1)
	for _, rank := range fixed {
		if rank >= 1 && rank <= n {
			taken[rank] = true
		}
	}
	free := make([]int, 0, n)
	for rank := 1; rank <= n; rank++ {
		if !taken[rank] {
			free = append(free, rank)
		}
	}
	return free
}
