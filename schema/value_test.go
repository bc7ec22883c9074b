package schema

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
)

func TestValuesAreExactlyInvertible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawValue(t)
		if err := v.Err(); err != nil {
			t.Fatal(err)
		}
		back, err := DecodeValue(v.Encode())
		if err != nil || back != v {
			t.Fatalf("%s decoded as %s, %v", v, back, err)
		}
		if got := v.AppendEncoded([]byte("x")); string(got) != "x"+string(v.Encode()) {
			t.Fatalf("appended %x", got)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var parsed Value
		if err := json.Unmarshal(text, &parsed); err != nil || parsed != v {
			t.Fatalf("%s is %s in JSON and reads as %s, %v", v, text, parsed, err)
		}
	})
}

func TestDecodeValueTakesNoOtherBytes(t *testing.T) {
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		b := drawValue(t).Encode()
		i := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		switch rapid.IntRange(0, 2).Draw(t, "damage") {
		case 0:
			b[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case 1:
			b = b[:i]
		case 2:
			b = slices.Insert(b, i, rapid.Byte().Draw(t, "byte"))
		}
		v, err := DecodeValue(b)
		switch {
		case err != nil && !errors.Is(err, fault.ErrCorrupt):
			t.Fatal(err)
		case err == nil && !bytes.Equal(remade(v).Encode(), b):
			t.Fatalf("%x was accepted and is %x", b, remade(v).Encode())
		case err == nil:
			accepted++
		}
	})
	if accepted == 0 {
		t.Error("nothing was accepted: the test tests nothing")
	}
}

// remade passes the content of v through its constructor again, so that what isn't canonical shows.
func remade(v Value) Value {
	if s, ok := v.Text(); ok {
		return String(s)
	}
	if n, ok := v.Int(); ok {
		return Int(n)
	}
	if f, ok := v.Float(); ok {
		return Float(f)
	}
	if b, ok := v.Bool(); ok {
		return Bool(b)
	}
	if ms, ok := v.Time(); ok {
		return Time(ms)
	}
	if lat, lon, ok := v.Geo(); ok {
		return Geo(lat, lon)
	}
	if tags, ok := v.Tags(); ok {
		return Tags(tags)
	}
	if numbers, ok := v.Vector(); ok {
		return Vector(numbers)
	}
	return Value{}
}

func TestValueBytesStayWhatTheyAre(t *testing.T) {
	for _, c := range []struct {
		v    Value
		enc  string
		text string
		json string
	}{
		{Value{}, "", "null", "null"},
		{String(""), "01", "", `""`},
		{String("né\n"), "016ec3a90a", "né\n", `"né\n"`},
		{Int(-2), "02feffffffffffffff", "-2", "-2"},
		{Int(math.MaxInt64), "02ffffffffffffff7f", "9223372036854775807", "9223372036854775807"},
		{Float(5), "030000000000001440", "5.0", "5.0"},
		{Float(math.Copysign(0, -1)), "030000000000000000", "0.0", "0.0"},
		{Float(1e21), "0350efe2d6e41a4b44", "1e+21", "1e+21"},
		{Bool(true), "0401", "true", "true"},
		{Bool(false), "0400", "false", "false"},
		{Time(1714564800000), "05009e06348f010000", "2024-05-01T12:00:00Z", `{"time":"2024-05-01T12:00:00Z"}`},
		{Time(-1), "05ffffffffffffffff", "1969-12-31T23:59:59.999Z", `{"time":"1969-12-31T23:59:59.999Z"}`},
		{Time(math.MinInt64), "050000000000000080", "-9223372036854775808", `{"time":-9223372036854775808}`},
		{Geo(-0.5, 180), "06000000000000e0bf0000000000806640", "-0.5,180.0", `{"lat":-0.5,"lon":180.0}`},
		{Tags(nil), "07", "", "[]"},
		{Tags([]string{"b", "aé", "b"}), "070361c3a90162", "aé, b", `["aé","b"]`},
		{Vector([]float32{1, -0.5}), "080000803f000000bf", "vector of 2", "[1,-0.5]"},
	} {
		if got := hex.EncodeToString(c.v.Encode()); got != c.enc {
			t.Errorf("%s encodes as %s, want %s", c.v, got, c.enc)
		}
		if got := c.v.String(); got != c.text {
			t.Errorf("got %q, want %q", got, c.text)
		}
		if got, err := json.Marshal(c.v); err != nil || string(got) != c.json {
			t.Errorf("got %s, %v, want %s", got, err, c.json)
		}
	}
	if Value.Encode(Value{}) != nil {
		t.Error("the zero Value doesn't encode as nil")
	}
}

