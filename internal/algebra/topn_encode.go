package algebra

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// An encoded list is its entries, highest first, one after the other; the empty list is empty. Each entry is complete
// in itself, without reference to a neighbour, so that a new one is spliced in by moving bytes; and it begins with its
// id, so that looking for one costs a comparison per entry:
//
//	uvarint  length of what follows
//	uvarint  length of the id, 1 to 512; the id
//	varint   event time, Unix milliseconds (zigzag)
//	varint   wall part of the HLC, less the event time (zigzag)
//	uvarint  counter of the HLC
//	uvarint  region
//	uvarint  shard
//	uvarint  incarnation
//	uvarint  sequence number, from 1
//	uvarint  generation of the id
//	uvarint  length of the type, 0 to 255; the type

const (
	maxType = 255
	// maxEntry is more than any entry's length: ten numbers of ten bytes, id and type.
	maxEntry = 10*binary.MaxVarintLen64 + id.MaxLen + maxType
)

// AppendBinary appends the canonical encoding.
func (l TopN) AppendBinary(dst []byte) []byte {
	for i := range l {
		dst = appendInteraction(dst, &l[i])
	}
	return dst
}

func appendInteraction(dst []byte, e *Interaction) []byte {
	if e.Seq == 0 || e.ID == "" || len(e.ID) > id.MaxLen || len(e.Type) > maxType {
		panic("algebra: interaction out of range")
	}
	at := len(dst)
	dst = append(dst, 0) // room for a length below 128, which is the rule
	dst = binary.AppendUvarint(dst, uint64(len(e.ID)))
	dst = append(dst, e.ID...)
	dst = appendOrder(dst, e.Order)
	dst = binary.AppendUvarint(dst, uint64(e.Gen))
	dst = binary.AppendUvarint(dst, uint64(len(e.Type)))
	dst = append(dst, e.Type...)
	n := len(dst) - at - 1
	if n < 0x80 {
		dst[at] = byte(n)
		return dst
	}
	dst = append(dst, 0) // the length takes two bytes: maxEntry < 2¹⁴
	copy(dst[at+2:], dst[at+1:])
	binary.PutUvarint(dst[at:], uint64(n))
	return dst
}

