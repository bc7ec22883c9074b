package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/rows"
	"github.com/tidaldb/tidal/schema"
)

// inFlight is the number of requests that wait for the disk at once. It lies well below the 64 by which a lane's
// requests may overtake each other, so whatever isn't durable when the process dies can still be sent again.
const inFlight = 32

// maxComplaints is the number of unusable rows that are reported one by one.
const maxComplaints = 20

// target is what an import needs of a database.
type target interface {
	Write(context.Context, tidal.Request) (tidal.Receipt, error)
	Lane(producer string) (high uint64, ok bool)
}

// importer brings the rows of a source into a database: request n of the lane stands for the n-th block of rows.
//
// Everything but the writes themselves happens on the goroutine that calls run.
type importer struct {
	db       target
	schema   *schema.Schema
	in       rows.Source
	lane     string
	failFast bool       // the first row that can't be used ends the import
	log      io.Writer  // complaints about rows
	acks     *acks      // nil: nobody listens
	items    *itemMaker // nil: no items are made

	tally    tally
	complain int       // rows reported one by one
	waiting  []*flight // oldest first
}

// tally counts an import. Imported and Skipped add up to Rows.
type tally struct {
	Rows      int64            `json:"rows"`
	Imported  int64            `json:"imported"`
	Skipped   int64            `json:"skipped"`
	SkippedBy map[string]int64 `json:"skipped_by"`
	Already   int64            `json:"already"`  // of the imported: those that an earlier run had brought in
	Signals   int64            `json:"signals"`  // written by this run
	Entities  int64            `json:"entities"` // written by this run
	Clamped   int64            `json:"clamped"`
}

// flight is one request under way, of a block or of items to be made. Its goroutine owns block and refused until done is
// closed.
type flight struct {
	lane    string
	number  uint64
	items   []string // of a request that makes items, which has no block
	block   *block
	last    int64 // the number of the block's last row
	refused []*rows.Error
	receipt tidal.Receipt
	err     error
	done    chan struct{}
}

// run imports everything and returns once no request is under way any more. After an error, what was acknowledged
// stays, and a run over the same rows goes on where this one ended.
func (im *importer) run(ctx context.Context) error {
	im.tally.SkippedBy = map[string]int64{}
	err := im.feed(ctx)
	// The oldest error is the one that counts; those behind it may be its consequences.
	return errors.Join(err, im.drain(err == nil))
}

// feed reads blocks and sends them in order, at most inFlight ahead of the oldest that isn't settled.
func (im *importer) feed(ctx context.Context) error {
	high, _ := im.db.Lane(im.lane)
	number := uint64(1)
	for ; ; number++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("import: %w", err)
		}
		b, err := readBlock(im.in, number, im.schema, im.unusable)
		if err != nil {
			return err
		}
		if b.rows == 0 {
			break
		}
		im.tally.Rows += int64(b.rows)
		if im.items != nil {
			im.items.collect(b) // before the block is its request's
		}
		if err := im.pass(ctx, b, high); err != nil {
			return err
		}
		if im.items != nil {
			if err := im.makeItems(ctx, false); err != nil {
				return err
			}
		}
	}
	if number <= high {
		return tidalInput("lane %q holds %d requests, and this input makes only %d: it isn't what was imported before",
			im.lane, high, number-1)
	}
	if im.items != nil {
		return im.makeItems(ctx, true)
	}
	return nil
}

// pass sends a block, unless there is nothing in it or an earlier run brought it in: those are the numbers up to high.
// The first and the last of them are sent again all the same, before anything new is: the database compares their
// content, so that another file under this lane is refused instead of passed over.
func (im *importer) pass(ctx context.Context, b *block, high uint64) error {
	probe := b.number == 1 || b.number == high
	switch {
	case len(b.good) == 0:
		return nil // the number stays unused
	case b.number <= high && !probe:
		im.already(b)
		return nil
	case len(im.waiting) == inFlight:
		if err := im.settle(); err != nil {
			return err
		}
	}
	im.waiting = append(im.waiting, im.send(ctx, b))
	// What is done needn't wait for a full house, so that acknowledgements are told when they're news.
	for len(im.waiting) > 0 && im.waiting[0].isDone() {
		if err := im.settle(); err != nil {
			return err
		}
	}
	if b.number <= high {
		return im.drain(true)
	}
	return nil
}

