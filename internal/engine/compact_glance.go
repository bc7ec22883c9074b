package engine

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Glimpse is what can be told of a range without its effects.
type Glimpse struct {
	Origin      id.Origin
	First, Last id.Seq
	// Highest is the highest stamp of its records, which is about when the last of them was written.
	Highest hlc.Timestamp
	// Counters are what the batches of the range counted for.
	Counters Counters
}

// GlanceRange reads what stands in front of a range's effects, without comparing its hash: for bytes that are known to be
// sound, such as those of an entry whose record in the log was checked.
func GlanceRange(entry []byte) (Glimpse, error) {
	if !IsRange(entry) {
		return Glimpse{}, fault.Damaged("", 0, "%d bytes are no compacted range", len(entry))
	}
	r := localReader{b: entry[len(compactedMagic):]}
	if version := r.uvarint(); r.err == nil && version > compactedVersion {
		return Glimpse{}, fmt.Errorf("compacted range of version %d: %w", version, fault.ErrFormatTooNew)
	}
	c := Compacted{Level: uint32(r.uvarint())}
	c.decodeHead(&r)
	g := Glimpse{Highest: c.Highest, Counters: c.Counters}
	for _, v := range []func(uint64){
		func(v uint64) { g.Origin.Region = id.Region(v) }, func(v uint64) { g.Origin.Shard = id.Shard(v) },
		func(v uint64) { g.Origin.Incarnation = id.Incarnation(v) },
		func(v uint64) { g.First = id.Seq(v) }, func(v uint64) { g.Last = id.Seq(v) },
	} {
		v(r.uvarint())
	}
	if r.err == nil && (g.First == 0 || g.Last < g.First) {
		r.fail("a range ends before it begins")
	}
	return g, r.err
}
