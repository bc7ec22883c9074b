package algebra

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

const (
	hllBits      = 11               // bits of a hash that choose the register
	hllRegisters = 1 << hllBits     // 2,048: standard error 1.04/√2048 = 2.3 %
	hllMaxRank   = 64 - hllBits + 1 // 54, fits the 6 bits of a register
	hllDense     = hllRegisters * 6 / 8
	// hllSparse is the largest number of non-zero registers in the sparse form. A sparse register takes two bytes at
	// most encoded (but for wide gaps), so 512 of them are safely smaller than the dense form.
	hllSparse = 512
)

// HLL estimates how many different hashes were added: HyperLogLog (Flajolet et al., 2007) with 2,048 registers and the
// estimator of Ertl ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), in integers. The
// standard error is 2.3 %; up to a few hundred hashes the count is nearly exact. The zero value is empty.
//
// It is a join: each register keeps its maximum, so adding is commutative and idempotent, and nothing is ever taken
// out. The form in memory is chosen by the number of non-zero registers alone, hence so are the bytes: sparse up to
// 512 of them, dense above.
//
// A copy shares its registers with the original: [HLL.Clone] before [HLL.Add] when both live on.
type HLL struct {
	sparse []uint32 // index<<6 | rank, ascending, ranks not 0; nil when dense
	dense  []byte   // 2,048 registers of 6 bits, four in three bytes, little endian; nil when sparse
	used   int      // non-zero registers of the dense form
	packed []byte   // the canonical encoding, instead of all others: see viewHLL; nil when unpacked
}

// Add counts a 64-bit hash, which should be uniformly distributed over all 64 bits. It works in place.
func (h *HLL) Add(hash uint64) {
	index := uint32(hash >> (64 - hllBits))
	// The bit below the hash's last one bounds the rank.
	rank := uint32(bits.LeadingZeros64(hash<<hllBits|1<<(hllBits-1))) + 1
	if h.packed != nil {
		h.addPacked(index, rank)
		return
	}
	h.add(index, rank)
}

// add raises a register of one of the unpacked forms.
func (h *HLL) add(index, rank uint32) {
	if h.dense != nil {
		h.raise(index, rank)
		return
	}
	i, _ := slices.BinarySearch(h.sparse, index<<6)
	switch {
	case i == len(h.sparse) || h.sparse[i]>>6 != index:
		h.sparse = slices.Insert(h.sparse, i, index<<6|rank)
		h.settle()
	case rank > h.sparse[i]&63:
		h.sparse[i] = index<<6 | rank
	}
}

// Merge returns the estimator of the union of both sets.
func (h HLL) Merge(o HLL) HLL {
	h.unpack()
	o.unpack()
	if h.dense == nil && o.dense == nil {
		merged := HLL{sparse: hllMergeSparse(h.sparse, o.sparse)}
		merged.settle()
		return merged
	}
	if h.dense == nil {
		h, o = o, h
	}
	merged := h.Clone()
	if o.dense == nil {
		for _, e := range o.sparse {
			merged.raise(e>>6, e&63)
		}
		return merged
	}
	for i := range uint32(hllRegisters) {
		merged.raise(i, hllGet(o.dense, i))
	}
	return merged
}

// Clone returns a copy that shares nothing with h.
func (h HLL) Clone() HLL {
	h.unpack()
	return HLL{sparse: slices.Clone(h.sparse), dense: bytes.Clone(h.dense), used: h.used}
}

// IsZero reports whether nothing was added.
func (h HLL) IsZero() bool { return len(h.sparse) == 0 && h.dense == nil && h.packed == nil }

// Equal reports whether both hold the same registers.
func (h HLL) Equal(o HLL) bool {
	h.unpack()
	o.unpack()
	return slices.Equal(h.sparse, o.sparse) && bytes.Equal(h.dense, o.dense)
}

