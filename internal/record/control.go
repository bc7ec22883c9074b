package record

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// SchemaVersion is the body of [KindSchemaVersion]: a schema enters, as an addition to its parent.
type SchemaVersion struct {
	// Parent is the hash of the version that this one extends; zero for the first.
	Parent schema.Hash
	// Encoded is the schema in its canonical encoding, 1 to [MaxSchema] bytes; opaque here.
	Encoded []byte
}

// Check refuses a schema version that can't be written.
func (v *SchemaVersion) Check() error {
	if len(v.Encoded) == 0 || len(v.Encoded) > MaxSchema {
		return fault.Refuse("schema", "has %d bytes; it has 1 to %d bytes", len(v.Encoded), MaxSchema)
	}
	return nil
}

func (v *SchemaVersion) append(dst []byte) []byte {
	dst = append(dst, v.Parent[:]...)
	return append(dst, v.Encoded...)
}

// DecodeSchemaVersion reads the body of a [KindSchemaVersion] record into v. The encoded schema points into body.
func DecodeSchemaVersion(body []byte, v *SchemaVersion) error {
	c := cursor{b: body}
	*v = SchemaVersion{}
	copy(v.Parent[:], c.bytes(uint64(len(v.Parent)), "parent hash"))
	v.Encoded = c.rest()
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(v.Check(), 0)
}

// FormatLevel is the body of [KindFormatLevel]: from here on leaders may stamp kinds of this level.
type FormatLevel struct {
	Level uint32
}

// Check refuses a format level that can't be written.
func (l *FormatLevel) Check() error {
	if l.Level == 0 {
		return fault.Refuse("level", "is 0; levels begin at 1")
	}
	return nil
}

func (l *FormatLevel) append(dst []byte) []byte { return binary.AppendUvarint(dst, uint64(l.Level)) }

// DecodeFormatLevel reads the body of a [KindFormatLevel] record into l. A level above [Level] is for the caller to
// notice.
func DecodeFormatLevel(body []byte, l *FormatLevel) error {
	c := cursor{b: body}
	l.Level = uint32(c.atMost(1<<32-1, "level"))
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(l.Check(), 0)
}

// Annotation is the body of [KindAnnotation]: a note that changes nothing. It is the first stateless kind, and so
// keeps the way open on which unknown ones are skipped.
type Annotation struct {
	// Name says what the note is about, 1 to [MaxNoteName] bytes.
	Name string
	// Note is free, at most [MaxNote] bytes.
	Note []byte
}

// Check refuses an annotation that can't be written.
func (a *Annotation) Check() error {
	if len(a.Note) > MaxNote {
		return fault.Refuse("note", "has %d bytes; at most %d are allowed", len(a.Note), MaxNote)
	}
	return checkText("name", a.Name, MaxNoteName)
}

func (a *Annotation) append(dst []byte) []byte { return append(appendText(dst, a.Name), a.Note...) }

// DecodeAnnotation reads the body of a [KindAnnotation] record into a. The note points into body.
func DecodeAnnotation(body []byte, a *Annotation) error {
	c := cursor{b: body}
	*a = Annotation{Name: c.text("name")}
	if note := c.rest(); len(note) > 0 {
		a.Note = note
	}
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(a.Check(), 0)
}
