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
	source *workload.Source
	lane   string
	times  []int64 // of the requests that were acknowledged, in order: request n+1 of the lane was made at times[n]
	events []workload.Event
	took   *hdrhistogram.Histogram
	// send writes the request of a number, and returns when it is acknowledged.
	send  func(ctx context.Context, number uint64, events []workload.Event) error
	close func() error // nil if there's nothing to close
}

// clients are all connections.
type clients []*client

// newClients makes connections that send nothing yet.
func newClients(w *workload.Workload, n int) clients {
	var all clients
	for i := range n {
		all = append(all, &client{
			source: w.Source(i), lane: fmt.Sprintf("connection-%d", i), events: make([]workload.Event, Batch), took: newHistogram(),
		})
	}
	return all
}

// newHistogram holds nanoseconds up to a minute with three significant digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Minute.Nanoseconds(), 3)
}

// openDB makes the database and its clients.
func (s *ingest) openDB() (*tidal.DB, error) {
	db, err := tidal.Open(s.dir, workload.Schema(false), nil)
	if err != nil {
		return nil, err
	}
	s.clients = newClients(s.w, s.Connections)
	for _, c := range s.clients {
		var records []tidal.Record
		c.send = func(ctx context.Context, number uint64, events []workload.Event) error {
			records = asRecords(s.w, events, records)
			got, err := db.Write(ctx, tidal.Request{Lane: c.lane, Number: number, Records: records})
			if err != nil {
				return err
			}
			return c.isNew(number, got.Duplicate, got.Clamped)
		}
	}
	return db, nil
}

// isNew fails for a request that had been accepted before, or lay in the future: the workload's can't.
func (c *client) isNew(number uint64, duplicate bool, clamped int) error {
	if duplicate || clamped > 0 {
		return fmt.Errorf("request %d of %s: duplicate %v, %d clamped; it was new, and none of it in the future", number, c.lane,
			duplicate, clamped)
	}
	return nil
}

// write sends the next request and takes down that it was acknowledged. The time that counts begins at due.
func (c *client) write(ctx context.Context, due time.Time) error {
	now := time.Now().UnixMilli()
	c.source.Next(now, c.events)
	if err := c.send(ctx, uint64(len(c.times))+1, c.events); err != nil {
		return err
	}
	c.times = append(c.times, now)
	// A request that took more than a minute counts as a minute.
	return c.took.RecordValue(min(time.Since(due).Nanoseconds(), c.took.HighestTrackableValue()))
}

// turn lets all clients write as fast as they can, each at least once, and returns the signals acknowledged per second.
func (all clients) turn(ctx context.Context, length time.Duration) (float64, error) {
	before := all.acknowledged()
	runtime.GC() // each turn begins with the same debts: none
	began := time.Now()
	err := together(len(all), func(n int) error {
		for {
			if err := all[n].write(ctx, time.Now()); err != nil {
				return err
			}
			if time.Since(began) >= length {
				return nil
			}
		}
	})
	return float64(all.acknowledged()-before) / time.Since(began).Seconds(), err
}

// openLoop lets requests fall due at a fixed rate of signals per second.
func (all clients) openLoop(ctx context.Context, length time.Duration, rate float64) error {
	if rate <= 0 {
		return errors.New("nothing was acknowledged")
	}
	interval := Batch / rate * float64(time.Second)
	for _, c := range all {
		c.took = newHistogram()
	}
	runtime.GC()
	began := time.Now()
	var taken atomic.Int64
	return together(len(all), func(n int) error {
		for {
			after := time.Duration(float64(taken.Add(1)-1) * interval)
			if after >= length {
				return nil
			}
			due := began.Add(after)
			if early := time.Until(due); early > 0 {
				<-time.After(early)
			}
			if err := all[n].write(ctx, due); err != nil {
				return err
			}
		}
	})
}

func (all clients) acknowledged() int {
	n := 0
	for _, c := range all {
		n += len(c.times) * Batch
	}
	return n
}

// merged returns the times of all clients in one.
func (all clients) merged() *hdrhistogram.Histogram {
	h := newHistogram()
	for _, c := range all {
		h.Merge(c.took)
	}
	return h
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
