package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/lifecycle"
	"github.com/tidaldb/tidal/schema"
)

// maxRegions bounds the regions of a run.
const maxRegions = 8

// In runs that are to ship ranges the log's files, and what shipping keeps in memory, are this long, in bytes.
const (
	smallSegment = 2 << 10
	shortMemory  = 1 << 10
)

// RegionCounts is what a run of regions met, beside what its groups did.
type RegionCounts struct {
	// Geo are requests of which another region was said to have them, GeoPending those of which nobody said so in time.
	Geo, GeoPending uint64
	// NotYet are reads that waited too long for what their session had seen, ReadOnly requests that a follower region refused.
	NotYet, ReadOnly uint64
	// Twins are copies beside the first of requests that several regions accepted, Compensated what leaders took back by
	// themselves. Undone are undos that another region asked for.
	Twins, Compensated, Undone uint64
	// Moved are attempts at an undo in a region that makes another record of it than the region where it was first asked for.
	Moved uint64
	// Shipped are the bytes of packets between regions, Ranges the entries that took the place of batches.
	Shipped, Ranges uint64
	// Apart are ranges that were taken apart together with what lies before them, since those here begin elsewhere.
	Apart uint64
	// Foreign are the batches of others in all regions' logs.
	Foreign uint64
	// Stable are the deletes that leaders took for stable, each in each region.
	Stable uint64
	// Lost are events that were lost with a disk that was taken back, and that nobody else had; of Restamped the positions were
	// given to others.
	Lost, Restamped uint64
}

// Add adds another run's.
func (c *RegionCounts) Add(o RegionCounts) {
	c.Geo += o.Geo
	c.GeoPending += o.GeoPending
	c.NotYet += o.NotYet
	c.ReadOnly += o.ReadOnly
	c.Twins += o.Twins
	c.Compensated += o.Compensated
	c.Undone += o.Undone
	c.Moved += o.Moved
	c.Shipped += o.Shipped
	c.Ranges += o.Ranges
	c.Apart += o.Apart
	c.Foreign += o.Foreign
	c.Stable += o.Stable
	c.Lost += o.Lost
	c.Restamped += o.Restamped
}

// globe is a run of several regions: each is a group as in a run of one, and between them is a sea. They share the clock, the
// clients and the list of what is to be done.
type globe struct {
	rolled *fleet // whose disk is taken back in this run, nil for nobody yet
	*common
	regions    []*fleet
	sea        sea
	books      books
	travellers []*traveller
	clerk      clerk
	digests    map[string]digestOf
	loses      bool // some mishap takes a region's disk back
	forgets    bool // logs are kept for seconds: who lacks much gets ranges, and nothing is taken back that was written long ago
	// ranges: some regions' logs, and what shipping has in memory, are so small that whoever is away for a second gets ranges from
	// there. small says whose, a bit each: one region's, two, or all.
	ranges bool
	small  uint64
	// begins says when the first regions do.
	begins []int64
	// follows: the last of the first regions takes no writes, unless it is made home.
	follows bool
}

func newGlobe(seed uint64, o ClusterOptions, r *Room) *globe {
	rng := rand.New(rand.NewPCG(seed, 0x676c6f6265))
	if o.Nodes == 0 {
		o.Nodes = []int{1, 1, 1, 1, 3}[rng.IntN(5)]
	}
	c := &common{
		options: o, rng: rng, end: int64(o.Seconds) * second, room: r, jobs: &r.jobs, ledger: newLedger(),
		settings: drawSettings(rng),
	}
	c.settings.codec = false // within a region packets travel as they are
	if o.Story {
		c.story.whole = &strings.Builder{}
	}
	newcomer := rng.IntN(3) == 0
	g := &globe{common: c, forgets: rng.IntN(4) == 0, digests: map[string]digestOf{}}
	// Drawn apart, so that other runs are what they were.
	apart := rand.New(rand.NewPCG(seed, 0x72616e6765))
	if g.ranges = g.forgets && o.Nodes == 1; g.ranges {
		c.settings.segment = smallSegment
		g.small = 1 << apart.IntN(o.Regions)
		switch apart.IntN(4) {
		case 0:
			g.small |= 1 << apart.IntN(o.Regions)
		case 1:
			g.small = 1<<maxRegions - 1
		}
	}
	g.follows = !g.forgets && apart.IntN(4) == 0
	g.books = newBooks(c.ledger)
	count := o.Regions
	if newcomer {
		count++
	}
	for len(r.recorders) < o.Nodes*count {
		r.recorders = append(r.recorders, lifecycle.Recorder{})
	}
	versions := versions()
	c.inventor = inventor{rng: rng, ledger: c.ledger, now: &c.now, types: len(versions[0].Signals)}
	for place := range count {
		g.regions = append(g.regions, g.newRegion(seed, place))
	}
	g.regions[o.Regions-1].province.follower = g.follows
	g.sea = newSea(g, rand.New(rand.NewPCG(seed, 0x736561)))
	c.plan = newGlobePlan(rand.New(rand.NewPCG(seed, 0x706c616e)), o, len(g.regions), g.ranges)
	g.begins = make([]int64, o.Regions)
	if o.Nodes == 1 && !g.ranges {
		g.early(rand.New(rand.NewPCG(seed, 0x6561726c79)))
	}
	for _, x := range c.plan.faults {
		g.loses = g.loses || x.kind == takenBack
	}
	g.populate(versions)
	return g
}

