package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/sim/disk"
	"github.com/tidaldb/tidal/internal/state"
)

// directory is where the database is on the simulated disk.
const directory = "/data/db"

// process is one run of the program: what package host drives with goroutines, driven step by step.
type process struct {
	w        *world
	life     uint64 // what it puts on the agenda ends with it
	base     *host.Base
	step     *host.Stepper
	journal  *host.Journal
	queue    []*consensus.Append // for the disk
	busy     bool                // the disk works on a group
	open     map[uint64]*attempt // requests without an answer, by ticket
	ready    bool                // it stamps, and what it recovered was checked
	stopping bool                // it takes no requests any more

	checkpoints checkpoints
}

// before is what the last process left, for comparison with what the next one finds.
type before struct {
	engine *engine.Engine // nil if some of its users were in the store alone, which is gone with it
	vector id.VersionVector
	digest state.Digest // if known
	known  bool
	clean  bool // it was closed in order: everything in its log is proven
}

// up reports whether requests can be sent.
func (w *world) up() bool { return w.process != nil && w.process.ready && !w.process.stopping }

// start opens the directory.
func (w *world) start() {
	w.life++
	p := &process{w: w, life: w.life, open: map[uint64]*attempt{}}
	opts := w.options()
	if w.trouble.lifecycle {
		w.room.recorder.Reset()
		opts.Tracer = &w.room.recorder
	}
	w.trouble.atStart()
	var err error
	if p.base, err = host.OpenBase(opts); err != nil {
		w.cantOpen(err)
		return
	}
	w.trouble.opened()
	w.process = p
	p.journal = host.NewJournal(p.base.Log, func() int64 { return w.now })
	p.step, err = host.NewStepper(p.base, host.Edge{Now: w.clock, Persist: p.persist, Reply: p.reply})
	if err != nil {
		w.breaks(err)
		return
	}
	r := p.base.Recovery
	w.tell("open", r.LastIndex, uint64(r.TornBytes), "")
	p.settle()
	p.ticks()
	p.checkpoints = checkpoints{
		keeper: w.keeper, owner: p, base: p.base, journal: p.journal, made: &w.report.Checkpoints,
	}
	p.checkpoints.begin()
}

// within puts something on the agenda that ends with the process.
func (p *process) within(d int64, do func()) { p.w.after(d, p.life, do) }

// releases lets the ledger look at the log before it goes.
func (p *process) releases(below uint64) error {
	w := p.w
	if err := w.ledger.read(p.base.Log, p.base.Origin()); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	w.tell("release", below, 0, "")
	w.report.Released++
	return nil
}

// options are those of every process.
func (w *world) options() host.Options {
	return host.Options{
		FS: w.disk, Dir: directory, SegmentBytes: w.trouble.segment, MaxWaiting: w.trouble.waiting,
		Random: strings.NewReader(clusterSecret),
		Now:    func() time.Time { return time.Unix(0, w.clock().Wall) },
		Store:  w.keeper.open, Retention: w.keeper.retention, UserMemory: w.keeper.userMemory,
	}
}

// clock reads the simulated clocks.
func (w *world) clock() replica.Now { return replica.Now{Wall: epoch + w.now + w.skew, Mono: w.now} }

// cantOpen decides whether a refusal to open is right: only a fault that struck excuses it.
func (w *world) cantOpen(err error) {
	var damage *fault.Corrupt
	struck := w.trouble.newStrikes()
	switch {
	case errors.As(err, &damage) && struck[disk.FlipRead] > 0:
		if damage.File == "" {
			w.breaks(fmt.Errorf("damage without the name of a file: %w", err))
			return
		}
		w.report.Faults.Named++
	case errors.Is(err, fault.ErrFormatTooNew) && struck[disk.FlipRead] > 0:
		w.report.Faults.Named++ // the wrong bit was in the number of the format, which is read before any checksum
	case errors.Is(err, fault.ErrDisk) && w.excused(struck):
	default:
		w.breaks(fmt.Errorf("directory doesn't open: %w", err))
		return
	}
	w.tell("no open", 0, 0, "")
	w.disk.Crash(w.rng.IntN(2) == 0)
	w.restart()
}

// excused reports whether the disk gave a reason to fail.
func (w *world) excused(struck strikes) bool {
	return struck[disk.FailSync]+struck[disk.FailWrite]+struck[disk.Full] > 0 || w.disk.IsFull() || w.keeper.struck()
}

// restart starts a process after a while.
func (w *world) restart() { w.after(w.between(2*milli, 150*milli), 0, w.start) }

// crash ends the process without warning.
func (w *world) crash(power bool, where string) {
	w.report.Crashes++
	n := uint64(0)
	if power {
		n = 1
	}
	w.tell("crash", n, 0, where)
	if p := w.process; p != nil {
		p.leave(false)
		w.ledger.forget(p)
	}
	w.gone(power)
	w.restart()
}

