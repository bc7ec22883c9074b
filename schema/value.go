package schema

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of values.
const (
	maxText     = 64 << 10
	maxKeyword  = 1 << 10
	maxTags     = 256
	maxTagBytes = 256
)

// Value is the value of one field or embedding slot. It's immutable, may be copied and shared freely, and two values
// are the same exactly if == says so. The zero Value is no value at all: it prints as null, and a patch that sets it
// clears the field.
//
// Constructors don't return errors, so that values can stand in literals. One that's given what can't be a value (NaN,
// a latitude of 91, a text over 64 KiB) returns a Value whose [Value.Err] says so and which every check refuses.
type Value struct {
	// enc is the canonical encoding; empty for the zero Value. Holding nothing else makes == exact and Encode free. In
	// a value that couldn't be made it's kindInvalid and the reason.
	enc string
}

// The first byte of an encoding.
const (
	kindInvalid = 0
	kindText    = 1 // UTF-8 to the end
	kindInt     = 2 // 8 bytes, little endian, two's complement
	kindFloat   = 3 // 8 bytes, little endian, IEEE 754; finite, never −0
	kindBool    = 4 // 1 byte, 0 or 1
	kindTime    = 5 // 8 bytes, little endian, two's complement: Unix milliseconds
	kindGeo     = 6 // latitude and longitude, each as kindFloat
	kindTags    = 7 // per tag its length as unsigned varint and its bytes; strictly ascending
	kindVector  = 8 // 4 bytes each, little endian, IEEE 754; finite, never −0
)

// kindWords are the names of kinds in messages, in the order of their numbers; a constant table.
var kindWords = [...]string{"invalid", "string", "int", "float", "bool", "time", "geo", "tags", "vector"}

// String returns a string, for fields of type keyword and text: UTF-8 of at most 64 KiB.
func String(s string) Value {
	switch {
	case len(s) > maxText:
		return invalid("string of %d bytes; strings have at most %d", len(s), maxText)
	case !utf8.ValidString(s):
		return invalid("string %.40q is not UTF-8", s)
	}
	return Value{string(rune(kindText)) + s}
}

// Int returns a whole number.
func Int(n int64) Value { return fixed(kindInt, uint64(n)) }

// Float returns a number. NaN and infinities are invalid; −0 becomes 0.
func Float(f float64) Value {
	if !finite(f) {
		return invalid("%v is not a finite number", f)
	}
	return fixed(kindFloat, math.Float64bits(positiveZero(f)))
}

// Bool returns true or false.
func Bool(b bool) Value {
	if b {
		return Value{"\x04\x01"}
	}
	return Value{"\x04\x00"}
}

// Time returns the point in time that lies ms milliseconds after the start of 1970 in UTC; it may be negative.
func Time(ms int64) Value { return fixed(kindTime, uint64(ms)) }

// Geo returns a place: latitude in degrees from −90 to 90 north, longitude from −180 to 180 east.
func Geo(lat, lon float64) Value {
	switch {
	case !(lat >= -90 && lat <= 90):
		return invalid("latitude %v is not from -90 to 90", lat)
	case !(lon >= -180 && lon <= 180):
		return invalid("longitude %v is not from -180 to 180", lon)
	}
	return fixed(kindGeo, math.Float64bits(positiveZero(lat)), math.Float64bits(positiveZero(lon)))
}

// Tags returns a set of strings. Their order and repetitions don't matter. There are at most 256 different ones, each
// UTF-8 of 1 to 256 bytes; the set may be empty.
func Tags(tags []string) Value {
	sorted := slices.Clone(tags)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	if len(sorted) > maxTags {
		return invalid("%d tags; a set has at most %d", len(sorted), maxTags)
	}
	enc := []byte{kindTags}
	for _, tag := range sorted {
		switch {
		case tag == "":
			return invalid("a tag is empty")
		case len(tag) > maxTagBytes:
			return invalid("tag %.40q has %d bytes; tags have at most %d", tag, len(tag), maxTagBytes)
		case !utf8.ValidString(tag):
			return invalid("tag %.40q is not UTF-8", tag)
		}
		enc = appendString(enc, tag)
	}
	return Value{string(enc)}
}

// Vector returns a vector of 1 to 4096 finite numbers; −0 becomes 0. The slice isn't kept.
func Vector(v []float32) Value {
	if len(v) < 1 || len(v) > maxDimensions {
		return invalid("vector of %d numbers; vectors have 1 to %d", len(v), maxDimensions)
	}
	enc := make([]byte, 1, 1+4*len(v))
	enc[0] = kindVector
	for i, f := range v {
		if !finite(float64(f)) {
			return invalid("number %d of the vector is %v, not finite", i, f)
		}
		if f == 0 {
			f = 0 // drops the sign of −0
		}
		enc = binary.LittleEndian.AppendUint32(enc, math.Float32bits(f))
	}
	return Value{string(enc)}
}

// IsZero reports whether v is no value at all.
func (v Value) IsZero() bool { return v.enc == "" }

