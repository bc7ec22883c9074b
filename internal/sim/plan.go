package sim

import (
	"fmt"
	"math/rand/v2"
)

// plan is what is to go wrong in a run. It's drawn before the run begins and doesn't depend on it, so a run can be
// repeated without some of it.
type plan struct {
	without map[int]bool
	faults  []mishap
}

// mishap is one thing that goes wrong.
type mishap struct {
	at   int64
	kind mishapKind
	a, b int    // machines; of b only some kinds know
	n    uint64 // the n-th operation of a disk; a set of machines
	time int64  // how long, or how far

	// In runs of regions: in which, and another one.
	region, other int
	regions       bool
}

// mishapKind says what goes wrong.
type mishapKind uint8

const (
	powerCut mishapKind = iota
	killed
	cutInDisk
	failSync
	failWrite
	fullDisk
	slowDisk
	stalledDisk
	stalledLeader
	clockJump
	orderlyRestart
	rollingRestart
	leaderKilled
	outage
	blackout
	split
	isolated
	leaderIsolated
	oneWay
	badWeather
	slowWire
	transfer
	rivals
	replaced
	diskLost
	bitRot

	// Of regions.
	regionDown
	regionCut
	pairCut
	seaOneWay
	seaWeather
	slowSea
	takenBack
	promoted
	farClock
	mishapKinds
)

// often is how likely each kind is, beside the others.
var often = [mishapKinds]int{
	powerCut: 60, killed: 50, cutInDisk: 120, failSync: 50, failWrite: 25, fullDisk: 25, slowDisk: 50, stalledDisk: 25,
	stalledLeader: 45, clockJump: 65, orderlyRestart: 50, rollingRestart: 15, leaderKilled: 60, outage: 50, blackout: 20,
	split: 60, isolated: 30, leaderIsolated: 45, oneWay: 45, badWeather: 45, slowWire: 25, transfer: 35, rivals: 35, replaced: 20,
	diskLost: 20, bitRot: 15,
}

var mishapNames = [mishapKinds]string{
	"power cut", "killed", "cut in disk", "failed sync", "failed write", "full disk", "slow disk", "stalled disk",
	"leader's disk stalls", "clock jumps", "orderly restart", "rolling restart", "leader killed", "outage", "blackout",
	"network splits", "isolated", "leader isolated", "one way cut", "bad weather", "slow wire", "transfer", "rivals", "replaced",
	"disk lost", "bit rot",
	"region down", "region cut off", "two regions cut off", "one way cut between regions", "bad weather at sea",
	"slow sea", "taken back", "promoted", "clock far ahead",
}

// newPlan draws a run's mishaps.
func newPlan(rng *rand.Rand, o ClusterOptions) plan {
	p := plan{without: o.Without}
	mean := between(rng, 700*milli, 5*second)
	end := int64(o.Seconds) * second
	for at := between(rng, 300*milli, 2*mean); at < end; at += between(rng, 1, 2*mean) {
		p.faults = append(p.faults, drawMishap(rng, at, o.Nodes))
	}
	return p
}

func drawMishap(rng *rand.Rand, at int64, nodes int) mishap {
	x := mishap{at: at, a: rng.IntN(nodes)}
	x.b = (x.a + 1 + rng.IntN(nodes-1)) % nodes
	total := 0
	for _, n := range often {
		total += n
	}
	for n := rng.IntN(total); n >= often[x.kind]; x.kind++ {
		n -= often[x.kind]
	}
	x.n = 1 + rng.Uint64N(1+rng.Uint64N(60))
	switch x.kind {
	case stalledDisk, stalledLeader:
		x.time = between(rng, 500*milli, 8*second)
	case outage:
		x.time = between(rng, second, 10*second)
	case clockJump:
		x.time = between(rng, -1500*milli, 1500*milli)
		if rng.IntN(4) == 0 {
			x.time = between(rng, -4*second, 40*second)
		}
	case split, isolated, leaderIsolated, oneWay:
		x.time = between(rng, 100*milli, 5*second)
		x.n = 1 + rng.Uint64N(1<<nodes-2) // neither nobody nor everybody
	default:
		x.time = between(rng, 100*milli, 3*second)
	}
	return x
}

func (x mishap) String() string {
	s := fmt.Sprintf("%.3fs %s", float64(x.at)/1e9, mishapNames[x.kind])
	if x.regions {
		s += fmt.Sprintf(" r%d", x.region)
	}
	switch x.kind {
	case regionDown, regionCut, takenBack, farClock:
		return s + fmt.Sprintf(" %.3fs", float64(x.time)/1e9)
	case pairCut, seaOneWay:
		return s + fmt.Sprintf(" to r%d for %.3fs", x.other, float64(x.time)/1e9)
	case seaWeather, slowSea, promoted:
		return s
	case split:
		return s + fmt.Sprintf(" %b for %.3fs", x.n, float64(x.time)/1e9)
	case oneWay, slowWire:
		return s + fmt.Sprintf(" m%d to m%d for %.3fs", x.a, x.b, float64(x.time)/1e9)
	case stalledLeader, leaderIsolated, badWeather:
		return s + fmt.Sprintf(" for %.3fs", float64(x.time)/1e9)
	case leaderKilled, rollingRestart, blackout, transfer, rivals:
		return s
	case cutInDisk, failSync, failWrite:
		return s + fmt.Sprintf(" m%d at operation %d", x.a, x.n)
	case slowDisk, stalledDisk, clockJump, outage, isolated:
		return s + fmt.Sprintf(" m%d %.3fs", x.a, float64(x.time)/1e9)
	}
	return s + fmt.Sprintf(" m%d", x.a)
}

// lines are all of it, but for what doesn't happen.
func (p *plan) lines() []string {
	var out []string
	for i, x := range p.faults {
		if !p.without[i] {
			out = append(out, fmt.Sprintf("%3d %v", i, x))
		}
	}
	return out
}