func (g *globe) newRegion(seed uint64, place int) *fleet {
	f := &fleet{
		common: g.common, lost: map[uint64]*mirror{}, origin: id.Origin{Region: id.Region(place)},
		province: &province{globe: g, place: place, number: id.Region(place), name: fmt.Sprintf("region-%d", place)},
	}
	copy(f.cluster[:], clusterSecret)
	f.agreed = newAgreement(f)
	for n := range g.options.Nodes {
		m := newMachine(f, seed, n, place*g.options.Nodes+n)
		m.name = fmt.Sprintf("r%dm%d", place, n)
		f.machines = append(f.machines, m)
	}
	f.network = newNetwork(f, rand.New(rand.NewPCG(seed, 0x6e6574<<8+uint64(place))))
	f.operator = operator{f: f}
	return f
}

// populate makes the clients.
func (g *globe) populate(versions []*schema.Schema) {
	f := g.regions[0]
	for n := range g.options.Regions {
		at := g.regions[n]
		lane := at.newWriter(fmt.Sprintf("lane-%d", n))
		keyed := at.newWriter("")
		keyed.keyed, keyed.prefix = true, fmt.Sprintf("%d-", n)
		lane.roams, keyed.roams = n != 2 && !g.forgets, n != 1 && !g.forgets
		if at.province.follower {
			lane.roams, keyed.roams = true, true
		}
		g.writers = append(g.writers, lane, keyed, at.newWriter(""))
	}
	for n := range g.options.Regions {
		g.travellers = append(g.travellers, g.newTraveller(n))
	}
	g.admin = &schemer{f: f, versions: versions}
	g.clerk = clerk{g: g}
}

// region returns the one of a number that has begun, nil for none.
func (g *globe) region(number id.Region) *fleet {
	for _, f := range g.regions {
		if f.province.number == number && f.province.begun {
			return f
		}
	}
	return nil
}

// begun is how many regions have begun.
func (g *globe) begun() (n int) {
	for _, f := range g.regions {
		if f.province.begun {
			n++
		}
	}
	return n
}

// run does what is to be done until the run ends or a promise is broken.
func (g *globe) run() {
	f := g.regions[0]
	f.after(0, func() { f.province.begin(f) })
	for i, r := range g.regions {
		var at int64
		if i < g.options.Regions {
			at = g.begins[i]
		} else {
			at = f.between(g.end/4, g.end*3/4) // a newcomer, under load
			g.report.Faults.Regions.Newcomer++
		}
		f.after(at, func() { g.clerk.add(r) })
	}
	for _, w := range g.writers {
		w.schedule()
	}
	for _, t := range g.travellers {
		t.later(f.between(0, 300*milli))
	}
	g.admin.schedule()
	g.clerk.schedule()
	for i := range g.plan.faults {
		f.after(g.plan.faults[i].at, func() { g.strike(i) })
	}
	f.after(g.end, g.finish)
	f.toItsEnd(g.waitsFor)
}

// keeps sets how long a machine's log is kept: seven days, since an event that counts twice is taken back by what the log says of
// it; or seconds. Where ranges are wanted some are smaller than what is written within a second.
func (g *globe) keeps(k *keeper, place int) {
	switch {
	case g.isSmall(place):
		// A day, since clocks run ahead by hours: what is older and no region lacks is nobody's any more, and a range that begins
		// inside of it is of no use then.
		k.retention = retention.Policy{Retention: 24 * 3600_000, RetryHorizon: 1, SizeLimit: 4 << 10}
		k.mean = 300 * milli
	case g.forgets && !g.ranges:
		k.retention = retention.Policy{Retention: 1000, RetryHorizon: 1, SizeLimit: 8 << 10}
	default:
		k.retention = retention.Policy{}
	}
}

// isSmall reports whether a region keeps ranges in the place of a log.
func (g *globe) isSmall(place int) bool { return g.ranges && g.small>>place&1 == 1 }
