package query

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidaldb/tidal/internal/fault"
)

// Error says what is wrong with a query and where. It is reachable with errors.As, and matches the database's ErrInput
// with errors.Is. Where a call reports several, it joins them with errors.Join.
type Error struct {
	// Path is the part of the query, such as "filter.and[1].value" or "pins[0].rank"; empty where a text can't be read
	// so far that it has parts. In a query that came as JSON it's the path in there.
	Path string
	// Line and Column are the place in the text or JSON that was read, both counted from 1, columns in characters.
	// Line is 0 for what was built in Go, or changed since it was read.
	Line, Column int
	// Offset is the same place in bytes, from 0.
	Offset int
	// Reason says what is wrong and what would be right.
	Reason string
	// Expected are the words and kinds of things that could have stood here, where a text can't be read.
	Expected []string

	excerpt string
}

// Error is the place, the path and the reason on one line; for what was read from a text or JSON, an excerpt of it and
// a caret below the place follow on two more.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("refused: ")
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d (byte %d): ", e.Line, e.Column, e.Offset)
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Reason)
	b.WriteString(e.excerpt)
	return b.String()
}

// Is reports whether target is the sentinel of refused input.
func (e *Error) Is(target error) bool { return target == fault.ErrInput }

// Unwrap is the refusal as the layers below know it: path and reason alone.
func (e *Error) Unwrap() error { return &fault.Input{Record: -1, Field: e.Path, Reason: e.Reason} }

// refuse returns an error whose place isn't known.
func refuse(path, format string, args ...any) *Error {
	return &Error{Path: path, Reason: fmt.Sprintf(format, args...)}
}

// locate returns a copy of e that stands at a place.
func (e *Error) locate(p place) *Error {
	c := *e
	c.Offset = p.offset
	before := p.doc[:p.offset]
	start := strings.LastIndexByte(before, '\n') + 1
	c.Line = strings.Count(before, "\n") + 1
	c.Column = utf8.RuneCountInString(before[start:]) + 1
	line := p.doc[start:]
	if end := strings.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	if strings.TrimSpace(line) != "" {
		c.excerpt = excerpt(line, p.offset-start)
	}
	return &c
}

// What an excerpt shows of a line, in characters: so many before the place and so many from there on.
const (
	excerptBefore = 48
	excerptBehind = 24
)

// excerpt returns two lines: what surrounds byte at of a line, and a caret below it.
func excerpt(line string, at int) string {
	before, behind := []rune(line[:at]), []rune(line[at:])
	lead, trail := "", ""
	if len(before) > excerptBefore {
		before, lead = before[len(before)-excerptBefore:], "…"
	}
	if len(behind) > excerptBehind {
		behind, trail = behind[:excerptBehind], "…"
	}
	shown := lead + plain(before) + plain(behind) + trail
	indent := strings.Repeat(" ", utf8.RuneCountInString(lead)+len(before))
	return "\n  " + strings.TrimRight(shown, " ") + "\n  " + indent + "^"
}

// plain makes control characters, which would move what follows, into blanks.
func plain(line []rune) string {
	for i, r := range line {
		if r < ' ' || r == 0x7f {
			line[i] = ' '
		}
	}
	return string(line)
}

// source is what a query was read from. It's read once more where a place is needed, so that reading well-formed
// queries costs nothing for it.
type source struct {
	text string
	json bool
}

// place is a byte of a text.
type place struct {
	doc    string
	offset int
}

// places maps paths to where they stand.
type places map[string]place

// find returns the place of a path, or of the nearest part around it that has one.
func (p places) find(path string) (place, bool) {
	for {
		if at, ok := p[path]; ok {
			return at, true
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return place{}, false
		}
		path = path[:cut]
	}
}

// placesOf returns where the parts of q stand, nil if it wasn't read or was changed since.
func (q *Query) placesOf() places {
	if q.from == nil {
		return nil
	}
	at := places{}
	var again *Query
	var err error
	if q.from.json {
		again, err = readJSON(q.from.text, at)
	} else {
		again, err = readText(q.from.text, at)
	}
	if err != nil || again.String() != q.String() {
		return nil
	}
	return at
}
