package rows

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

// csvRows reads CSV (RFC 4180) whose first row names the columns, as eventColumns or as a mapping has them.
//
// The standard library's reader isn't used: behind an unclosed quote it would take the rest of the file into memory,
// and it doesn't say where the next row begins after an error.
type csvRows struct {
	lines
	mapping *Mapping // nil: the columns are named as eventColumns
	set     func(s *tidal.Signal, field, text string) error
	width   int // number of columns, from the first row; 0 before it was read
	picks   []pick
	fields  []string // of the current row; reused
}

// pick is a column of the file and the field that it holds.
type pick struct {
	column int
	field  string
}

func openCSV(file string, r *bufio.Reader) Source { return openMapped(file, r, nil) }

func openMapped(file string, r *bufio.Reader, m *Mapping) Source {
	c := &csvRows{lines: lines{r: r, Place: Place{File: file}}, mapping: m, set: setField}
	if m != nil {
		c.set = m.set
	}
	return c
}

func (c *csvRows) Next() (Row, error) {
	if c.width == 0 {
		if err := c.readHead(); err != nil {
			return Row{}, err
		}
	}
	at, err := c.readFields()
	if err != nil {
		return Row{}, err
	}
	if len(c.fields) != c.width {
		return Row{}, at.bad(causeColumns, "%d columns; the first row names %d", len(c.fields), c.width)
	}
	var s tidal.Signal
	if c.mapping != nil {
		s = c.mapping.given
		s.Cohorts = slices.Clone(s.Cohorts) // what is added to one row's isn't added to another's
	}
	for _, p := range c.picks {
		if err := c.set(&s, p.field, c.fields[p.column]); err != nil {
			return Row{}, at.badField(err)
		}
	}
	return Row{at, []tidal.Record{s}}, nil
}

// readHead takes the column names from the first row. A file without a usable one is refused as a whole.
func (c *csvRows) readHead() error {
	at, err := c.readFields()
	var bad *Error
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF // an empty file has no rows
	case errors.As(err, &bad):
		return refuse("%v; the first row has to name the columns", bad)
	case err != nil:
		return err
	}
	columns := slices.Clone(c.fields)
	columns[0] = strings.TrimPrefix(columns[0], "\ufeff") // a byte order mark, which spreadsheets write
	if c.mapping != nil {
		c.picks, err = c.mapping.picks(at, columns)
	} else {
		c.picks, err = eventPicks(at, columns)
	}
	if err == nil {
		c.width = len(columns)
	}
	return err
}

// eventPicks are the picks of a file whose columns are named as eventColumns.
func eventPicks(at Place, columns []string) ([]pick, error) {
	var picks []pick
	for i, name := range columns {
		if !slices.Contains(eventColumns, name) {
			return nil, refuse("%s:%d: unknown column %q; columns are %s (or pass a mapping)",
				at.File, at.Line, name, strings.Join(eventColumns, ", "))
		}
		if slices.Contains(columns[:i], name) {
			return nil, refuse("%s:%d: column %q appears twice", at.File, at.Line, name)
		}
		picks = append(picks, pick{i, name})
	}
	for _, needed := range []string{"type", "item"} {
		if !slices.Contains(columns, needed) {
			return nil, refuse("%s:%d: the first row doesn't name the column %q", at.File, at.Line, needed)
		}
	}
	return picks, nil
}

// picks are those of a mapping, in its order; the file's other columns are ignored.
func (m *Mapping) picks(at Place, columns []string) ([]pick, error) {
	var picks []pick
	for _, c := range m.columns {
		i := slices.Index(columns, c.column)
		if i < 0 {
			return nil, refuse("%s:%d: %s has no column %q; its columns are %s",
				c.at.File, c.at.Line, at.File, c.column, strings.Join(columns, ", "))
		}
		if slices.Contains(columns[i+1:], c.column) {
			return nil, refuse("%s:%d: %s has two columns %q", c.at.File, c.at.Line, at.File, c.column)
		}
		picks = append(picks, pick{i, c.field})
	}
	return picks, nil
}

// readFields reads one row, which quotes may stretch over several lines, into c.fields, and says where it began.
func (c *csvRows) readFields() (Place, error) {
	line, err := c.nextFilled()
	at := c.Place
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
