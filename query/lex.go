package query

import (
	"strings"
	"unicode/utf8"
)

// kind is what a token is.
type kind uint8

const (
	tokEnd      kind = iota // the end of the text
	tokWord                 // letters, digits, underscores; begins with one of the former or latter
	tokString               // in double quotes
	tokInt                  // an optional sign and digits
	tokFloat                // the same with a point or an exponent
	tokQuantity             // a number with letters directly behind it, such as 7d
	tokSign                 // a comparison, a comma, a parenthesis
	tokBad                  // what is no token; text says why
)

// token is a piece of text. Its text is the piece itself; of a string, what it stands for.
type token struct {
	kind kind
	text string
	at   int
}

// is reports whether t is a word, whatever its case; word is in upper case.
func (t token) is(word string) bool { return t.kind == tokWord && strings.EqualFold(t.text, word) }

// sign reports whether t is a comma, a parenthesis and the like.
func (t token) sign(s string) bool { return t.kind == tokSign && t.text == s }

// found describes t in a message.
func (t token) found() string {
	short := t.text
	if utf8.RuneCountInString(short) > 40 {
		short = string([]rune(short)[:40]) + "…"
	}
	switch t.kind {
	case tokEnd:
		return "the end of the text"
	case tokString:
		return "the string " + quoted(short)
	case tokInt, tokFloat:
		return "the number " + short
	}
	return quoted(short)
}

// lexer cuts a text into tokens.
type lexer struct {
	text string
	at   int
}

// next returns the token at the lexer's place and moves behind it.
func (l *lexer) next() token {
	for l.at < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0 {
		l.at++
	}
	start := l.at
	if start == len(l.text) {
		return token{tokEnd, "", start}
	}
	switch c := l.text[start]; {
	case isLetter(c):
		l.skip(isWordByte)
		return token{tokWord, l.text[start:l.at], start}
	case isDigit(c), c == '-' && start+1 < len(l.text) && isDigit(l.text[start+1]):
		return l.number()
	case c == '"':
		s, n, err := cutQuoted(l.text[start:], false)
		if err != nil {
			return token{tokBad, err.Error(), start + n}
		}
		l.at += n
		return token{tokString, s, start}
	}
	for _, sign := range [...]string{"!=", "<=", ">=", "<>", "=", "<", ">", "(", ")", ","} {
		if strings.HasPrefix(l.text[start:], sign) {
			l.at += len(sign)
			if next := l.text[l.at:]; sign == "=" && strings.HasPrefix(next, "=") {
				return token{tokBad, "== is no comparison; write =", start}
			}
			return token{tokSign, sign, start}
		}
	}
	return token{tokBad, strange(l.text[start:]), start}
}

// number reads an integer, a decimal, or a number with a unit behind it.
func (l *lexer) number() token {
	start, kind := l.at, tokInt
	if l.text[l.at] == '-' {
		l.at++
	}
	l.skip(isDigit)
	if rest := l.text[l.at:]; len(rest) > 1 && rest[0] == '.' && isDigit(rest[1]) {
		kind = tokFloat
		l.at++
		l.skip(isDigit)
	}
	if n := exponent(l.text[l.at:]); n > 0 {
		kind = tokFloat
		l.at += n
		l.skip(isDigit)
	}
	if l.at < len(l.text) && isLetter(l.text[l.at]) {
		kind = tokQuantity
		l.skip(isWordByte)
	}
	return token{kind, l.text[start:l.at], start}
}

// exponent returns the length of an exponent's letter and sign if a digit follows, else 0.
func exponent(s string) int {
	if s == "" || s[0] != 'e' && s[0] != 'E' {
		return 0
	}
	n := 1
	if len(s) > 1 && (s[1] == '+' || s[1] == '-') {
		n = 2
	}
	if len(s) <= n || !isDigit(s[n]) {
		return 0
	}
	return n
}

func (l *lexer) skip(in func(byte) bool) {
	for l.at < len(l.text) && in(l.text[l.at]) {
		l.at++
	}
}

// strange says what is wrong with a character that begins no token.
func strange(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	switch {
	case r == utf8.RuneError && n == 1:
		return "the text isn't UTF-8 here; bytes of ids are written as \\xNN within a string"
	case r == '\'' || r == '`' || r == '“' || r == '”':
		return "strings stand in double quotes (\")"
	case r == '!':
		return "! is no operator; write NOT before a condition, or != between field and value"
	case r == '&' || r == '|':
		return "write AND and OR"
	case r == '-' || r == '+':
		return quoted(text[:n]) + " begins no number"
	}
	return "the character " + quoted(text[:n]) + " means nothing here"
}

func isDigit(c byte) bool    { return c >= '0' && c <= '9' }
func isLetter(c byte) bool   { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
func isWordByte(c byte) bool { return isLetter(c) || isDigit(c) }
