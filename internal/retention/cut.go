package retention

import (
	"cmp"
	"slices"
)

// Batch is one batch of the log, by its header.
type Batch struct {
	Span
	Bytes int64
}

// Cut turns the spans that a [Decision] wants compacted into stretches that can be: each of whole batches, one behind
// the other without a gap, and of at most limit bytes, unless a single batch has more; 0 is no limit. Batches that
// don't lie inside a span whole stay as they are. Both may come in any order; a batch may be named twice, as it is when
// it was received twice.
func Cut(spans []Span, batches []Batch, limit int64) []Span {
	batches = slices.Clone(batches)
	slices.SortFunc(batches, func(a, b Batch) int { return compareSpans(a.Span, b.Span) })
	var out []Span
	for _, s := range joined(slices.Clone(spans)) {
		at, _ := slices.BinarySearchFunc(batches, s, func(b Batch, s Span) int { return compareSpans(b.Span, s) })
		var bytes int64
		open := false // whether the last stretch may grow
		for _, b := range batches[at:] {
			if b.Origin != s.Origin || b.First > s.Last {
				break
			}
			n := len(out) - 1
			switch {
			case b.Last > s.Last || open && b.First <= out[n].Last:
			case open && b.First == out[n].Last+1 && (limit <= 0 || bytes+b.Bytes <= limit):
				out[n].Last = b.Last
				bytes += b.Bytes
			default:
				out = append(out, b.Span)
				bytes, open = b.Bytes, true
			}
		}
	}
	return out
}

func compareSpans(a, b Span) int {
	return cmp.Or(a.Origin.Compare(b.Origin), cmp.Compare(a.First, b.First))
}
