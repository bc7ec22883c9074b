package fixed

import "math/bits"

// ln2 is the natural logarithm of 2 in Q64, rounded to nearest.
const ln2 = 0xb17217f7d1cf79ac

// Exp2 returns 2^(frac/2⁶⁴) in Q62, a number in 2⁶²..2⁶³. It differs from the exact value by less than 0.77.
//
// The 64 bits of the exponent are cut into 8 + 8 + 8 + 40. The first three bytes select 1+a, 1+b and 1+c from tables,
// the last 40 bits x < 2⁻²⁴ give 1+d with d = y + y²/2 and y = x·ln 2, and the product is built from the small end,
// each partial product keeping only its part above 1, with as many bits as a word holds:
//
//	t = c + d + c·d   in Q79     (d in Q88)
//	s = b + t + b·t   in Q71
//	m = a + s + a·s   in Q64
//
// Error, line by line; "unit" is one in the last place of the format named.
//
//	d  Q88  y: floor 1, ln2 0.5 · y²/2: floors 2 · Taylor remainder y³/6·(1+…) < 2⁻⁷⁶·¹ < 3800 units   < 3804
//	t  Q79  d: 3804/2⁹ < 7.5 · rounding d 0.5 · table c 0.5 · floor of c·d 1                            < 9.5
//	s  Q71  t: 9.5/2⁸·(1+b) < 0.04 · rounding t 0.5 · table b 0.5 (times 1+t) · floor of b·t 1         < 2.05
//	v  Q71  s + a·s: 2.05·(1+a) < 4.1 · floor of a·s 1                                                  < 5.1
//	m  Q64  v: 5.1/2⁷ < 0.04 · rounding v 0.5 · table a 0.5·(1+s) < 0.502                               < 1.05
//	     Q62  m: 1.05/4 < 0.27 · rounding m 0.5                                                         < 0.77
//
// Nothing overflows: t < 2^(2⁻¹⁶)−1 < 2⁻¹⁶·⁵, s < 2^(2⁻⁸)−1 < 2⁻⁸·⁵, so t, s and v = s·(1+a) have at most 63, 63 and 64
// bits; the exact m is at most 2⁶⁴ − 1.38 (at frac = 2⁶⁴−1), so that the computed one is at most 2⁶⁴ − 1.
func Exp2(frac uint64) uint64 {
	a := exp2High[frac>>56]
	b := exp2Mid[frac>>48&0xff]
	c := exp2Low[frac>>40&0xff]

	y, _ := bits.Mul64(frac<<24, ln2) // Q88
	yy, _ := bits.Mul64(y, y)         // Q112
	d := y + yy>>25

	cd, _ := bits.Mul64(c, d) // Q103
	t := c + (d+1<<8)>>9 + cd>>24

	bt, _ := bits.Mul64(b, t) // Q86
	s := b + (t+1<<7)>>8 + bt>>15

	as, _ := bits.Mul64(a, s) // Q71
	v := s + as
	m := a + (v+1<<6)>>7
	return 1<<62 + m>>2 + m>>1&1
}

// MaxHalfLife is the longest half-life, in milliseconds (18 million years), so that an epoch of 8 half-lives fits an
// int64. The shortest is 1 ms.
const MaxHalfLife = 1 << 59

// Grow returns w·2^(elapsed/halfLife), rounded to the nearest integer. w is valid, halfLife in 1..[MaxHalfLife] and
// elapsed in 0..8·halfLife−1, both in milliseconds; anything else is a programming error and panics.
//
// The result differs from the exact power by less than 0.5 + 2⁻⁹:
//
//	elapsed/halfLife is cut to 61 fractional bits: relative error < ln 2·2⁻⁶¹ of at most 10⁶·2²⁴·2⁸ < 2⁵¹·⁹⁴  < 2⁻⁹·⁵⁸
//	Exp2 is off by 0.77·2⁻⁶², times w·2ⁿ ≤ 10⁶·2²⁴·2⁷ < 2⁵⁰·⁹⁴                                                 < 2⁻¹¹·⁴³
//	the product is exact, its rounding                                                                        ≤ 0.5
//
// At whole half-lives it is exact, since there the two first errors vanish.
func Grow(w Weight, elapsed, halfLife int64) int64 {
	if !w.Valid() || halfLife <= 0 || halfLife > MaxHalfLife || uint64(elapsed) >= uint64(halfLife)<<3 {
		panic("fixed: Grow outside its domain")
	}
	// ⌊elapsed·2⁶¹/halfLife⌋ has 3 integer bits, since elapsed < 8·halfLife: one division serves both parts.
	power, _ := bits.Div64(uint64(elapsed)>>3, uint64(elapsed)<<61, uint64(halfLife))
	whole := uint(power >> 61)
	hi, lo := bits.Mul64(uint64(w), Exp2(power<<3))
	shift := 62 - whole // at least 55, so the result's bits straddle both words
	lo, carry := bits.Add64(lo, 1<<(shift-1), 0)
	hi += carry
	return int64(hi<<(64-shift) | lo>>shift)
}
