package query

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// appendQuoted appends s in double quotes. What can't be printed is escaped as in JSON, and a byte that is no part of
// UTF-8 as \xNN, so that every string of bytes has a form.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(dst, `\x%02x`, s[i])
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case strconv.IsPrint(r):
			dst = append(dst, s[i:i+n]...)
		case strings.ContainsRune("\b\f\n\r\t", r):
			dst = append(dst, '\\', "btn?fr"[r-'\b'])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		i += n
	}
	return append(dst, '"')
}

func quoted(s string) string { return string(appendQuoted(nil, s)) }

// cutQuoted reads the quoted string that text begins with, and returns how many bytes it takes. On an error that number
// is where the mistake is. JSON has no \xNN.
func cutQuoted(text string, json bool) (string, int, error) {
	var b strings.Builder
	for i := 1; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			return b.String(), i + 1, nil
		case c == '\\':
			n, err := cutEscape(&b, text[i:], json)
			if err != nil {
				return "", i, err
			}
			i += n
		case c < ' ':
			return "", i, fmt.Errorf("a string holds the control character \\u%04x; write it so", c)
		default:
			r, n := utf8.DecodeRuneInString(text[i:])
			switch {
			case r == utf8.RuneError && n == 1 && json:
				return "", i, fmt.Errorf(`byte 0x%02x is not UTF-8; an id of other bytes is {"base64":…}`, c)
			case r == utf8.RuneError && n == 1:
				return "", i, fmt.Errorf("byte 0x%02x is not UTF-8; write \\x%02x", c, c)
			}
			b.WriteString(text[i : i+n])
			i += n
		}
	}
	return "", 0, errors.New("the string has no end; it needs a closing double quote")
}

// cutEscape reads the escape that text begins with.
func cutEscape(b *strings.Builder, text string, json bool) (int, error) {
	if len(text) < 2 {
		return 0, errors.New("the string ends within an escape")
	}
	switch c := text[1]; c {
	case '"', '\\', '/':
		b.WriteByte(c)
		return 2, nil
	case 'b', 'f', 'n', 'r', 't':
		b.WriteByte("\b\f\n\r\t"[strings.IndexByte("bfnrt", c)])
		return 2, nil
	case 'x':
		if json {
			return 0, errors.New(`JSON has no escape \x; an id of other bytes is {"base64":…}`)
		}
		v, ok := hexAt(text, 2, 2)
		if !ok {
			return 0, errors.New(`\x takes two hexadecimal digits, such as \xff`)
		}
		b.WriteByte(byte(v))
		return 4, nil
	case 'u':
		return cutUnicode(b, text)
	}
	return 0, fmt.Errorf(`\%s is no escape; there are \" \\ \/ \b \f \n \r \t \uNNNN \xNN`, firstRune(text[1:]))
}

func cutUnicode(b *strings.Builder, text string) (int, error) {
	v, ok := hexAt(text, 2, 4)
	if !ok {
		return 0, errors.New(`\u takes four hexadecimal digits, such as \u00e9`)
	}
	r, n := rune(v), 6
	if utf16.IsSurrogate(r) {
		low, ok := hexAt(text, 8, 4)
		if r = utf16.DecodeRune(r, rune(low)); !ok || text[6:8] != `\u` || r == utf8.RuneError {
			return 0, errors.New(`half of a surrogate pair; write both halves, such as \ud83c\udfb7`)
		}
		n = 12
	}
	b.WriteRune(r)
	return n, nil
}

// hexAt reads digits hexadecimal digits at text[at:].
func hexAt(text string, at, digits int) (uint64, bool) {
	if len(text) < at+digits {
		return 0, false
	}
	v, err := strconv.ParseUint(text[at:at+digits], 16, 32)
	return v, err == nil
}

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}
