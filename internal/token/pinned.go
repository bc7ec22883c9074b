package token

import (
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/tidaldb/tidal/internal/fault"
)

// Use says what a pinned list is for.
type Use uint8

// The uses.
const (
	// NextPage: the items are candidates in the order of their scores, from which the next page is mixed.
	NextPage Use = 1
	// Again: the items are a list as it was shown.
	Again Use = 2
)

// Pinned is a list that stays as it is while the database goes on: the ids in their order, and what they were ranked
// with. What the user hid in the meantime isn't its business.
type Pinned struct {
	Use Use
	// Feed is the list's number, Page counts its pages from 0, and Before how many items they had.
	Feed   uint64
	Page   int
	Before int
	// Time is when it was ranked, in Unix milliseconds, and Seed what its draws came from.
	Time int64
	Seed uint64
	// Query is the fingerprint of the query that it belongs to.
	Query [16]byte
	// Profile and Version are what ranked it.
	Profile string
	Version uint32
	Items   []PinnedItem
}

// PinnedItem is one item of a pinned list.
type PinnedItem struct {
	ID    string
	Score float64
	// Slot and Propensity are as in [Ref].
	Slot       string
	Propensity float64
}

// The bounds of pinned lists: how many items they hold, and how many bytes those take together, if each takes ItemSize
// beside its texts. So a list fits the text of a query.
const (
	MaxPinned = 1000
	MaxItems  = 29 << 10
	ItemSize  = 16
)

// Text returns the list as a text in the alphabet of URLs.
func (p *Pinned) Text(keys Keys) string {
	b := begin(make([]byte, 0, 128+24*len(p.Items)), keys, kindPinned)
	b = append(b, byte(p.Use))
	b = binary.LittleEndian.AppendUint64(b, p.Feed)
	b = binary.AppendUvarint(b, uint64(p.Page))
	b = binary.AppendUvarint(b, uint64(p.Before))
	b = binary.AppendVarint(b, p.Time)
	b = binary.LittleEndian.AppendUint64(b, p.Seed)
	b = append(b, p.Query[:]...)
	b = appendText(b, p.Profile)
	b = binary.AppendUvarint(b, uint64(p.Version))
	b = binary.AppendUvarint(b, uint64(len(p.Items)))
	for i := range p.Items {
		x := &p.Items[i]
		b = appendText(b, x.ID)
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x.Score))
		b = appendText(b, x.Slot)
		if x.Slot != "" {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(x.Propensity)))
		}
	}
	return base64.RawURLEncoding.EncodeToString(seal(b, 0, keys))
}

// OpenPinned reads a list back. field names the token in errors, such as "cursor".
func OpenPinned(keys Keys, use Use, field, text string) (*Pinned, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fault.Refuse(field, "isn't as it was given out: %v", err)
	}
	body, err := open(keys, kindPinned, field, b)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 || Use(body[0]) != use {
		return nil, fault.Refuse(field, "is of another use: %s", map[bool]string{
			true: "it asks for a list again, and belongs to as_of", false: "it continues a list, and belongs to cursor",
		}[use == NextPage])
	}
	r := reader{b: body[1:]}
	p := &Pinned{Use: use, Feed: r.u64(), Page: r.count(), Before: r.count(), Time: r.varint(), Seed: r.u64()}
	if len(r.b) < len(p.Query) {
		r.bad = true
	} else {
		r.b = r.b[copy(p.Query[:], r.b):]
	}
	p.Profile, p.Version = r.text(), uint32(r.uvarint())
	n := r.count()
	if r.bad || n > MaxPinned {
		return nil, fault.Refuse(field, "is sealed, and yet its contents can't be read")
	}
	p.Items = make([]PinnedItem, n)
	for i := range p.Items {
		x := &p.Items[i]
		x.ID, x.Score, x.Slot, x.Propensity = r.text(), math.Float64frombits(r.u64()), r.text(), 1
		if x.Slot != "" {
			x.Propensity = float64(math.Float32frombits(r.u32()))
		}
	}
	if r.bad || len(r.b) > 0 {
		return nil, fault.Refuse(field, "is sealed, and yet its contents can't be read")
	}
	return p, nil
}
