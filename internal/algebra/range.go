package algebra

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// RangeEntry is the effect of a range's events on one record.
type RangeEntry struct {
	Key   string // not empty; what it says, the entity's generation included, is the caller's business
	Kind  Kind
	Value []byte // canonical, not empty, not modified by anyone
}

// Range is what the events First to Last of one origin amount to: what is left of a stretch of log after it was
// compacted. Merging every entry into a state that holds none of these events, and all of the origin's earlier ones,
// gives the same state as applying the events.
//
// A receiver that holds First to k, with First ≤ k < Last, folds its own batches of these into a range and subtracts
// that with [SubtractOverlap]. The sums of what is left are of k+1 to Last alone; its joins and marks are of the whole
// range, which does no harm. A range is a pure value, made by a [RangeBuilder].
type Range struct {
	Origin      id.Origin
	First, Last id.Seq
	Entries     []RangeEntry // by key, ascending, one for each
}

// RangeBuilder folds the effects of events into a [Range].
type RangeBuilder struct {
	entries []RangeEntry
	byKey   map[string]int // index in entries
	scratch []byte
}

// Fold merges one effect of an event, which is an encoded value as [Merge] takes it, into the record under key. One
// key is always of one kind. It copies value. After an error the builder is as before.
func (b *RangeBuilder) Fold(key string, kind Kind, value []byte) error {
	if key == "" {
		return fault.Damaged("", 0, "range entry without a key")
	}
	i, ok := b.byKey[key]
	if !ok {
		if err := Check(kind, value); err != nil {
			return err
		}
		if b.byKey == nil {
			b.byKey = make(map[string]int)
		}
		b.byKey[key] = len(b.entries)
		b.entries = append(b.entries, RangeEntry{key, kind, slices.Clone(value)})
		return nil
	}
	e := &b.entries[i]
	if e.Kind != kind {
		return fault.Damaged("", 0, "key %q is of kind %v and of kind %v", key, e.Kind, kind)
	}
	merged, err := Merge(kind, b.scratch[:0], e.Value, value)
	if err != nil {
		return err
	}
	b.scratch = merged
	e.Value = append(e.Value[:0], merged...)
	return nil
}

// Finish returns the range of the events first to last of the origin, which are those that were folded, and leaves the
// builder empty.
func (b *RangeBuilder) Finish(origin id.Origin, first, last id.Seq) Range {
	if first == 0 || last < first {
		panic("algebra: range of no events")
	}
	entries := slices.DeleteFunc(b.entries, func(e RangeEntry) bool { return len(e.Value) == 0 })
	slices.SortFunc(entries, func(x, y RangeEntry) int { return cmp.Compare(x.Key, y.Key) })
	*b = RangeBuilder{scratch: b.scratch}
	return Range{origin, first, last, entries}
}

// MergeRanges returns the range of both, which must be of one origin and adjoin, in either order. It returns
// [fault.ErrGap] when they don't, and a *fault.Corrupt for values that can't be merged.
func MergeRanges(a, b Range) (Range, error) {
	if a.First > b.First {
		a, b = b, a
	}
	if a.Origin != b.Origin || a.Last+1 != b.First {
		return Range{}, fmt.Errorf("merge range %v with %v: %w", a, b, fault.ErrGap)
	}
	entries, err := combineEntries(a.Entries, b.Entries, Merge)
	if err != nil {
		return Range{}, err
	}
	return Range{a.Origin, a.First, b.Last, entries}, nil
}

// SubtractOverlap returns what a receiver that holds overlap lacks of rng. The overlap must be the exact fold of rng's
// first events; it returns [fault.ErrGap] when it begins elsewhere or doesn't end inside, and a *fault.Corrupt for
// values that can't be subtracted.
func SubtractOverlap(rng, overlap Range) (Range, error) {
	if rng.Origin != overlap.Origin || rng.First != overlap.First || overlap.Last >= rng.Last {
		return Range{}, fmt.Errorf("subtract range %v from %v: %w", overlap, rng, fault.ErrGap)
	}
	entries, err := combineEntries(rng.Entries, overlap.Entries, Subtract)
	if err != nil {
		return Range{}, err
	}
	return Range{rng.Origin, overlap.Last + 1, rng.Last, entries}, nil
}

