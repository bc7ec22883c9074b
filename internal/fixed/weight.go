package fixed

import (
	"math"

	"github.com/tidaldb/tidal/internal/fault"
)

// This file is the edge: the only floating point of the package. Nothing replicated is computed here. A weight is
// parsed once, before it enters the log, and travels as an integer from then on; scores leave through Float and never
// come back.

// Weight is a signal's weight w as the integer w·2²⁴. A valid one lies in 1..[MaxWeight].
type Weight int64

const (
	// weightBits is the number of fractional bits of a Weight.
	weightBits = 24
	// One is the weight 1, what a signal has that states none.
	One Weight = 1 << weightBits
	// MaxWeight is the weight 10⁶, the greatest allowed.
	MaxWeight = 1_000_000 * One
)

// ParseWeight returns f as a weight, rounded to the nearest multiple of 2⁻²⁴, halves to even. It refuses, with a
// [fault.Input] on the field "weight", what is not a number, infinite, not above 0, above 10⁶, or rounds to 0 (at most
// 2⁻²⁵).
func ParseWeight(f float64) (Weight, error) {
	switch {
	case math.IsNaN(f):
		return 0, fault.Refuse("weight", "is not a number")
	case math.IsInf(f, 0):
		return 0, fault.Refuse("weight", "is infinite; weights lie above 0 and up to 1000000")
	case f <= 0:
		return 0, fault.Refuse("weight", "is %v; weights lie above 0 (a negative meaning is the signal type's)", f)
	case f > 1e6:
		return 0, fault.Refuse("weight", "is %v; the greatest weight is 1000000", f)
	}
	// Scaling by a power of two is exact here, and the result has at most 44 bits.
	w := Weight(math.RoundToEven(f * (1 << weightBits)))
	if w == 0 {
		return 0, fault.Refuse("weight", "is %v, which rounds to 0; the smallest weight is 2^-24", f)
	}
	return w, nil
}

// Valid reports whether w lies in 1..[MaxWeight].
func (w Weight) Valid() bool { return w >= 1 && w <= MaxWeight }

// Float returns the weight as a number, exactly.
func (w Weight) Float() float64 { return float64(w) / (1 << weightBits) }

// Float returns the score as the nearest float64, halves to even, also in the subnormal range; what is too small is 0
// and what is too large is the largest finite number, since no answer should carry an infinity.
func (s Score) Float() float64 {
	const (
		fraction = 52    // stored bits of a float64's significand
		least    = -1022 // exponent of the smallest normal number
		most     = 1023
	)
	lead := int64(s.Exp) + 63 // exponent of the mantissa's top bit, which is set unless the score is 0
	drop := int64(63 - fraction)
	if lead < least {
		drop += least - lead
	}
	switch {
	case s.Mant == 0 || drop > 64:
		return 0
	case lead > most:
		return math.MaxFloat64
	}
	kept, half := s.Mant>>uint(drop), uint64(1)<<uint(drop-1)
	lost := s.Mant & (half<<1 - 1)
	if lost > half || lost == half && kept&1 == 1 {
		kept++
	}
	if lead >= least {
		// kept holds the implicit bit, which adds 1 to the exponent field; a carry out of the fraction adds another.
		kept += uint64(lead-least) << fraction
	}
	return min(math.Float64frombits(kept), math.MaxFloat64)
}
