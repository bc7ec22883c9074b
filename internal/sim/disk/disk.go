package disk

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
)

// Sector is the unit in which data reaches the disk whole or not at all, in bytes.
const Sector = 512

// ErrPower is what the operation panics with that [Disk.Interrupt] chose: nothing after it happens any more.
var ErrPower = errors.New("power was cut")

// errStale is the error of a handle from before the last crash: a mistake of the driver.
var errStale = errors.New("handle is from before the crash")

// Fault names a failure to inject.
type Fault uint8

// The faults.
const (
	// None is no fault.
	None Fault = iota
	// FailSync lets a sync of a file fail: some of what it had to write is on disk, and nobody writes the rest.
	FailSync
	// FailWrite lets a write fail after a part of it.
	FailWrite
	// Full lets a write that makes a file longer fail for lack of space, and every later one until [Disk.Free].
	Full
	// FlipRead flips one bit of what a read returns; the disk keeps the right one.
	FlipRead
)

func (f Fault) String() string {
	return [...]string{"none", "fail_sync", "fail_write", "full", "flip_read"}[f]
}

// Disk is the file system. Create it with [New].
type Disk struct {
	rng   *rand.Rand
	root  *dir
	life  uint64 // handles and locks of an earlier life are dead
	locks map[string]uint64
	ops   uint64
	// cutAt is the operation that power is cut in; 0 for none.
	cutAt uint64
	// armed counts down, by fault, to the operation that it strikes; 0 is off.
	armed  [FlipRead + 1]uint64
	struck [FlipRead + 1]uint64
	full   bool
}

// New returns an empty disk. All that chance decides comes from rng.
func New(rng *rand.Rand) *Disk {
	return &Disk{rng: rng, root: newDir(), locks: map[string]uint64{}}
}

// Interrupt cuts the power in the n-th operation from now, n ≥ 1: it panics with [ErrPower], done in part or not at
// all. 0 calls it off.
func (d *Disk) Interrupt(n uint64) {
	d.cutAt = 0
	if n > 0 {
		d.cutAt = d.ops + n
	}
}

// Inject lets a fault strike the n-th operation from now of those that it can strike; 0 calls it off.
func (d *Disk) Inject(f Fault, n uint64) { d.armed[f] = n }

// Calm takes back the faults that have not struck, and makes room on a full disk.
func (d *Disk) Calm() { d.armed, d.full = [len(d.armed)]uint64{}, false }

// Free makes room on a full disk.
func (d *Disk) Free() { d.full = false }

// IsFull reports whether there is no room.
func (d *Disk) IsFull() bool { return d.full }

// Struck is how often a fault has struck.
func (d *Disk) Struck(f Fault) uint64 { return d.struck[f] }

// Ops is how many operations there were.
func (d *Disk) Ops() uint64 { return d.ops }

// Crash ends the process. With power lost the disk alone remains.
func (d *Disk) Crash(power bool) {
	d.life++
	clear(d.locks)
	d.cutAt = 0
	if power {
		d.root.lose(d.rng, mode(d.rng.IntN(4)))
	}
}

// mode is how much of what wasn't synced a power loss takes.
type mode uint8

const (
	loseAll mode = iota
	loseNone
	loseSome  // each sector and each name by itself
	loseLater // all from a point on, in the order of the writes
)

// op counts an operation, and cuts the power in it if it is the one. part is called first: it does a part.
func (d *Disk) op(part func()) {
	d.ops++
	if d.ops == d.cutAt {
		if part != nil && d.rng.IntN(2) == 0 {
			part()
		}
		panic(ErrPower)
	}
}

// strikes reports whether a fault strikes now.
func (d *Disk) strikes(f Fault) bool {
	if d.armed[f] == 0 {
		return false
	}
	d.armed[f]--
	if d.armed[f] > 0 {
		return false
	}
	d.struck[f]++
	return true
}

// dir is a directory as the process sees it, and as the disk has it.
type dir struct {
	now, durable map[string]node
	changes      []change // since the last sync
}

// node is a *dir or an *inode.
type node interface{ lose(*rand.Rand, mode) }

// change is one step of a directory: names gone, and a name that leads to a node.
type change struct {
	gone string
	name string
	node node
}

func newDir() *dir { return &dir{now: map[string]node{}, durable: map[string]node{}} }

func (c change) apply(names map[string]node) {
	if c.gone != "" {
		delete(names, c.gone)
	}
	if c.name != "" {
		names[c.name] = c.node
	}
}

