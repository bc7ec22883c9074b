package sim

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/sim/disk"
)

// Faults count what a run of one node was put through.
type Faults struct {
	Power     uint64 `json:"power_cut"`      // between two steps
	Kill      uint64 `json:"kill"`           // between two steps
	InDisk    uint64 `json:"cut_in_disk"`    // within an operation of the disk, power or process
	Close     uint64 `json:"orderly_close"`  // not a fault: what the others are compared with
	FailSync  uint64 `json:"failed_sync"`    //
	FailWrite uint64 `json:"failed_write"`   //
	Full      uint64 `json:"full_disk"`      //
	FlipRead  uint64 `json:"flipped_read"`   // one bit of what was read
	Rot       uint64 `json:"bit_rot"`        // one bit of what is stored
	Named     uint64 `json:"refused_named"`  // opens refused with file and offset, after one of the last two
	Store     uint64 `json:"failed_store"`   // a commit or flush of the checkpoint
	SlowSync  uint64 `json:"slow_disk"`      // seconds of it
	Clock     uint64 `json:"clock_jump"`     //
	Grown     uint64 `json:"schema_version"` // not a fault: versions that entered
}

// Add adds another run's.
func (f *Faults) Add(g Faults) {
	f.Power += g.Power
	f.Kill += g.Kill
	f.InDisk += g.InDisk
	f.Close += g.Close
	f.FailSync += g.FailSync
	f.FailWrite += g.FailWrite
	f.Full += g.Full
	f.FlipRead += g.FlipRead
	f.Rot += g.Rot
	f.Named += g.Named
	f.Store += g.Store
	f.SlowSync += g.SlowSync
	f.Clock += g.Clock
	f.Grown += g.Grown
}

// trouble decides what goes wrong, and when.
type trouble struct {
	w         *world
	mean      int64 // between troubles
	segment   int64 // size of a log file
	waiting   int   // bound of the core's queue
	lifecycle bool  // transitions are recorded and checked
	cutPower  bool  // whether the cut in the disk takes the power, or the process alone
	slowUntil int64
	ahead     int64 // the furthest that the wall clock was
	wild      bool  // a disk of milliseconds, not of microseconds
	seen      strikes
	flip      bool // the next open may read a wrong bit: everything on disk is proven
}

func newTrouble(w *world) trouble {
	rng := w.rng
	return trouble{
		w:         w,
		mean:      w.between(second, 8*second),
		segment:   []int64{2 << 10, 8 << 10, 32 << 10, 64 << 10}[rng.IntN(4)],
		waiting:   []int{4, 64, 4096}[rng.IntN(3)],
		lifecycle: rng.IntN(4) == 0,
		wild:      rng.IntN(2) == 0,
	}
}

// strikes counts, by fault, how often it struck.
type strikes [disk.FlipRead + 1]uint64

// schedule puts the next trouble on the agenda.
func (t *trouble) schedule() {
	t.w.after(t.w.between(1, 2*t.mean), 0, func() {
		if t.w.closing {
			return
		}
		t.schedule()
		t.strike()
	})
}

// strike lets something go wrong.
func (t *trouble) strike() {
	w, rng := t.w, t.w.rng
	switch n := rng.IntN(100); {
	case n < 12:
		t.hit(&w.report.Faults.Power, true)
	case n < 22:
		t.hit(&w.report.Faults.Kill, false)
	case n < 44:
		t.arm(1 + rng.Uint64N(1+rng.Uint64N(60)))
	case n < 52:
		w.disk.Inject(disk.FailSync, 1+rng.Uint64N(4))
	case n < 57:
		w.disk.Inject(disk.FailWrite, 1+rng.Uint64N(8))
	case n < 62:
		w.disk.Inject(disk.Full, 1)
	case n < 72:
		t.slowUntil = w.now + w.between(100*milli, second)
		w.report.Faults.SlowSync++
	case n < 84:
		t.jump()
	default:
		if w.up() {
			w.report.Faults.Close++
			t.flip = rng.IntN(2) == 0
			w.tell("close", 0, 0, "")
			w.process.close()
		}
	}
}