func TestValuesGiveBackWhatTheyHold(t *testing.T) {
	tags, vector := []string{"b", "a"}, []float32{0.25, float32(math.Copysign(0, -1))}
	held := []any{
		first(String("x").Text()), first(Int(-7).Int()), first(Float(0.1).Float()), first(Bool(true).Bool()),
		first(Time(-9).Time()), first(Tags(tags).Tags()), first(Vector(vector).Vector()),
	}
	if want := []any{"x", int64(-7), 0.1, true, int64(-9), []string{"a", "b"}, []float32{0.25, 0}}; !reflect.DeepEqual(held, want) {
		t.Errorf("got %v, want %v", held, want)
	}
	if lat, lon, ok := Geo(48.85, 2.35).Geo(); lat != 48.85 || lon != 2.35 || !ok {
		t.Errorf("got %v, %v, %v", lat, lon, ok)
	}
	if !slices.Equal(tags, []string{"b", "a"}) {
		t.Error("Tags sorted its argument")
	}
	if got := Vector(vector).AppendVector([]float32{9}); !slices.Equal(got, []float32{9, 0.25, 0}) {
		t.Errorf("got %v", got)
	}
}

func first[T any](v T, ok bool) any {
	if !ok {
		return "nothing"
	}
	return v
}

func TestOtherKindsHoldNothing(t *testing.T) {
	all := []Value{
		{},
		Float(math.NaN()), String("x"), Int(1), Float(1), Bool(true), Time(1), Geo(1, 1),
		Tags([]string{"x"}), Vector([]float32{1}),
	}
	for i, v := range all {
		s, a := v.Text()
		n, b := v.Int()
		f, c := v.Float()
		y, d := v.Bool()
		ms, e := v.Time()
		lat, lon, g := v.Geo()
		tags, h := v.Tags()
		numbers, k := v.Vector()
		count := 0
		for _, ok := range []bool{a, b, c, d, e, g, h, k} {
			if ok {
				count++
			}
		}
		if want := min(1, max(0, i-1)); count != want {
			t.Errorf("%s holds %d kinds", v, count)
		}
		zero := fmt.Sprint(s == "" || a, n == 0 || b, f == 0 || c, !y || d, ms == 0 || e, lat == 0 && lon == 0 || g,
			tags == nil || h, numbers == nil || k)
		if strings.Contains(zero, "false") {
			t.Errorf("%s gives more than zero for another kind: %s", v, zero)
		}
	}
}

func TestWhatCannotBeAValueIsRefusedEverywhere(t *testing.T) {
	many := make([]string, 257)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for want, v := range map[string]Value{
		"NaN is not a finite number":                                                 Float(math.NaN()),
		"-Inf is not a finite number":                                                Float(math.Inf(-1)),
		"latitude 90.5 is not from -90 to 90":                                        Geo(90.5, 0),
		"latitude NaN is not from -90 to 90":                                         Geo(math.NaN(), 0),
		"longitude -181 is not from -180 to 180":                                     Geo(0, -181),
		"string of 65537 bytes; strings have at most 65536":                          String(strings.Repeat("x", 65537)),
		`string "\xff" is not UTF-8`:                                                 String("\xff"),
		"a tag is empty":                                                             Tags([]string{""}),
		`tag "\xff" is not UTF-8`:                                                    Tags([]string{"\xff"}),
		"257 tags; a set has at most 256":                                            Tags(many),
		"vector of 0 numbers; vectors have 1 to 4096":                                Vector(nil),
		"vector of 4097 numbers; vectors have 1 to 4096":                             Vector(make([]float32, 4097)),
		"number 1 of the vector is +Inf, not finite":                                 Vector([]float32{0, float32(math.Inf(1))}),
		`tag "` + strings.Repeat("x", 40) + `" has 257 bytes; tags have at most 256`: Tags([]string{strings.Repeat("x", 257)}),
	} {
		if err := v.Err(); err == nil || err.Error() != "invalid value: "+want {
			t.Errorf("got %v, want %s", err, want)
		}
		if v.String() != "invalid value: "+want {
			t.Errorf("prints as %s", v)
		}
		if _, err := json.Marshal(v); err == nil {
			t.Errorf("%s has JSON", v)
		}
		if _, err := DecodeValue(v.Encode()); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s decodes: %v", v, err)
		}
		f, m := Field{"f", TypeFloat}, Embedding{"e", 3}
		if err := f.Check(v); !errors.Is(err, fault.ErrInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s passes: %v", v, err)
		}
		if err := m.Check(v); !errors.Is(err, fault.ErrInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s passes: %v", v, err)
		}
	}
}