func (x *dir) change(c change) {
	c.apply(x.now)
	x.changes = append(x.changes, c)
}

func (x *dir) sync() {
	for _, c := range x.changes {
		c.apply(x.durable)
	}
	x.changes = nil
}

// lose leaves what the disk has, and some of the changes since.
func (x *dir) lose(rng *rand.Rand, m mode) {
	upto := rng.IntN(len(x.changes) + 1)
	for i, c := range x.changes {
		if m == loseNone || m == loseSome && rng.IntN(2) == 0 || m == loseLater && i < upto {
			c.apply(x.durable)
		}
	}
	x.changes = nil
	x.now = map[string]node{}
	for _, name := range names(x.durable) {
		x.now[name] = x.durable[name]
		x.durable[name].lose(rng, m)
	}
}

func names(m map[string]node) []string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// inode is a file as the process sees it, and as the disk has it.
type inode struct {
	now, durable []byte
	dirty        []bool // by sector: written since the last sync
	touched      []int  // the dirty sectors, in the order in which they were first written
}

func (x *inode) write(b []byte, at int64) {
	if end := at + int64(len(b)); end > int64(len(x.now)) {
		x.now = append(x.now, make([]byte, end-int64(len(x.now)))...)
	}
	copy(x.now[at:], b)
	for s := int(at / Sector); s <= int((at+int64(len(b))-1)/Sector); s++ {
		for s >= len(x.dirty) {
			x.dirty = append(x.dirty, false)
		}
		if !x.dirty[s] {
			x.dirty[s] = true
			x.touched = append(x.touched, s)
		}
	}
}

// flush writes one sector to the disk.
func (x *inode) flush(s int) {
	from, to := s*Sector, min((s+1)*Sector, len(x.now))
	if n := to - len(x.durable); n > 0 {
		x.durable = slices.Grow(x.durable, len(x.now)-len(x.durable)) // at once for all sectors that follow
		x.durable = append(x.durable, make([]byte, n)...)
	}
	copy(x.durable[from:to], x.now[from:to])
}

// begin writes the dirty sectors that pick chooses, and leaves them dirty: a sync that never came back.
func (x *inode) begin(pick func(i int) bool) {
	for i, s := range x.touched {
		if pick == nil || pick(i) {
			x.flush(s)
		}
	}
}

// sync writes the dirty sectors that pick chooses, nil for all, and takes all of them for clean.
func (x *inode) sync(pick func(i int) bool) {
	x.begin(pick)
	for _, s := range x.touched {
		x.dirty[s] = false
	}
	x.touched = x.touched[:0]
}

func (x *inode) lose(rng *rand.Rand, m mode) {
	upto := rng.IntN(len(x.touched) + 1)
	x.sync(func(i int) bool {
		return m == loseNone || m == loseSome && rng.IntN(2) == 0 || m == loseLater && i < upto
	})
	x.now = append(x.now[:0], x.durable...)
}

// walk finds the directory of a path and the last name in it.
func (d *Disk) walk(p string) (*dir, string, error) {
	p = path.Clean("/" + p)
	at := d.root
	for {
		head, rest, more := cutPath(p)
		if !more {
			return at, head, nil
		}
		next, ok := at.now[head].(*dir)
		if !ok {
			return nil, "", fs.ErrNotExist
		}
		at, p = next, rest
	}
}

// cutPath splits "/a/b/c" into "a" and "/b/c".
func cutPath(p string) (head, rest string, more bool) {
	p = p[1:]
	for i := range len(p) {
		if p[i] == '/' {
			return p[:i], p[i:], true
		}
	}
	return p, "", false
}

func (d *Disk) file(op, p string) (*inode, error) {
	at, name, err := d.walk(p)
	if err == nil {
		if x, ok := at.now[name].(*inode); ok {
			return x, nil
		}
		err = fs.ErrNotExist
	}
	return nil, &fs.PathError{Op: op, Path: p, Err: err}
}

// Rot flips one bit of a file, in memory and on disk.
func (d *Disk) Rot(p string, at int64, bit uint8) error {
	x, err := d.file("rot", p)
	if err != nil {
		return err
	}
	if at >= int64(len(x.now)) || at >= int64(len(x.durable)) {
		return &fs.PathError{Op: "rot", Path: p, Err: io.ErrUnexpectedEOF}
	}
	x.now[at] ^= 1 << bit
	x.durable[at] ^= 1 << bit
	return nil
}