// Estimate returns the estimated number of different hashes, rounded to the nearest integer. It is sound up to about
// 2⁴⁸ of them.
//
// With m registers of which C(k) have rank k, Ertl's estimate is α·m² / (m·σ(C(0)/m) + Σ C(k)·2⁻ᵏ) where α = 1/(2·ln
// 2) and σ(x) = x + Σ x^(2ᵏ)·2ᵏ⁻¹ over k ≥ 1. The term τ for saturated registers is left out: at rank 54 a register is
// reached by one hash in 2⁶⁴.
func (h HLL) Estimate() uint64 {
	if h.IsZero() {
		return 0
	}
	const (
		// The denominator is kept in units of 2⁻⁴⁰: it is at most α·m² < 2²², when a single hash was added.
		unit = 40
		// α·m²·2⁴⁰ = 2⁶²/(2·ln 2), rounded.
		alphaSquares = 3326628274461080623
	)
	var counts [64]uint64
	switch {
	case h.packed != nil:
		countPacked(h.packed, &counts)
	case h.dense == nil:
		for _, e := range h.sparse {
			counts[e&63]++
		}
		counts[0] = hllRegisters - uint64(len(h.sparse))
	default:
		countDense(h.dense, &counts)
	}
	var sum uint64
	for rank := 1; rank <= hllMaxRank; rank++ {
		sum += counts[rank] << unit >> rank
	}
	sum = max(sum+hllSigma(counts[0]), 1)
	return (alphaSquares + sum/2) / sum
}

// hllSigma returns m·σ(zeros/m) in units of 2⁻⁴⁰, for fewer than m zeros.
//
// x starts exact in Q64 (zeros < 2¹¹, so x < 1). Each squaring doubles the relative error and adds at most one unit of
// 2⁻⁶⁴. A term x^(2ᵏ)·2ᵏ⁻¹ matters down to 2⁻⁵¹ and the largest x is 1 − 2⁻¹¹, so k stays below 17 and the error of
// any term below 2⁻⁴⁴: nothing beside the estimator's own 2.3 %.
func hllSigma(zeros uint64) uint64 {
	x := zeros << (64 - hllBits)
	sum := x >> (64 - hllBits - 40) // x·m in Q40
	for k := 1; x != 0; k++ {
		x, _ = bits.Mul64(x, x)
		// x·2ᵏ⁻¹·m from Q64 to Q40.
		shift := 64 - 40 - hllBits - (k - 1)
		if shift >= 0 {
			sum += x >> shift
		} else {
			sum += x << -shift
		}
	}
	return sum
}

// settle turns the sparse form into the dense one when it has grown past its bound.
func (h *HLL) settle() {
	if len(h.sparse) <= hllSparse {
		return
	}
	h.dense = make([]byte, hllDense)
	for _, e := range h.sparse {
		h.raise(e>>6, e&63)
	}
	h.sparse = nil
}

// raise brings a register of the dense form to at least rank.
func (h *HLL) raise(index, rank uint32) {
	before := hllGet(h.dense, index)
	if rank <= before {
		return
	}
	if before == 0 {
		h.used++
	}
	hllSet(h.dense, index, rank)
}

func hllMergeSparse(a, b []uint32) []uint32 {
	out := make([]uint32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0]>>6 < b[0]>>6:
			out, a = append(out, a[0]), a[1:]
		case a[0]>>6 > b[0]>>6:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, max(a[0], b[0])), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// hllGet reads register i: it begins at bit 6·i, and a pair of bytes always covers it but for the last register, which
// lies in the last byte alone.
func hllGet(dense []byte, i uint32) uint32 {
	at, shift := i*6/8, i*6%8
	word := uint32(dense[at])
	if shift > 2 {
		word |= uint32(dense[at+1]) << 8
	}
	return word >> shift & 63
}

