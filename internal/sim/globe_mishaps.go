package sim

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
)

// RegionFaults count what a run of regions was put through, beside what its machines were.
type RegionFaults struct {
	Down     uint64 `json:"region_down"`        // all machines of a region at once
	Cut      uint64 `json:"region_cut"`         // from all others
	Pair     uint64 `json:"regions_cut"`        // two, from each other: the others may relay
	OneWay   uint64 `json:"regions_one_way"`    //
	Weather  uint64 `json:"regions_loss"`       // packets between regions are lost, repeated and late for a while
	Slow     uint64 `json:"regions_slow"`       //
	Back     uint64 `json:"region_taken_back"`  // a region's disk holds what it held once
	Ahead    uint64 `json:"taken_back_found"`   // of these, those who were told by others that they had more
	Fewer    uint64 `json:"taken_back_fewer"`   // of these, those whose region table lacked others, or had none
	Unasked  uint64 `json:"taken_back_unasked"` // of these, those that were to find out by themselves, when nobody who could tell was reached
	Forked   uint64 `json:"taken_back_forked"`  // of these, those that stamped other events in the places of what others hold
	Promoted uint64 `json:"home_promoted"`      //
	FarClock uint64 `json:"clock_far_ahead"`    //
	Newcomer uint64 `json:"region_added"`       // while others write
}

// Add adds another run's.
func (f *RegionFaults) Add(g RegionFaults) {
	f.Down += g.Down
	f.Cut += g.Cut
	f.Pair += g.Pair
	f.OneWay += g.OneWay
	f.Weather += g.Weather
	f.Slow += g.Slow
	f.Back += g.Back
	f.Ahead += g.Ahead
	f.Fewer += g.Fewer
	f.Unasked += g.Unasked
	f.Forked += g.Forked
	f.Promoted += g.Promoted
	f.FarClock += g.FarClock
	f.Newcomer += g.Newcomer
}

// strike lets a mishap of the plan happen.
func (g *globe) strike(i int) {
	x := &g.plan.faults[i]
	f := g.regions[x.region]
	if x.kind < regionDown {
		if f.province.begun && !f.province.shut {
			f.strike(i)
		}
		return
	}
	if g.closing || g.plan.without[i] || !f.province.begun {
		return
	}
	f.tell(nil, "mishap", uint64(i), uint64(x.region), mishapNames[x.kind])
	if mishapNames[x.kind] == g.options.taboo {
		f.breaks(fmt.Errorf("mishap %d is %s", i, g.options.taboo))
	}
	r := &g.report.Faults.Regions
	switch x.kind {
	case regionDown:
		r.Down++
		for _, m := range f.machines {
			m.down = g.now + x.time
			m.hit(&g.report.Faults.Kill, x.n%2 == 0)
		}
	case regionCut:
		r.Cut++
		g.sea.close(g.sea.around(1<<x.region), x.time)
	case pairCut:
		r.Pair++
		g.sea.close([]*passage{g.sea.passage(x.region, x.other), g.sea.passage(x.other, x.region)}, x.time)
	case seaOneWay:
		r.OneWay++
		g.sea.close([]*passage{g.sea.passage(x.region, x.other)}, x.time)
	case seaWeather:
		r.Weather++
		g.sea.weather(int(x.n)*4, x.time)
	case slowSea:
		r.Slow++
		g.sea.latency = 20*milli + x.time/10
		f.after(x.time, func() { g.sea.latency = 20 * milli })
	case takenBack:
		g.takeBack(f, x)
	case promoted:
		r.Promoted++
		g.clerk.promote(f)
	case farClock:
		r.FarClock++
		for _, m := range f.machines {
			m.skew += x.time
			m.ahead = max(m.ahead, m.skew)
		}
	}
}

// comeback is how a region whose disk was taken back comes to write again: it has to learn that others hold more of it than it
// does itself, and goes on under a new incarnation.
type comeback struct {
	told  bool // its leader says so
	until int64
}

// comebackPatience is how long it may take until a region knows that others hold more of it, once it reaches them.
const comebackPatience = 10 * second

// takeBack takes an image of a region's disk, or, if there is one, puts it in the place of the disk. In a run that is one
// region: what two of them lost that held it for each other is nowhere any more, and nobody promises anything of that.
func (g *globe) takeBack(f *fleet, x *mishap) {
	m, v := f.machines[0], f.province
	switch {
	case v.back != nil || v.shut || g.rolled != nil && g.rolled != f:
	case v.image == nil:
		g.rolled = f
		if m.up() && !v.takesImage {
			v.takesImage = true
			m.process.close()
			f.after(between(m.rng, second, 6*second), func() { g.takeBack(f, x) })
		}
	default:
		g.report.Faults.Regions.Back++
		if v.image.regions < g.begun() {
			g.report.Faults.Regions.Fewer++
		}
		f.tell(m, "back", uint64(len(v.image.agreed.entries)), 0, "")
		v.shut, v.back = true, &comeback{}
		if m.process != nil {
			m.crash(true, betweenSteps)
		}
		m.takeBack(v.image)
		v.image = nil
		g.forget(f)
		if x.n%2 == 0 {
			g.goOn(f) // as whoever restores a backup does at once
			return
		}
		if x.n%8 == 5 { // that is when it would stay alone
			g.sea.close(g.sea.around(1<<f.province.place), between(m.rng, 2*second, 10*second))
		}
		if !g.findsOut(f) {
			if !g.mayFork(f) {
				g.goOn(f)
				return
			}
			g.leaveAlone(f, x.n/4)
		}
		v.back.until = g.now + comebackPatience
		g.awaitAhead(f)
	}
}

