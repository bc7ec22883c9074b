package sim

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/ship"
	"github.com/tidaldb/tidal/internal/sim/disk"
)

// clusterSecret is what a group's cluster id is drawn from.
const clusterSecret = "one simulated cluster"

// machine is a place where a member runs, or is to run: a disk, a clock, and a process while there is one.
type machine struct {
	f       *fleet
	place   int // in its group
	slot    int // in the run
	name    string
	rng     *rand.Rand // latencies, and what happens at a start
	disk    *disk.Disk
	keeper  *keeper
	process *resident // nil while there is none
	mirror  mirror    // of the log on the disk

	// number is that of the member whose directory is on the disk, 0 while it's to join. Directories counts those that
	// there were: each is another member, at an address of its own.
	number      uint64
	directories int
	joined      *host.Joined
	joins       *errand // its asking to join

	skew     int64  // of the wall clock
	ahead    int64  // the furthest that it was
	slow     int64  // until when the disk is slow
	stalled  int64  // until when the disk answers nothing
	down     int64  // until when no process starts
	quick    int    // restarts that come at once
	votes    bool   // it crashes when it has voted for somebody
	leaving  bool   // the operator takes the member out
	rots     uint64 // a bit of the log rots when the process has closed, unless it's 0
	cutPower bool   // whether the cut in the disk takes the power, or the process alone
	seen     strikes
}

func newMachine(f *fleet, seed uint64, place, slot int) *machine {
	m := &machine{
		f: f, place: place, slot: slot, name: fmt.Sprintf("m%d", place),
		rng: rand.New(rand.NewPCG(seed, 0x6d616368<<8+uint64(slot))),
	}
	m.ahead = between(m.rng, -300*milli, 300*milli)
	m.skew = m.ahead
	m.wipe(seed)
	return m
}

// wipe puts an empty disk in.
func (m *machine) wipe(seed uint64) {
	m.disk = disk.New(rand.New(rand.NewPCG(seed, 0x6469736b<<8+uint64(m.slot))))
	m.keeper = newKeeper(rand.New(rand.NewPCG(seed, 0x6b656570<<8+uint64(m.slot))), &m.f.report.Faults.Store)
	if m.number != 0 {
		was := m.mirror
		m.f.lost[m.number] = &was
	}
	m.keeper.mean *= 3 // there are three at work, or more
	if m.f.province != nil {
		m.f.province.globe.keeps(m.keeper, m.f.province.place)
	}
	m.mirror, m.seen = mirror{}, strikes{}
	m.number, m.joined, m.joins = 0, nil, nil
	m.directories++
}

func (m *machine) address() string { return fmt.Sprintf("%s.%d:1", m.name, m.directories) }

// member returns the machine that a member's directory is on.
func (f *fleet) member(number uint64) *machine {
	for _, m := range f.machines {
		if m.number == number && number != 0 {
			return m
		}
	}
	return nil
}

// found makes the group: this machine's member is its first.
func (m *machine) found() {
	m.number = 1
	m.start()
}

// options are those of every process of the machine.
func (m *machine) options() host.Options {
	s := &m.f.settings
	o := host.Options{
		FS: m.disk, Dir: directory, SegmentBytes: s.segment, MaxWaiting: s.waiting,
		Random: strings.NewReader(clusterSecret),
		Now:    func() time.Time { return time.Unix(0, m.clock().Wall) },
		Store:  m.keeper.open, Retention: m.keeper.retention, UserMemory: m.keeper.userMemory,
		Regions: m.f.province != nil,
		Joined:  m.joined, Joining: m.joined != nil, Founder: consensus.Member{Number: m.number, Address: m.address()},
		Ticks: host.Ticks{Election: 12, Heartbeat: 3, Stall: int(2 * second / s.tick)},
	}
	if v := m.f.province; v != nil && v.globe.ranges {
		o.RangesAlone, o.ShipKeep = v.globe.isSmall(v.place), shortMemory
	}
	return o
}

