package heads

import (
	"math"
	"math/bits"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/state"
)

// Scorer reads scores of one column at one time. It is as good as the column's next change, and may be copied.
type Scorer struct {
	pieces      []*piece
	shift, lift uint8
	none        int64
	elapsed     int64 // half-lives since 1970, in Q32
}

// At returns what reads the column's scores at time q, in Unix milliseconds.
func (c Column) At(q int64) Scorer {
	col := c.column
	return Scorer{col.pieces, col.shift, col.lift, col.none(), halfLives(q, col.halfLife)}
}

// Score returns an item's decayed score, 0 if it has none; of Rising, the statistic, halved with each hour since the
// item's newest event. Beyond the range of a float64 it is the greatest finite number, or 0.
//
// Its relative error is below 2⁻³² while time and mark lie within 2³⁰ half-lives of 1970: half a unit of 2⁻³² each from
// the cell's LogScore and from rounding the half-lives since 1970, times ln 2. Unlike [algebra.SignalState.Score] it
// doesn't know the mark: at a time before the item's newest event, that event counts for more than its weight.
func (s Scorer) Score(n state.Ord) float64 { return s.score(s.word(n)) }

// Scores appends the scores of items, in their order. It takes half the time of as many calls of Score when the items
// lie anywhere: memory is asked for many of them before the first is computed.
func (s Scorer) Scores(items []state.Ord, out []float64) []float64 {
	var words [64]int64
	for len(items) > 0 {
		now := items[:min(len(items), len(words))]
		items = items[len(now):]
		for i, n := range now {
			words[i] = s.word(n)
		}
		for i := range now {
			out = append(out, s.score(words[i]))
		}
	}
	return out
}

func (s Scorer) word(n state.Ord) int64 {
	if i := int(n >> pieceBits); i < len(s.pieces) {
		if p := s.pieces[i]; p != nil {
			return p.word(n)
		}
	}
	return none
}

func (s Scorer) score(word int64) float64 {
	v := word >> s.shift
	if v == s.none {
		return 0
	}
	return exp2(minus(v<<s.lift, s.elapsed))
}

// exp2 returns 2^x for an x in Q32: the power of the fraction from its table, and the whole part as the exponent.
func exp2(x int64) float64 {
	// Half of a Q62 below 4 is an int64, which is converted in one instruction. What that cuts off is less than 2⁻⁶¹.
	const pointAt = 61
	power := float64(int64(fixed.Exp2(uint64(x)<<32) / 2))
	e := x>>32 - pointAt
	switch {
	case e > 1023-pointAt:
		return math.MaxFloat64
	case e < -1022:
		return math.Ldexp(power, int(max(e, -1<<20)))
	}
	return min(power*math.Float64frombits(uint64(e+1023)<<52), math.MaxFloat64)
}

// halfLives returns t/halfLife in Q32, rounded to the nearest and held within an int64.
func halfLives(t, halfLife int64) int64 {
	whole, rest := t/halfLife, t%halfLife
	if rest < 0 {
		whole, rest = whole-1, rest+halfLife
	}
	const most = 1 << 31
	switch {
	case whole >= most:
		return math.MaxInt64
	case whole < -most:
		return math.MinInt64
	}
	// rest·2³² + halfLife/2 has at most 91 bits.
	hi, lo := bits.Mul64(uint64(rest), 1<<32)
	lo, carry := bits.Add64(lo, uint64(halfLife/2), 0)
	part, _ := bits.Div64(hi+carry, lo, uint64(halfLife))
	return plus(whole<<32, int64(part))
}

// plus returns a + b, held within an int64.
func plus(a, b int64) int64 {
	sum := a + b
	if (a^sum)&(b^sum) < 0 {
		return held(a)
	}
	return sum
}

// minus returns a − b, held within an int64.
func minus(a, b int64) int64 {
	d := a - b
	if (a^b)&(a^d) < 0 {
		return held(a)
	}
	return d
}

// held is the end of the range on the side of a.
func held(a int64) int64 {
	if a < 0 {
		return math.MinInt64
	}
	return math.MaxInt64
}