// forget makes those strangers who have seen what may be lost.
func (g *globe) forget(f *fleet) {
	held := g.books.held(f)
	for _, t := range g.travellers {
		for origin, seq := range t.seen.All {
			if origin.Region == f.province.number && seq > held.Get(origin) {
				t.reborn()
				break
			}
		}
	}
}

// findingOut is how long a region may take to be started and to hear of others: it listens for a second before it stamps.
const findingOut = 2 * second

// findsOut reports whether a region whose disk was just taken back can be left to find that out: somebody who holds more of it can be
// reached, and will be while it listens, or nobody holds more. Else it would stamp anew what others hold, if only what a
// leader writes by itself, as decision 0047 says, and whoever puts back its disk then has to say so.
func (g *globe) findsOut(f *fleet) bool {
	if !g.othersHoldMoreAnywhere(f) {
		return true
	}
	for _, other := range g.regions {
		if g.holdsMore(other, f) && g.reaches(other, f) && !g.partedSoon(other, f) {
			return true
		}
	}
	g.report.Faults.Regions.Unasked++
	return false
}

// partedSoon reports whether the plan takes down one of two regions, or parts them, while one of them listens.
func (g *globe) partedSoon(a, b *fleet) bool {
	is := func(n int, f *fleet) bool { return n == f.province.place }
	for i := range g.plan.faults {
		x := &g.plan.faults[i]
		if g.plan.without[i] || x.at < g.now || x.at > g.now+findingOut {
			continue
		}
		switch x.kind {
		case regionDown, regionCut:
			if is(x.region, a) || is(x.region, b) {
				return true
			}
		case pairCut, seaOneWay:
			if is(x.region, a) && is(x.other, b) || is(x.region, b) && is(x.other, a) {
				return true
			}
		}
	}
	return false
}

// awaitAhead waits until the region knows that it lost something, if others hold that.
func (g *globe) awaitAhead(f *fleet) {
	f.after(100*milli, func() {
		v, m := f.province, f.machines[0]
		if g.frozen {
			return // it hasn't found that out in time
		}
		if p := m.process; p != nil && errors.Is(p.step.Core.Status().Behind, fault.ErrForked) {
			v.back.told = true
			g.report.Faults.Regions.Ahead++
			f.tell(m, "ahead", 0, 0, "")
			g.goOn(f)
			return
		}
		if !g.othersHoldMore(f) {
			v.back.until = g.now + comebackPatience // nobody reachable can tell
		}
		if g.now > v.back.until {
			f.breaks(fmt.Errorf("%s lost a part of its log, which others hold, and doesn't know so", v.name))
			return
		}
		if g.closing && !g.othersHoldMoreAnywhere(f) {
			g.goOn(f)
			return
		}
		g.awaitAhead(f)
	})
}

// othersHoldMore reports whether a region that can be reached holds more of a region than that does.
func (g *globe) othersHoldMore(f *fleet) bool {
	if f.machines[0].process == nil {
		return false
	}
	for _, other := range g.regions {
		if g.holdsMore(other, f) && g.reaches(other, f) {
			return true
		}
	}
	return false
}

// reaches reports whether a region runs, and nothing is cut between it and another one.
func (g *globe) reaches(other, f *fleet) bool {
	there, here := other.province.place, f.province.place
	return g.sea.passage(there, here).cut == 0 && g.sea.passage(here, there).cut == 0 && other.leader() != nil
}

func (g *globe) othersHoldMoreAnywhere(f *fleet) bool {
	for _, other := range g.regions {
		if g.holdsMore(other, f) {
			return true
		}
	}
	return false
}

// holdsMore reports whether a region holds more of another one than that does itself.
func (g *globe) holdsMore(other, f *fleet) bool {
	return g.books.held(other).Get(f.origin) > g.books.held(f).Get(f.origin)
}

// goOn lets a region go on under a new incarnation, as an operator does.
func (g *globe) goOn(f *fleet) {
	m, v := f.machines[0], f.province
	if m.process != nil {
		m.process.enter()
		m.process.leave(false)
		m.process = nil
		m.disk.Crash(false)
		m.keeper.crash()
	}
	m.disk.Calm()
	m.disk.Interrupt(0)
	f.origin.Incarnation++
	m.identify()
	v.shut = false
	g.books.schism = nil
	f.tell(m, "goes on", uint64(f.origin.Incarnation), 0, "")
	f.after(between(m.rng, milli, 100*milli), m.start)
}
