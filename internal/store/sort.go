package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// sorted returns the steps in the order of their keys, which storage takes in faster, as far as nobody can tell: steps
// of one key stay in order, and none passes one that deletes a range.
func (b *Batch) sorted() []op {
	out := slices.Clone(b.ops)
	for rest := out; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(o op) bool { return o.kind == opDeleteRange })
		if n < 0 {
			n = len(rest)
		}
		b.sortPart(rest[:n])
		rest = rest[min(n+1, len(rest)):]
	}
	return out
}

// brief is a step with as much of its key as makes most comparisons cheap: the 16 bytes, big endian, that follow what
// all keys begin with.
type brief struct {
	high, low uint64
	op        op
}

func (b *Batch) sortPart(ops []op) {
	if len(ops) < 2 {
		return
	}
	first := b.keyOf(ops[0])
	same, rising := len(first), true
	for i := 1; i < len(ops); i++ {
		key := b.keyOf(ops[i])
		same = commonPrefix(first[:same], key)
		rising = rising && bytes.Compare(b.keyOf(ops[i-1]), key) <= 0
	}
	if rising {
		return
	}
	list := make([]brief, len(ops))
	for i, o := range ops {
		high, low := next16(b.keyOf(o)[same:])
		list[i] = brief{high, low, o}
	}
	slices.SortFunc(list, func(x, y brief) int {
		switch {
		case x.high != y.high:
			return cmp.Compare(x.high, y.high)
		case x.low != y.low:
			return cmp.Compare(x.low, y.low)
		}
		if c := bytes.Compare(b.keyOf(x.op), b.keyOf(y.op)); c != 0 {
			return c
		}
		return cmp.Compare(x.op.key, y.op.key)
	})
	for i := range list {
		ops[i] = list[i].op
	}
}

// commonPrefix returns how many bytes a begins with that b begins with, too.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// next16 returns the first 16 bytes as numbers in their order; what lacks is zeros.
func next16(b []byte) (high, low uint64) {
	if len(b) < 16 {
		var padded [16]byte
		copy(padded[:], b)
		b = padded[:]
	}
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
}
