package wal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// run is one random history of a log on one disk. history[i] is the state after i steps; a crash must leave one of
// history[durable:].
type run struct {
	t       *testing.T
	rng     *rand.Rand
	mem     *crashable.FS
	log     *Log
	options Options
	history []state
	durable int
	release uint64 // the log may begin at any index up to this
	crashes []crashed
	quota   int // of crashes to take
	trace   []string
}

// crashed is a disk after a power loss, and what the log on it may hold.
type crashed struct {
	mem     *crashable.FS
	allowed []state
	release uint64
	when    string
}

func newRun(t *testing.T, rng *rand.Rand, mem *crashable.FS, from state, release uint64, quota int) *run {
	r := &run{t: t, rng: rng, mem: mem, history: []state{from}, release: release, quota: quota}
	r.options = Options{
		FS:  errorfs.Wrap(mem, errorfs.InjectorFunc(r.observe)),
		Dir: "d/wal", Identity: testIdentity,
		SegmentBytes: []int64{600, 1024, 3000, 8192}[rng.IntN(4)],
	}
	return r
}

// observe is called before each operation on the disk, and crashes it now and then.
func (r *run) observe(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead || len(r.crashes) >= r.quota {
		return nil
	}
	odds := 12
	if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData {
		odds = 4
	}
	if r.rng.IntN(odds) == 0 {
		r.crashes = append(r.crashes, crashed{
			mem: crash(r.mem, "d/wal", r.rng), allowed: slices.Clone(r.history[r.durable:]), release: r.release,
			when: fmt.Sprintf("before op %d on %s", op.Kind, op.Path),
		})
	}
	return nil
}

func (r *run) now() state { return r.history[len(r.history)-1] }

func (r *run) step(s state) { r.history = append(r.history, s) }

// open opens the log, checks it against what it may hold, and narrows the history to what it does hold.
func (r *run) open() {
	r.t.Helper()
	log, found, err := Open(r.options)
	if err != nil {
		r.fatalf("open: %v", err)
	}
	r.log = log
	got, err := contents(log)
	if err != nil {
		r.fatalf("read: %v", err)
	}
	if found.FirstIndex != got.before+1 || found.LastIndex != got.last() || found.HardState != got.hs ||
		log.DurableIndex() != got.last() {
		r.fatalf("recovery %+v, log %v", found, got)
	}
	// The latest state that fits; they can only be equal in what was recorded.
	for i := len(r.history) - 1; i >= r.durable; i-- {
		s := r.history[i]
		if first := got.before + 1; first <= max(r.release, s.before+1) && s.from(first).equal(got) {
			r.trace = append(r.trace, fmt.Sprintf("open → %v", got))
			r.history, r.durable = []state{s}, 0
			return
		}
	}
	r.fatalf("the log holds\n  %v\nallowed are\n  %v", got, r.history[r.durable:])
}

func (r *run) fatalf(format string, args ...any) {
	r.t.Helper()
	for _, line := range r.trace {
		r.t.Log(line)
	}
	r.t.Fatalf(format, args...)
}

func (r *run) check(what string, err error) {
	r.t.Helper()
	r.trace = append(r.trace, what)
	if err != nil {
		r.fatalf("%s: %v", what, err)
	}
}

// act does one random thing to the log.
func (r *run) act() {
	switch n := r.rng.IntN(100); {
	case n < 45:
		r.append(false)
	case n < 55:
		r.append(true)
	case n < 80:
		r.check("sync", r.log.Sync())
		r.durable = len(r.history) - 1
	case n < 84:
		r.check("mark", r.log.Mark())
	case n < 88:
		s := r.now()
		from := s.before + 1 + r.rng.Uint64N(uint64(len(s.entries))+1)
		if from < r.log.FirstIndex() {
			return
		}
		r.step(s.truncated(from))
		r.check(fmt.Sprintf("truncate %d", from), r.log.Truncate(from))
	case n < 92: // the process is killed, the machine isn't
		r.abandon()
		r.open()
	case n < 95:
		r.check("close", r.log.Close())
		r.durable = len(r.history) - 1
		r.open()
	case n < 98:
		s := r.now()
		below := s.before + 1 + r.rng.Uint64N(uint64(len(s.entries))+1)
		r.release = max(r.release, below)
		r.check(fmt.Sprintf("release %d", below), r.log.Release(below))
	default:
		s := r.now()
		index, term := s.last()+r.rng.Uint64N(5), s.hs.Term+1
		r.step(s.restarted(index, term))
		r.release = max(r.release, index+1)
		r.check(fmt.Sprintf("reset %d/%d", index, term), r.log.Reset(index, term))
		r.durable = len(r.history) - 1
	}
}