// clock reads the machine's clocks.
func (m *machine) clock() replica.Now {
	return replica.Now{Wall: epoch + m.f.now + m.skew, Mono: m.f.now}
}

// start opens the directory.
func (m *machine) start() {
	if m.number == 0 || m.process != nil {
		return
	}
	f := m.f
	f.acting = m
	p := &resident{m: m, open: map[uint64]*attempt{}}
	opts := m.options()
	if f.settings.lifecycle {
		r := &f.room.recorders[m.slot]
		r.Reset()
		opts.Tracer = r
	}
	m.atStart()
	var err error
	if p.base, err = host.OpenBase(opts); err != nil {
		m.cantOpen(err)
		return
	}
	m.process = p
	f.report.Restarts++
	if err := p.connect(); err != nil {
		f.breaks(fmt.Errorf("%s: %w", m.name, err))
		return
	}
	p.journal = host.NewJournal(p.base.Log, func() int64 { return f.now })
	p.step, err = host.NewStepper(p.base, host.Edge{
		Now: m.clock, Persist: p.persist, Reply: p.reply, Send: p.send, Read: p.strong, Changed: p.changed,
		Snapshot: p.parcel, Ship: p.ships(), ShipWork: p.fetch, ShipEvent: p.shipEvent,
	})
	if err != nil {
		f.breaks(fmt.Errorf("%s: %w", m.name, err))
		return
	}
	if err := p.recovered(); err != nil {
		f.breaks(fmt.Errorf("%s: %w", m.name, err))
		return
	}
	if p.line != nil {
		p.line.know()
	}
	f.tell(m, "open", m.number, p.base.Log.LastIndex(), "")
	p.settle()
	if !p.gone {
		p.nextTick()
		p.checkpoints = checkpoints{
			keeper: m.keeper, owner: p, base: p.base, journal: p.journal, made: &f.report.Checkpoints,
		}
		p.checkpoints.begin()
	}
}

// atStart lets things go wrong while a directory is opened.
func (m *machine) atStart() {
	if m.f.closing {
		m.disk.Calm()
		return
	}
	switch n := m.rng.IntN(12); {
	case n < 2:
		m.arm(1 + m.rng.Uint64N(40))
	case n == 2:
		m.disk.Inject(disk.FailSync, 1+m.rng.Uint64N(4))
	case n == 3:
		m.disk.Calm() // room is made
	}
	if m.rng.IntN(2) == 0 {
		m.disk.Free()
	}
}

// arm cuts the power, or kills the process, in the n-th operation of the disk from now.
func (m *machine) arm(n uint64) {
	m.cutPower = m.rng.IntN(3) > 0
	m.disk.Interrupt(n)
}

// cantOpen decides whether a refusal to open is right: only a fault that struck excuses it.
func (m *machine) cantOpen(err error) {
	f := m.f
	if !errors.Is(err, fault.ErrDisk) || !m.excused(m.newStrikes()) {
		f.breaks(fmt.Errorf("%s: directory doesn't open: %w", m.name, err))
		return
	}
	f.tell(m, "no open", 0, 0, "")
	m.off(m.rng.IntN(2) == 0)
}

// excused reports whether the disk gave a reason to fail.
func (m *machine) excused(struck strikes) bool {
	return struck[disk.FailSync]+struck[disk.FailWrite]+struck[disk.Full] > 0 || m.disk.IsFull() || m.keeper.struck()
}

// newStrikes returns the faults that struck since the last call, and counts them.
func (m *machine) newStrikes() (news strikes) {
	for x := disk.None; x <= disk.FlipRead; x++ {
		n := m.disk.Struck(x)
		news[x] = n - m.seen[x]
		m.seen[x] = n
	}
	r := &m.f.report.Faults
	r.FailSync += news[disk.FailSync]
	r.FailWrite += news[disk.FailWrite]
	r.Full += news[disk.Full]
	return news
}

// betweenSteps is where a crash finds nothing half done.
const betweenSteps = "between steps"

