package schema

import (
	"strings"
	"unicode/utf8"

	"github.com/tidaldb/tidal/internal/fault"
)

// Encode returns the canonical encoding: equal values have equal bytes, different ones different bytes. The zero Value
// encodes as nil. What's returned for a value with an [Value.Err] is refused by [DecodeValue].
func (v Value) Encode() []byte {
	if v.enc == "" {
		return nil
	}
	return []byte(v.enc)
}

// AppendEncoded appends the encoding of v to dst.
func (v Value) AppendEncoded(dst []byte) []byte { return append(dst, v.enc...) }

// DecodeValue reads what [Value.Encode] wrote and keeps no reference to b. It accepts the encodings of values only;
// everything else, the empty slice too, is a [fault.Corrupt].
func DecodeValue(b []byte) (Value, error) {
	if len(b) == 0 {
		return Value{}, fault.Damaged("", 0, "value is empty")
	}
	// The longest encoding is that of 256 tags: bound the copy before making it.
	if len(b) > 1+maxTags*(maxTagBytes+2) {
		return Value{}, fault.Damaged("", 0, "value has %d bytes", len(b))
	}
	v := Value{string(b)}
	body := v.enc[1:]
	if w := fixedWidth(b[0]); w > 0 && len(body) != w {
		return Value{}, fault.Damaged("", 1, "%s has %d bytes, want %d", v.kindWord(), len(body), w)
	}
	var ok bool
	switch b[0] {
	case kindText:
		ok = len(body) <= maxText && utf8.ValidString(body)
	case kindInt, kindTime:
		ok = true
	case kindFloat:
		f, _ := v.Float()
		ok = Float(f) == v
	case kindBool:
		ok = body[0] <= 1
	case kindGeo:
		lat, lon, _ := v.Geo()
		ok = Geo(lat, lon) == v
	case kindTags:
		ok = canonicalTags(body)
	case kindVector:
		ok = canonicalVector(body)
	default:
		return Value{}, fault.Damaged("", 0, "value is of unknown kind %d", b[0])
	}
	if !ok {
		return Value{}, fault.Damaged("", 1, "%s is not canonical", v.kindWord())
	}
	return v, nil
}

func fixedWidth(kind byte) int {
	switch kind {
	case kindInt, kindFloat, kindTime:
		return 8
	case kindBool:
		return 1
	case kindGeo:
		return 16
	}
	return 0
}

func canonicalTags(body string) bool {
	last, count := "", 0
	for rest := body; rest != ""; count++ {
		n, k := uvarint(rest)
		if k == 0 || n < 1 || n > maxTagBytes || n > len(rest)-k || count == maxTags {
			return false
		}
		tag := rest[k : k+n]
		if strings.Compare(last, tag) >= 0 || !utf8.ValidString(tag) {
			return false
		}
		last, rest = tag, rest[k+n:]
	}
	return true
}

func canonicalVector(body string) bool {
	if len(body) == 0 || len(body)%4 != 0 || len(body) > 4*maxDimensions {
		return false
	}
	const negativeZero, exponent = 1 << 31, 0xff << 23
	for ; body != ""; body = body[4:] {
		bits := uint32(body[0]) | uint32(body[1])<<8 | uint32(body[2])<<16 | uint32(body[3])<<24
		if bits == negativeZero || bits&exponent == exponent {
			return false
		}
	}
	return true
}

// uvarint reads a minimal unsigned varint of at most two bytes, enough for the length of a tag. The second result is
// the number of bytes read, 0 if there's no such varint.
func uvarint(s string) (value, n int) {
	switch {
	case len(s) >= 1 && s[0] < 0x80:
		return int(s[0]), 1
	case len(s) >= 2 && s[1] < 0x80 && s[1] > 0:
		return int(s[0]&0x7f) | int(s[1])<<7, 2
	}
	return 0, 0
}

func littleEndian(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
