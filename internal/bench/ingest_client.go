package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/workload"
)

// client is one connection: a lane of requests, one at a time.
type client struct {
	w       *workload.Workload
	source  *workload.Source
	lane    string
	times   []int64 // of the requests that were acknowledged, in order: request n+1 of the lane was made at times[n]
	events  []workload.Event
	records []tidal.Record
	took    *hdrhistogram.Histogram
}

// newHistogram holds nanoseconds up to a minute with three significant digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Minute.Nanoseconds(), 3)
}

// openDB makes the database and its clients.
func (s *ingest) openDB() (*tidal.DB, error) {
	for n := range s.Connections {
		s.clients = append(s.clients, &client{
			w: s.w, source: s.w.Source(n), lane: fmt.Sprintf("connection-%d", n), events: make([]workload.Event, Batch),
			took: newHistogram(),
		})
	}
	return tidal.Open(s.dir, workload.Schema(false), nil)
}

// write sends the next request and takes down that it was acknowledged. The time that counts begins at due.
func (c *client) write(ctx context.Context, db *tidal.DB, due time.Time) error {
	now := time.Now().UnixMilli()
	c.source.Next(now, c.events)
	c.records = asRecords(c.w, c.events, c.records)
	got, err := db.Write(ctx, tidal.Request{Lane: c.lane, Number: uint64(len(c.times)) + 1, Records: c.records})
	if err != nil {
		return err
	}
	if got.Duplicate || got.Clamped > 0 {
		return fmt.Errorf("request %d of %s: %+v; it was new, and none of it in the future", len(c.times)+1, c.lane, got)
	}
	c.times = append(c.times, now)
	// A request that took more than a minute counts as a minute.
	return c.took.RecordValue(min(time.Since(due).Nanoseconds(), c.took.HighestTrackableValue()))
}

// turn lets all clients write as fast as they can, each at least once, and returns the signals acknowledged per second.
func (s *ingest) turn(ctx context.Context, db *tidal.DB, length time.Duration) (float64, error) {
	before := s.acknowledged()
	runtime.GC() // each turn begins with the same debts: none
	began := time.Now()
	err := together(s.Connections, func(n int) error {
		for {
			if err := s.clients[n].write(ctx, db, time.Now()); err != nil {
				return err
			}
			if time.Since(began) >= length {
				return nil
			}
		}
	})
	return float64(s.acknowledged()-before) / time.Since(began).Seconds(), err
}

// openLoop lets requests fall due at a fixed rate of signals per second.
func (s *ingest) openLoop(ctx context.Context, db *tidal.DB, length time.Duration, rate float64) error {
	if rate <= 0 {
		return errors.New("nothing was acknowledged")
	}
	interval := Batch / rate * float64(time.Second)
	for _, c := range s.clients {
		c.took = newHistogram()
	}
	runtime.GC()
	began := time.Now()
	var taken atomic.Int64
	return together(s.Connections, func(n int) error {
		for {
			after := time.Duration(float64(taken.Add(1)-1) * interval)
			if after >= length {
				return nil
			}
			due := began.Add(after)
			if early := time.Until(due); early > 0 {
				<-time.After(early)
			}
			if err := s.clients[n].write(ctx, db, due); err != nil {
				return err
			}
		}
	})
}

func (s *ingest) acknowledged() int {
	n := 0
	for _, c := range s.clients {
		n += len(c.times) * Batch
	}
	return n
}

// merged returns the times of all clients in one.
func (s *ingest) merged() *hdrhistogram.Histogram {
	all := newHistogram()
	for _, c := range s.clients {
		all.Merge(c.took)
	}
	return all
}

// together runs f n times at once and returns the errors of all.
func together(n int, f func(n int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