// crash ends the process without warning.
func (m *machine) crash(power bool, where string) {
	f := m.f
	f.report.Crashes++
	n := uint64(0)
	if power {
		n = 1
	}
	f.tell(m, "crash", n, 0, where)
	if p := m.process; p != nil {
		// Within an operation, memory and store may be of two states.
		p.leave(where == betweenSteps && m.rng.IntN(4) == 0)
	}
	m.off(power)
}

// off is a machine without the process, or newly powered. It starts again after a while.
func (m *machine) off(power bool) {
	m.process, m.rots = nil, 0
	m.newStrikes()
	m.keeper.crash()
	m.disk.Crash(power)
	m.restart()
}

// restart starts a process after a while.
func (m *machine) restart() {
	pause := between(m.rng, 2*milli, 150*milli)
	if m.quick > 0 {
		m.quick--
		pause = between(m.rng, milli, 10*milli)
	}
	m.f.after(max(pause, m.down-m.f.now), m.start)
}

// resident is one run of the program on a machine: what package host drives with goroutines, driven step by step.
type resident struct {
	m       *machine
	gone    bool // it ended; what is to be done for it isn't done any more
	base    *host.Base
	step    *host.Stepper
	journal *host.Journal
	disk    persisting
	open    map[uint64]*attempt // requests without an answer, by ticket
	lookups []*lookup           // reads that wait, for an answer or to be visible
	doubted []*doubt            // requests whose event isn't here, until the group has said what should be
	errands []*errand           // changes of members that aren't answered
	answers bool                // a read may be answered
	// acknowledges are requests that were accepted in the step that goes on.
	acknowledges []acknowledged
	parcels      []replica.SnapWork // work on snapshots, in order
	applied      uint64             // the last entry that was looked at
	led          uint64             // the term that it was seen to lead, 0 if it doesn't
	stopping     bool               // it takes nothing any more
	silent       bool               // its core has fallen silent
	line         *line              // its end of the network, in runs whose packets travel as bytes
	views        []*view            // reads of travellers that wait
	geo          []geoWait          // requests that wait for another region to have them
	errandsAt    []ship.Work        // reads of the log for other regions, in order

	checkpoints checkpoints
}

// acknowledged is a request that was accepted, and where.
type acknowledged struct {
	op *op
	at id.Position
}

// enter says that what the disk does now, it does for this process.
func (p *resident) enter() { p.m.f.acting = p.m }

// up reports whether requests can be sent to a machine.
func (m *machine) up() bool {
	return m.process != nil && !m.process.stopping && (m.f.province == nil || !m.f.province.shut)
}

// leave checks the history of a process that ends, and keeps what it knew.
func (p *resident) leave(remember bool) {
	f := p.m.f
	p.gone = true
	p.disconnect()
	if f.settings.lifecycle {
		if err := f.room.recorders[p.m.slot].Check(); err != nil {
			f.breaks(fmt.Errorf("%s: illegal history: %w", p.m.name, err))
		}
	}
	if remember {
		if err := p.sameDigest(); err != nil {
			f.breaks(err)
		}
	}
	for _, a := range p.unanswered() {
		a.end = unknown
		f.report.Unknown++
		a.lost()
	}
	for _, l := range p.lookups {
		l.failed()
	}
	for _, d := range p.doubted {
		d.op.trying = false
	}
	for _, v := range p.views {
		v.notYet()
	}
	for _, e := range p.errands {
		e.over = true
	}
	p.lookups, p.doubted, p.errands, p.views, p.geo = nil, nil, nil, nil, nil
}

// unanswered are the requests that nobody will answer any more, in order.
func (p *resident) unanswered() []*attempt {
	list := make([]*attempt, 0, len(p.open))
	for _, a := range p.open {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *attempt) int { return cmp.Compare(a.number, b.number) })
	clear(p.open)
	return list
}

// releases notes that the log goes.
func (p *resident) releases(below uint64) error {
	f := p.m.f
	f.report.Released++
	f.tell(p.m, "release", below, 0, "")
	return nil
}

