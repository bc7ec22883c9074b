package tidal

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/tidaldb/tidal/internal/fault"
)

// Load cuts records where one of these is reached. The cuts are part of what a lane's numbers mean: another cut would
// make another request of the same number, and a load that was begun by an older program couldn't go on.
const (
	loadRecords = 512
	loadBytes   = 512 << 10
)

// Load writes any number of records, in order, as requests under a lane: each request whole or not at all, each once.
// It returns how many records were written now, and how many an earlier call under the same lane had written.
//
// After an error, what was written stays, and a call with the same lane and the same records goes on where this one
// ended; what comes behind that may be other records than before. Input that is refused is an [InputError] whose Record
// counts all records from the first; nothing of its request was written. [ErrKeyReused] means that the lane holds other
// records. An error that records yields ends the load; what came before it may not have been written yet.
//
// A load that ended without an error is whole: more records need another lane. The lane is Load's alone; other requests
// under it would take its numbers.
func (db *DB) Load(ctx context.Context, lane string, records iter.Seq2[Record, error]) (written, already int, err error) {
	if lane == "" {
		return 0, 0, fault.Refuse("lane", "is empty; a load that may be repeated needs one")
	}
	l := loader{db: db, lane: lane}
	l.high, _ = db.Lane(lane)
	for rec, err := range records {
		if err != nil {
			return l.written, l.already, fmt.Errorf("load record %d: %w", l.written+l.already+len(l.next), err)
		}
		if err := l.add(ctx, rec); err != nil {
			return l.written, l.already, err
		}
	}
	if err := l.flush(ctx); err != nil {
		return l.written, l.already, err
	}
	if l.number < l.high {
		return l.written, l.already, fault.Refuse("lane",
			"%q holds %d requests, and these records make only %d: they aren't what was loaded before", lane, l.high, l.number)
	}
	return l.written, l.already, nil
}

// loader is one load under way.
type loader struct {
	db   *DB
	lane string
	high uint64 // the requests up to this one were accepted before

	number           uint64 // of the last request that was passed or written
	next             []Record
	bytes            int
	written, already int
}

// add puts a record into the next request, and writes that first if the record doesn't belong to it any more.
func (l *loader) add(ctx context.Context, rec Record) error {
	n := roughSize(rec)
	if len(l.next) > 0 && (len(l.next) == loadRecords || l.bytes+n > loadBytes) {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	l.next, l.bytes = append(l.next, rec), l.bytes+n
	return nil
}

// flush writes the next request. Those that were accepted before are passed over, but for the first and the last of
// them: these are sent again, so that other records under the same lane are refused.
func (l *loader) flush(ctx context.Context) error {
	if len(l.next) == 0 {
		return nil
	}
	number := l.number + 1
	if number > l.high || number == 1 || number == l.high {
		receipt, err := l.db.Write(ctx, Request{Lane: l.lane, Number: number, Records: l.next})
		switch {
		case number <= l.high && errors.Is(err, fault.ErrRetryTooOld):
			// It was accepted, and so long ago that its content can't be compared any more.
		case err != nil:
			return fmt.Errorf("load request %d of lane %q: %w", number, l.lane, shifted(err, l.written+l.already))
		case !receipt.Duplicate:
			l.written += len(l.next)
			l.already -= len(l.next)
		}
	}
	l.already += len(l.next)
	l.number, l.next, l.bytes = number, l.next[:0], 0
	return nil
}

// shifted is err with the index of its record, if it names one, counted from the first record of the load.
func shifted(err error, by int) error {
	var in *fault.Input
	if !errors.As(err, &in) || in.Record < 0 {
		return err
	}
	moved := *in
	moved.Record += by
	return &moved
}

// roughSize is at most a little less than what a record takes in a request. It looks at the record alone: what is cut by
// it must be cut the same on every day.
func roughSize(rec Record) int {
	const other = 128
	switch x := rec.(type) {
	case Signal:
		n := other + len(x.Item) + len(x.User) + len(x.Creator) + len(x.Ref) + len(x.Key)
		for _, c := range x.Cohorts {
			n += len(c)
		}
		return n
	case Put:
		return other + len(x.ID) + fieldsSize(x.Fields)
	case Patch:
		return other + len(x.ID) + fieldsSize(x.Fields)
	}
	return 4096 // the largest of the others, an undo, which brings its whole signal along
}

func fieldsSize(fields Fields) int {
	n := 0
	for name, v := range fields {
		n += 16 + len(name) + len(v.Encode())
	}
	return n
}
