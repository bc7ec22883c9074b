package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/sim/disk"
	"github.com/tidaldb/tidal/internal/sim/workload"
	"github.com/tidaldb/tidal/internal/transport/pair"
	"github.com/tidaldb/tidal/lifecycle"
	"github.com/tidaldb/tidal/schema"
)

// ClusterOptions describes a run of a group. The zero value of all but Nodes and Seconds is right.
type ClusterOptions struct {
	// Nodes is how many machines there are, 3 or more: each runs a member of the group. With regions it's how many each has: 1,
	// 3 or more, or 0 for what the seed says.
	Nodes int
	// Regions is how many regions there are, of which each is a group: 2 to 8. 0 is one group and no regions.
	Regions int
	// Seconds is how long clients write, in simulated seconds, from 1.
	Seconds int
	// Story keeps every line of what happened in the report.
	Story bool
	// Without are places in [ClusterReport.Schedule] of what doesn't go wrong this time.
	Without map[int]bool

	taboo string // a mishap that breaks a promise by being there, for a test
}

// ClusterReport is what a run of a group met.
type ClusterReport struct {
	// Ops are requests and reads that were answered. Of the requests Acked were accepted, Refused not, and of Unknown nobody
	// said; Reads are the reads, Strong those of them that asked the group.
	Ops, Acked, Refused, Unknown, Reads, Strong uint64
	// Crashes ended a process without warning, Restarts opened a directory again.
	Crashes, Restarts uint64
	// Checkpoints were committed, Released is how often a log went behind one, Snapshots were installed.
	Checkpoints, Released, Snapshots uint64
	// Leaders counts terms that had a leader, Joined members that were added, Removed those that were taken out.
	Leaders, Joined, Removed uint64
	// Packets were sent, Lost of them never came, of Frames a transport took the bytes.
	Packets, Lost, Frames uint64
	// Faults count what struck, by kind.
	Faults ClusterFaults
	// Entries are in the log that the group agreed on, Events and Records in its state at the end.
	Entries, Events, Records int
	// Regions is what was met besides in a run of regions.
	Regions RegionCounts
	// Simulated is the time that passed, in nanoseconds.
	Simulated int64
	// Hash is over every line of the story; Story has them if they were asked for.
	Hash  uint64
	Story string
	// Last are the last lines, Schedule is all that was to go wrong, one line each.
	Last, Schedule []string

	plan plan
}

// Cluster runs a group of members, for real and on one thread, over simulated disks, clocks and a network, under clients
// that retry. It returns the first promise that was broken.
//
// The seed is the run: the same seed and options give the same story, byte for byte. To that end the process's
// crypto/rand.Reader is another one during the call, so one run at a time may go on in a process.
func Cluster(seed uint64, o ClusterOptions) (*ClusterReport, error) {
	var r Room
	return r.Cluster(seed, o)
}

// Room is memory that one run after another uses. Nothing in it outlives a run, and its zero value is ready.
type Room struct {
	jobs      jobs
	recorders []lifecycle.Recorder
}

// Cluster is the function of that name.
func (r *Room) Cluster(seed uint64, o ClusterOptions) (*ClusterReport, error) {
	if !o.sound() {
		panic(fmt.Sprintf("sim: a run of %d regions, %d nodes and %d seconds", o.Regions, o.Nodes, o.Seconds))
	}
	defer foresee(seed)()
	r.jobs.reset()
	var f *common
	if o.Regions > 0 {
		g := newGlobe(seed, o, r)
		g.run()
		f = g.common
	} else {
		g := newFleet(seed, o, r)
		g.run()
		f = g.common
	}
	f.report.Hash, f.report.Last = f.story.sum, f.story.tail()
	f.report.Simulated = f.now
	f.report.Schedule, f.report.plan = f.plan.lines(), f.plan
	if f.story.whole != nil {
		f.report.Story = f.story.whole.String()
	}
	if f.broken != nil {
		return &f.report, fmt.Errorf("seed %d, at %.6f s: %w", seed, float64(f.now)/1e9, f.broken)
	}
	return &f.report, nil
}

// sound reports whether there is such a run.
func (o *ClusterOptions) sound() bool {
	if o.Regions == 0 {
		return o.Nodes >= 3 && o.Seconds >= 1
	}
	return o.Regions >= 2 && o.Regions <= maxRegions && (o.Nodes == 0 || o.Nodes == 1 || o.Nodes >= 3) && o.Seconds >= 1
}

// common is one run: its clock, what is to be done, those who use what runs, and what is known of it. The groups of a run share
// it; most runs have one.
type common struct {
	inventor
	options  ClusterOptions
	rng      *rand.Rand // the clients' and the operator's
	end, now int64
	jobs     *jobs
	acting   *machine // whose step it is: a power cut in its disk is its own
	plan     plan
	settings settings
	ledger   *ledger
	writers  []*writer
	readers  readers
	admin    *schemer
	report   ClusterReport
	story    story
	room     *Room
	closing  bool  // clients have stopped, and nothing goes wrong any more
	frozen   bool  // clients do nothing any more, and nobody minds what they are told
	ended    bool  // nothing more happens
	broken   error // the first promise that was broken
}

// fleet is one group of a run: the machines with the network between them, and the log that they agreed on.
type fleet struct {
	*common
	machines []*machine
	network  network
	agreed   agreement
	operator operator
	cluster  [16]byte           // the group's cluster id
	lost     map[uint64]*mirror // what lost disks held, by member
	origin   id.Origin          // that the group's leaders stamp for
	province *province          // of a region, nil in a run without
}

