package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tidaldb/tidal/internal/sim/disk"
	"github.com/tidaldb/tidal/lifecycle"
)

// NodeOptions describes a run of one node. The zero value of all but Seconds is right.
type NodeOptions struct {
	// Seconds is how long clients write, in simulated seconds, from 1.
	Seconds int
	// Story keeps every line of what happened in the report.
	Story bool
}

// NodeReport is what a run of one node met.
type NodeReport struct {
	// Ops are requests that were answered, Acked those that were accepted, Refused those that were not.
	Ops, Acked, Refused uint64
	// Crashes ended a process without warning, Restarts opened the directory again.
	Crashes, Restarts uint64
	// Checkpoints were committed, and Released is how often the log went behind one.
	Checkpoints, Released uint64
	// Faults count what struck, by kind.
	Faults Faults
	// Events and Records are in the log, and in the state, at the end.
	Events, Records int
	// Simulated is the time that passed, in nanoseconds.
	Simulated int64
	// Hash is over every line of the story; Story has them if they were asked for.
	Hash  uint64
	Story string
	// Last are the last lines.
	Last []string
}

// Node runs one replica, for real and on one thread, over a simulated disk, under clients that retry, with crashes at any
// point, faults of the disk, jumps of the clock and a schema that grows. It returns the first promise that was broken.
//
// The seed is the run: the same seed gives the same story, byte for byte.
func Node(seed uint64, o NodeOptions) (*NodeReport, error) { return node(seed, o, &room{}) }

func node(seed uint64, o NodeOptions, r *room) (*NodeReport, error) {
	if o.Seconds < 1 {
		panic(fmt.Sprintf("sim: a run of %d seconds", o.Seconds))
	}
	w := newWorld(seed, o, r)
	w.run()
	w.report.Hash, w.report.Last = w.story.sum, w.story.tail()
	w.report.Simulated = w.now
	if w.story.whole != nil {
		w.report.Story = w.story.whole.String()
	}
	if w.broken != nil {
		return &w.report, fmt.Errorf("seed %d, at %.6f s: %w", seed, float64(w.now)/1e9, w.broken)
	}
	return &w.report, nil
}

// Units of simulated time, in nanoseconds.
const (
	micro  = int64(1000)
	milli  = 1000 * micro
	second = 1000 * milli
)

// epoch is the wall clock when a run begins, in Unix nanoseconds.
const epoch = 1_700_000_000 * second

// world is one run: the clock, what is due, the disk, the process that runs on it, and those who use it.
type world struct {
	inventor
	rng     *rand.Rand
	end     int64 // when the clients stop
	now     int64
	skew    int64 // of the wall clock
	agenda  agenda
	entered uint64 // how many things were put on the agenda
	disk    *disk.Disk
	process *process // nil while there is none
	life    uint64   // counts processes, and attempts to start one
	opened  uint64   // processes that began to stamp
	clients []*client
	admin   *admin
	ledger  *ledger
	trouble trouble
	report  NodeReport
	story   story
	closing bool  // the run comes to its end
	ended   bool  // nothing more happens
	broken  error // the first promise that was broken
	room    *room
	keeper  *keeper
}

// room is memory that one run after another uses. Nothing in it outlives a run.
type room struct {
	recorder lifecycle.Recorder
}

func newWorld(seed uint64, o NodeOptions, r *room) *world {
	rng := rand.New(rand.NewPCG(seed, 0x6e6f6465))
	w := &world{
		rng:    rng,
		end:    int64(o.Seconds) * second,
		disk:   disk.New(rand.New(rand.NewPCG(seed, 0x6469736b))),
		ledger: newLedger(),
		room:   r,
	}
	if o.Story {
		w.story.whole = &strings.Builder{}
	}
	w.keeper = newKeeper(rand.New(rand.NewPCG(seed, 0x6b656570)), &w.report.Faults.Store)
	w.trouble = newTrouble(w)
	w.clients = newClients(w)
	w.admin = newAdmin(w)
	w.inventor = inventor{rng: rng, ledger: w.ledger, now: &w.now, types: len(w.admin.versions[0].Signals)}
	return w
}

// run does what is on the agenda until the run ends or a promise is broken.
func (w *world) run() {
	w.after(0, 0, w.start)
	w.trouble.schedule()
	for _, c := range w.clients {
		c.schedule()
	}
	w.admin.schedule()
	w.after(w.end, 0, w.finish)
	// A run that can't come to its end is broken, too.
	limit := w.end + 120*second
	for w.broken == nil && !w.ended {
		if len(w.agenda) == 0 || w.agenda[0].at > limit {
			w.breaks(fmt.Errorf("run doesn't come to its end: %s", w.waitsFor()))
			return
		}
		x := w.agenda.next()
		if x.life != 0 && x.life != w.life {
			continue // meant for a process that is gone
		}
		w.now = x.at
		w.guard(x.do)
	}
}

// guard does one step. A step in which the power is cut ends there; a panic of another kind is a broken promise.
func (w *world) guard(do func()) {
	defer func() {
		switch cause := recover(); {
		case cause == nil:
		case cause == any(disk.ErrPower):
			w.report.Faults.InDisk++
			w.crash(w.trouble.cutPower, "in the disk")
		default:
			w.breaks(fmt.Errorf("panic: %v", cause))
		}
	}()
	do()
}

// breaks ends the run.
func (w *world) breaks(err error) {
	if w.broken == nil {
		w.broken = err
	}
}

func (w *world) tell(what string, a, b uint64, note string) {
	w.story.tell(happening{w.now, "", what, a, b, note})
}

// after puts something on the agenda. With a life other than 0 it is meant for that process alone.
func (w *world) after(d int64, life uint64, do func()) {
	w.entered++
	w.agenda.enter(due{at: w.now + d, number: w.entered, life: life, do: do})
}

// between draws a time.
func (w *world) between(from, to int64) int64 { return between(w.rng, from, to) }

func between(rng *rand.Rand, from, to int64) int64 { return from + rng.Int64N(to-from+1) }