// combineEntries combines two sorted lists by key; an entry that one of them lacks is the identity there.
func combineEntries(a, b []RangeEntry, op func(kind Kind, dst, a, b []byte) ([]byte, error)) ([]RangeEntry, error) {
	out := make([]RangeEntry, 0, max(len(a), len(b)))
	for len(a)+len(b) > 0 {
		var x, y RangeEntry
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Key < b[0].Key:
			x, a = a[0], a[1:]
			y.Key, y.Kind = x.Key, x.Kind
		case len(a) == 0 || a[0].Key > b[0].Key:
			y, b = b[0], b[1:]
			x.Key, x.Kind = y.Key, y.Kind
		default:
			x, y, a, b = a[0], b[0], a[1:], b[1:]
		}
		if x.Kind != y.Kind {
			return nil, fault.Damaged("", 0, "key %q is of kind %v and of kind %v", x.Key, x.Kind, y.Kind)
		}
		value, err := op(x.Kind, nil, x.Value, y.Value)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", x.Key, err)
		}
		if len(value) > 0 {
			out = append(out, RangeEntry{x.Key, x.Kind, value})
		}
	}
	return out, nil
}

// String prints the positions and the number of entries.
func (r Range) String() string {
	return fmt.Sprintf("%v to %d (%d records)", r.Origin.At(r.First), r.Last, len(r.Entries))
}

// AppendBinary appends the canonical encoding: uvarints of region, shard, incarnation, first and last sequence number,
// and the number of entries; then per entry, by key, ascending, the length of the key and the key, a byte for the
// kind, the length of the value and the value.
func (r Range) AppendBinary(dst []byte) []byte {
	dst = appendOrigin(dst, r.Origin)
	dst = binary.AppendUvarint(dst, uint64(r.First))
	dst = binary.AppendUvarint(dst, uint64(r.Last))
	dst = binary.AppendUvarint(dst, uint64(len(r.Entries)))
	for i := range r.Entries {
		e := &r.Entries[i]
		dst = binary.AppendUvarint(dst, uint64(len(e.Key)))
		dst = append(dst, e.Key...)
		dst = append(dst, byte(e.Kind))
		dst = binary.AppendUvarint(dst, uint64(len(e.Value)))
		dst = append(dst, e.Value...)
	}
	return dst
}

// DecodeRange reads what AppendBinary wrote, all of b, and checks every value. The values alias b.
func DecodeRange(b []byte) (Range, error) {
	c := cursor{b: b}
	r := Range{Origin: c.origin()}
	r.First = id.Seq(c.uvarint("first sequence number", max64))
	r.Last = id.Seq(c.uvarint("last sequence number", max64))
	n := c.uvarint("number of entries", max64)
	switch {
	case c.err != nil:
	case r.First == 0 || r.Last < r.First:
		c.fail("range from %d to %d", r.First, r.Last)
	case n > uint64(len(c.rest())):
		c.fail("%d entries in %d bytes", n, len(c.rest()))
	}
	last := ""
	for range n {
		e := RangeEntry{Key: string(c.text("key", 1, max64))}
		e.Kind = Kind(c.byte("kind", Kinds))
		start := c.off
		e.Value = c.text("value", 1, max64)
		if c.err == nil && e.Key <= last {
			c.fail("key %q doesn't rise", e.Key)
		}
		if c.err != nil {
			return Range{}, c.err
		}
		if err := Check(e.Kind, e.Value); err != nil {
			return Range{}, fmt.Errorf("range entry at offset %d: %w", start, err)
		}
		last, r.Entries = e.Key, append(r.Entries, e)
	}
	if err := c.end(); err != nil {
		return Range{}, err
	}
	return r, nil
}