// Err says why v couldn't be made; nil for every other value.
func (v Value) Err() error {
	if v.kind() == kindInvalid && v.enc != "" {
		return fmt.Errorf("invalid value: %s", v.enc[1:])
	}
	return nil
}

// Text returns the string, false if v is something else.
func (v Value) Text() (string, bool) {
	if v.kind() != kindText {
		return "", false
	}
	return v.enc[1:], true
}

// Int returns the whole number, false if v is something else.
func (v Value) Int() (int64, bool) { return int64(v.word(0, kindInt)), v.kind() == kindInt }

// Float returns the number, false if v is something else.
func (v Value) Float() (float64, bool) {
	return math.Float64frombits(v.word(0, kindFloat)), v.kind() == kindFloat
}

// Bool returns the truth value, false if v is something else.
func (v Value) Bool() (value, ok bool) { return v.enc == "\x04\x01", v.kind() == kindBool }

// Time returns the point in time in Unix milliseconds, false if v is something else.
func (v Value) Time() (ms int64, ok bool) { return int64(v.word(0, kindTime)), v.kind() == kindTime }

// Geo returns latitude and longitude in degrees, false if v is something else.
func (v Value) Geo() (lat, lon float64, ok bool) {
	lat, lon = math.Float64frombits(v.word(0, kindGeo)), math.Float64frombits(v.word(1, kindGeo))
	return lat, lon, v.kind() == kindGeo
}

// Tags returns a new slice of the tags in ascending order, false if v is something else.
func (v Value) Tags() ([]string, bool) {
	if v.kind() != kindTags {
		return nil, false
	}
	var tags []string
	for rest := v.enc[1:]; rest != ""; {
		n, k := uvarint(rest)
		tags = append(tags, rest[k:k+n])
		rest = rest[k+n:]
	}
	return tags, true
}

// Vector returns a new slice of the vector's numbers, false if v is something else.
func (v Value) Vector() ([]float32, bool) {
	if v.kind() != kindVector {
		return nil, false
	}
	return v.AppendVector(make([]float32, 0, v.dimensions())), true
}

// AppendVector appends the numbers of a vector to dst without any other allocation; nothing if v is something else.
func (v Value) AppendVector(dst []float32) []float32 {
	for i := range v.dimensions() {
		b := v.enc[1+4*i : 5+4*i]
		bits := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		dst = append(dst, math.Float32frombits(bits))
	}
	return dst
}

// String prints v for people. It isn't meant to be read back; JSON is.
func (v Value) String() string {
	switch v.kind() {
	case kindText:
		return v.enc[1:]
	case kindInt:
		return strconv.FormatInt(int64(v.word(0, kindInt)), 10)
	case kindFloat:
		return formatFloat(math.Float64frombits(v.word(0, kindFloat)))
	case kindBool:
		return strconv.FormatBool(v.enc[1] == 1)
	case kindTime:
		return formatTime(int64(v.word(0, kindTime)))
	case kindGeo:
		lat, lon, _ := v.Geo()
		return formatFloat(lat) + "," + formatFloat(lon)
	case kindTags:
		tags, _ := v.Tags()
		return strings.Join(tags, ", ")
	case kindVector:
		return fmt.Sprintf("vector of %d", v.dimensions())
	}
	if v.IsZero() {
		return "null"
	}
	return v.Err().Error()
}

// kind returns the first byte of the encoding; the zero Value has the kind of an invalid one.
func (v Value) kind() byte {
	if v.enc == "" {
		return kindInvalid
	}
	return v.enc[0]
}

func (v Value) kindWord() string {
	if v.IsZero() {
		return "null"
	}
	return kindWords[v.kind()]
}

// word returns the i-th 8-byte number of a value of the given kind, 0 for other kinds.
func (v Value) word(i int, kind byte) uint64 {
	if v.kind() != kind {
		return 0
	}
	return littleEndian(v.enc[1+8*i:])
}

func (v Value) dimensions() int {
	if v.kind() != kindVector {
		return 0
	}
	return (len(v.enc) - 1) / 4
}

func fixed(kind byte, words ...uint64) Value {
	var room [17]byte
	enc := append(room[:0], kind)
	for _, w := range words {
		enc = binary.LittleEndian.AppendUint64(enc, w)
	}
	return Value{string(enc)}
}

func invalid(format string, args ...any) Value {
	return Value{"\x00" + fmt.Sprintf(format, args...)}
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// positiveZero maps −0 to 0, so that equal numbers have equal bytes.
func positiveZero(f float64) float64 {
	if f == 0 {
		return 0
	}
	return f
}

// formatFloat prints the shortest text that reads back as f, always with a point or an exponent, so that a float and
// an int never look alike.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// Milliseconds at the start of year 0 and of year 10000: the times between them have an RFC 3339 form.
const (
	minTextTime = -62167219200000
	endTextTime = 253402300800000
)

func formatTime(ms int64) string {
	if ms < minTextTime || ms >= endTextTime {
		return strconv.FormatInt(ms, 10)
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00")
}