// hit ends the process now, if there is one.
func (t *trouble) hit(count *uint64, power bool) {
	if t.w.process == nil {
		return
	}
	*count++
	t.w.crash(power, "between steps")
}

// arm cuts the power, or kills the process, in the n-th operation of the disk from now.
func (t *trouble) arm(n uint64) {
	t.cutPower = t.w.rng.IntN(3) > 0
	t.w.disk.Interrupt(n)
}

// jump moves the wall clock, seldom by more than the bound up to which stamps may lie ahead.
func (t *trouble) jump() {
	w := t.w
	w.report.Faults.Clock++
	by := w.between(-1500*milli, 1500*milli)
	if w.rng.IntN(4) == 0 {
		by = w.between(-4*second, 40*second)
	}
	w.skew += by
	t.ahead = max(t.ahead, w.skew)
	w.tell("clock", uint64(by), 0, "")
}

// latency is how long a sync takes.
func (t *trouble) latency() int64 {
	w := t.w
	switch {
	case w.now < t.slowUntil:
		return w.between(milli, 400*milli)
	case t.wild:
		return w.between(200*micro, 8*milli)
	}
	return w.between(30*micro, 900*micro)
}

// atStart is called before a directory is opened: that is a time like any other for things to go wrong.
func (t *trouble) atStart() {
	w := t.w
	if w.closing {
		w.disk.Calm()
		return
	}
	switch n := w.rng.IntN(10); {
	case n < 2:
		t.arm(1 + w.rng.Uint64N(40))
	case n == 2:
		w.disk.Inject(disk.FailSync, 1+w.rng.Uint64N(4))
	case n == 3:
		w.disk.Calm() // room is made
	}
	if t.flip && w.ledger.before.clean {
		w.disk.Inject(disk.FlipRead, 1+w.rng.Uint64N(10))
	}
	t.flip = false
	if w.rng.IntN(2) == 0 {
		w.disk.Free()
	}
}

// opened is called when a directory was opened: a reader that comes later could not name what it reads.
func (t *trouble) opened() { t.w.disk.Inject(disk.FlipRead, 0) }

// newStrikes returns the faults that struck since the last call, and counts them.
func (t *trouble) newStrikes() (news strikes) {
	for f := disk.None; f <= disk.FlipRead; f++ {
		n := t.w.disk.Struck(f)
		news[f] = n - t.seen[f]
		t.seen[f] = n
	}
	f := &t.w.report.Faults
	f.FailSync += news[disk.FailSync]
	f.FailWrite += news[disk.FailWrite]
	f.Full += news[disk.Full]
	f.FlipRead += news[disk.FlipRead]
	return news
}

// rot flips a bit of the log after an orderly end, when every byte of it is proven, and opens it. Damage to what was
// written must be named; where nothing was written it must do no harm.
func (w *world) rot() {
	files, err := w.disk.List(directory + "/wal")
	if err != nil {
		w.breaks(err)
		return
	}
	var segments []string
	for _, name := range files {
		if strings.HasSuffix(name, ".seg") {
			segments = append(segments, directory+"/wal/"+name)
		}
	}
	name := segments[w.rng.IntN(len(segments))]
	info, err := w.disk.Stat(name)
	if err == nil {
		err = w.disk.Rot(name, w.rng.Int64N(info.Size()), uint8(w.rng.IntN(8)))
	}
	if err != nil {
		w.breaks(fmt.Errorf("rot: %w", err))
		return
	}
	w.report.Faults.Rot++
	w.tell("rot", 0, 0, name)
	base, err := host.OpenBase(w.options())
	var damage *fault.Corrupt
	switch {
	case err == nil:
		w.ledger.before = before{}
		if err := w.ledger.audit(base); err != nil {
			w.breaks(fmt.Errorf("after one bit of %s was flipped: %w", name, err))
		}
	case errors.As(err, &damage) && damage.File == name:
		w.report.Faults.Named++
	default:
		w.breaks(fmt.Errorf("one bit of %s was flipped: %w", name, err))
	}
}
