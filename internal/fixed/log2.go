package fixed

import "math/bits"

// Constants of the logarithm's polynomial, 1/(2k·ln 2) in Q64, rounded to nearest.
const (
	log2K1 = 0xb8aa3b295c17f0bc
	log2K2 = 0x5c551d94ae0bf85e
	log2K3 = 0x3d8e13b87407fae9
	log2K4 = 0x2e2a8eca5705fc2f
)

// Log2 returns the binary logarithm of x in Q32. x is above 0; anything else panics.
//
// It differs from the exact logarithm by less than 0.51 units of 2⁻³², and it never falls as x rises, so that order by
// logarithm never contradicts order by value.
//
// With x = 2ⁿ·z and 1 ≤ z < 2, the next 8 bits of z select u = 1 + i/256; z = u·(1+ε) with ε < 2⁻⁸, and log₂ z is
// log₂ u from a table plus the Taylor polynomial of log₂(1+ε) of degree 4.
//
// Error, in absolute terms: Taylor remainder ε⁵/(5·ln 2) < 2⁻⁴¹·⁷; z cut to 64 bits, ε cut to 56 bits, tables and
// floors together < 2⁻⁵⁵; so 2⁻⁹·⁶ units of 2⁻³² before the final rounding, which adds half a unit.
//
// It is monotone, for three reasons. Within one i, ε doesn't fall as z rises (multiplication by a constant, then
// cutting); two different ε differ by at least 2¹⁶ units of the word e below, over which the polynomial rises by at
// least 0.7·2¹⁶ units while all its floors together are less than 4. From one i to the next, the sum is held to at most
// the next table entry, and it is never below its own. From one n to the next, the fraction is held to at most 1.
func Log2(x Int128) int64 {
	if x.Sign() <= 0 {
		panic("fixed: Log2 of a number that is not positive")
	}
	z, n := normalise(uint64(x.Hi), x.Lo)

	i := z >> 55 & 0xff
	e, _ := bits.Mul64(z<<9, log2Recip[i]) // ε·2⁸ in Q64
	e &^= 1<<16 - 1

	// log₂(1+ε)·2⁷ = e·(k₁ − e/2⁸·(k₂ − e/2⁸·(k₃ − e/2⁸·k₄)))
	p, _ := bits.Mul64(e, log2K4)
	p, _ = bits.Mul64(e, log2K3-p>>8)
	p, _ = bits.Mul64(e, log2K2-p>>8)
	p, _ = bits.Mul64(e, log2K1-p>>8)

	// The table's last entry is 1 − 2⁻⁶⁴, which rounds to 1. The sum can't overflow: the polynomial, which ends with a
	// negative term of an alternating series, is below the logarithm.
	frac := min(log2Table[i]+p>>7, log2Table[i+1])
	return int64(n)<<32 + int64(frac>>32+frac>>31&1)
}

// normalise returns the leading 64 bits z of the number hi·2⁶⁴ + lo > 0, top bit set, and n = ⌊log₂⌋ of the number.
func normalise(hi, lo uint64) (z uint64, n int) {
	if hi == 0 {
		lead := bits.LeadingZeros64(lo)
		return lo << lead, 63 - lead
	}
	lead := bits.LeadingZeros64(hi)
	return hi<<lead | lo>>(64-lead), 127 - lead
}
