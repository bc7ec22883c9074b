package record

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// Entity is the body of [KindPut], [KindPatch] and [KindDelete]: an item, a user or a creator with fields.
type Entity struct {
	Kind id.Kind
	ID   string
	// Fields are sorted by name, each name once, at most [MaxFields]. A delete has none.
	Fields []Field
}

// Field is one field of an entity, or one embedding under its slot's name.
type Field struct {
	// Name has 1 to [MaxFieldName] bytes.
	Name string
	// Value is the field's value as the schema encodes it, 1 to [MaxValue] bytes, opaque here. In a patch, none
	// clears the field.
	Value []byte
}

// Check refuses an entity that can't be written as a record of this kind.
func (e *Entity) Check(kind Kind) error {
	if !e.Kind.Valid() {
		return fault.Refuse("kind", "%v is none of item, user, creator", e.Kind)
	}
	if err := id.Check("id", e.ID); err != nil {
		return err
	}
	switch {
	case kind == KindDelete && len(e.Fields) > 0:
		return fault.Refuse("fields", "has %d fields; a delete has none", len(e.Fields))
	case len(e.Fields) > MaxFields:
		return fault.Refuse("fields", "has %d fields; at most %d are allowed", len(e.Fields), MaxFields)
	}
	size := 0
	for i := range e.Fields {
		if err := e.checkField(kind, i); err != nil {
			return err
		}
		size += len(e.Fields[i].Name) + len(e.Fields[i].Value) + 4
	}
	if size > MaxBody-1024 {
		return fault.Refuse("fields", "have about %d bytes together; at most %d are allowed", size, MaxBody-1024)
	}
	return nil
}

func (e *Entity) checkField(kind Kind, i int) error {
	f := &e.Fields[i]
	if err := checkText("fields", f.Name, MaxFieldName); err != nil {
		return err
	}
	switch {
	case i > 0 && e.Fields[i-1].Name >= f.Name:
		return fault.Refuse("fields", "has %q behind %q; names are sorted, each once", f.Name, e.Fields[i-1].Name)
	case len(f.Value) == 0 && kind != KindPatch:
		return fault.Refuse("fields."+f.Name, "has no value; only a patch clears fields")
	case len(f.Value) > MaxValue:
		return fault.Refuse("fields."+f.Name, "has %d bytes; at most %d are allowed", len(f.Value), MaxValue)
	}
	return nil
}

func (e *Entity) append(dst []byte, kind Kind) []byte {
	dst = append(dst, byte(e.Kind))
	dst = appendText(dst, e.ID)
	if kind == KindDelete {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Fields)))
	for i := range e.Fields {
		dst = appendText(dst, e.Fields[i].Name)
		dst = binary.AppendUvarint(dst, uint64(len(e.Fields[i].Value)))
		dst = append(dst, e.Fields[i].Value...)
	}
	return dst
}

// DecodeEntity reads the body of a record of kind [KindPut], [KindPatch] or [KindDelete] into e. It reuses the array
// of e.Fields; ids, names and values point into body and are read-only.
func DecodeEntity(kind Kind, body []byte, e *Entity) error {
	c := cursor{b: body}
	*e = Entity{Kind: id.Kind(c.u8()), ID: c.text("id"), Fields: e.Fields[:0]}
	if kind != KindDelete {
		for range c.atMost(MaxFields, "number of fields") {
			if c.err != nil {
				break
			}
			f := Field{Name: c.text("field name")}
			if value := c.bytes(c.uvarint(), "field value"); len(value) > 0 {
				f.Value = value
			}
			e.Fields = append(e.Fields, f)
		}
	}
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(e.Check(kind), 0)
}

// Erase is the body of [KindErase]: a user and all that is known of them go.
type Erase struct {
	User string
}

// Check refuses an erase that can't be written.
func (e *Erase) Check() error { return id.Check("user", e.User) }

func (e *Erase) append(dst []byte) []byte { return appendText(dst, e.User) }

// DecodeErase reads the body of a [KindErase] record into e.
func DecodeErase(body []byte, e *Erase) error {
	c := cursor{b: body}
	e.User = c.text("user")
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(e.Check(), 0)
}
