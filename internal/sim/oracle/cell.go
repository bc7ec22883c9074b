package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/bits"
	"slices"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/schema"
	"github.com/zeebo/xxh3"
)

// contribution is one event or compensation in a cell.
type contribution struct {
	time   int64
	weight fixed.Weight
	kind   *schema.SignalType
	sign   int64
	user   string // for unique users; empty for none
	undone bool   // the event was compensated somewhere
}

// contributions are what a cell is made of.
type contributions struct{ all []contribution }

func newContributions() *contributions { return &contributions{} }

func (c *contributions) fold(rules Rules) (any, error) { return foldCell(c.all, rules) }

// Cell is every number of a cell. Zero entries are left out, and a map without entries may be nil.
type Cell struct {
	Mark      int64
	Total     int64
	Permanent big.Int
	// Sums are by half-life in milliseconds, then by epoch.
	Sums map[int64]map[int64]*big.Int
	// Minutes, Hours and Days are counts by number since 1970.
	Minutes, Hours, Days map[int64]int64
	// Registers are those of the unique users; nil if all are 0.
	Registers *[registers]uint8
}

// registers is how many registers estimate a number of users.
const registers = 2048

const (
	minuteMillis = 60_000
	hourMillis   = 60 * minuteMillis
	dayMillis    = 24 * hourMillis
)

// foldCell computes a cell from the set of what it counts.
func foldCell(all []contribution, rules Rules) (*Cell, error) {
	c := &Cell{Mark: math.MinInt64}
	var room big.Int
	for i := range all {
		if x := &all[i]; x.sign > 0 || !rules.MarkOfEvents {
			c.Mark = max(c.Mark, x.time)
		}
	}
	for i := range all {
		x := &all[i]
		c.Total += x.sign
		if x.kind.Permanent {
			c.Permanent.Add(&c.Permanent, room.SetInt64(x.sign*int64(x.weight)))
		}
		if len(x.kind.Windows) > 0 {
			c.bucket(x, rules)
		}
		for _, h := range x.kind.HalfLives {
			if err := c.grow(x, h.Milliseconds(), rules, &room); err != nil {
				return nil, err
			}
		}
		if x.user != "" && x.kind.UniqueUsers && !(x.undone && rules.UndoUnique) {
			c.unique(xxh3.HashString(x.user))
		}
	}
	c.dropZeros()
	return c, nil
}

// bucket counts an event in the finest bucket that still takes events so old.
func (c *Cell) bucket(x *contribution, rules Rules) {
	switch {
	case floor(x.time, minuteMillis) > floor(c.Mark, minuteMillis)-rules.Minutes:
		add(&c.Minutes, floor(x.time, minuteMillis), x.sign)
	case floor(x.time, hourMillis) > floor(c.Mark, hourMillis)-rules.Hours:
		add(&c.Hours, floor(x.time, hourMillis), x.sign)
	case floor(x.time, dayMillis) > floor(c.Mark, dayMillis)-rules.Days:
		add(&c.Days, floor(x.time, dayMillis), x.sign)
	}
}

// add counts in a map that may not be there yet, and leaves no zero in it.
func add(counts *map[int64]int64, at, n int64) {
	if *counts == nil {
		*counts = map[int64]int64{}
	}
	if (*counts)[at] += n; (*counts)[at] == 0 {
		delete(*counts, at)
	}
}

// grow adds an event to its epoch, if that is kept.
func (c *Cell) grow(x *contribution, halfLife int64, rules Rules, room *big.Int) error {
	length := rules.EpochHalfLives * halfLife
	epoch := floor(x.time, length)
	if epoch <= floor(c.Mark, length)-rules.Epochs {
		return nil
	}
	elapsed := x.time - epoch*length
	if elapsed >= 8*halfLife { // a test's rules
		elapsed %= 8 * halfLife
	}
	grown := fixed.Grow(x.weight, elapsed, halfLife)
	exact := float64(x.weight) * math.Exp2(float64(elapsed)/float64(halfLife))
	if d := math.Abs(float64(grown) - exact); d > 0.5+1.0/512+exact*1e-14 {
		return fmt.Errorf("weight %d grows over %d of %d ms to %d, which is %g off",
			x.weight, elapsed, halfLife, grown, d)
	}
	sum := c.sum(halfLife, epoch)
	sum.Add(sum, room.SetInt64(x.sign*grown))
	return nil
}

