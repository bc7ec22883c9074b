package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidaldb/tidal/internal/fault"
)

// The JSON of a value says its kind by its form, so that it can be read back without a schema:
//
//	"text"   5   5.0   true   {"time":"2024-05-01T12:00:00Z"}   {"lat":48.85,"lon":2.35}   ["a","b"]   [0.5,1]   null
//
// Many programs write 5 for 5.0 and a bare string for a time. ReadJSON knows the field's type and takes those, too.

// MarshalJSON writes the form above; the zero Value is null.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind() {
	case kindText:
		return json.Marshal(v.enc[1:])
	case kindInt, kindFloat, kindBool:
		return []byte(v.String()), nil
	case kindTime:
		ms, _ := v.Time()
		if text := formatTime(ms); strings.HasSuffix(text, "Z") {
			return []byte(`{"time":"` + text + `"}`), nil
		}
		return fmt.Appendf(nil, `{"time":%d}`, ms), nil // beyond the years that RFC 3339 can write
	case kindGeo:
		lat, lon, _ := v.Geo()
		return fmt.Appendf(nil, `{"lat":%s,"lon":%s}`, formatFloat(lat), formatFloat(lon)), nil
	case kindTags:
		tags, _ := v.Tags()
		if tags == nil {
			return []byte("[]"), nil
		}
		return json.Marshal(tags)
	case kindVector:
		numbers, _ := v.Vector()
		return json.Marshal(numbers)
	}
	if v.IsZero() {
		return []byte("null"), nil
	}
	return nil, v.Err()
}

// UnmarshalJSON reads what [Value.MarshalJSON] wrote. An empty array is an empty set of tags. A value that can't be,
// such as a latitude of 91, is refused.
func (v *Value) UnmarshalJSON(data []byte) error {
	parsed, err := readJSON(data)
	if err == nil {
		err = parsed.Err()
	}
	if err != nil {
		return fault.Refuse("", "%v", err)
	}
	*v = parsed
	return nil
}

// ReadJSON reads a value of the field's type from JSON and checks it. Beyond what [Value.UnmarshalJSON] takes, a float
// may be written without a point, and a time as a string (RFC 3339, or a date such as "2024-05-01") or in Unix
// milliseconds. null is the zero Value.
func (f Field) ReadJSON(data []byte) (Value, error) {
	path := "fields." + f.Name
	v, err := readJSON(data)
	if err != nil {
		return Value{}, fault.Refuse(path, "%v", err)
	}
	if v.IsZero() {
		return v, nil
	}
	switch n, isInt := v.Int(); {
	case f.Type == TypeFloat && isInt:
		v = Float(float64(n))
	case f.Type == TypeTime && isInt:
		v = Time(n)
	case f.Type == TypeTime && v.kind() == kindText:
		v = parseTime(v.enc[1:])
	}
	if err := f.Check(v); err != nil {
		return Value{}, err
	}
	return v, nil
}

// ReadJSON reads a vector from a JSON array of numbers and checks it. null is the zero Value.
func (m Embedding) ReadJSON(data []byte) (Value, error) {
	v, err := readJSON(data)
	if err != nil {
		return Value{}, fault.Refuse("embeddings."+m.Name, "%v", err)
	}
	if v.IsZero() {
		return v, nil
	}
	if err := m.Check(v); err != nil {
		return Value{}, err
	}
	return v, nil
}

// readJSON reads the self-describing form. The result may be an invalid value; its reason reads better with a path.
func readJSON(data []byte) (Value, error) {
	data = bytes.TrimSpace(data)
	if !utf8.Valid(data) {
		return Value{}, errors.New("is not UTF-8")
	}
	if len(data) == 0 {
		return Value{}, errors.New("is empty")
	}
	switch c := data[0]; {
	case c == '"':
		var s string
		err := readStrict(data, &s)
		return String(s), err
	case c == '{':
		return readObject(data)
	case c == '[':
		return readArray(data)
	case c == '-' || c >= '0' && c <= '9':
		var n json.Number
		if err := readStrict(data, &n); err != nil {
			return Value{}, err
		}
		return readNumber(n.String())
	}
	switch string(data) {
	case "null":
		return Value{}, nil
	case "true", "false":
		return Bool(data[0] == 't'), nil
	}
	return Value{}, fmt.Errorf("is not JSON: %.40q", data)
}

func readNumber(s string) (Value, error) {
	if !strings.ContainsAny(s, ".eE") {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return Value{}, fmt.Errorf("%.40s doesn't fit a signed 64-bit number", s)
		}
		return Int(n), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return Value{}, fmt.Errorf("%.40s doesn't fit a 64-bit floating point number", s)
	}
	return Float(f), nil
}

func readObject(data []byte) (Value, error) {
	var o struct {
		Time json.RawMessage `json:"time"`
		Lat  *float64        `json:"lat"`
		Lon  *float64        `json:"lon"`
	}
	if err := readStrict(data, &o); err != nil {
		return Value{}, err
	}
	switch {
	case o.Time != nil && o.Lat == nil && o.Lon == nil:
		return readTime(o.Time)
	case o.Time == nil && o.Lat != nil && o.Lon != nil:
		return Geo(*o.Lat, *o.Lon), nil
	}
	return Value{}, errors.New(`is an object; objects are {"time":…} or {"lat":…,"lon":…}`)
}

func readTime(data []byte) (Value, error) {
	if data[0] == '"' || data[0] == '-' || data[0] >= '0' && data[0] <= '9' {
		v, err := readJSON(data)
		if ms, ok := v.Int(); ok {
			return Time(ms), nil
		}
		if s, ok := v.Text(); ok || err != nil {
			return parseTime(s), err
		}
	}
	return Value{}, errors.New(`"time" is neither RFC 3339 nor Unix milliseconds`)
}

func readArray(data []byte) (Value, error) {
	if first := bytes.TrimSpace(data[1:]); len(first) > 0 && (first[0] == '"' || first[0] == ']') {
		var tags []string
		if err := readStrict(data, &tags); err != nil {
			return Value{}, err
		}
		return Tags(tags), nil
	}
	var numbers []*float32
	if err := readStrict(data, &numbers); err != nil {
		return Value{}, err
	}
	vector := make([]float32, len(numbers))
	for i, n := range numbers {
		if n == nil {
			return Value{}, fmt.Errorf("number %d of the vector is null", i)
		}
		vector[i] = *n
	}
	return Vector(vector), nil
}

// parseTime reads RFC 3339 or a date, which means the start of that day in UTC. Fractions below a millisecond are cut.
func parseTime(s string) Value {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t, err = time.Parse(time.DateOnly, s)
	}
	if err != nil {
		return invalid("%.40q is not a time; write RFC 3339, such as 2024-05-01T12:00:00Z", s)
	}
	return Time(t.UnixMilli())
}

// readStrict reads exactly one JSON value; keys that into doesn't have and text behind the value are refused.
func readStrict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return fmt.Errorf("holds a JSON %s where it doesn't belong", wrong.Value)
		}
		return fmt.Errorf("is not JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("has text behind the value")
	}
	return nil
}
