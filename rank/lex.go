package rank

import (
	"strconv"
	"strings"

	"github.com/tidaldb/tidal/schema"
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenNumber
	tokenDuration
	tokenString
	tokenName
	tokenSign // an operator or punctuation, and the words and, or, not
)

// token is one word of an expression.
type token struct {
	kind tokenKind
	at   int
	// text is what was written; of a string what's between its quotes, of and, or and not the lower-case word.
	text string
	num  float64 // of numbers; of durations in seconds
}

// describe names a token in an error.
func (t token) describe() string {
	switch t.kind {
	case tokenEnd:
		return "the end"
	case tokenString:
		return strconv.Quote(t.text)
	}
	return t.text
}

// next reads the token that begins at or after at, and returns where it ends.
func next(src string, at int) (token, int) {
	for at < len(src) && strings.IndexByte(" \t\r\n", src[at]) >= 0 {
		at++
	}
	if at == len(src) {
		return token{kind: tokenEnd, at: at}, at
	}
	switch c := src[at]; {
	case digit(c):
		return lexNumber(src, at)
	case letter(c):
		end := at + span(src[at:], wordByte)
		text := src[at:end]
		switch lower := strings.ToLower(text); lower {
		case "and", "or", "not":
			return token{kind: tokenSign, at: at, text: lower}, end
		}
		return token{kind: tokenName, at: at, text: text}, end
	case c == '"':
		return lexString(src, at)
	case at+1 < len(src) && (src[at:at+2] == "<=" || src[at:at+2] == ">=" || src[at:at+2] == "!="):
		return token{kind: tokenSign, at: at, text: src[at : at+2]}, at + 2
	case strings.IndexByte("+-*/^()<>=,", c) >= 0:
		return token{kind: tokenSign, at: at, text: src[at : at+1]}, at + 1
	}
	refuse(at, "%s has no meaning here%s", strconv.Quote(firstRune(src[at:])), signHint(src[at:]))
	return token{}, at
}

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}

// signHint helps those who come from other languages.
func signHint(rest string) string {
	hints := [...][2]string{{"&", "and"}, {"|", "or"}, {"!", "not"}, {"'", `"`}, {".", "0."}, {"×", "*"}, {"−", "-"}}
	for _, h := range hints {
		if strings.HasPrefix(rest, h[0]) {
			return "; write " + h[1]
		}
	}
	return ""
}

// lexNumber reads 12, 0.5, 1e3 and durations such as 24h or 1h30m.
func lexNumber(src string, at int) (token, int) {
	end := at + span(src[at:], digit)
	if end+1 < len(src) && src[end] == '.' && digit(src[end+1]) {
		end += 1 + span(src[end+1:], digit)
	}
	if exp := strings.TrimLeft(src[end:], "eE"); len(exp) == len(src)-end-1 {
		sign := 0
		if exp != "" && (exp[0] == '+' || exp[0] == '-') {
			sign = 1
		}
		if n := span(exp[sign:], digit); n > 0 {
			end += 1 + sign + n
		}
	}
	if end < len(src) && (wordByte(src[end]) || src[end] == '.') {
		end += span(src[end:], func(c byte) bool { return wordByte(c) || c == '.' })
		text := src[at:end]
		d, err := schema.ParseDuration(text)
		if err != nil {
			refuse(at, "%s is neither a number nor a duration; durations are whole numbers with a unit (w, d, h, m, s, ms), "+
				"such as 7d, 36h or 1h30m", text)
		}
		return token{kind: tokenDuration, at: at, text: text, num: d.Seconds()}, end
	}
	num, err := strconv.ParseFloat(src[at:end], 64)
	if err != nil {
		refuse(at, "%s is beyond the largest number, about 1.8e308", src[at:end])
	}
	return token{kind: tokenNumber, at: at, text: src[at:end], num: num}, end
}

// lexString reads a text in double quotes, in which \" and \\ stand for " and \.
func lexString(src string, at int) (token, int) {
	var b strings.Builder
	for i := at + 1; i < len(src); i++ {
		switch c := src[i]; {
		case c == '"':
			return token{kind: tokenString, at: at, text: b.String()}, i + 1
		case c == '\n':
			refuse(at, "the text isn't closed on its line")
		case c == '\\':
			i++
			if i == len(src) || src[i] != '"' && src[i] != '\\' {
				refuse(i-1, `a backslash stands before " or \ only`)
			}
			b.WriteByte(src[i])
		default:
			b.WriteByte(c)
		}
	}
	refuse(at, "the text isn't closed")
	return token{}, at
}

func digit(c byte) bool    { return c >= '0' && c <= '9' }
func letter(c byte) bool   { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func wordByte(c byte) bool { return letter(c) || digit(c) }

// span is how many bytes at the beginning of s are in a class.
func span(s string, class func(byte) bool) int {
	n := 0
	for n < len(s) && class(s[n]) {
		n++
	}
	return n
}