func (c *Cell) sum(halfLife, epoch int64) *big.Int {
	if c.Sums == nil {
		c.Sums = map[int64]map[int64]*big.Int{}
	}
	if c.Sums[halfLife] == nil {
		c.Sums[halfLife] = map[int64]*big.Int{}
	}
	if c.Sums[halfLife][epoch] == nil {
		c.Sums[halfLife][epoch] = new(big.Int)
	}
	return c.Sums[halfLife][epoch]
}

// unique raises the register that the upper 11 bits choose to the place of the first one among the others.
func (c *Cell) unique(hash uint64) {
	if c.Registers == nil {
		c.Registers = new([registers]uint8)
	}
	register := &c.Registers[hash>>53]
	*register = max(*register, uint8(min(bits.LeadingZeros64(hash<<11), 53))+1)
}

func (c *Cell) dropZeros() {
	for h, sums := range c.Sums {
		for e, sum := range sums {
			if sum.Sign() == 0 {
				delete(sums, e)
			}
		}
		if len(sums) == 0 {
			delete(c.Sums, h)
		}
	}
}

// difference names the first number in which two cells differ, empty if none.
func (c *Cell) difference(got *Cell) string {
	switch {
	case c.Mark != got.Mark:
		return fmt.Sprintf("mark is %d, want %d", got.Mark, c.Mark)
	case c.Total != got.Total:
		return fmt.Sprintf("total is %d, want %d", got.Total, c.Total)
	case c.Permanent.Cmp(&got.Permanent) != 0:
		return fmt.Sprintf("permanent sum is %v, want %v", &got.Permanent, &c.Permanent)
	}
	for _, h := range keys(c.Sums, got.Sums) {
		if d := differentSums(c.Sums[h], got.Sums[h]); d != "" {
			return fmt.Sprintf("half-life %d ms, %s", h, d)
		}
	}
	for _, l := range []struct {
		name      string
		want, got map[int64]int64
	}{{"minute", c.Minutes, got.Minutes}, {"hour", c.Hours, got.Hours}, {"day", c.Days, got.Days}} {
		if maps.Equal(l.want, l.got) {
			continue
		}
		for _, i := range keys(l.want, l.got) {
			if l.want[i] != l.got[i] {
				return fmt.Sprintf("%s %d counts %d, want %d", l.name, i, l.got[i], l.want[i])
			}
		}
	}
	return differentRegisters(c.Registers, got.Registers)
}

func differentSums(want, got map[int64]*big.Int) string {
	for _, e := range keys(want, got) {
		if want[e] == nil || got[e] == nil || want[e].Cmp(got[e]) != 0 {
			return fmt.Sprintf("epoch %d: sum is %v, want %v", e, got[e], want[e])
		}
	}
	return ""
}

func differentRegisters(want, got *[registers]uint8) string {
	var none [registers]uint8
	want, got = cmp.Or(want, &none), cmp.Or(got, &none)
	if *want == *got {
		return ""
	}
	for i := range want {
		if want[i] != got[i] {
			return fmt.Sprintf("register %d of the unique users is %d, want %d", i, got[i], want[i])
		}
	}
	return ""
}

// keys returns the keys of both maps in order, each once.
func keys[V any](a, b map[int64]V) []int64 {
	out := make([]int64, 0, len(a)+len(b))
	for k := range a {
		out = append(out, k)
	}
	for k := range b {
		out = append(out, k)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// floor is ⌊a/b⌋.
func floor(a, b int64) int64 {
	if q := a / b; a%b >= 0 {
		return q
	}
	return a/b - 1
}
