package main

import (
	"errors"
	"io"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// rowsPerRequest is the number of input rows that a request stands for. It is no flag, because request n of a lane
// has to mean the same rows in every run: that is what makes an import resumable and a repeated one harmless. A row
// that can't be used keeps its place.
const rowsPerRequest = 128

// A block is the rows of one request.
type block struct {
	number uint64
	rows   int   // all of them, from 1 to rowsPerRequest
	good   []row // those that can be used
}

// readBlock reads the next block. Rows that can't be used go to bad, whose error ends the import; the block is then
// not to be used. A block without rows means the end.
func readBlock(in source, number uint64, s *schema.Schema, bad func(*rowError) error) (*block, error) {
	b := &block{number: number}
	for b.rows < rowsPerRequest {
		r, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = check(r, s)
		}
		var unusable *rowError
		switch {
		case errors.As(err, &unusable):
			if err := bad(unusable); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, err
		default:
			b.good = append(b.good, r)
		}
		b.rows++
	}
	return b, nil
}

// signals counts what the block's request holds.
func (b *block) signals() int {
	n := 0
	for i := range b.good {
		n += len(b.good[i].signals)
	}
	return n
}

// request makes the request of the rows that can be used.
func (b *block) request(lane string) tidal.Request {
	records := make([]tidal.Record, 0, b.signals())
	for i := range b.good {
		for _, s := range b.good[i].signals {
			records = append(records, s)
		}
	}
	return tidal.Request{Lane: lane, Number: b.number, Records: records}
}

// drop removes the row that holds the record which the database refused, and says which it was; false if the refusal
// names no record of this block.
func (b *block) drop(refused *tidal.InputError) (*rowError, bool) {
	record := refused.Record
	for i := range b.good {
		r := b.good[i]
		if record < 0 {
			break
		}
		if record >= len(r.signals) {
			record -= len(r.signals)
			continue
		}
		b.good = append(b.good[:i], b.good[i+1:]...)
		reason := refused.Reason
		if refused.Field != "" {
			reason = refused.Field + " " + reason
		}
		return &rowError{place: r.place, cause: causeOther, reason: reason}, true
	}
	return nil, false
}
