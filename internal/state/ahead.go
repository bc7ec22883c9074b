package state

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/zeebo/xxh3"
)

// AheadMost is how many ids [Table.Ahead] looks at in one call.
const AheadMost = 64

// Ahead reads what calls about some ids are going to read, at most [AheadMost] of them, and changes nothing. Most of the
// time of a call about an owner goes by while memory answers, three or four times one after the other. Here each of
// these steps is taken for all ids before the next, so that memory works for many of them at once; the calls that
// follow find everything in the caches. It pays for ids that come in great numbers and in no order.
//
// It takes an eighth off what applying signals takes. To go on and read the leaves of who has many records, the records
// themselves and the ends of lists was tried: that takes as much as it gains.
func (t *Table) Ahead(kind id.Kind, names []string) {
	os := &t.owners[kind]
	if len(os.byID.dir) == 0 {
		return
	}
	var hashes [AheadMost]uint32
	var entries [AheadMost]uint64
	var heads [AheadMost]handle
	names = names[:min(len(names), AheadMost)]
	for i, name := range names {
		hashes[i] = uint32(xxh3.HashString(name))
		s := os.byID.table(hashes[i])
		entries[i] = s.slots[hashes[i]&uint32(len(s.slots)-1)]
	}
	for i := range names {
		// The first entry in line is the right one, or else the call that follows takes longer.
		if e := entries[i]; e != 0 && uint32(e>>32) == hashes[i] {
			heads[i] = os.slot(Ord(uint32(e) - 1)).head
		}
	}
	seen := byte(0)
	for i := range names {
		if h := heads[i]; h != 0 && h <= lastInSegment {
			seen += os.arena.segments[h/segmentUnits].mem[h%segmentUnits*unit]
		}
	}
	for i := range names {
		if h := heads[i]; h != 0 {
			seen += os.aheadOf(h)
		}
	}
	os.seen = seen // so that nothing of this is left out as useless
}

// aheadOf reads the rest of a head, and where its large records begin.
func (os *owners) aheadOf(h handle) (seen byte) {
	const line = 64
	b := os.arena.bytes(h)
	for i := line; i < len(b); i += line {
		seen += b[i]
	}
	at := contents(b)
	if isWide(b) {
		return seen
	}
	for i := range bagCount(b, at) {
		if from, _ := bagRecord(b, at, i); b[from]&spilled != 0 {
			if c := handle(binary.LittleEndian.Uint32(b[from+5:])); c <= lastInSegment {
				seen += os.arena.segments[c/segmentUnits].mem[c%segmentUnits*unit]
			}
		}
	}
	return seen
}
