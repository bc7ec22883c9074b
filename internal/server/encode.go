package server

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tidaldb/tidal/internal/tidalpb"
)

// The JSON of answers under /v1 isn't protojson: names are as in the schema, values of fields stand for themselves,
// enumerations are words, and int64, which counts things, is a number. uint64 are random numbers that JavaScript would
// round, so they are texts. Numbers are always there. At the top of an answer lists and truth values are, too; whatever
// else is empty is left out. Equal messages have equal bytes.

// appendMessage appends a message.
func appendMessage(dst []byte, m protoreflect.Message, top bool) []byte {
	switch x := m.Interface().(type) {
	case *timestamppb.Timestamp:
		return appendTime(dst, x)
	case *tidalpb.Value:
		data, err := valueOf(x).MarshalJSON()
		if err != nil {
			return append(dst, "null"...) // a value that can't be, which no database gives out
		}
		return append(dst, data...)
	}
	dst = append(dst, '{')
	first := true
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !m.Has(f) && !always(f, top) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, '"')
		dst = append(dst, f.Name()...)
		dst = append(dst, '"', ':')
		dst = appendField(dst, m, f)
	}
	return append(dst, '}')
}

// always reports whether a field stands in every answer, even if it's empty.
func always(f protoreflect.FieldDescriptor, top bool) bool {
	if f.HasPresence() {
		return false
	}
	if f.IsList() || f.Kind() == protoreflect.BoolKind {
		return top
	}
	return !f.IsMap() && isNumber(f.Kind())
}

func isNumber(k protoreflect.Kind) bool {
	switch k {
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind,
		protoreflect.Sint32Kind, protoreflect.Sint64Kind, protoreflect.FloatKind, protoreflect.DoubleKind:
		return true
	}
	return false
}

func appendField(dst []byte, m protoreflect.Message, f protoreflect.FieldDescriptor) []byte {
	v := m.Get(f)
	switch {
	case f.IsMap():
		return appendMap(dst, v.Map(), f.MapValue())
	case f.IsList():
		dst = append(dst, '[')
		list := v.List()
		for i := range list.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, list.Get(i), f)
		}
		return append(dst, ']')
	}
	return appendValue(dst, v, f)
}

func appendMap(dst []byte, m protoreflect.Map, f protoreflect.FieldDescriptor) []byte {
	keys := make([]string, 0, m.Len())
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k.String())
		return true
	})
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, k)
		dst = append(dst, ':')
		dst = appendValue(dst, m.Get(protoreflect.ValueOfString(k).MapKey()), f)
	}
	return append(dst, '}')
}

func appendValue(dst []byte, v protoreflect.Value, f protoreflect.FieldDescriptor) []byte {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return strconv.AppendBool(dst, v.Bool())
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return strconv.AppendInt(dst, v.Int(), 10)
	case protoreflect.Uint32Kind:
		return strconv.AppendUint(dst, v.Uint(), 10)
	case protoreflect.Uint64Kind:
		dst = append(dst, '"')
		dst = strconv.AppendUint(dst, v.Uint(), 10)
		return append(dst, '"')
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return appendFloat(dst, v.Float())
	case protoreflect.StringKind:
		return appendText(dst, v.String())
	case protoreflect.BytesKind:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes())
		return append(dst, '"')
	case protoreflect.EnumKind:
		return appendText(dst, enumWord(f.Enum(), v.Enum()))
	case protoreflect.MessageKind:
		return appendMessage(dst, v.Message(), false)
	}
	return append(dst, "null"...) // no message of ours has groups, or numbers of fixed size
}

// enumWord is the name of a value without the prefix that all values of an enumeration share, in lower case.
func enumWord(e protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	v := e.Values().ByNumber(n)
	if v == nil {
		return strconv.Itoa(int(n))
	}
	zero := string(e.Values().Get(0).Name())
	return strings.ToLower(strings.TrimPrefix(string(v.Name()), strings.TrimSuffix(zero, "UNSPECIFIED")))
}

// appendFloat writes numbers as encoding/json does. What JSON can't write is null.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// appendText writes a string. What needs no escape, nearly all, is copied.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			data, err := json.Marshal(s)
			if err != nil {
				return append(dst, '"', '"') // strings can be marshalled
			}
			return append(dst, data...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func appendTime(dst []byte, t *timestamppb.Timestamp) []byte {
	dst = append(dst, '"')
	dst = t.AsTime().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// problemType names the page that explains a code. It's a name, not an address: nobody needs to reach it.
func problemType(code string) string { return "urn:tidal:problem:" + code }