func (p *resident) nextTick() {
	f := p.m.f
	f.jobs.enter(f.now+f.settings.tick, work{kind: toTick, of: p})
}

// tick lets Raft's time pass.
func (p *resident) tick() {
	p.nextTick()
	if p.base.Wanted() {
		p.checkpoints.want()
	}
	if p.gone || p.step.Received() {
		return
	}
	p.step.Core.Tick(p.m.clock())
	p.settle()
	if len(p.geo) > 0 && !p.gone {
		p.watchGeo()
	}
}

// settle does what the core wants, and holds what came of it against the others.
func (p *resident) settle() {
	if err := p.step.Settle(); err != nil {
		p.fail(err)
		return
	}
	if err := p.observe(); err != nil {
		p.m.f.breaks(fmt.Errorf("%s: %w", p.m.name, err))
		return
	}
	switch {
	case p.step.Received():
		p.install()
	case p.step.Fenced() != nil:
		p.fenced()
	case p.stopping && p.step.InDisk() == 0 && len(p.open) == 0:
		p.stop()
	}
}

// fenced starts a process anew that has fallen silent, once its disk has answered everything.
func (p *resident) fenced() {
	m, f := p.m, p.m.f
	if !p.silent {
		p.silent = true
		f.report.Faults.Fenced++
		f.tell(m, "fenced", uint64(len(p.open)), 0, "")
	}
	if !p.disk.busy && !p.gone && p.end(p.step.Fenced(), false) {
		m.off(false)
	}
}

// fail ends a process that can't go on. Only a fault of the disk excuses that.
func (p *resident) fail(err error) {
	m, f := p.m, p.m.f
	if p.gone {
		return
	}
	if !errors.Is(err, fault.ErrDisk) || !m.excused(m.newStrikes()) {
		f.breaks(fmt.Errorf("%s: process stopped: %w", m.name, err))
		return
	}
	f.tell(m, "failed", uint64(len(p.open)), 0, "")
	if p.end(err, false) {
		m.off(m.rng.IntN(2) == 0)
	}
}

// end stops what is open, and closes. It reports whether nothing was wrong with that.
func (p *resident) end(cause error, remember bool) bool {
	f := p.m.f
	p.step.Stop(cause)
	if len(p.open) > 0 {
		f.breaks(fmt.Errorf("%s: %d requests stay without an answer when the process stops", p.m.name, len(p.open)))
		return false
	}
	p.leave(remember)
	if err := p.base.Close(); err != nil && !errors.Is(err, fault.ErrDisk) {
		f.breaks(fmt.Errorf("%s: close: %w", p.m.name, err))
		return false
	}
	return true
}

// close begins an orderly end: what was taken comes to its end, but nobody waits for it for ever.
func (p *resident) close() {
	if p.stopping {
		return
	}
	p.enter()
	f := p.m.f
	f.tell(p.m, "close", 0, 0, "")
	p.stopping = true
	p.step.Core.Transfer(p.m.clock(), 0)
	p.within(2*second, p.stop)
	p.settle()
}

// stop is the rest of it.
func (p *resident) stop() {
	m, f := p.m, p.m.f
	if p.gone {
		return
	}
	p.enter()
	p.step.Stop(fault.ErrClosed)
	p.journal.Finish()
	err := p.checkpoints.last()
	p.leave(err == nil)
	if cerr := p.base.Close(); err == nil {
		err = cerr
	}
	if err != nil && !errors.Is(err, fault.ErrDisk) {
		f.breaks(fmt.Errorf("%s: close: %w", m.name, err))
		return
	}
	f.tell(m, "closed", 0, 0, "")
	if v := m.f.province; v != nil && v.takesImage && err == nil {
		m.keepImage(len(p.base.Engine.Regions()))
	}
	if m.rots > 0 && err == nil {
		m.process = nil
		m.disk.Crash(false)
		m.keeper.crash()
		m.rot()
		return
	}
	m.off(m.rng.IntN(2) == 0)
}
