package index

import (
	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// NumericColumn reads the numbers of an int, float or time field.
type NumericColumn struct{ v *numbers }

// Numeric returns the column of an int, float or time field, false if there is no such field.
func (x *Index) Numeric(name string) (NumericColumn, bool) {
	v, ok := x.view(name).(*numbers)
	return NumericColumn{v}, ok
}

// Value returns an item's number, Unix milliseconds for a time, and whether the field is set. Whole numbers beyond 2⁵³
// are rounded.
func (c NumericColumn) Value(n state.Ord) (float64, bool) {
	key, ok := c.v.get(n)
	if !ok {
		return 0, false
	}
	return c.v.float(key), true
}

// KeywordColumn reads the values of a keyword or tags field as codes: a value that some item has has one code, from 1
// on. Codes change as items do and differ between processes.
type KeywordColumn struct {
	dict  *dictionary
	codes *column[uint32] // of a keyword field
	lists *lists          // of a tags field
}

// Keyword returns the column of a keyword or tags field, false if there is no such field.
func (x *Index) Keyword(name string) (KeywordColumn, bool) {
	switch v := x.view(name).(type) {
	case *keywords:
		return KeywordColumn{dict: &v.dict, codes: &v.codes}, true
	case *tags:
		return KeywordColumn{dict: &v.dict, lists: &v.lists}, true
	}
	return KeywordColumn{}, false
}

// Code returns the code of an item's value, for tags of the first one in the order of their texts; 0 for none.
func (c KeywordColumn) Code(n state.Ord) uint32 {
	if c.codes != nil {
		return c.codes.get(n)
	}
	if list, _ := c.lists.get(n); len(list) > 0 {
		return list[0]
	}
	return 0
}

// Codes returns the codes of all of an item's values in the order of their texts. What it returns for tags leads into
// the index; for a keyword it's appended to room, which may be nil.
func (c KeywordColumn) Codes(n state.Ord, room []uint32) []uint32 {
	if c.codes == nil {
		list, _ := c.lists.get(n)
		return list
	}
	if code := c.codes.get(n); code != 0 {
		return append(room[:0], code)
	}
	return nil
}

// Text returns the value that a code stands for, empty if it stands for none.
func (c KeywordColumn) Text(code uint32) string { return c.dict.text(code) }

// Lookup returns the code of a value, 0 if no live item has it.
func (c KeywordColumn) Lookup(text string) uint32 { return c.dict.lookup(text) }

// Count is the number of live items with a value, by its code.
func (c KeywordColumn) Count(code uint32) int { return c.dict.items(code).n }

// Items is the set of live items with a value, by its code.
func (c KeywordColumn) Items(code uint32) *roaring.Bitmap {
	b, _ := c.dict.items(code).bitmap()
	return b
}

// Creators is the column of the field "creator"; false if the schema has none.
func (x *Index) Creators() (KeywordColumn, bool) { return x.Keyword(schema.CreatorField) }

// CreatorOf returns the id of the item's creator, empty for none.
func (x *Index) CreatorOf(n state.Ord) string {
	if x.creator == nil {
		return ""
	}
	return x.creator.dict.text(x.creator.codes.get(n))
}

// CreatorItems is the set of a creator's live items.
func (x *Index) CreatorItems(creator string) *roaring.Bitmap {
	c, ok := x.Creators()
	if !ok {
		return roaring.New()
	}
	return c.Items(c.Lookup(creator))
}

// BoolColumn reads the truth values of a bool field.
type BoolColumn struct{ v *flags }

// Bool returns the column of a bool field, false if there is no such field.
func (x *Index) Bool(name string) (BoolColumn, bool) {
	v, ok := x.view(name).(*flags)
	return BoolColumn{v}, ok
}

// Value returns an item's truth value, and whether the field is set.
func (c BoolColumn) Value(n state.Ord) (value, ok bool) {
	v := c.v.values.get(n)
	return v == flagYes, v != 0
}
