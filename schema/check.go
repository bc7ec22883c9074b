package schema

import "github.com/tidaldb/tidal/internal/fault"

// Check refuses a value that can't stand under name: one that neither a field nor an embedding slot takes. The error
// is a [fault.Input] whose path is "fields." or "embeddings." and the name.
func (e *EntityType) Check(name string, v Value) error {
	if f, ok := e.Field(name); ok {
		return f.Check(v)
	}
	if m, ok := e.Embedding(name); ok {
		return m.Check(v)
	}
	return e.unknown(name)
}

// ReadJSON reads the value of the field or slot called name as [Field.ReadJSON] and [Embedding.ReadJSON] do.
func (e *EntityType) ReadJSON(name string, data []byte) (Value, error) {
	if f, ok := e.Field(name); ok {
		return f.ReadJSON(data)
	}
	if m, ok := e.Embedding(name); ok {
		return m.ReadJSON(data)
	}
	return Value{}, e.unknown(name)
}

func (e *EntityType) unknown(name string) error {
	known := make([]string, 0, len(e.Fields)+len(e.Embeddings))
	for _, f := range e.Fields {
		known = append(known, f.Name)
	}
	for _, m := range e.Embeddings {
		known = append(known, m.Name)
	}
	return fault.Refuse("fields."+name, "is not declared in the schema%s", suggest(name, known))
}

// Check refuses a value that the field doesn't take: the zero Value, one of another type, one that's too long.
func (f Field) Check(v Value) error {
	path := "fields." + f.Name
	if err := v.Err(); err != nil {
		return fault.Refuse(path, "%v", err)
	}
	if want := f.Type.kind(); want == kindInvalid || v.kind() != want {
		return fault.Refuse(path, "is %s; the field takes %s", article(v.kindWord()), f.Type)
	}
	if n := len(v.enc) - 1; f.Type == TypeKeyword && n > maxKeyword {
		return fault.Refuse(path, "has %d bytes; keywords have at most %d", n, maxKeyword)
	}
	return nil
}

// Check refuses a value that isn't a vector of the slot's length.
func (m Embedding) Check(v Value) error {
	path := "embeddings." + m.Name
	if err := v.Err(); err != nil {
		return fault.Refuse(path, "%v", err)
	}
	if v.kind() != kindVector {
		return fault.Refuse(path, "is %s; the slot takes a vector of %d numbers", article(v.kindWord()), m.Dimensions)
	}
	if n := v.dimensions(); n != m.Dimensions {
		return fault.Refuse(path, "has %d numbers; the slot takes %d", n, m.Dimensions)
	}
	return nil
}

// kind returns the kind of value that a field of type t takes.
func (t FieldType) kind() byte {
	switch t {
	case TypeKeyword, TypeText:
		return kindText
	case TypeInt:
		return kindInt
	case TypeFloat:
		return kindFloat
	case TypeBool:
		return kindBool
	case TypeTime:
		return kindTime
	case TypeGeo:
		return kindGeo
	case TypeTags:
		return kindTags
	}
	return kindInvalid
}

func article(kind string) string {
	switch kind {
	case "null", "tags":
		return kind
	case "int", "invalid":
		return "an " + kind
	}
	return "a " + kind
}
