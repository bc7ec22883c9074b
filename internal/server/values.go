package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/schema"
)

// valueOf is the value that a message says; one without content is the zero value.
func valueOf(m *tidalpb.Value) schema.Value {
	switch x := m.GetValue().(type) {
	case *tidalpb.Value_StringValue:
		return schema.String(x.StringValue)
	case *tidalpb.Value_IntValue:
		return schema.Int(x.IntValue)
	case *tidalpb.Value_FloatValue:
		return schema.Float(x.FloatValue)
	case *tidalpb.Value_BoolValue:
		return schema.Bool(x.BoolValue)
	case *tidalpb.Value_TimeMs:
		return schema.Time(x.TimeMs)
	case *tidalpb.Value_Geo:
		return schema.Geo(x.Geo.GetLat(), x.Geo.GetLon())
	case *tidalpb.Value_Tags:
		return schema.Tags(x.Tags.GetValues())
	case *tidalpb.Value_Vector:
		return schema.Vector(x.Vector.GetValues())
	}
	return schema.Value{}
}

// valueMessage is the inverse of valueOf.
func valueMessage(v schema.Value) *tidalpb.Value {
	if s, ok := v.Text(); ok {
		return &tidalpb.Value{Value: &tidalpb.Value_StringValue{StringValue: s}}
	}
	if n, ok := v.Int(); ok {
		return &tidalpb.Value{Value: &tidalpb.Value_IntValue{IntValue: n}}
	}
	if f, ok := v.Float(); ok {
		return &tidalpb.Value{Value: &tidalpb.Value_FloatValue{FloatValue: f}}
	}
	if b, ok := v.Bool(); ok {
		return &tidalpb.Value{Value: &tidalpb.Value_BoolValue{BoolValue: b}}
	}
	if ms, ok := v.Time(); ok {
		return &tidalpb.Value{Value: &tidalpb.Value_TimeMs{TimeMs: ms}}
	}
	if lat, lon, ok := v.Geo(); ok {
		return &tidalpb.Value{Value: &tidalpb.Value_Geo{Geo: &tidalpb.Geo{Lat: lat, Lon: lon}}}
	}
	if tags, ok := v.Tags(); ok {
		return &tidalpb.Value{Value: &tidalpb.Value_Tags{Tags: &tidalpb.Tags{Values: tags}}}
	}
	if numbers, ok := v.Vector(); ok {
		return &tidalpb.Value{Value: &tidalpb.Value_Vector{Vector: &tidalpb.Vector{Values: numbers}}}
	}
	return &tidalpb.Value{}
}

func fieldMessages(fields tidal.Fields) map[string]*tidalpb.Value {
	out := make(map[string]*tidalpb.Value, len(fields))
	for name, v := range fields {
		out[name] = valueMessage(v)
	}
	return out
}

// fieldsOf reads the fields of a put or a patch: as values, or as a JSON object by the types of the schema.
func fieldsOf(kind tidal.EntityKind, typed map[string]*tidalpb.Value, text string, s *schema.Schema) (tidal.Fields, error) {
	if text == "" {
		fields := make(tidal.Fields, len(typed))
		for name, v := range typed {
			fields[name] = valueOf(v)
		}
		return fields, nil
	}
	if len(typed) > 0 {
		return nil, fault.Refuse("fields_json", "stands beside fields; give one of them")
	}
	members, err := objectMembers([]byte(text))
	if err != nil {
		return nil, fault.Refuse("fields", "%v", err)
	}
	t := s.Entity(kind)
	if t == nil {
		return nil, fault.Refuse("kind", "is none of item, user, creator")
	}
	fields := make(tidal.Fields, len(members))
	for _, m := range members {
		if _, twice := fields[m.name]; twice {
			return nil, fault.Refuse("fields."+m.name, "appears twice")
		}
		if fields[m.name], err = readValue(t, kind, m); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

func readValue(t *schema.EntityType, kind tidal.EntityKind, m member) (schema.Value, error) {
	if f, ok := t.Field(m.name); ok {
		return f.ReadJSON(m.value)
	}
	if e, ok := t.Embedding(m.name); ok {
		return e.ReadJSON(m.value)
	}
	var known []string
	for _, f := range t.Fields {
		known = append(known, f.Name)
	}
	for _, e := range t.Embeddings {
		known = append(known, e.Name)
	}
	near := fault.Nearest(m.name, known)
	if near != "" {
		near = fmt.Sprintf(" (did you mean %s?)", near)
	}
	return schema.Value{}, fault.Refuse("fields."+m.name, "is no field of %vs%s", kind, near)
}

// member is one key of a JSON object and its value.
type member struct {
	name  string
	value json.RawMessage
}

// objectMembers takes a JSON object apart, key by key.
func objectMembers(data []byte) ([]member, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8") // the decoder would put other letters into texts
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("is no JSON object")
	}
	var out []member
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("is not JSON: %w", err)
		}
		m := member{}
		m.name, _ = t.(string) // the decoder has made sure that keys are strings
		if err := dec.Decode(&m.value); err != nil {
			return nil, fmt.Errorf("is not JSON at %q: %w", m.name, err)
		}
		out = append(out, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("is not closed")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("has text behind it")
	}
	return out, nil
}

// timeOf reads a timestamp, the zero time for none.
func timeOf(field string, m *timestamppb.Timestamp) (time.Time, error) {
	if m == nil {
		return time.Time{}, nil
	}
	if err := m.CheckValid(); err != nil {
		return time.Time{}, fault.Refuse(field, "is no time between the years 1 and 9999")
	}
	return m.AsTime(), nil
}

// timeMessage is the inverse of timeOf.
func timeMessage(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// entityKind reads a kind. Its numbers are those of the database.
func entityKind(k tidalpb.Kind) (tidal.EntityKind, error) {
	kind := tidal.EntityKind(k)
	if k < 0 || k > 255 || !kind.Valid() {
		return 0, fault.Refuse("kind", "is none of item, user, creator")
	}
	return kind, nil
}

// markOf reads a mark's word.
func markOf(word string) (tidalpb.Mark, error) {
	m, err := schema.ParseMark(word)
	if err != nil {
		return 0, fault.Refuse("mark", "is %q; it is one of liked, saved, in_progress", word)
	}
	return tidalpb.Mark(m), nil
}
