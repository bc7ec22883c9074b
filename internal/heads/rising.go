package heads

import (
	"math"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
)

// How much an item's last hour stands out is told in standard deviations. Were events a Poisson process with the rate
// of the 23 hours before, an hour would have
//
//	μ = (c24h − c1h) / 23
//
// of them with variance μ, and the statistic is (c1h − μ)/√max(μ, 1): the z-score by which bursts are found in the
// simplest detectors (M. Vlachos, C. Meek, Z. Vagena and D. Gunopulos, "Identifying similarities, periodicities and
// bursts for online search queries", SIGMOD 2004, compare a moving average with deviations from the mean; the Poisson
// variance stands for the measured one, and 1 keeps an item without a past from rising without bound).
//
// It is taken as of the cell's mark, so that it is a function of the cell. To compare items whose marks differ, it is
// taken to halve with each hour: its order then doesn't change as time passes without events.

const (
	risingHalfLife = 3_600_000
	baseHours      = 23
	// risingShift is where the statistic lies in a word; the lower half is the total.
	risingShift = 32
	// risingLift makes a Q32 of what is kept, which is in Q11: steps of 0.03 % or 1.8 seconds, over 119 years before
	// and after 1970.
	risingLift = 21
	// noRising is the value of an item that doesn't stand out.
	noRising = math.MinInt32
)

// Rising returns the order by how much the last hour of items stands out from their last day, in events of one type:
// log₂((c1h − μ)/√max(μ, 1)) + mark/1 h in Q32, with μ = (c24h − c1h)/23, everything as of the item's newest event, in
// steps of 2⁻¹¹. Items that don't stand out have no value. It returns false for a type without windows.
func (c *Columns) Rising(typ Type) (Column, bool) {
	c.settled()
	t := &c.types[typ]
	return Column{t.counts}, t.buckets
}

// risingOf is the value of a cell.
func risingOf(cell *algebra.SignalState) int32 {
	mark, ok := cell.Mark()
	if !ok {
		return noRising
	}
	const most = 1 << 56
	hour := min(cell.Count(algebra.W1h, mark), most)
	rest := max(0, min(cell.Count(algebra.W24h, mark), most)-hour)
	// 23·(c1h − μ); and 23·μ in the place of rest.
	over := baseHours*hour - rest
	if hour == 0 || over <= 0 {
		return noRising
	}
	log := log2(over) - logBase
	if rest > baseHours {
		log -= (log2(rest) - logBase) / 2
	}
	v := plus(log, halfLives(mark, risingHalfLife)) >> risingLift
	return int32(max(noRising+1, min(v, math.MaxInt32)))
}

func log2(x int64) int64 { return fixed.Log2(fixed.FromInt64(x)) }

// logBase is log₂ 23 in Q32.
const logBase = 19428550663
