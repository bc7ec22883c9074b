package refold

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/tidaldb/tidal/schema"
	"github.com/zeebo/xxh3"
)

// The definition of a cell, in milliseconds and as docs/format/values.md has it.
const (
	minute = 60_000
	hour   = 60 * minute
	day    = 24 * hour

	keptMinutes, keptHours, keptDays = 60, 168, 30
	keptEpochs, epochHalfLives       = 5, 8
)

// cell compares a cell with its events and says what differs. Users are counted where the type says so, but not in the
// cells of creators.
func (c *comparison) cell(got *cell, t *schema.SignalType, events []uint32, users bool) string {
	if got.total != int64(len(events)) {
		return fmt.Sprintf("counts %d events, want %d", got.total, len(events))
	}
	mark, untimed := int64(math.MinInt64), false
	var plain wide
	for _, i := range events {
		e := &c.events[i]
		mark, untimed = max(mark, e.time), untimed || e.untimed
		if t.Permanent {
			plain = plain.plus(e.weight)
		}
	}
	if got.permanent != plain {
		return fmt.Sprintf("its plain sum is %v, want %v (in 2^-24)", got.permanent, plain)
	}
	if want := c.registers(t, events, users); !slices.Equal(got.registers, want) {
		return fmt.Sprintf("has %d registers of unique users, want %d, or others", len(got.registers), len(want))
	}
	switch {
	case untimed:
		return ""
	case got.mark != mark:
		return fmt.Sprintf("its newest event is of %d ms, want %d", got.mark, mark)
	}
	if differs := c.decays(got, t, events, mark); differs != "" {
		return differs
	}
	return c.buckets(got, t, events, mark)
}

// decays compares the grown sum of each epoch.
func (c *comparison) decays(got *cell, t *schema.SignalType, events []uint32, mark int64) string {
	rest := got.sums
	for _, halfLife := range t.HalfLives {
		h := halfLife.Milliseconds()
		newest := floorDiv(mark, epochHalfLives*h)
		var sums [keptEpochs]exact
		var counts [keptEpochs]int
		for _, i := range events {
			e := &c.events[i]
			epoch := floorDiv(e.time, epochHalfLives*h)
			if back := newest - epoch; back < keptEpochs {
				sums[back].add(float64(e.weight) * math.Exp2(float64(e.time-epoch*epochHalfLives*h)/float64(h)))
				counts[back]++
			}
		}
		for back := range sums {
			if counts[back] == 0 {
				continue
			}
			if len(rest) == 0 || rest[0].halfLife != h || rest[0].back != back {
				return fmt.Sprintf("half-life %v: the sum of %d epochs ago is missing", halfLife, back)
			}
			have, want := rest[0].value.float(), sums[back].value()
			if math.Abs(have-want) > float64(counts[back])*(0.5+1.0/512)+want*0x1p-48 {
				return fmt.Sprintf("half-life %v: the sum of %d epochs ago is %.0f, want %.0f (in 2^-24)",
					halfLife, back, have, want)
			}
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		return fmt.Sprintf("has a sum of the half-life %d ms, %d epochs ago, that nothing accounts for",
			rest[0].halfLife, rest[0].back)
	}
	return ""
}

// buckets compares the counts by minute, hour and day.
func (c *comparison) buckets(got *cell, t *schema.SignalType, events []uint32, mark int64) string {
	var numbers [3][]int64
	if len(t.Windows) > 0 {
		for _, i := range events {
			switch at := c.events[i].time; {
			case floorDiv(at, minute) > floorDiv(mark, minute)-keptMinutes:
				numbers[0] = append(numbers[0], floorDiv(at, minute))
			case floorDiv(at, hour) > floorDiv(mark, hour)-keptHours:
				numbers[1] = append(numbers[1], floorDiv(at, hour))
			case floorDiv(at, day) > floorDiv(mark, day)-keptDays:
				numbers[2] = append(numbers[2], floorDiv(at, day))
			}
		}
	}
	for level, unit := range []string{"minute", "hour", "day"} {
		if !slices.Equal(got.buckets[level], counted(numbers[level])) {
			return fmt.Sprintf("the counts by %s differ", unit)
		}
	}
	return ""
}

// counted makes buckets of the numbers of events' minutes, hours or days.
func counted(numbers []int64) []bucket {
	slices.Sort(numbers)
	var out []bucket
	for _, n := range numbers {
		if len(out) == 0 || out[len(out)-1].number != n {
			out = append(out, bucket{n, 0})
		}
		out[len(out)-1].count++
	}
	return out
}

// registers are those of the unique users: of the XXH3 hash of a user, the upper 11 bits choose a register, and it holds
// the highest place at which the other 53 bits have their first one.
func (c *comparison) registers(t *schema.SignalType, events []uint32, users bool) []register {
	if !users || !t.UniqueUsers {
		return nil
	}
	var all []register
	for _, i := range events {
		if user := c.events[i].user; user != 0 {
			hash := xxh3.HashString(c.names.all[user])
			all = append(all, register{uint16(hash >> 53), uint8(min(bits.LeadingZeros64(hash<<11), 53) + 1)})
		}
	}
	slices.SortFunc(all, func(a, b register) int { // the highest rank of a register first
		return int(a.number)<<8 - int(a.rank) - (int(b.number)<<8 - int(b.rank))
	})
	return slices.CompactFunc(all, func(a, b register) bool { return a.number == b.number })
}

// exact is a sum of numbers above 0 that keeps what each addition rounds away (Neumaier, 1974), so that it's off by no
// more than its last place, however many there are.
type exact struct{ sum, rest float64 }

func (x *exact) add(v float64) {
	sum := x.sum + v
	if x.sum >= v {
		x.rest += x.sum - sum + v
	} else {
		x.rest += v - sum + x.sum
	}
	x.sum = sum
}

func (x *exact) value() float64 { return x.sum + x.rest }

// wide is a 128-bit integer.
type wide struct {
	hi int64
	lo uint64
}

func (w wide) plus(n int64) wide {
	lo, carry := bits.Add64(w.lo, uint64(n), 0)
	return wide{w.hi + n>>63 + int64(carry), lo}
}

func (w wide) float() float64 { return float64(w.hi)*0x1p64 + float64(w.lo) }

func floorDiv(a, b int64) int64 {
	if a%b < 0 {
		return a/b - 1
	}
	return a / b
}
