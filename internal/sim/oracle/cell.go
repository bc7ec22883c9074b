package oracle

import (
	"fmt"
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

// Cell is every number of a cell. Zero entries are left out.
type Cell struct {
	Mark      int64
	Total     int64
	Permanent *big.Int
	// Sums are by half-life in milliseconds, then by epoch.
	Sums map[int64]map[int64]*big.Int
	// Minutes, Hours and Days are counts by number since 1970.
	Minutes, Hours, Days map[int64]int64
	// Registers are those of the unique users, by number.
	Registers map[uint32]uint32
}

func newCell() *Cell {
	return &Cell{
		Permanent: new(big.Int),
		Sums:      map[int64]map[int64]*big.Int{},
		Minutes:   map[int64]int64{},
		Hours:     map[int64]int64{},
		Days:      map[int64]int64{},
		Registers: map[uint32]uint32{},
	}
}

const (
	minuteMillis = 60_000
	hourMillis   = 60 * minuteMillis
	dayMillis    = 24 * hourMillis
)

// foldCell computes a cell from the set of what it counts.
func foldCell(all []contribution, rules Rules) (*Cell, error) {
	c := newCell()
	c.Mark = math.MinInt64
	for _, x := range all {
		if x.sign > 0 || !rules.MarkOfEvents {
			c.Mark = max(c.Mark, x.time)
		}
	}
	for _, x := range all {
		c.Total += x.sign
		if x.kind.Permanent {
			c.Permanent.Add(c.Permanent, big.NewInt(x.sign*int64(x.weight)))
		}
		if len(x.kind.Windows) > 0 {
			c.bucket(x, rules)
		}
		for _, h := range x.kind.HalfLives {
			if err := c.grow(x, h.Milliseconds(), rules); err != nil {
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
func (c *Cell) bucket(x contribution, rules Rules) {
	switch {
	case floor(x.time, minuteMillis) > floor(c.Mark, minuteMillis)-rules.Minutes:
		c.Minutes[floor(x.time, minuteMillis)] += x.sign
	case floor(x.time, hourMillis) > floor(c.Mark, hourMillis)-rules.Hours:
		c.Hours[floor(x.time, hourMillis)] += x.sign
	case floor(x.time, dayMillis) > floor(c.Mark, dayMillis)-rules.Days:
		c.Days[floor(x.time, dayMillis)] += x.sign
	}
}

// grow adds an event to its epoch, if that is kept.
func (c *Cell) grow(x contribution, halfLife int64, rules Rules) error {
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
	if c.Sums[halfLife] == nil {
		c.Sums[halfLife] = map[int64]*big.Int{}
	}
	sum := c.Sums[halfLife][epoch]
	if sum == nil {
		sum = new(big.Int)
		c.Sums[halfLife][epoch] = sum
	}
	sum.Add(sum, big.NewInt(x.sign*grown))
	return nil
}

// unique raises the register that the upper 11 bits choose to the place of the first one among the others.
func (c *Cell) unique(hash uint64) {
	register := uint32(hash >> 53)
	rank := uint32(min(bits.LeadingZeros64(hash<<11), 53)) + 1
	c.Registers[register] = max(c.Registers[register], rank)
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
	for _, level := range []map[int64]int64{c.Minutes, c.Hours, c.Days} {
		for i, n := range level {
			if n == 0 {
				delete(level, i)
			}
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
	case c.Permanent.Cmp(got.Permanent) != 0:
		return fmt.Sprintf("permanent sum is %v, want %v", got.Permanent, c.Permanent)
	}
	for _, h := range keys(c.Sums, got.Sums) {
		for _, e := range keys(c.Sums[h], got.Sums[h]) {
			want, have := c.Sums[h][e], got.Sums[h][e]
			if want == nil || have == nil || want.Cmp(have) != 0 {
				return fmt.Sprintf("half-life %d ms, epoch %d: sum is %v, want %v", h, e, have, want)
			}
		}
	}
	for _, l := range []struct {
		name      string
		want, got map[int64]int64
	}{{"minute", c.Minutes, got.Minutes}, {"hour", c.Hours, got.Hours}, {"day", c.Days, got.Days}} {
		for _, i := range keys(l.want, l.got) {
			if l.want[i] != l.got[i] {
				return fmt.Sprintf("%s %d counts %d, want %d", l.name, i, l.got[i], l.want[i])
			}
		}
	}
	for _, r := range keys(c.Registers, got.Registers) {
		if c.Registers[r] != got.Registers[r] {
			return fmt.Sprintf("register %d of the unique users is %d, want %d", r, got.Registers[r], c.Registers[r])
		}
	}
	return ""
}

// keys returns the keys of both maps in order, each once.
func keys[K int64 | uint32, V any](a, b map[K]V) []K {
	var out []K
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
