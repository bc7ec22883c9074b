package sim

import "math/rand/v2"

// oftenInRegions is how likely each kind of mishap is in a run of regions, beside the others.
var oftenInRegions = [mishapKinds]int{
	powerCut: 30, killed: 25, cutInDisk: 60, failSync: 20, failWrite: 10, fullDisk: 10, slowDisk: 20, stalledDisk: 10, clockJump: 50,
	orderlyRestart: 25, outage: 20,
	regionDown: 50, regionCut: 60, pairCut: 60, seaOneWay: 50, seaWeather: 50, slowSea: 20, takenBack: 30, promoted: 30, farClock: 10,
}

// oftenInGroups is how likely those are that take regions of several machines, beside the others.
var oftenInGroups = [mishapKinds]int{
	stalledLeader: 15, rollingRestart: 10, leaderKilled: 40, blackout: 10, split: 20, isolated: 10, leaderIsolated: 20, oneWay: 15,
	badWeather: 15, transfer: 20, rivals: 15, replaced: 10, diskLost: 10, bitRot: 5,
}

// newGlobePlan draws the mishaps of a run of regions. When ranges are wanted regions are cut off more often.
func newGlobePlan(rng *rand.Rand, o ClusterOptions, regions int, ranges bool) plan {
	p := plan{without: o.Without}
	mean := between(rng, 500*milli, 4*second)
	end := int64(o.Seconds) * second
	kinds := oftenInRegions
	if o.Nodes > 1 {
		kinds[takenBack] = 0 // of one machine alone an image is one of the group
		for k, n := range oftenInGroups {
			kinds[k] += n
		}
	}
	if ranges {
		for _, k := range []mishapKind{regionDown, regionCut, pairCut, seaOneWay} {
			kinds[k] *= 3
		}
		kinds[takenBack] = 0 // a range doesn't say which requests of long ago are in it, and these logs forget within milliseconds
	}
	tame := rng.IntN(3) == 0 // nothing is ever taken back
	if tame {
		kinds[takenBack] = 0
	}
	for at := between(rng, 300*milli, 2*mean); at < end; at += between(rng, 1, 2*mean) {
		p.faults = append(p.faults, drawRegionMishap(rng, at, o.Nodes, regions, &kinds))
	}
	return p
}

// early has home's disk, in some runs, taken back to an image from the time in which the others begin, one after the other: to
// before it heard of any of them, or of some.
func (g *globe) early(rng *rand.Rand) {
	if rng.IntN(6) != 0 {
		return
	}
	for i := 1; i < len(g.begins); i++ {
		g.begins[i] = between(rng, 0, 6*second)
	}
	g.plan.faults = append(g.plan.faults, mishap{
		at: between(rng, 300*milli, 6*second), kind: takenBack, regions: true, n: rng.Uint64N(2), time: second,
	})
}

func drawRegionMishap(rng *rand.Rand, at int64, nodes, regions int, kinds *[mishapKinds]int) mishap {
	x := mishap{at: at, regions: true, region: rng.IntN(regions), a: rng.IntN(nodes)}
	x.other = (x.region + 1 + rng.IntN(regions-1)) % regions
	if nodes > 1 {
		x.b = (x.a + 1 + rng.IntN(nodes-1)) % nodes
	}
	total := 0
	for _, n := range kinds {
		total += n
	}
	for n := rng.IntN(total); n >= kinds[x.kind]; x.kind++ {
		n -= kinds[x.kind]
	}
	x.n = 1 + rng.Uint64N(1+rng.Uint64N(60))
	switch x.kind {
	case stalledDisk, stalledLeader:
		x.time = between(rng, 500*milli, 4*second)
	case regionDown, regionCut, pairCut, seaOneWay, outage:
		x.time = between(rng, 500*milli, 12*second)
	case clockJump:
		x.time = between(rng, -1500*milli, 1500*milli)
		if rng.IntN(4) == 0 {
			x.time = between(rng, -4*second, 40*second)
		}
	case farClock:
		x.time = between(rng, 60*second, 3*3600*second)
	case takenBack:
		x.time = between(rng, 500*milli, 5*second)
	case split, isolated, leaderIsolated, oneWay:
		x.time = between(rng, 100*milli, 5*second)
		x.n = 1 + rng.Uint64N(1<<nodes-2) // neither nobody nor everybody
	default:
		x.time = between(rng, 100*milli, 3*second)
	}
	return x
}
