package algebra

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Most users that meet an item change nothing about how many users it has met: their register is as high already. So
// a sketch that this process encoded itself is looked at as it lies, and where a register does rise, one is spliced in.

// viewHLL returns the sketch that is all of b, without checking or copying it. b is what AppendBinary wrote, and must
// stay as it is while the sketch lives.
func viewHLL(b []byte) HLL { return HLL{packed: b} }

// countPacked counts the registers of a packed sketch by rank, as it lies.
func countPacked(packed []byte, counts *[64]uint64) {
	n, k := binary.Uvarint(packed)
	if n > hllSparse {
		countDense(packed[k:], counts)
		return
	}
	counts[0] = hllRegisters - n
	for b := packed[k:]; len(b) > 0; {
		v := uint64(b[0])
		if v < 0x80 {
			b = b[1:]
		} else {
			var size int
			v, size = binary.Uvarint(b)
			b = b[size:]
		}
		counts[v&63]++
	}
}

// unpack replaces the packed form by one of the two that can be worked on.
func (h *HLL) unpack() {
	if h.packed == nil {
		return
	}
	full, _, err := DecodeHLL(h.packed)
	if err != nil {
		panic(fmt.Sprintf("algebra: a sketch of our own can't be read: %v", err))
	}
	*h = full
}

// addPacked is Add on the packed form: into a copy, when anything changes at all.
func (h *HLL) addPacked(index, rank uint32) {
	n, k := binary.Uvarint(h.packed)
	if n > hllSparse {
		before := hllGet(h.packed[k:], index)
		if rank <= before {
			return
		}
		h.packed = bytes.Clone(h.packed)
		hllSet(h.packed[k:], index, rank)
		if before == 0 {
			binary.PutUvarint(h.packed, n+1) // two bytes before and after: dense sketches have 513 to 2,048 registers
		}
		return
	}
	at, end, next, found := hllSeek(h.packed, n, k, index)
	switch {
	case found.index == index && found.rank >= rank && end > at:
		return
	case n == hllSparse && (end == at || found.index != index):
		h.unpack()
		h.add(index, rank)
		return
	}
	out := make([]byte, 0, len(h.packed)+4)
	if end > at && found.index == index {
		out = append(out, h.packed[:at]...)
		out = binary.AppendUvarint(out, uint64((index-next)<<6|rank))
	} else {
		out = binary.AppendUvarint(out, n+1)
		out = append(out, h.packed[k:at]...)
		out = binary.AppendUvarint(out, uint64((index-next)<<6|rank))
		if end > at { // the register behind now follows the new one
			out = binary.AppendUvarint(out, uint64((found.index-index-1)<<6|found.rank))
		}
	}
	h.packed = append(out, h.packed[end:]...)
}

// register is one non-zero register.
type register struct{ index, rank uint32 }

// hllSeek finds the first register at or behind index among the n of a packed sparse sketch, which begin at k. Its
// encoding lies from at to end, which are equal when there is none; next is the index that its gap counts from.
func hllSeek(packed []byte, n uint64, k int, index uint32) (at, end int, next uint32, found register) {
	for range n {
		v, size := binary.Uvarint(packed[k:])
		found = register{next + uint32(v>>6), uint32(v & 63)}
		if found.index >= index {
			return k, k + size, next, found
		}
		k, next = k+size, found.index+1
	}
	return k, k, next, register{}
}
