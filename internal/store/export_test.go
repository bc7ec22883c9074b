package store

import (
	"bytes"
	"slices"
)

// SetLimit makes a batch refuse what is beyond so many bytes.
func (b *Batch) SetLimit(bytes int) { b.limit = bytes }

// SortedAsItShould tells whether steps are committed in the order of their keys, those of one key and those around a
// deleted range in the order of the calls.
func (b *Batch) SortedAsItShould() bool {
	want := slices.Clone(b.ops)
	for rest := want; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(o op) bool { return o.kind == opDeleteRange })
		if n < 0 {
			n = len(rest)
		}
		slices.SortStableFunc(rest[:n], func(x, y op) int { return bytes.Compare(b.keyOf(x), b.keyOf(y)) })
		rest = rest[min(n+1, len(rest)):]
	}
	return slices.Equal(b.sorted(), want)
}
