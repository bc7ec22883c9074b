package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tidaldb/tidal"
)

// maxQuoted bounds a row that goes on over several lines, and so the rows that an unclosed quote can swallow.
const maxQuoted = 64 << 10

// csvRows reads CSV (RFC 4180) whose first row names the columns; see eventColumns.
//
// The standard library's reader isn't used: behind an unclosed quote it would take the rest of the file into memory,
// and it doesn't say where the next row begins after an error.
type csvRows struct {
	lines
	columns []string // from the first row
	fields  []string // of the current row; reused
}

func openCSV(file string, r *bufio.Reader) source {
	return &csvRows{lines: lines{r: r, place: place{file: file}}}
}

func (c *csvRows) next() (row, error) {
	if c.columns == nil {
		if err := c.readHead(); err != nil {
			return row{}, err
		}
	}
	at, err := c.readFields()
	if err != nil {
		return row{}, err
	}
	if len(c.fields) != len(c.columns) {
		return row{}, at.bad(causeColumns, "%d columns; the first row names %d", len(c.fields), len(c.columns))
	}
	var s tidal.Signal
	for i, column := range c.columns {
		if err := setField(&s, column, c.fields[i]); err != nil {
			return row{}, at.badField(err)
		}
	}
	return row{place: at, signals: []tidal.Signal{s}}, nil
}

// readHead takes the column names from the first row. A file without a usable one is refused as a whole.
func (c *csvRows) readHead() error {
	at, err := c.readFields()
	var bad *rowError
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF // an empty file has no rows
	case errors.As(err, &bad):
		return tidalInput("%v; the first row has to name the columns", bad)
	case err != nil:
		return err
	}
	columns := slices.Clone(c.fields)
	columns[0] = strings.TrimPrefix(columns[0], "\ufeff") // a byte order mark, which spreadsheets write
	for i, name := range columns {
		if !slices.Contains(eventColumns, name) {
			return tidalInput("%s:%d: unknown column %q; columns are %s",
				at.file, at.line, name, strings.Join(eventColumns, ", "))
		}
		if slices.Contains(columns[:i], name) {
			return tidalInput("%s:%d: column %q appears twice", at.file, at.line, name)
		}
	}
	for _, needed := range []string{"type", "item"} {
		if !slices.Contains(columns, needed) {
			return tidalInput("%s:%d: the first row doesn't name the column %q", at.file, at.line, needed)
		}
	}
	c.columns = columns
	return nil
}

// readFields reads one row, which quotes may stretch over several lines, into c.fields, and says where it began.
func (c *csvRows) readFields() (place, error) {
	line, err := c.nextFilled()
	at := c.place
	if err != nil {
		return at, err
	}
	text := string(line)
	for {
		fields, open, reason := splitCSV(c.fields[:0], text)
		c.fields = fields
		switch {
		case reason != "":
			return at, at.bad(causeQuotes, "%s", reason)
		case !open:
			return at, nil
		}
		// Only a line with a quote in it can end the field, so no other is worth a look at the whole.
		for more := true; more; more = !bytes.Contains(line, []byte{'"'}) {
			line, err = c.lines.next()
			switch {
			case errors.Is(err, io.EOF):
				return at, at.bad(causeQuotes, "a quote is opened and never closed")
			case err != nil:
				return at, err
			case len(text)+len(line) > maxQuoted:
				return at, at.bad(causeQuotes, "a quote is opened and not closed within %d bytes", maxQuoted)
			}
			text += "\n" + string(line)
		}
	}
}

// splitCSV appends the fields of one row to dst. It reports whether a quote is still open at the end, so that the row
// goes on, and why the row is malformed, if it is.
func splitCSV(dst []string, text string) (fields []string, open bool, reason string) {
	for {
		if !strings.HasPrefix(text, `"`) {
			field, rest, more := strings.Cut(text, ",")
			if strings.Contains(field, `"`) {
				return dst, false, fmt.Sprintf(`a quote inside the field %s, which doesn't begin with one`, field)
			}
			dst = append(dst, field)
			if !more {
				return dst, false, ""
			}
			text = rest
			continue
		}
		field, rest, closed := cutQuoted(text[1:])
		if !closed {
			return dst, true, ""
		}
		dst = append(dst, field)
		if rest == "" {
			return dst, false, ""
		}
		if rest[0] != ',' {
			return dst, false, "text behind a closing quote"
		}
		text = rest[1:]
	}
}

// cutQuoted reads a field whose opening quote is gone; two quotes stand for one.
func cutQuoted(text string) (field, rest string, closed bool) {
	var b bytes.Buffer
	for {
		i := strings.IndexByte(text, '"')
		if i < 0 {
			return "", "", false
		}
		b.WriteString(text[:i])
		text = text[i+1:]
		if !strings.HasPrefix(text, `"`) {
			return b.String(), text, true
		}
		b.WriteByte('"')
		text = text[1:]
	}
}

// badField gives the error of a column its place.
func (p place) badField(err error) error {
	var f *fieldError
	if errors.As(err, &f) {
		return p.bad(f.cause, "%s", f.reason)
	}
	return p.bad(causeOther, "%v", err)
}

// tidalInput refuses a whole file.
func tidalInput(format string, args ...any) error {
	return &tidal.InputError{Record: -1, Reason: fmt.Sprintf(format, args...)}
}
