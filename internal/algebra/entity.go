package algebra

import (
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/hlc"
)

// Change is one field of a put or patch. In a patch a nil Value clears the field; in a put it is as if absent.
type Change struct {
	Name  string // 1 to 255 bytes
	Value []byte // opaque; an empty value that isn't nil is a value
}

// Field is a named register of an entity.
type Field struct {
	Name string
	LWWRegister
}

// Entity is what is known of an item, user or creator beside its signals.
//
// Put, patch and delete are each an Entity of their own that is merged in, so the rules below hold in any order. It is
// a join: the stamps by maximum, the fields by name as registers, and then a field stays iff its stamp is not below
// Reset. That condition only turns from true to false as more is known, and of two registers the loser is the older
// one, which falls with the winner; so dropping a field early changes no outcome.
//
// The zero value is an entity that nobody wrote.
type Entity struct {
	Touched Stamp         // the latest put or patch
	Reset   Stamp         // the latest put or delete; older field values are gone
	Deleted hlc.Timestamp // the latest delete or erase: the entity's generation
	Fields  []Field       // by name, ascending; tombstones of cleared fields among them
}

// ApplyPut returns e after a put: only its fields remain of what was written before it.
// Names rise; it panics if they don't.
func (e Entity) ApplyPut(stamp Stamp, changes []Change) Entity {
	put := changed(stamp, changes)
	put.Reset = stamp
	put.Fields = slices.DeleteFunc(put.Fields, func(f Field) bool { return !f.Set })
	return e.Merge(put)
}

// ApplyPatch returns e after a patch: the named fields are set or cleared, the others stay.
// Names rise; it panics if they don't.
func (e Entity) ApplyPatch(stamp Stamp, changes []Change) Entity {
	return e.Merge(changed(stamp, changes))
}

// ApplyDelete returns e after a delete or erase: what was written before it is gone, and its generation is raised,
// which makes the signals stamped under a lower one count no more. A later put or patch brings the entity back,
// without them.
func (e Entity) ApplyDelete(stamp Stamp) Entity {
	return e.Merge(Entity{Reset: stamp, Deleted: stamp.HLC})
}

// Exists reports whether the entity was written after it was last deleted. On a tie it is deleted.
func (e Entity) Exists() bool { return e.Touched.HLC > e.Deleted }

// Generation is what records about the entity are filed under: the stamp of its latest delete or erase, 0 before any.
func (e Entity) Generation() hlc.Timestamp { return e.Deleted }

// Field returns the value of a field, and whether it is set. It doesn't ask whether the entity exists.
func (e Entity) Field(name string) ([]byte, bool) {
	i, ok := slices.BinarySearchFunc(e.Fields, name, func(f Field, name string) int {
		return strings.Compare(f.Name, name)
	})
	if !ok || !e.Fields[i].Set {
		return nil, false
	}
	return e.Fields[i].Value, true
}

// IsZero reports whether nobody wrote e.
func (e Entity) IsZero() bool {
	return e.Touched.IsZero() && e.Reset.IsZero() && e.Deleted == 0 && len(e.Fields) == 0
}

// Merge returns the join of both.
func (e Entity) Merge(o Entity) Entity {
	merged := Entity{
		Touched: e.Touched.Later(o.Touched),
		Reset:   e.Reset.Later(o.Reset),
		Deleted: max(e.Deleted, o.Deleted),
	}
	a, b := e.Fields, o.Fields
	fields := make([]Field, 0, len(a)+len(b))
	for len(a)+len(b) > 0 {
		var f Field
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name < b[0].Name:
			f, a = a[0], a[1:]
		case len(a) == 0 || a[0].Name > b[0].Name:
			f, b = b[0], b[1:]
		default:
			f = Field{a[0].Name, a[0].LWWRegister.Merge(b[0].LWWRegister)}
			a, b = a[1:], b[1:]
		}
		if f.Stamp.Compare(merged.Reset) >= 0 {
			fields = append(fields, f)
		}
	}
	if len(fields) > 0 {
		merged.Fields = fields
	}
	return merged
}

// changed is a patch as an entity.
func changed(stamp Stamp, changes []Change) Entity {
	e := Entity{Touched: stamp, Fields: make([]Field, len(changes))}
	for i, c := range changes {
		if c.Name == "" || len(c.Name) > maxName || i > 0 && changes[i-1].Name >= c.Name {
			panic("algebra: names of changes don't rise, or are out of range")
		}
		e.Fields[i] = Field{c.Name, LWWRegister{Stamp: stamp, Set: c.Value != nil, Value: c.Value}}
	}
	return e
}
