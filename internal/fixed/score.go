package fixed

import "math/bits"

// Score is a number that is zero or positive: Mant·2^Exp, with the top bit of Mant set, or both 0.
//
// It is what a read of a decayed sum returns: 64 significant bits and an exponent that doesn't underflow where a
// float64 would. Equal numbers are equal values, so == compares.
type Score struct {
	Mant uint64
	Exp  int32
}

// IsZero reports whether s is 0.
func (s Score) IsZero() bool { return s.Mant == 0 }

// Cmp returns −1, 0 or 1 as s is less than, equal to or greater than o.
func (s Score) Cmp(o Score) int {
	switch {
	case s == o:
		return 0
	case s.IsZero():
		return -1
	case o.IsZero():
		return 1
	case s.Exp < o.Exp || s.Exp == o.Exp && s.Mant < o.Mant:
		return -1
	}
	return 1
}

// maxScoreExp bounds the exponents a score is given; what lies below −maxScoreExp is 0.
const maxScoreExp = 1 << 30

// Decayed returns acc·2^(−elapsed/halfLife − shift), and 0 for an acc below 0: a sum may be negative for a while, when
// a compensation arrives before its event, but no reader sees that.
//
// elapsed is at least 0 and halfLife in 1..[MaxHalfLife], both in milliseconds; |shift| is at most 2²⁰. Anything else
// panics. The relative error is below 2⁻⁶⁰: the two words' leading 64 bits are kept by cutting (2⁻⁶³, twice), Exp2 adds
// 0.77·2⁻⁶² and the fraction of the exponent, cut at 64 bits, less than 2⁻⁶⁴. After 2³⁰ − 2²¹ half-lives the result is
// 0.
func Decayed(acc Int128, elapsed, halfLife int64, shift int) Score {
	if elapsed < 0 || halfLife <= 0 || halfLife > MaxHalfLife || shift < -1<<20 || shift > 1<<20 {
		panic("fixed: Decayed outside its domain")
	}
	whole, rest := uint64(elapsed)/uint64(halfLife), uint64(elapsed)%uint64(halfLife)
	if acc.Sign() <= 0 || whole >= maxScoreExp-1<<21 {
		return Score{}
	}
	frac, _ := bits.Div64(rest, 0, uint64(halfLife))
	if frac != 0 {
		whole++ // 2^−frac = 2^(1−frac) / 2
	}
	z, n := normalise(uint64(acc.Hi), acc.Lo)
	hi, lo := bits.Mul64(z, Exp2(-frac)) // z·2^(n−63) · power·2^−62
	lead := bits.LeadingZeros64(hi)
	return Score{
		Mant: hi<<lead | lo>>(64-lead),
		Exp:  int32(n - 63 + 64 - 62 - lead - int(whole) - shift),
	}
}
