package server

import (
	"regexp"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// What protojson says of a text that it can't read names the field in some cases: it is told apart from the rest, so that
// programs find it where every other refusal has it.
var (
	unknownField = regexp.MustCompile(`unknown field "([^"]*)"`)
	wrongValue   = regexp.MustCompile(`invalid value for (.+?) field ([^:]+): (.*)$`)
	twiceField   = regexp.MustCompile(`duplicate field "([^"]*)"`)
	jsonPlace    = regexp.MustCompile(`^\(line (\d+):(\d+)\): `)
)

// jsonError turns an error of protojson into one of ours.
func jsonError(err error) error {
	// The library puts a space of varying width behind its name, so that nobody compares its texts.
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	text = strings.TrimPrefix(text, "proto: ")
	where := ""
	if m := jsonPlace.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		where = " (line " + m[1] + ", column " + m[2] + ")"
	}
	if m := unknownField.FindStringSubmatch(text); m != nil {
		return fault.Refuse(m[1], "is no field here%s", where)
	}
	if m := twiceField.FindStringSubmatch(text); m != nil {
		return fault.Refuse(m[1], "appears twice%s", where)
	}
	if m := wrongValue.FindStringSubmatch(text); m != nil {
		return fault.Refuse(snakeCase(m[2]), "is %s; expected %s%s", m[3], m[1], where)
	}
	return malformed("the body can't be read as JSON%s: %s", where, strings.TrimPrefix(text, "syntax error "))
}

// snakeCase turns a name as protojson has it into that of the schema.
func snakeCase(name string) string {
	var b strings.Builder
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
