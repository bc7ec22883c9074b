package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/tidaldb/tidal"
)

// maxLine bounds a line of an import file, and so the memory that reading one takes.
const maxLine = 1 << 20

// A format turns the lines of one file into rows.
type format struct {
	name string
	// open returns the rows of r; file is its name for messages.
	open func(file string, r *bufio.Reader) source
}

// formats are the formats that import reads; a constant table.
var formats = []format{
	{"movielens", openMovieLens},
	{"csv", openCSV},
	{"ndjson", openNDJSON},
}

// A source yields the rows of one file in order: io.EOF ends it, a *rowError is a row that can't be used (the rows
// behind it can), and any other error ends the import.
type source interface {
	next() (row, error)
}

// A row is one line of input and the signals that it means, at least one.
type row struct {
	place
	signals []tidal.Signal
}

// place says where a row begins.
type place struct {
	file string
	line int
}

// A rowError says why a row can't be used.
type rowError struct {
	place
	// cause is a word by which rows are counted.
	cause  string
	reason string
}

func (e *rowError) Error() string { return fmt.Sprintf("%s:%d: %s", e.file, e.line, e.reason) }

// The causes for which a row is skipped.
const (
	causeColumns = "columns" // too few or too many
	causeQuotes  = "quotes"  // CSV quoting is broken
	causeJSON    = "json"    // no JSON object, or a value of the wrong kind
	causeLong    = "long"    // the line passes 1 MiB
	causeTime    = "time"
	causeWeight  = "weight" // also a rating
	causeType    = "type"   // the schema has no such signal type
	causeID      = "id"     // an item, user or creator is empty or too long
	causeOther   = "other"  // what only the database refused
)

func (p place) bad(cause, format string, args ...any) error {
	return &rowError{place: p, cause: cause, reason: fmt.Sprintf(format, args...)}
}

// lines reads a file by lines, in bounded memory.
type lines struct {
	r *bufio.Reader
	place
	buf []byte
}

// next returns the next line without its end; it is valid until the call after. A line that is too long is read to
// its end and answered with a rowError.
func (l *lines) next() ([]byte, error) {
	l.line++
	l.buf = l.buf[:0]
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		long = long || len(l.buf)+len(part) > maxLine
		if !long {
			l.buf = append(l.buf, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (long || len(l.buf) > 0), err == nil:
			if long {
				return nil, l.bad(causeLong, "the line is longer than %d bytes", maxLine)
			}
			return trimEnd(l.buf), nil
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		default:
			return nil, fmt.Errorf("read %s: %w", l.file, err)
		}
	}
}

// nextFilled returns the next line that isn't empty: empty lines are no rows.
func (l *lines) nextFilled() ([]byte, error) {
	for {
		line, err := l.next()
		if err != nil || len(line) > 0 {
			return line, err
		}
	}
}

// trimEnd drops the line's end, which may be that of a Windows file.
func trimEnd(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}