// drain settles everything under way, and returns the first error if it is wanted.
func (im *importer) drain(wanted bool) error {
	var first error
	for len(im.waiting) > 0 {
		if err := im.settle(); err != nil && first == nil && wanted {
			first = err
		}
	}
	return first
}

// send writes a block's request.
func (im *importer) send(ctx context.Context, b *block) *flight {
	return im.start(ctx, &flight{block: b, number: b.number, last: im.tally.Rows}, im.lane)
}

// start writes a request in a goroutine of its own. An interruption doesn't reach it: what is under way is finished, so
// that its outcome is known.
func (im *importer) start(ctx context.Context, f *flight, lane string) *flight {
	ctx = context.WithoutCancel(ctx)
	f.lane, f.done = lane, make(chan struct{})
	go func() {
		defer close(f.done)
		if f.items != nil {
			f.receipt, f.err = im.db.Write(ctx, itemsRequest(lane, f.number, f.items))
			return
		}
		f.write(ctx, im.db, im.failFast)
	}()
	return f
}

// write sends a block's request; while the database refuses a record, it drops that row and sends the rest.
func (f *flight) write(ctx context.Context, db target, failFast bool) {
	for len(f.block.good) > 0 {
		f.receipt, f.err = db.Write(ctx, f.block.request(f.lane))
		var input *tidal.InputError
		if !errors.As(f.err, &input) {
			return
		}
		bad, ok := f.block.drop(input)
		if !ok {
			return
		}
		f.err = nil
		f.refused = append(f.refused, bad)
		if failFast {
			f.err = bad
			return
		}
	}
}

// isDone reports whether the outcome is known.
func (f *flight) isDone() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// settle waits for the oldest request under way and counts it.
func (im *importer) settle() error {
	f := im.waiting[0]
	im.waiting = im.waiting[1:]
	<-f.done
	if errors.Is(f.err, tidal.ErrRetryTooOld) {
		// The lane has gone on by 64 requests and more behind this one, and only did so once this one was durable; it
		// was so long ago that the content can't be compared any more.
		f.err, f.receipt = nil, tidal.Receipt{Duplicate: true}
	}
	if f.err != nil {
		return fmt.Errorf("import request %d of lane %s: %w", f.number, f.lane, f.err)
	}
	if f.items != nil {
		if !f.receipt.Duplicate {
			im.tally.Entities += int64(len(f.items))
		}
		return nil // acknowledgements are of rows
	}
	for _, bad := range f.refused {
		if err := im.unusable(bad); err != nil {
			return err
		}
	}
	if f.receipt.Duplicate {
		im.already(f.block)
	} else {
		all, signals := f.block.records()
		im.tally.Imported += int64(len(f.block.good))
		im.tally.Signals += int64(signals)
		im.tally.Entities += int64(all - signals)
		im.tally.Clamped += int64(f.receipt.Clamped)
	}
	return im.acks.tell(f.receipt.Position, f.last)
}

// already counts a block that an earlier run brought in.
func (im *importer) already(b *block) {
	im.tally.Imported += int64(len(b.good))
	im.tally.Already += int64(len(b.good))
}

// unusable counts and reports a row that can't be used. It returns it as the import's error if that is asked for. A
// row that its format leaves out is only counted.
func (im *importer) unusable(bad *rows.Error) error {
	if im.failFast && !bad.LeftOut {
		return bad
	}
	im.tally.Skipped++
	im.tally.SkippedBy[bad.Cause]++
	if bad.LeftOut {
		return nil
	}
	im.complain++
	switch {
	case im.complain <= maxComplaints:
		fmt.Fprintf(im.log, "skipped: %v\n", bad)
	case im.complain == maxComplaints+1:
		fmt.Fprintf(im.log, "skipped: more rows; from here on they are only counted\n")
	}
	return nil
}