func TestTheLargestValuesFit(t *testing.T) {
	tags := make([]string, 256)
	for i := range tags {
		tags[i] = strings.Repeat("x", 253) + fmt.Sprintf("%03d", i)
	}
	for _, v := range []Value{String(strings.Repeat("x", maxText)), Tags(tags), Vector(make([]float32, 4096))} {
		if back, err := DecodeValue(v.Encode()); err != nil || back != v {
			t.Errorf("%.20s: %v", v, err)
		}
	}
}

func TestCheckNamesWhatItGotAndWants(t *testing.T) {
	e := &EntityType{
		Fields: []Field{
			{"category", TypeKeyword},
			{"title", TypeText},
			{"views", TypeInt},
			{"price", TypeFloat},
			{"live", TypeBool},
			{"published", TypeTime},
			{"place", TypeGeo},
			{"tags", TypeTags},
		},
		Embeddings: []Embedding{{"content", 3}},
	}
	good := map[string]Value{
		"category": String("a"), "title": String("a"), "views": Int(1), "price": Float(1),
		"live": Bool(true), "published": Time(1), "place": Geo(1, 1), "tags": Tags(nil), "content": Vector([]float32{1, 2, 3}),
	}
	for name, v := range good {
		if err := e.Check(name, v); err != nil {
			t.Error(err)
		}
		for other := range good {
			same := v.kind() == good[other].kind()
			if err := e.Check(other, v); errors.Is(err, fault.ErrInput) == same {
				t.Errorf("%s under %s: %v", v, other, err)
			}
		}
	}
	for _, c := range []struct {
		name string
		v    Value
		want string
	}{
		{"price", Int(5), "refused: fields.price: is an int; the field takes float"},
		{"views", String("5"), "refused: fields.views: is a string; the field takes int"},
		{"title", Value{}, "refused: fields.title: is null; the field takes text"},
		{"category", String(strings.Repeat("x", 1025)), "refused: fields.category: has 1025 bytes; keywords have at most 1024"},
		{"content", Vector([]float32{1}), "refused: embeddings.content: has 1 numbers; the slot takes 3"},
		{"content", Tags(nil), "refused: embeddings.content: is tags; the slot takes a vector of 3 numbers"},
		{"titel", Int(1), `refused: fields.titel: is not declared in the schema (did you mean "title"?)`},
		{"other", Int(1), `refused: fields.other: is not declared in the schema`},
	} {
		if err := e.Check(c.name, c.v); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestReadJSONKnowsTheType(t *testing.T) {
	e := &EntityType{
		Fields: []Field{
			{"category", TypeKeyword},
			{"views", TypeInt},
			{"price", TypeFloat},
			{"live", TypeBool},
			{"published", TypeTime},
			{"place", TypeGeo},
			{"tags", TypeTags},
		},
		Embeddings: []Embedding{{"content", 3}},
	}
	for _, c := range []struct{ name, json, want string }{
		{"category", ` "a" `, "a"},
		{"category", `"\u0041\n"`, "A\n"},
		{"category", "5", "refused: fields.category: is an int; the field takes keyword"},
		{"category", "null", "null"},
		{"category", "", "refused: fields.category: is empty"},
		{"category", "nil", `refused: fields.category: is not JSON: "nil"`},
		{"category", `"a" 1`, "refused: fields.category: has text behind the value"},
		{"category", "\"\xff\"", "refused: fields.category: is not UTF-8"},
		{"category", `{"a":1}`, `refused: fields.category: is not JSON: unknown field "a"`},
		{"views", "-0", "0"},
		{"views", "9223372036854775808", "refused: fields.views: 9223372036854775808 doesn't fit a signed 64-bit number"},
		{"views", "5.0", "refused: fields.views: is a float; the field takes int"},
		{"views", "05", "refused: fields.views: has text behind the value"},
		{"price", "5", "5.0"},
		{"price", "-0.0", "0.0"},
		{"price", "1e400", "refused: fields.price: 1e400 doesn't fit a 64-bit floating point number"},
		{"live", "true", "true"},
		{"live", "1", "refused: fields.live: is an int; the field takes bool"},
		{"published", "0", "1970-01-01T00:00:00Z"},
		{"published", `"2024-05-01"`, "2024-05-01T00:00:00Z"},
		{"published", `"2024-05-01T12:00:00.1239+02:00"`, "2024-05-01T10:00:00.123Z"},
		{"published", `{"time":"2024-05-01T00:00:00Z"}`, "2024-05-01T00:00:00Z"},
		{"published", `{"time":-1}`, "1969-12-31T23:59:59.999Z"},
		{"published", `{"time":{"time":1}}`, `refused: fields.published: "time" is neither RFC 3339 nor Unix milliseconds`},
		{"published", `{"time":1.5}`, `refused: fields.published: "time" is neither RFC 3339 nor Unix milliseconds`},
		{"published", `{"time":1,"lat":1}`, `refused: fields.published: is an object; objects are {"time":…} or {"lat":…,"lon":…}`},
		{"published", `"yesterday"`, `refused: fields.published: invalid value: "yesterday" is not a time; ` +
			`write RFC 3339, such as 2024-05-01T12:00:00Z`},
		{"place", `{"lon":2.35,"lat":48.85}`, "48.85,2.35"},
		{"place", `{"lat":91,"lon":0}`, "refused: fields.place: invalid value: latitude 91 is not from -90 to 90"},
		{"place", `{"lat":1}`, `refused: fields.place: is an object; objects are {"time":…} or {"lat":…,"lon":…}`},
		{"tags", `["b","a","b"]`, "a, b"},
		{"tags", `[]`, ""},
		{"tags", `["a",1]`, "refused: fields.tags: holds a JSON number where it doesn't belong"},
		{"tags", `["a",null]`, "refused: fields.tags: invalid value: a tag is empty"},
		{"content", `[1,2,3e0]`, "vector of 3"},
		{"content", `[1,2]`, "refused: embeddings.content: has 2 numbers; the slot takes 3"},
		{"content", `[1,2,null]`, "refused: embeddings.content: number 2 of the vector is null"},
		{"content", `[1,2,1e39]`, "refused: embeddings.content: holds a JSON number 1e39 where it doesn't belong"},
		{"content", `null`, "null"},
		{"other", `1`, "refused: fields.other: is not declared in the schema"},
	} {
		v, err := e.ReadJSON(c.name, []byte(c.json))
		got := v.String()
		if err != nil {
			got = err.Error()
			if !errors.Is(err, fault.ErrInput) || !v.IsZero() {
				t.Errorf("%s %s: %v with %s", c.name, c.json, err, v)
			}
		}
		if got != c.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.name, c.json, got, c.want)
		}
	}
}

