package diversity

import "math"

// greedy picks candidates one by one.
type greedy struct {
	m      *Mixer
	picked []int32
	open   []bool  // candidates that may still be picked
	room   []int32 // of cap r and value v: room[r*values+v] candidates may still have v; below 0 it gave way
	missed []int32 // by minimum: candidates that are still to come
	owed   int32   // their sum
	// from is where the search for a candidate without fault begins: what lies before it is picked, or had a fault,
	// which doesn't pass.
	from int

	// known[i] is the part that caps had in the fault of candidate i when it was computed last: it only grows.
	known []uint64
	width int // bits for one rule in a fault

	relevance float64
	before    []int     // what likeness is taken to: fixed items, then picks
	compared  []int32   // by candidate: with how many of them
	likeness  []float32 // by candidate: the greatest, from 0
}

// run picks as many candidates as there are places, among those that are open.
func (g *greedy) run(m *Mixer, relevance float64, open []bool) {
	g.m, g.relevance = m, relevance
	g.picked, g.from = g.picked[:0], 0
	g.open = append(g.open[:0], open...)
	g.known, g.width = resize(g.known, m.size), max(1, 64/(1+len(m.caps)))
	clear(g.known)
	g.room = m.rooms(g.room)
	g.missed, g.owed = g.missed[:0], 0
	for _, x := range m.minimums {
		missed := min(max(0, x.wanted-x.fixed), x.left)
		g.missed = append(g.missed, missed)
		g.owed += missed
	}
	if relevance < 1 {
		g.startLikeness()
	}
	for len(g.picked) < m.need {
		left := int32(m.need - len(g.picked) - 1)
		if relevance < 1 {
			g.pick(g.mostRelevant(left))
		} else {
			g.pick(g.next(left))
		}
	}
}

// rooms is what caps leave for candidates, before any is picked.
func (m *Mixer) rooms(room []int32) []int32 {
	room = resize(room, len(m.caps)*len(m.values))
	for r, c := range m.caps {
		for v, x := range m.values {
			if x.field == c.field {
				room[r*len(m.values)+v] = roomFor(c, x)
			} else {
				room[r*len(m.values)+v] = 0
			}
		}
	}
	return room
}

func (g *greedy) pick(i int) {
	m := g.m
	g.picked = append(g.picked, int32(i))
	g.open[i] = false
	for r, c := range m.caps {
		for _, v := range m.of(i, c.field) {
			g.room[r*len(m.values)+int(v)]--
		}
	}
	for k := range g.missed {
		if g.missed[k] > 0 && m.member[i*len(g.missed)+k] {
			g.missed[k]--
			g.owed--
		}
	}
	if g.relevance < 1 {
		g.before = append(g.before, i)
	}
}

// next is the best candidate if so many places are left behind it: the first one without fault, or that with the least.
func (g *greedy) next(left int32) int {
	if g.owed <= left {
		for ; g.from < len(g.open); g.from++ {
			if g.open[g.from] && !g.full(g.from) {
				return g.from
			}
		}
	}
	best, least := -1, uint64(math.MaxUint64)
	for i, open := range g.open {
		if !open || g.known[i] >= least && best >= 0 {
			continue
		}
		if fault := g.fault(i, left); fault < least || best < 0 {
			best, least = i, fault
			if fault == 0 {
				break
			}
		}
	}
	return best
}

// full says whether a candidate breaks a cap.
func (g *greedy) full(i int) bool {
	m := g.m
	for r, c := range m.caps {
		for _, v := range m.of(i, c.field) {
			if g.room[r*len(m.values)+int(v)] <= 0 {
				return true
			}
		}
	}
	return false
}

// late is how many of the items that minimums still want find no place behind candidate i.
func (g *greedy) late(i int, left int32) int32 {
	owed := g.owed
	if owed <= left {
		return 0
	}
	for k, missed := range g.missed {
		if missed > 0 && g.m.member[i*len(g.missed)+k] {
			owed--
		}
	}
	return max(0, owed-left)
}

// over is by how much a candidate breaks a cap.
func (g *greedy) over(i, r int) (excess int32) {
	for _, v := range g.m.of(i, g.m.caps[r].field) {
		excess = max(excess, 1-g.room[r*len(g.m.values)+int(v)])
	}
	return excess
}

// fault is what a candidate does to the rules: the more important one stands in the higher bits, minimums in the
// highest. With up to six caps that is exact for lists of 500. Beyond that, excesses that the bits don't hold are taken
// for equal, and with more than 63 caps the last ones aren't looked at: the list is still as long as it should be.
func (g *greedy) fault(i int, left int32) uint64 {
	most := int32(1)<<min(g.width, 30) - 1
	shift := 64 - g.width
	fault := uint64(0)
	for r := range g.m.caps {
		if shift -= g.width; shift < 0 {
			break
		}
		fault |= uint64(min(g.over(i, r), most)) << shift
	}
	g.known[i] = fault
	return fault | uint64(min(g.late(i, left), most))<<(64-g.width)
}

func (g *greedy) startLikeness() {
	g.before = g.before[:0]
	for _, f := range g.m.fixed {
		if f.Item >= 0 {
			g.before = append(g.before, f.Item)
		}
	}
	g.compared, g.likeness = resize(g.compared, g.m.size), resize(g.likeness, g.m.size)
	clear(g.compared)
	clear(g.likeness)
}

// mostRelevant is the candidate with the least fault, of these the one of highest marginal relevance. Likeness only
// grows with the list, so a relevance that was computed some picks ago is a bound: most candidates are turned away by
// it and compared with nothing.
func (g *greedy) mostRelevant(left int32) int {
	best, highest, least := -1, 0.0, uint64(math.MaxUint64)
	for i, open := range g.open {
		if !open || best >= 0 && g.known[i] >= least && g.marginal(i) <= highest {
			continue
		}
		fault := g.fault(i, left)
		if best >= 0 && fault > least {
			continue
		}
		less := best < 0 || fault < least
		relevance := g.marginal(i)
		for ; int(g.compared[i]) < len(g.before) && (less || relevance > highest); relevance = g.marginal(i) {
			likeness := g.m.in.Items.Similarity(i, g.before[g.compared[i]])
			if likeness > g.likeness[i] {
				g.likeness[i] = likeness
			}
			g.compared[i]++
		}
		if less || relevance > highest {
			best, highest, least = i, relevance, fault
		}
	}
	return best
}

func (g *greedy) marginal(i int) float64 {
	return g.relevance*g.m.norm[i] - (1-g.relevance)*float64(g.likeness[i])
}
