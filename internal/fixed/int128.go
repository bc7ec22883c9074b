package fixed

import (
	"encoding/binary"
	"math/bits"
	"strconv"

	"github.com/tidaldb/tidal/internal/fault"
)

// Int128 is a signed 128-bit integer in two's complement, Hi·2⁶⁴ + Lo.
//
// Addition and subtraction wrap modulo 2¹²⁸. So any sum can be taken back exactly, whatever was added between, which
// is what compensation of events rests on. The zero value is 0; values compare with ==.
type Int128 struct {
	Hi int64
	Lo uint64
}

// maxInt128Len is the longest encoding: 128 bits in groups of 7.
const maxInt128Len = 19

// FromInt64 returns v.
func FromInt64(v int64) Int128 { return Int128{Hi: v >> 63, Lo: uint64(v)} }

// Add returns a + b modulo 2¹²⁸.
func (a Int128) Add(b Int128) Int128 {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, _ := bits.Add64(uint64(a.Hi), uint64(b.Hi), carry)
	return Int128{Hi: int64(hi), Lo: lo}
}

// AddExact returns a + b and true, or false when that does not fit 128 bits.
func (a Int128) AddExact(b Int128) (Int128, bool) {
	sum := a.Add(b)
	return sum, (a.Hi^sum.Hi)&(b.Hi^sum.Hi) >= 0
}

// Sub returns a − b modulo 2¹²⁸.
func (a Int128) Sub(b Int128) Int128 {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, _ := bits.Sub64(uint64(a.Hi), uint64(b.Hi), borrow)
	return Int128{Hi: int64(hi), Lo: lo}
}

// Neg returns −a modulo 2¹²⁸; the least value is its own negative.
func (a Int128) Neg() Int128 { return Int128{}.Sub(a) }

// Sign returns −1, 0 or 1.
func (a Int128) Sign() int {
	switch {
	case a.Hi < 0:
		return -1
	case a.Hi == 0 && a.Lo == 0:
		return 0
	}
	return 1
}

// IsZero reports whether a is 0.
func (a Int128) IsZero() bool { return uint64(a.Hi)|a.Lo == 0 }

// Cmp returns −1, 0 or 1 as a is less than, equal to or greater than b.
func (a Int128) Cmp(b Int128) int {
	switch {
	case a == b:
		return 0
	case a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo:
		return -1
	}
	return 1
}

// IsInt64 reports whether a fits an int64.
func (a Int128) IsInt64() bool { return a.Hi == int64(a.Lo)>>63 }

// Int64 returns the low 64 bits: a itself when [Int128.IsInt64].
func (a Int128) Int64() int64 { return int64(a.Lo) }

// Shl returns a·2ⁿ and true, or false when that does not fit 128 bits. n is at least 0.
func (a Int128) Shl(n uint) (Int128, bool) {
	r := a.shlWrap(n)
	return r, r.Shr(n) == a
}

// Shr returns ⌊a/2ⁿ⌋.
func (a Int128) Shr(n uint) Int128 {
	if n >= 64 {
		return Int128{Hi: a.Hi >> 63, Lo: uint64(a.Hi >> (n - 64))}
	}
	return Int128{Hi: a.Hi >> n, Lo: a.Lo>>n | uint64(a.Hi)<<(64-n)}
}

// shlWrap returns a·2ⁿ modulo 2¹²⁸. Go's shifts by 64 and more give 0, which the n < 64 form relies upon for n = 0.
func (a Int128) shlWrap(n uint) Int128 {
	if n >= 64 {
		return Int128{Hi: int64(a.Lo << (n - 64))}
	}
	return Int128{Hi: int64(uint64(a.Hi)<<n | a.Lo>>(64-n)), Lo: a.Lo << n}
}

// magnitude returns |a| as two unsigned words; the least value's is 2¹²⁷.
func (a Int128) magnitude() (hi, lo uint64) {
	if a.Hi < 0 {
		a = a.Neg()
	}
	return uint64(a.Hi), a.Lo
}

// String prints a in decimal.
func (a Int128) String() string {
	// 10¹⁹ is the largest power of ten in a word; 2¹²⁷ < 10³⁹, so a number has at most three such digits.
	const base, baseDigits = 10_000_000_000_000_000_000, 19
	hi, lo := a.magnitude()
	text := ""
	for hi != 0 {
		var digit uint64
		high := hi / base
		lo, digit = bits.Div64(hi%base, lo, base)
		hi = high
		part := strconv.FormatUint(digit, 10)
		text = "0000000000000000000"[:baseDigits-len(part)] + part + text
	}
	text = strconv.FormatUint(lo, 10) + text
	if a.Hi < 0 {
		return "-" + text
	}
	return text
}

// AppendBinary appends the canonical encoding: zigzag (0, −1, 1, −2 … become 0, 1, 2, 3 …), then groups of 7 bits from
// the least significant, the top bit of a byte saying that another follows. Small magnitudes are short: 1 byte up to
// 63, 5 bytes up to 2³⁴, at most 19.
func (a Int128) AppendBinary(dst []byte) []byte {
	sign := uint64(a.Hi >> 63)
	hi := (uint64(a.Hi)<<1 | a.Lo>>63) ^ sign
	lo := a.Lo<<1 ^ sign
	for hi != 0 {
		dst = append(dst, byte(lo)|0x80)
		lo, hi = lo>>7|hi<<57, hi>>7
	}
	return binary.AppendUvarint(dst, lo)
}

// DecodeInt128 reads what [Int128.AppendBinary] wrote and returns the rest of b. It accepts canonical bytes only;
// anything else is a [fault.Corrupt].
func DecodeInt128(b []byte) (Int128, []byte, error) {
	var lo, hi uint64
	for i, c := range b {
		group, shift := uint64(c&0x7f), uint(7*i)
		switch {
		case shift < 63:
			lo |= group << shift
		case shift == 63:
			lo |= group << 63
			hi = group >> 1
		case i < maxInt128Len-1 || c <= 3:
			hi |= group << (shift - 64)
		default:
			return Int128{}, nil, fault.Damaged("", int64(i), "128-bit integer is too long")
		}
		if c >= 0x80 {
			continue
		}
		if c == 0 && i > 0 {
			return Int128{}, nil, fault.Damaged("", int64(i), "128-bit integer has a needless zero byte")
		}
		sign := -(lo & 1)
		a := Int128{Hi: int64(hi>>1 ^ sign), Lo: (lo>>1 | hi<<63) ^ sign}
		return a, b[i+1:], nil
	}
	return Int128{}, nil, fault.Damaged("", int64(len(b)), "128-bit integer is cut short")
}