// gone is a machine without the process, or newly powered.
func (w *world) gone(power bool) {
	w.process = nil
	w.life++
	w.trouble.newStrikes()
	w.keeper.crash()
	w.disk.Crash(power)
}

// leave checks the history of a process that ends, and keeps what it knew.
func (p *process) leave(clean bool) {
	w := p.w
	if w.trouble.lifecycle {
		if err := w.room.recorder.Check(); err != nil {
			w.breaks(fmt.Errorf("illegal history: %w", err))
		}
	}
	b := before{engine: p.base.Engine, vector: p.base.Engine.Vector(), clean: clean}
	if !b.engine.AllResident() {
		d, err := p.base.Digest()
		b.engine, b.digest, b.known = nil, d, err == nil
	}
	w.ledger.before = b
}

// settle does what the core wants, and notices when it begins to stamp.
func (p *process) settle() {
	if err := p.step.Settle(); err != nil {
		p.fail(err)
		return
	}
	if p.step.Led() && !p.ready {
		p.ready = true
		p.w.recovered()
	}
	if p.stopping && p.step.InDisk() == 0 && len(p.open) == 0 {
		p.stop()
	}
}

// recovered checks what a process found before anyone uses it.
func (w *world) recovered() {
	w.opened++
	w.report.Restarts++
	if err := w.ledger.audit(w.process.base); err != nil {
		w.breaks(err)
		return
	}
	w.tell("ready", uint64(len(w.ledger.entries)), uint64(w.ledger.last.seq), "")
}

// ticks lets Raft's time pass.
func (p *process) ticks() {
	p.w.after(100*milli, p.life, func() {
		p.step.Core.Tick(p.w.clock())
		p.settle()
		p.ticks()
	})
}

// persist takes an append to the disk. As in a real process the disk works in groups, on one at a time.
func (p *process) persist(a *consensus.Append) {
	p.queue = append(p.queue, a)
	if len(p.queue) > 64 {
		p.w.breaks(fmt.Errorf("%d appends wait for the disk", len(p.queue)))
	}
	if !p.busy {
		p.busy = true
		p.w.after(p.w.between(0, 20*micro), p.life, p.write)
	}
}

func (p *process) write() {
	group := make([]host.Written, len(p.queue))
	for i, a := range p.queue {
		group[i] = p.journal.Write(a)
	}
	p.queue = nil
	p.w.after(p.w.trouble.latency(), p.life, func() { p.sync(group) })
}

func (p *process) sync(group []host.Written) {
	p.journal.Sync(group)
	// The answer is on its way when the disk goes on.
	p.w.after(p.w.between(0, 30*micro), p.life, func() { p.persisted(group) })
	if len(p.queue) > 0 {
		p.write()
		return
	}
	p.busy = false
	p.journal.Mark()
}

func (p *process) persisted(group []host.Written) {
	if err := p.step.Persisted(group); err != nil {
		p.fail(err)
		return
	}
	p.settle()
}

// fail ends a process that can't go on. Only a fault of the disk excuses that.
func (p *process) fail(err error) {
	w := p.w
	struck := w.trouble.newStrikes()
	if !errors.Is(err, fault.ErrDisk) || !w.excused(struck) {
		w.breaks(fmt.Errorf("process stopped: %w", err))
		return
	}
	w.tell("failed", uint64(len(p.open)), 0, "")
	p.step.Stop(err)
	if len(p.open) > 0 {
		w.breaks(fmt.Errorf("%d requests stay without an answer when the process stops", len(p.open)))
		return
	}
	p.leave(false)
	_ = p.base.Close() // it reports the failure again
	w.gone(w.rng.IntN(2) == 0)
	w.restart()
}

// close begins an orderly end: what was taken comes to its end.
func (p *process) close() {
	p.stopping = true
	p.settle()
}

// stop is the rest of it.
func (p *process) stop() {
	w := p.w
	p.stopping = false
	p.step.Stop(fault.ErrClosed)
	p.journal.Finish()
	err := p.checkpoints.last()
	if cerr := p.base.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		if !errors.Is(err, fault.ErrDisk) {
			w.breaks(fmt.Errorf("close: %w", err))
			return
		}
		w.tell("failed", 0, 0, "in close")
		p.leave(false)
	} else {
		w.tell("closed", 0, 0, "")
		p.leave(true)
	}
	w.gone(w.rng.IntN(2) == 0)
	w.afterClose()
}

// reply gives an answer to whoever asked.
func (p *process) reply(r replica.Reply) {
	a := p.open[r.Ticket]
	if a == nil {
		p.w.breaks(fmt.Errorf("ticket %d is answered, and nobody waits for it", r.Ticket))
		return
	}
	delete(p.open, r.Ticket)
	p.w.report.Ops++
	p.w.answered(a, r)
}
