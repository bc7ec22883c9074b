package algebra

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/hlc"
)

// An encoded entity is nothing for the zero value, else:
//
//	stamp    touched: uvarints of HLC, region, shard, incarnation
//	stamp    reset
//	uvarint  deleted
//	then per field, by name, ascending, to the end:
//	uvarint  length of the name, 1 to 255; the name
//	byte     bit 0: set; bits 1–2: its stamp is 0 written out, 1 the same as touched, else 2 the same as reset
//	stamp    if written out
//	uvarint  if set: length of the value; the value
//
// Most fields were written by the last put, so most stamps cost no byte.

const maxName = 255

// Where a field's stamp is found.
const (
	stampWritten = iota << 1
	stampTouched
	stampReset
)

// AppendBinary appends the canonical encoding.
func (e Entity) AppendBinary(dst []byte) []byte {
	if e.IsZero() {
		return dst
	}
	dst = e.Touched.AppendBinary(dst)
	dst = e.Reset.AppendBinary(dst)
	dst = binary.AppendUvarint(dst, uint64(e.Deleted))
	for i := range e.Fields {
		f := &e.Fields[i]
		dst = binary.AppendUvarint(dst, uint64(len(f.Name)))
		dst = append(dst, f.Name...)
		form := e.stampForm(f.Stamp)
		if f.Set {
			form |= 1
		}
		dst = append(dst, form)
		if form&^1 == stampWritten {
			dst = f.Stamp.AppendBinary(dst)
		}
		if f.Set {
			dst = binary.AppendUvarint(dst, uint64(len(f.Value)))
			dst = append(dst, f.Value...)
		}
	}
	return dst
}

// stampForm returns the shortest form, the first one where two would do.
func (e Entity) stampForm(s Stamp) byte {
	switch s {
	case e.Touched:
		return stampTouched
	case e.Reset:
		return stampReset
	}
	return stampWritten
}

// DecodeEntity reads what AppendBinary wrote, all of b. The fields' values alias b.
func DecodeEntity(b []byte) (Entity, error) {
	var e Entity
	if len(b) == 0 {
		return e, nil
	}
	c := cursor{b: b}
	e.Touched, e.Reset = c.stamp(), c.stamp()
	e.Deleted = hlc.Timestamp(c.uvarint("deleted", max64))
	for c.more() {
		f := c.field(&e)
		last := len(e.Fields) - 1
		switch {
		case c.err != nil:
		case last >= 0 && e.Fields[last].Name >= f.Name:
			c.fail("field %q doesn't rise", f.Name)
		case f.Stamp.Compare(e.Reset) < 0:
			c.fail("field %q is older than the reset", f.Name)
		case f.Stamp.IsZero() || f.Stamp.Compare(e.Touched) > 0:
			c.fail("field %q was written by no put or patch", f.Name)
		default:
			e.Fields = append(e.Fields, f)
		}
	}
	if c.err == nil && e.IsZero() {
		c.fail("entity that nobody wrote")
	}
	if err := c.end(); err != nil {
		return Entity{}, err
	}
	return e, nil
}

func (c *cursor) field(e *Entity) Field {
	f := Field{Name: string(c.text("name of a field", 1, maxName))}
	form := c.byte("form of a field", stampReset|1)
	f.Set = form&1 != 0
	switch form &^ 1 {
	case stampTouched:
		f.Stamp = e.Touched
	case stampReset:
		f.Stamp = e.Reset
	default:
		f.Stamp = c.stamp()
	}
	if c.err == nil && e.stampForm(f.Stamp) != form&^1 {
		c.fail("stamp of field %q has a shorter form", f.Name)
	}
	if f.Set {
		f.Value = c.text("value of a field", 0, max64)
	}
	return f
}
