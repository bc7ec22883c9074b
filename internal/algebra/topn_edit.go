package algebra

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// ListNotes is how many bytes of notes [ListRule.Edit] keeps beside an encoded list: the number of entries, 0 for notes
// that say nothing yet; per entry a byte of its id's hash; per entry its length.
//
// To find an id in a list of three kilobytes, or where its last entry begins, all of it is read, and to put an entry in
// front, all of it is moved. With notes, and with room in front, a few places are enough.
const ListNotes = 1 + 2*MaxList

// ListEdit is what one insertion changes about an encoded list: it becomes list[:At], Entry, list[At:To] and
// list[Again:End], with At ≤ To ≤ Again ≤ End. Between To and Again is an older entry of the same id; what is behind End
// has no place any more.
type ListEdit struct {
	Entry              []byte
	At, To, Again, End int
}

// Edit is [ListRule.InsertEncoded] for who keeps notes and can change a list where it lies: it says what is to be done.
// The list stays as it is when changed is false. With ok false it can't be told, and nothing was done: a list that is
// empty, or has an entry of more than 255 bytes, has no notes.
//
// Notes are [ListNotes] bytes. Nobody else writes to them, but that they must be zero when the list came from elsewhere
// or was changed otherwise. Afterwards they are those of the changed list. The edit's entry is put into the memory of buf.
func (r ListRule) Edit(buf, notes, list []byte, e *Interaction) (edit ListEdit, changed, ok bool) {
	r.check()
	notes = notes[:ListNotes:ListNotes]
	n := int(notes[0])
	if n == 0 {
		if n = takeNotes(notes, list); n == 0 {
			return edit, false, false
		}
	}
	hashes, sizes := notes[1:][:MaxList], notes[1+MaxList:][:n]
	if n == r.N && encodedEntry(list[len(list)-int(sizes[n-1]):]).compare(e) >= 0 {
		return edit, false, true
	}
	at, newest := 0, e.Time
	if encodedEntry(list).compare(e) >= 0 {
		var starts [MaxList + 1]uint32
		var found bool
		addUp(sizes, &starts)
		if at, found = place(list, starts[:n], e); found {
			return edit, false, true
		}
		newest = encodedEntry(list).time()
		edit.At = int(starts[at])
	}
	edit.Entry = appendInteraction(buf[:0], e)
	id := encodedEntry(edit.Entry).idWithLength()
	hash, same := hashOf(id), n // same is the index of the entry with e's id, if there is one
	if r.Distinct {
		same, edit.To = findNoted(hashes, sizes, hash, list, id)
	}
	cutoff := r.cutoff(newest)
	if same < at || e.Time < cutoff {
		return edit, false, true
	}
	end := n
	edit.End = len(list)
	if n == r.N && same == n {
		end-- // e pushes out the lowest
		edit.End -= int(sizes[end])
	}
	for end > at && encodedEntry(list[edit.End-int(sizes[end-1]):]).time() < cutoff {
		end--
		edit.End -= int(sizes[end])
	}
	if same < end {
		edit.Again = edit.To + int(sizes[same])
	} else {
		same, edit.To, edit.Again = end, edit.End, edit.End
	}
	note(notes, at, same, end, hash, len(edit.Entry))
	return edit, true, true
}

// takeNotes makes notes of a list and returns its number of entries, or 0 if they can't be made.
func takeNotes(notes, list []byte) int {
	var starts [MaxList + 1]uint32
	n := entryStarts(list, &starts)
	for i := range n {
		size := starts[i+1] - starts[i]
		if size > maxNoted {
			return 0
		}
		notes[1+i] = hashOf(encodedEntry(list[starts[i]:]).idWithLength())
		notes[1+MaxList+i] = byte(size)
	}
	notes[0] = byte(n)
	return n
}

// maxNoted is the length of the longest entry that there can be notes of.
const maxNoted = 255

// note enters the change of a list whose first end entries stay, but for the one at same, if that is less than end: an
// entry is put before that at index at.
func note(notes []byte, at, same, end int, hash byte, size int) {
	if size > maxNoted {
		notes[0] = 0
		return
	}
	hashes, sizes := notes[1:][:MaxList], notes[1+MaxList:][:MaxList]
	if notes[0] = byte(end); same == end {
		notes[0]++
	}
	copy(hashes[at+1:], hashes[at:same])
	copy(sizes[at+1:], sizes[at:same])
	hashes[at], sizes[at] = hash, byte(size)
}

// addUp fills in where entries of some sizes begin.
func addUp(sizes []byte, starts *[MaxList + 1]uint32) {
	sum := uint32(0)
	for i, size := range sizes {
		starts[i] = sum
		sum += uint32(size)
	}
	starts[len(sizes)] = sum
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// findNoted returns the index of the entry whose id, with its length before it, is pattern, and where it begins;
// len(sizes) if there is none.
func findNoted(hashes, sizes []byte, hash byte, list, pattern []byte) (index, start int) {
	summed := 0
	for i := 0; i < len(sizes); i += 8 {
		x := binary.LittleEndian.Uint64(hashes[i:]) ^ lowBits*uint64(hash)
		// Every byte that is 0 has its high bit set here; so may one above such a byte.
		for zero := (x - lowBits) &^ x & highBits; zero != 0; zero &= zero - 1 {
			k := i + bits.TrailingZeros64(zero)/8
			if k >= len(sizes) {
				break
			}
			for ; summed < k; summed++ {
				start += int(sizes[summed])
			}
			if bytes.HasPrefix(encodedEntry(list[start:]).body(), pattern) {
				return k, start
			}
		}
	}
	return len(sizes), 0
}

// hashOf hashes an id, with its length before it. Ids differ in their last bytes more often than in their first.
func hashOf(pattern []byte) byte {
	x := uint64(0)
	if n := len(pattern); n >= 8 {
		x = binary.LittleEndian.Uint64(pattern[n-8:])
	} else {
		for _, b := range pattern {
			x = x<<8 | uint64(b)
		}
	}
	return byte(x * 0x9e3779b97f4a7c15 >> 56)
}
