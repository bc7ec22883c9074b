package algebra

import (
	"encoding/binary"
	"fmt"
)

// Most users that meet an item change nothing about how many users it has met: their register is as high already. So
// a sketch that this process encoded itself is looked at as it lies, and unpacked only when a register rises.

// viewHLL returns the sketch that b begins with, without checking or copying it, and what is behind. b is what
// AppendBinary wrote, and must stay as it is while the sketch lives.
func viewHLL(b []byte) (h HLL, rest []byte) {
	n, k := binary.Uvarint(b)
	end := k + hllDense
	if n <= hllSparse {
		end = k
		for range n {
			_, size := binary.Uvarint(b[end:])
			end += size
		}
	}
	return HLL{packed: b[:end:end]}, b[end:]
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

// hllPackedRank reads a register of a packed sketch.
func hllPackedRank(packed []byte, index uint32) uint32 {
	n, k := binary.Uvarint(packed)
	if n > hllSparse {
		return hllGet(packed[k:], index)
	}
	next := uint32(0)
	for range n {
		v, size := binary.Uvarint(packed[k:])
		k += size
		at := next + uint32(v>>6)
		if at >= index {
			if at == index {
				return uint32(v & 63)
			}
			return 0
		}
		next = at + 1
	}
	return 0
}
