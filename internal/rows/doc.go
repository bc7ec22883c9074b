// Package rows turns files of events into records of a database, row by row and in bounded memory.
//
//	format, err := rows.Find("csv")
//	in := format.Open("events.csv", bufio.NewReader(file))
//	for {
//		row, err := in.Next() // io.EOF ends the file; *rows.Error is a row that can't be used
//	}
//
// A row is the unit by which imports are counted and resumed: what a format makes of the n-th row depends on the file
// alone, and a row that can't be used keeps its place. Whatever a file holds, a row ends within 1 MiB and the rows
// behind a broken one are read all the same.
//
// The package opens no files and writes nothing to a database; cmd/tidal does both.
package rows

import (
	"bufio"
	"fmt"

	"github.com/tidaldb/tidal"
)

// A Source yields the rows of one file in order: io.EOF ends it, an [*Error] is a row that can't be used (the rows
// behind it can), and any other error ends the import.
type Source interface {
	Next() (Row, error)
}

// A Row is one row of input and the records that it means, at least one.
type Row struct {
	Place
	Records []tidal.Record
}

// Place says where a row begins.
type Place struct {
	File string
	Line int // from 1
}

// An Error says why a row isn't used.
type Error struct {
	Place
	// Cause is a word by which rows are counted.
	Cause  string
	Reason string
	// LeftOut marks a sound row of a kind that the format doesn't bring in. It's counted, and no reason to complain.
	LeftOut bool
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// The causes for which a row is skipped, besides the kinds that Stack Exchange dumps are made of.
const (
	causeColumns = "columns" // too few or too many
	causeQuotes  = "quotes"  // CSV quoting is broken
	causeJSON    = "json"    // no JSON object, or a value of the wrong kind
	causeXML     = "xml"     // no element of a row on a line of its own, or attributes that are missing
	causeLong    = "long"    // the line passes 1 MiB, or a text its limit
	causeTime    = "time"
	causeWeight  = "weight" // also a rating
	causeType    = "type"   // the schema has no such signal type
	causeID      = "id"     // an item, user or creator is empty, too long or no number where there has to be one
	CauseOther   = "other"  // what only the database refused
)

func (p Place) bad(cause, format string, args ...any) error {
	return &Error{Place: p, Cause: cause, Reason: fmt.Sprintf(format, args...)}
}

// refuse refuses a whole file.
func refuse(format string, args ...any) error {
	return &tidal.InputError{Record: -1, Reason: fmt.Sprintf(format, args...)}
}

// opener begins to read a file; file is its name for messages.
type opener func(file string, r *bufio.Reader) Source
