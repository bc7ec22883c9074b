package main

import (
	"errors"
	"io"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/rows"
	"github.com/tidaldb/tidal/schema"
)

// rowsPerRequest is the number of input rows that a request stands for. It is no flag, because request n of a lane
// has to mean the same rows in every run: that is what makes an import resumable and a repeated one harmless. A row
// that can't be used keeps its place.
const rowsPerRequest = 128

// A block is the rows of one request.
type block struct {
	number uint64
	rows   int        // all of them, from 1 to rowsPerRequest
	good   []rows.Row // those that can be used
}

// readBlock reads the next block. Rows that can't be used go to bad, whose error ends the import; the block is then
// not to be used. A block without rows means the end.
func readBlock(in rows.Source, number uint64, s *schema.Schema, bad func(*rows.Error) error) (*block, error) {
	b := &block{number: number}
	for b.rows < rowsPerRequest {
		r, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = rows.Check(r, s)
		}
		var unusable *rows.Error
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

// records counts what the block's request holds, and the signals among it.
func (b *block) records() (all, signals int) {
	for i := range b.good {
		for _, r := range b.good[i].Records {
			all++
			if _, ok := r.(tidal.Signal); ok {
				signals++
			}
		}
	}
	return all, signals
}

// request makes the request of the rows that can be used.
func (b *block) request(lane string) tidal.Request {
	all, _ := b.records()
	records := make([]tidal.Record, 0, all)
	for i := range b.good {
		records = append(records, b.good[i].Records...)
	}
	return tidal.Request{Lane: lane, Number: b.number, Records: records}
}

// drop removes the row that holds the record which the database refused, and says which it was; false if the refusal
// names no record of this block.
func (b *block) drop(refused *tidal.InputError) (*rows.Error, bool) {
	record := refused.Record
	for i := range b.good {
		r := b.good[i]
		if record < 0 {
			break
		}
		if record >= len(r.Records) {
			record -= len(r.Records)
			continue
		}
		b.good = append(b.good[:i], b.good[i+1:]...)
		reason := refused.Reason
		if refused.Field != "" {
			reason = refused.Field + " " + reason
		}
		return &rows.Error{Place: r.Place, Cause: rows.CauseOther, Reason: reason}, true
	}
	return nil, false
}
