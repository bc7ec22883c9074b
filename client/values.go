package client

import (
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
)

// Fields are an entity's fields and embeddings by name. The values are
//
//	string               keyword, text
//	int, int64           int
//	float64, float32     float
//	bool                 bool
//	time.Time            time, to the millisecond
//	Geo                  geo
//	[]string             tags
//	[]float32            embedding
//	nil                  clears the field, in a Patch
//
// What is read holds string, int64, float64, bool, time.Time in UTC, Geo, []string and []float32.
type Fields map[string]any

// Geo is a place, in degrees north and east.
type Geo struct{ Lat, Lon float64 }

func fieldMessages(f Fields) (map[string]*tidalpb.Value, error) {
	out := make(map[string]*tidalpb.Value, len(f))
	for name, v := range f {
		m, ok := valueMessage(v)
		if !ok {
			return nil, fault.Refuse("fields."+name, "is a %T, which no field can hold", v)
		}
		out[name] = m
	}
	return out, nil
}

func valueMessage(v any) (*tidalpb.Value, bool) {
	switch x := v.(type) {
	case nil:
		return &tidalpb.Value{}, true
	case string:
		return &tidalpb.Value{Value: &tidalpb.Value_StringValue{StringValue: x}}, true
	case int:
		return &tidalpb.Value{Value: &tidalpb.Value_IntValue{IntValue: int64(x)}}, true
	case int64:
		return &tidalpb.Value{Value: &tidalpb.Value_IntValue{IntValue: x}}, true
	case float64:
		return &tidalpb.Value{Value: &tidalpb.Value_FloatValue{FloatValue: x}}, true
	case float32:
		return &tidalpb.Value{Value: &tidalpb.Value_FloatValue{FloatValue: float64(x)}}, true
	case bool:
		return &tidalpb.Value{Value: &tidalpb.Value_BoolValue{BoolValue: x}}, true
	case time.Time:
		return &tidalpb.Value{Value: &tidalpb.Value_TimeMs{TimeMs: x.UnixMilli()}}, true
	case Geo:
		return &tidalpb.Value{Value: &tidalpb.Value_Geo{Geo: &tidalpb.Geo{Lat: x.Lat, Lon: x.Lon}}}, true
	case []string:
		return &tidalpb.Value{Value: &tidalpb.Value_Tags{Tags: &tidalpb.Tags{Values: x}}}, true
	case []float32:
		return &tidalpb.Value{Value: &tidalpb.Value_Vector{Vector: &tidalpb.Vector{Values: x}}}, true
	}
	return nil, false
}

func fieldsOf(m map[string]*tidalpb.Value) Fields {
	if len(m) == 0 {
		return nil
	}
	out := make(Fields, len(m))
	for name, v := range m {
		out[name] = valueOf(v)
	}
	return out
}

func valueOf(m *tidalpb.Value) any {
	switch x := m.GetValue().(type) {
	case *tidalpb.Value_StringValue:
		return x.StringValue
	case *tidalpb.Value_IntValue:
		return x.IntValue
	case *tidalpb.Value_FloatValue:
		return x.FloatValue
	case *tidalpb.Value_BoolValue:
		return x.BoolValue
	case *tidalpb.Value_TimeMs:
		return time.UnixMilli(x.TimeMs).UTC()
	case *tidalpb.Value_Geo:
		return Geo{Lat: x.Geo.GetLat(), Lon: x.Geo.GetLon()}
	case *tidalpb.Value_Tags:
		return x.Tags.GetValues()
	case *tidalpb.Value_Vector:
		return x.Vector.GetValues()
	}
	return nil
}

// rawID begins the text of an id that can't stand for itself; proto/tidal/v1/entity.proto describes it.
const rawID = "base64:"

// idText is how an id is sent: ids are any bytes, and messages hold text.
func idText(id string) string {
	if utf8.ValidString(id) && !strings.HasPrefix(id, rawID) {
		return id
	}
	return rawID + base64.RawURLEncoding.EncodeToString([]byte(id))
}

// idOf is the inverse of idText. What isn't one stays as it is.
func idOf(text string) string {
	encoded, ok := strings.CutPrefix(text, rawID)
	if !ok {
		return text
	}
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return text
	}
	return string(b)
}

func idTexts(ids []string) []string {
	if len(ids) == 0 {
		return nil
	}
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = idText(id)
	}
	return out
}

func timeOf(m *timestamppb.Timestamp) time.Time {
	if m == nil {
		return time.Time{}
	}
	return m.AsTime()
}

func timeMessage(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