// Decode reads what AppendBinary wrote for a list under the same rule, all of b. The result shares nothing with b.
func (r ListRule) Decode(b []byte) (TopN, error) {
	r.check()
	c := cursor{b: b}
	var (
		list TopN
		text = string(b) // one allocation for all ids and types
	)
	for c.more() {
		n := c.uvarint("length of an entry", maxEntry)
		start := c.off
		name := c.text("id", 1, id.MaxLen)
		e := Interaction{ID: text[c.off-len(name) : c.off], Order: c.order()}
		e.Gen = hlc.Timestamp(c.uvarint("generation", max64))
		kind := c.text("type", 0, maxType)
		e.Type = text[c.off-len(kind) : c.off]
		if c.err == nil {
			if reason := r.refuses(list, &e); reason != "" {
				c.fail("entry %d of the list %s", len(list), reason)
			} else if n != uint64(c.off-start) {
				c.fail("entry %d of the list has %d bytes, not %d", len(list), c.off-start, n)
			}
		}
		if c.err == nil {
			list = append(list, e)
		}
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	return list, nil
}

// refuses says why e can't follow the entries in list, "" if it can.
func (r ListRule) refuses(list TopN, e *Interaction) string {
	switch {
	case len(list) == 0:
		return ""
	case len(list) == r.N:
		return "is one too many"
	case list[len(list)-1].Compare(*e) <= 0:
		return "doesn't fall"
	case e.Time < r.cutoff(list[0].Time):
		return "is older than the retention"
	case r.Distinct && list.contains(e.ID):
		return "repeats an id"
	}
	return ""
}

// InsertEncoded appends to dst what Insert makes of an encoded list: the same bytes as decoding, Insert and
// AppendBinary, without decoding the entries. This is the hot path of every signal. The list must be canonical under
// the rule and must not overlap dst; a list that is neither is our own mistake, and may panic.
func (r ListRule) InsertEncoded(dst, list []byte, e Interaction) []byte {
	r.check()
	base := len(dst)
	dst = appendInteraction(dst, &e)
	entry := encodedEntry(dst[base:])
	var starts [MaxList + 1]uint32
	n := entryStarts(list, &starts)
	if n == 0 {
		return dst
	}
	at, found := place(list, starts[:n], &e)
	same := n // the index of the entry with e's id, if there is one below e
	if r.Distinct && !found {
		if i := findID(list, starts[:n], entry.idWithLength()); i < n {
			found, same = i < at, i
		}
	}
	newest := e.Time
	if at > 0 {
		newest = encodedEntry(list).time()
	}
	cutoff := r.cutoff(newest)
	if found || at == r.N || e.Time < cutoff {
		return append(dst[:base], list...)
	}
	end := n
	if n == r.N && same == n {
		end-- // e pushes out the lowest
	}
	for end > at && encodedEntry(list[starts[end-1]:]).time() < cutoff {
		end--
	}
	if at > 0 {
		dst = append(dst[:base], list[:starts[at]]...)
		dst = appendInteraction(dst, &e)
	}
	if same < end {
		dst = append(dst, list[starts[at]:starts[same]]...)
		return append(dst, list[starts[same+1]:starts[end]]...)
	}
	return append(dst, list[starts[at]:starts[end]]...)
}

// entryStarts fills in where each entry begins, and after the last where the list ends; it returns their number.
func entryStarts(list []byte, starts *[MaxList + 1]uint32) int {
	n, off := 0, 0
	for off < len(list) {
		if n == MaxList {
			panic("algebra: encoded list is too long")
		}
		starts[n] = uint32(off)
		n++
		size := int(list[off])
		off++
		if size >= 0x80 {
			size = size&0x7f | int(list[off])<<7
			off++
		}
		off += size
	}
	if off != len(list) {
		panic("algebra: encoded list is damaged")
	}
	starts[n] = uint32(off)
	return n
}

// place returns the number of entries above e, and whether the next one is e itself.
func place(list []byte, starts []uint32, e *Interaction) (at int, found bool) {
	low, high := 0, len(starts)
	for middle := 0; low < high; middle = (low + high) / 2 { // most often e is the newest: begin with the first
		switch c := encodedEntry(list[starts[middle]:]).compare(e); {
		case c == 0:
			return middle, true
		case c > 0:
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, false
}

// findID returns the index of the entry whose id, with its length before it, is pattern; len(starts) if there is none.
//
// Ids differ in their last bytes more often than in their first, so those are compared first, as one number.
func findID(list []byte, starts []uint32, pattern []byte) int {
	var tail uint64
	n := len(pattern)
	if n >= 8 {
		tail = binary.LittleEndian.Uint64(pattern[n-8:])
	}
	for i, start := range starts {
		at := int(start) + 1
		if list[start] >= 0x80 {
			at++
		}
		switch {
		case at+n > len(list):
		case n >= 8 && binary.LittleEndian.Uint64(list[at+n-8:]) != tail:
		case bytes.Equal(list[at:at+n], pattern):
			return i
		}
	}
	return len(starts)
}

// encodedEntry is the bytes of a list from the beginning of one entry on. It trusts them.
type encodedEntry []byte

// body skips the entry's length.
func (b encodedEntry) body() []byte {
	if b[0] < 0x80 {
		return b[1:]
	}
	return b[2:]
}

// idWithLength returns the id with its length before it.
func (b encodedEntry) idWithLength() []byte {
	body := b.body()
	n, k := binary.Uvarint(body)
	return body[:k+int(n)]
}

func (b encodedEntry) time() int64 {
	v, _ := binary.Uvarint(b.body()[len(b.idWithLength()):])
	return unzigzag(v)
}

func (b encodedEntry) compare(e *Interaction) int {
	if c := cmp.Compare(b.time(), e.Time); c != 0 {
		return c
	}
	c := cursor{b: b.body()}
	name := c.text("id", 1, id.MaxLen)
	if order := c.order().Compare(e.Order); order != 0 {
		return order
	}
	gen := hlc.Timestamp(c.uvarint("generation", max64))
	kind := c.text("type", 0, maxType)
	return cmp.Or(compareText(name, e.ID), cmp.Compare(gen, e.Gen), compareText(kind, e.Type))
}

// compareText compares without converting, which could allocate.
func compareText(b []byte, s string) int {
	n := min(len(b), len(s))
	for i := range n {
		if b[i] != s[i] {
			return cmp.Compare(b[i], s[i])
		}
	}
	return cmp.Compare(len(b), len(s))
}
