package token

import (
	"encoding/binary"
	"math"

	"github.com/tidaldb/tidal/internal/fault"
)

// Ref says which list showed an item, and why it was there. A signal that echoes it links what the user did to what the
// ranking did, which is what off-policy evaluation needs.
type Ref struct {
	// Feed is the list's number, Place the item's place in it, from 1.
	Feed  uint64
	Place int
	// Item is the item.
	Item string
	// Slot is the exploration slot that gave the place away, empty for a ranked place.
	Slot string
	// Propensity is the probability that the item got this place, given that it belongs to the slot; 1 for a ranked place.
	Propensity float64
	// Profile and Version are what ranked the list.
	Profile string
	Version uint32
	// Time is when it was ranked, in Unix milliseconds.
	Time int64
}

// refItem is how much of an item's id a reference holds beside its length: enough to tell that it belongs to the item,
// within the 256 bytes of a signal's reference.
const refItem = 64

// MaxRef bounds the size of a reference in bytes.
const MaxRef = 256

// AppendRef appends a reference. Names of slots and profiles have at most 63 bytes, as in a schema.
func AppendRef(dst []byte, keys Keys, r *Ref) []byte {
	at := len(dst)
	dst = begin(dst, keys, kindRef)
	dst = binary.LittleEndian.AppendUint64(dst, r.Feed)
	dst = binary.AppendUvarint(dst, uint64(r.Place))
	dst = binary.AppendUvarint(dst, uint64(len(r.Item)))
	dst = appendText(dst, r.Item[:min(len(r.Item), refItem)])
	dst = appendText(dst, r.Slot)
	dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(r.Propensity)))
	dst = appendText(dst, r.Profile)
	dst = binary.AppendUvarint(dst, uint64(r.Version))
	dst = binary.AppendVarint(dst, r.Time)
	return seal(dst, at, keys)
}

// IsRef reports whether bytes look like a reference, sealed by whomever. Applications may use references of their own.
func IsRef(b []byte) bool { return len(b) >= 2 && b[0] == version && b[1] == kindRef }

// OpenRef reads a reference. Item is cut to its first 64 bytes; [Ref.Of] compares.
func OpenRef(keys Keys, b []byte) (Ref, error) {
	body, err := open(keys, kindRef, "ref", b)
	if err != nil {
		return Ref{}, err
	}
	r := reader{b: body}
	out := Ref{Feed: r.u64(), Place: r.count()}
	size := r.count()
	out.Item, out.Slot = r.text(), r.text()
	out.Propensity = float64(math.Float32frombits(r.u32()))
	out.Profile, out.Version, out.Time = r.text(), uint32(r.uvarint()), r.varint()
	if r.bad || len(r.b) > 0 || size < len(out.Item) {
		return Ref{}, fault.Refuse("ref", "is sealed, and yet its contents can't be read")
	}
	return out, nil
}

// Of reports whether the reference is about an item.
func (r *Ref) Of(item string) bool {
	return item[:min(len(item), refItem)] == r.Item[:min(len(r.Item), refItem)]
}
