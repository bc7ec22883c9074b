package index

import (
	"iter"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// Index is the views over the fields of all items.
type Index struct {
	fields []field // by name

	live  *roaring.Bitmap
	alive column[bool] // the same, quicker to ask about one item
	n     int
	top   state.Ord // above every ordinal that was ever live

	// Of the fields with a meaning of their own; nil where the schema has none of that type.
	published, expires *numbers
	creator            *keywords

	// Age of all live items, as published or else as touched, as keys. Those with the field stand in the order of its
	// numbers, those without in touched.
	ages      column[uint64]
	touched   ordered
	byCreator ordered // grouped by the creator's code
}

type field struct {
	schema.Field
	view view
}

// New returns an index of no items and no fields.
func New() *Index { return &Index{live: roaring.New()} }

// Declare makes the index hold the item fields of a schema beside those it holds already. What items have in fields
// that aren't declared is left out, so a field comes first and its values after it.
//
// A field keeps its type for ever; Declare panics if it doesn't.
func (x *Index) Declare(s *schema.Schema) {
	for _, f := range s.Items.Fields {
		at, ok := x.find(f.Name)
		if ok {
			if x.fields[at].Type != f.Type {
				panic("index: field " + f.Name + " was " + x.fields[at].Type.String() + " and is " + f.Type.String())
			}
			continue
		}
		v := newView(f.Type)
		x.fields = slices.Insert(x.fields, at, field{f, v})
		switch {
		case f.Name == schema.PublishedField && f.Type == schema.TypeTime:
			x.published = v.(*numbers)
		case f.Name == schema.ExpiresField && f.Type == schema.TypeTime:
			x.expires = v.(*numbers)
		case f.Name == schema.CreatorField && f.Type == schema.TypeKeyword:
			x.creator = v.(*keywords)
		}
	}
}

func (x *Index) find(name string) (at int, ok bool) {
	return slices.BinarySearchFunc(x.fields, name, func(f field, name string) int {
		return strings.Compare(f.Name, name)
	})
}

// view returns the view of a field, nil for one that isn't declared.
func (x *Index) view(name string) view {
	if at, ok := x.find(name); ok {
		return x.fields[at].view
	}
	return nil
}

// Put makes e what is known of item n, in place of all that was; if exists is false it removes the item. Values that
// can't be read or that the field doesn't take count as unset. Nothing of e is kept.
func (x *Index) Put(n state.Ord, e *algebra.Entity, exists bool) {
	if !exists {
		x.Remove(n)
		return
	}
	was := x.placeOf(n)
	if !x.alive.get(n) {
		x.live.Add(uint32(n))
		*x.alive.at(n) = true
		x.n++
		x.top = max(x.top, n+1)
	}
	rest := e.Fields
	for i := range x.fields {
		f := &x.fields[i]
		for len(rest) > 0 && rest[0].Name < f.Name {
			rest = rest[1:]
		}
		var v schema.Value
		if len(rest) > 0 && rest[0].Name == f.Name && rest[0].Set {
			v = f.read(rest[0].Value)
		}
		f.view.set(n, v)
	}
	*x.ages.at(n) = x.ageKey(n, e.Touched.HLC.Millis())
	x.move(n, was, x.placeOf(n))
}

// Load puts many items, as when the index is made from the records: what would be put one after another, quicker. The
// entities need to stay as they are until the next one only.
func (x *Index) Load(items iter.Seq2[state.Ord, *algebra.Entity]) {
	x.loose(true)
	for n, e := range items {
		x.Put(n, e, e.Exists())
	}
	x.loose(false)
}

func (x *Index) loose(on bool) {
	x.touched.loose(on)
	x.byCreator.loose(on)
	for _, f := range x.fields {
		if v, ok := f.view.(*numbers); ok {
			v.order.loose(on)
		}
	}
}

// maxKeyword is the length of the longest keyword, in bytes: longer ones are refused before they get into a record.
const maxKeyword = 1 << 10

// read decodes the value of a field; what can't be read is the zero Value. That its type is right is for the view to
// see, which asks for it anyway.
func (f *field) read(encoded []byte) schema.Value {
	if f.Type == schema.TypeKeyword && len(encoded) > 1+maxKeyword {
		return schema.Value{}
	}
	v, err := schema.DecodeValue(encoded)
	if err != nil {
		return schema.Value{}
	}
	return v
}

// Remove forgets item n; it may be unknown.
func (x *Index) Remove(n state.Ord) {
	if !x.alive.get(n) {
		return
	}
	was := x.placeOf(n)
	for i := range x.fields {
		x.fields[i].view.set(n, schema.Value{})
	}
	x.live.Remove(uint32(n))
	*x.alive.at(n) = false
	x.n--
	x.move(n, was, place{})
}

// place says where an item stands in the orders by age.
type place struct {
	age     uint64
	touched bool   // in the order of touched
	creator uint32 // in the order by creator, if not 0
}

func (x *Index) placeOf(n state.Ord) place {
	if !x.alive.get(n) {
		return place{}
	}
	p := place{age: x.ages.get(n), touched: x.published == nil || !x.published.has(n)}
	if x.creator != nil {
		p.creator = x.creator.codes.get(n)
	}
	return p
}

func (x *Index) ageKey(n state.Ord, touched int64) uint64 {
	if x.published != nil {
		if key, ok := x.published.get(n); ok {
			return key
		}
	}
	return intKey(touched)
}

// move brings the orders by age up to date.
func (x *Index) move(n state.Ord, was, now place) {
	if was == now {
		return
	}
	if was.age != now.age || was.touched != now.touched {
		if was.touched {
			x.touched.remove(entry{key: was.age, ord: n})
		}
		if now.touched {
			x.touched.insert(entry{key: now.age, ord: n})
		}
	}
	if was.age != now.age || was.creator != now.creator {
		if was.creator != 0 {
			x.byCreator.remove(entry{key: was.age, ord: n, group: was.creator})
		}
		if now.creator != 0 {
			x.byCreator.insert(entry{key: now.age, ord: n, group: now.creator})
		}
	}
}

// Len is the number of live items.
func (x *Index) Len() int { return x.n }

// Live is the set of items that exist, expired ones among them.
func (x *Index) Live() *roaring.Bitmap { return x.live }

// Memory estimates what the index takes, in bytes. It walks all values of all fields, which takes long.
func (x *Index) Memory() int64 {
	sum := bitmapBytes(x.live) + x.alive.bytes(1) + x.ages.bytes(8) + x.touched.bytes() + x.byCreator.bytes()
	for _, f := range x.fields {
		sum += f.view.bytes()
	}
	return sum
}