func TestUnmarshalRefusesWhatCannotBeAValue(t *testing.T) {
	var fields map[string]Value
	if err := json.Unmarshal([]byte(`{"a":{"lat":91,"lon":0}}`), &fields); !errors.Is(err, fault.ErrInput) {
		t.Errorf("got %v", err)
	}
	if err := json.Unmarshal([]byte(`{"a":5,"b":null}`), &fields); err != nil || fields["a"] != Int(5) || !fields["b"].IsZero() {
		t.Errorf("got %v, %v", fields, err)
	}
}

func FuzzDecodeValue(f *testing.F) {
	for _, v := range []Value{
		String("é"), Int(-1), Float(0.5), Bool(true), Time(1), Geo(1, -1), Tags([]string{"a", "b"}),
		Vector([]float32{1, 2}),
	} {
		f.Add(v.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeValue(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if r := remade(v); r != v || !bytes.Equal(v.Encode(), b) {
			t.Fatalf("%x was accepted and is %x", b, r.Encode())
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var back Value
		if err := json.Unmarshal(text, &back); err != nil || back != v {
			t.Fatalf("%s reads as %s, %v", text, back, err)
		}
	})
}

func FuzzReadJSON(f *testing.F) {
	for _, s := range []string{
		`"a"`, "5", "5.5", "true", "null", `{"time":"2024-05-01T00:00:00Z"}`, `{"lat":1,"lon":2}`,
		`["a"]`, `[1,2]`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v Value
		if err := v.UnmarshalJSON(text); err != nil {
			if !errors.Is(err, fault.ErrInput) {
				t.Fatal(err)
			}
			return
		}
		if v.IsZero() {
			return
		}
		if back, err := DecodeValue(v.Encode()); err != nil || back != v {
			t.Fatalf("%s gave a value that doesn't decode: %v", text, err)
		}
	})
}