// append appends random entries; superseding ones replace a random suffix.
func (r *run) append(supersede bool) {
	s := r.now()
	at := s.last() + 1
	if first := max(s.before+1, r.log.FirstIndex()); supersede && at > first {
		at = first + r.rng.Uint64N(at-first)
		s = s.truncated(at)
		r.step(s)
	}
	term := s.hs.Term + 1 + r.rng.Uint64N(3)
	var entries []Entry
	for range r.rng.IntN(6) {
		e := Entry{Kind: KindBatch, Term: term, Index: at}
		switch r.rng.IntN(10) {
		case 0:
			e.Kind = KindEmpty
		case 1:
			e.Kind, e.Data = KindConfiguration, r.bytes(10)
		case 2:
			e.Data = r.bytes(2500)
		default:
			e.Data = r.bytes(300)
		}
		entries = append(entries, e)
		s = s.with(e)
		r.step(s)
		at++
	}
	if supersede && len(entries) == 0 {
		r.check("truncate instead", r.log.Truncate(at))
	}
	var hs *HardState
	if r.rng.IntN(3) == 0 {
		hs = &HardState{Term: term, Vote: r.rng.Uint64N(3), Commit: s.before + r.rng.Uint64N(uint64(len(s.entries))+1)}
		s.hs = *hs
		r.step(s)
	}
	r.check(fmt.Sprintf("append %d entries up to %d, hard state %v", len(entries), at-1, hs), r.log.Append(entries, hs))
}

func (r *run) bytes(most int) []byte {
	b := make([]byte, r.rng.IntN(most))
	for i := range b {
		b[i] = byte(r.rng.Uint32())
	}
	if r.rng.IntN(8) == 0 {
		clear(b)
	}
	return b
}

// abandon leaves the log as a killed process does: files as they are, the lock gone.
func (r *run) abandon() {
	r.trace = append(r.trace, "kill")
	if err := r.log.release(); err != nil {
		r.fatalf("kill: %v", err)
	}
}

// TestACrashLeavesAPrefixWithAllThatWasSynced runs random histories, crashes the disk in the middle of operations, and
// then goes on, on the crashed disks, with the next history: what a first recovery cut must not return after a second.
func TestACrashLeavesAPrefixWithAllThatWasSynced(t *testing.T) {
	s := seed(t)
	runs := 1000
	if testing.Short() {
		runs = 100
	}
	opened := 0
	for i := range runs {
		rng := rand.New(rand.NewPCG(s, uint64(i)))
		todo := []crashed{{mem: crashable.New(), allowed: []state{{}}, when: "never"}}
		for level := 0; level < 3; level++ {
			var next []crashed
			for _, c := range todo {
				quota := 3
				if level == 2 {
					quota = 0
				}
				r := newRun(t, rng, c.mem, c.allowed[0], c.release, quota)
				r.history = c.allowed
				r.trace = append(r.trace, fmt.Sprintf("history %d, level %d, crashed %s", i, level, c.when))
				r.open()
				opened++
				for range 5 + rng.IntN(30) {
					r.act()
				}
				r.abandon()
				next = append(next, r.crashes...)
			}
			todo = next
		}
	}
	t.Logf("%d histories, %d crashed disks opened", runs, opened-runs)
}