// countDense counts the registers by rank. Four of them lie in three bytes.
func countDense(dense []byte, counts *[64]uint64) {
	for dense = dense[:hllRegisters*6/8]; len(dense) >= 3; dense = dense[3:] {
		word := uint32(dense[0]) | uint32(dense[1])<<8 | uint32(dense[2])<<16
		counts[word&63]++
		counts[word>>6&63]++
		counts[word>>12&63]++
		counts[word>>18]++
	}
}

func hllSet(dense []byte, i, rank uint32) {
	at, shift := i*6/8, i*6%8
	dense[at] = dense[at]&^byte(63<<shift) | byte(rank<<shift)
	if shift > 2 {
		dense[at+1] = dense[at+1]&^byte(63>>(8-shift)) | byte(rank>>(8-shift))
	}
}

// AppendBinary appends the canonical encoding: the number of non-zero registers as a uvarint, which decides the form.
// Up to 512: per register in ascending order a uvarint of gap<<6 | rank, where gap is the number of zero registers
// since the one before. Above: the 2,048 registers of 6 bits, register 0 in the lowest bits of the first byte.
func (h HLL) AppendBinary(dst []byte) []byte {
	if h.packed != nil {
		return append(dst, h.packed...)
	}
	if h.dense != nil {
		dst = binary.AppendUvarint(dst, uint64(h.used))
		return append(dst, h.dense...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.sparse)))
	next := uint32(0)
	for _, e := range h.sparse {
		dst = binary.AppendUvarint(dst, uint64((e>>6-next)<<6|e&63))
		next = e>>6 + 1
	}
	return dst
}

// DecodeHLL reads what AppendBinary wrote and returns the rest of b. The result shares nothing with b.
func DecodeHLL(b []byte) (HLL, []byte, error) {
	c := cursor{b: b}
	n := c.uvarint("number of registers", hllRegisters)
	if n > hllSparse {
		dense := c.take("registers", hllDense)
		if c.err != nil {
			return HLL{}, nil, c.err
		}
		used, legal := hllSurvey(dense)
		if used != int(n) || !legal {
			c.fail("%d registers announced, %d set, all up to %d: %v", n, used, hllMaxRank, legal)
			return HLL{}, nil, c.err
		}
		return HLL{dense: bytes.Clone(dense), used: used}, c.rest(), nil
	}
	if n > uint64(len(b)) {
		c.fail("%d registers in %d bytes", n, len(b))
		return HLL{}, nil, c.err
	}
	var h HLL
	if n > 0 {
		h.sparse = make([]uint32, 0, n)
	}
	next := uint64(0)
	for range n {
		v := c.uvarint("register", hllRegisters<<6-1)
		index, rank := next+v>>6, v&63
		if c.err == nil && (index >= hllRegisters || rank == 0 || rank > hllMaxRank) {
			c.fail("register %d of rank %d", index, rank)
		}
		if c.err != nil {
			return HLL{}, nil, c.err
		}
		h.sparse = append(h.sparse, uint32(index<<6|rank))
		next = index + 1
	}
	if c.err != nil {
		return HLL{}, nil, c.err
	}
	return h, c.rest(), nil
}

// hllSurvey returns how many registers aren't zero, and whether all ranks are possible. It looks at eight at a time.
func hllSurvey(dense []byte) (used int, legal bool) {
	const lowest = 1 | 1<<6 | 1<<12 | 1<<18 | 1<<24 | 1<<30 | 1<<36 | 1<<42 // bit 0 of each register
	var high uint64
	for ; len(dense) > 0; dense = dense[6:] {
		x := uint64(binary.LittleEndian.Uint32(dense)) | uint64(binary.LittleEndian.Uint16(dense[4:]))<<32
		any3 := x | x>>1 | x>>2
		used += bits.OnesCount64((any3 | any3>>3) & lowest)
		// Above 54 = 110110₂ are 110111₂ and 111xxx₂.
		high |= x >> 5 & (x >> 4) & (x>>3 | x>>2&(x>>1)&x) & lowest
	}
	return used, high == 0
}