// settings are drawn once for a run.
type settings struct {
	tick      int64 // length of one
	segment   int64 // size of a log file
	waiting   int   // bound of a core's queue
	lifecycle bool  // transitions are recorded and checked
	codec     bool  // packets travel as bytes, in frames of transports
	wild      bool  // disks of milliseconds, not of microseconds
	ordered   bool  // the network keeps the order of what it doesn't lose
	latency   int64 // of the network at most, mostly
}

func drawSettings(rng *rand.Rand) settings {
	return settings{
		tick:      []int64{25 * milli, 25 * milli, 50 * milli}[rng.IntN(3)],
		segment:   []int64{4 << 10, 16 << 10, 64 << 10, 64 << 10}[rng.IntN(4)],
		waiting:   []int{8, 64, 4096}[rng.IntN(3)],
		lifecycle: rng.IntN(4) == 0,
		codec:     rng.IntN(8) == 0,
		wild:      rng.IntN(4) == 0,
		ordered:   rng.IntN(3) > 0,
		latency:   []int64{300 * micro, milli, 8 * milli}[rng.IntN(3)],
	}
}

func newFleet(seed uint64, o ClusterOptions, r *Room) *fleet {
	rng := rand.New(rand.NewPCG(seed, 0x666c656574))
	c := &common{
		options: o, rng: rng, end: int64(o.Seconds) * second, room: r, jobs: &r.jobs, ledger: newLedger(),
		settings: drawSettings(rng),
	}
	f := &fleet{common: c, lost: map[uint64]*mirror{}}
	if o.Story {
		f.story.whole = &strings.Builder{}
	}
	for len(r.recorders) < o.Nodes {
		r.recorders = append(r.recorders, lifecycle.Recorder{})
	}
	copy(f.cluster[:], clusterSecret)
	versions := versions()
	f.inventor = inventor{rng: rng, ledger: f.ledger, now: &f.now, types: len(versions[0].Signals)}
	f.agreed = newAgreement(f)
	for place := range o.Nodes {
		f.machines = append(f.machines, newMachine(f, seed, place, place))
	}
	f.network = newNetwork(f, rand.New(rand.NewPCG(seed, 0x6e6574)))
	if f.settings.codec {
		f.network.carriesFrames(pair.Options{Seed: seed, MaxFrame: maxFrame, QueueFrames: maxCarried})
	}
	f.plan = newPlan(rand.New(rand.NewPCG(seed, 0x706c616e)), o)
	f.writers = newWriters(f)
	f.readers = newReaders(f)
	f.admin = &schemer{f: f, versions: versions}
	f.operator = operator{f: f}
	return f
}

// run does what is to be done until the run ends or a promise is broken.
func (f *fleet) run() {
	f.begin()
	f.toItsEnd(f.waitsFor)
}

// toItsEnd does one thing behind the other. waitsFor says what a run waits for that doesn't end.
func (f *fleet) toItsEnd(waitsFor func() string) {
	// A run that can't come to its end is broken, too.
	limit := f.end + 90*second
	for f.broken == nil && !f.ended {
		if len(f.jobs.heap) == 0 || f.jobs.heap[0].at > limit {
			f.breaks(fmt.Errorf("run doesn't come to its end: %s", waitsFor()))
			return
		}
		f.next()
	}
}

// next does what is next to be done.
func (f *fleet) next() {
	at, w := f.jobs.next()
	if w.of != nil && w.of.gone {
		return
	}
	f.now = at
	f.guard(&w)
}

// begin starts everybody.
func (f *fleet) begin() {
	f.after(0, f.machines[0].found)
	for _, m := range f.machines[1:] {
		f.after(f.between(0, 400*milli), m.join)
	}
	for _, w := range f.writers {
		w.schedule()
	}
	f.readers.schedule()
	f.admin.schedule()
	f.operator.schedule()
	for i := range f.plan.faults {
		f.after(f.plan.faults[i].at, func() { f.strike(i) })
	}
	f.after(f.end, f.finish)
}

// guard does one work. A step in which the power of a machine is cut ends there; a panic of another kind is a broken
// promise.
func (f *fleet) guard(w *work) {
	defer func() {
		switch cause := recover(); {
		case cause == nil:
		case cause == any(disk.ErrPower):
			f.report.Faults.InDisk++
			f.acting.crash(f.acting.cutPower, "in the disk")
		default:
			if f.options.Story {
				panic(cause)
			}
			f.breaks(fmt.Errorf("panic: %v", cause))
		}
	}()
	f.acting = nil
	if w.of != nil {
		f.acting = w.of.m
	}
	f.perform(w)
}

// breaks ends the run.
func (f *fleet) breaks(err error) {
	if f.broken == nil {
		f.broken = err
	}
}

// tell adds a line to the story: of a machine, or of nobody.
func (f *fleet) tell(m *machine, what string, a, b uint64, note string) {
	who := ""
	if m != nil {
		who = m.name
	}
	f.story.tell(happening{f.now, who, what, a, b, note})
}

// after puts something on the list.
func (f *fleet) after(d int64, do func()) { f.jobs.enter(f.now+d, work{kind: toCall, do: do}) }

// within is after, for a process: it isn't done when that is gone by then.
func (p *resident) within(d int64, do func()) {
	p.m.f.jobs.enter(p.m.f.now+d, work{kind: toCall, of: p, do: do})
}

// between draws a time.
func (f *fleet) between(from, to int64) int64 { return between(f.rng, from, to) }

// versions are those that enter while a run goes on: those of the workload, and additions.
func versions() []*schema.Schema {
	list := workload.Schemas()
	for n := range 3 {
		next, err := list[len(list)-1].Extend(func(s *schema.Schema) {
			s.Signals = append(s.Signals, schema.SignalType{Name: fmt.Sprintf("later_%d", n), Permanent: true})
		})
		if err != nil {
			panic(fmt.Sprintf("sim: extend the schema: %v", err))
		}
		list = append(list, next)
	}
	return list
}
