package index

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// view is what is kept of one field.
type view interface {
	// set replaces an item's value; the zero Value clears it, and so does a value of another type.
	set(n state.Ord, v schema.Value)
	// has reports whether the field of an item is set.
	has(n state.Ord) bool
	// present is the set of items whose field is set; owned says whether the caller may modify it.
	present() (b *roaring.Bitmap, owned bool)
	// count is the size of that set.
	count() int
	// bytes is what the view takes in memory.
	bytes() int64
}

func newView(t schema.FieldType) view {
	switch t {
	case schema.TypeKeyword:
		return &keywords{dict: newDictionary(), filled: newFilled()}
	case schema.TypeTags:
		return &tags{dict: newDictionary(), lists: newLists(), filled: newFilled()}
	case schema.TypeInt, schema.TypeFloat, schema.TypeTime:
		return &numbers{of: t, filled: newFilled()}
	case schema.TypeBool:
		return &flags{yes: roaring.New(), no: roaring.New()}
	case schema.TypeGeo:
		return &places{filled: newFilled()}
	}
	return &texts{filled: newFilled()}
}

// filled is the set of items whose field is set.
type filled struct {
	items *roaring.Bitmap
	n     int
}

func newFilled() filled { return filled{items: roaring.New()} }

func (f *filled) enter(n state.Ord) { f.items.Add(uint32(n)); f.n++ }
func (f *filled) leave(n state.Ord) { f.items.Remove(uint32(n)); f.n-- }

func (f *filled) present() (*roaring.Bitmap, bool) { return f.items, false }
func (f *filled) count() int                       { return f.n }

// texts is the view of a text field: whether it's set.
type texts struct {
	filled
	marks column[bool]
}

func (t *texts) set(n state.Ord, v schema.Value) {
	_, is := v.Text()
	if is == t.marks.get(n) {
		return
	}
	*t.marks.at(n) = is
	if is {
		t.enter(n)
	} else {
		t.leave(n)
	}
}

func (t *texts) has(n state.Ord) bool { return t.marks.get(n) }
func (t *texts) bytes() int64         { return t.marks.bytes(1) + bitmapBytes(t.items) }

// flags is the view of a bool field.
type flags struct {
	values  column[uint8] // 0 unset, else one of the following
	yes, no *roaring.Bitmap
	n       int
}

const (
	flagNo  = 1
	flagYes = 2
)

func (f *flags) set(n state.Ord, v schema.Value) {
	var now uint8
	if b, ok := v.Bool(); ok && b {
		now = flagYes
	} else if ok {
		now = flagNo
	}
	was := f.values.get(n)
	if was == now {
		return
	}
	*f.values.at(n) = now
	if was != 0 {
		f.items(was).Remove(uint32(n))
		f.n--
	}
	if now != 0 {
		f.items(now).Add(uint32(n))
		f.n++
	}
}

// items are those with flagYes or flagNo.
func (f *flags) items(flag uint8) *roaring.Bitmap {
	if flag == flagYes {
		return f.yes
	}
	return f.no
}

func (f *flags) has(n state.Ord) bool             { return f.values.get(n) != 0 }
func (f *flags) present() (*roaring.Bitmap, bool) { return roaring.Or(f.yes, f.no), true }
func (f *flags) count() int                       { return f.n }
func (f *flags) bytes() int64 {
	return f.values.bytes(1) + bitmapBytes(f.yes) + bitmapBytes(f.no)
}

// keywords is the view of a keyword field.
type keywords struct {
	filled
	dict  dictionary
	codes column[uint32] // 0 unset
}

func (k *keywords) set(n state.Ord, v schema.Value) {
	text, ok := v.Text()
	was := k.codes.get(n)
	switch {
	case !ok && was == 0, ok && was != 0 && k.dict.value(was).text == text:
		return
	case !ok:
		k.leave(n)
		*k.codes.at(n) = 0
	case was == 0:
		k.enter(n)
		fallthrough
	default:
		code := k.dict.code(text)
		k.dict.add(code, n)
		*k.codes.at(n) = code
	}
	if was != 0 {
		k.dict.remove(was, n)
	}
}

func (k *keywords) has(n state.Ord) bool { return k.codes.get(n) != 0 }
func (k *keywords) bytes() int64         { return k.codes.bytes(4) + k.dict.bytes() + bitmapBytes(k.items) }

// tags is the view of a tags field. An item's list has its codes in the order of their texts.
type tags struct {
	filled
	dict  dictionary
	lists lists
	next  []uint32 // room for the codes of a new list
}

func (t *tags) set(n state.Ord, v schema.Value) {
	now, ok := v.Tags()
	was, had := t.lists.get(n)
	if ok == had && len(now) == len(was) && t.same(was, now) {
		return
	}
	t.next = t.next[:0]
	for _, text := range now {
		code := t.dict.code(text)
		if !slices.Contains(was, code) {
			t.dict.add(code, n)
		}
		t.next = append(t.next, code)
	}
	// Only now are codes given back, so that none of them was given out again above.
	for _, code := range was {
		if !slices.Contains(t.next, code) {
			t.dict.remove(code, n)
		}
	}
	switch {
	case ok && !had:
		t.enter(n)
	case !ok && had:
		t.leave(n)
	}
	if ok {
		t.lists.set(n, t.next)
	} else {
		t.lists.drop(n)
	}
}

func (t *tags) same(codes []uint32, texts []string) bool {
	for i, code := range codes {
		if t.dict.value(code).text != texts[i] {
			return false
		}
	}
	return true
}

func (t *tags) has(n state.Ord) bool { return t.lists.handles.get(n) != noList }
func (t *tags) bytes() int64         { return t.lists.bytes() + t.dict.bytes() + bitmapBytes(t.items) }
