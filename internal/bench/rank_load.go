package bench

import (
	"context"
	"errors"
	"time"

	"github.com/tidaldb/tidal"
)

// load fills a database: items, what users have decided, then signals in the order of time.
func (s *ranking) load(ctx context.Context) error {
	w := s.w
	began := time.Now()
	say := s.progress(began)
	if err := s.fill(ctx, w.items, func(i int) []tidal.Record { return []tidal.Record{w.item(i)} },
		func(n int) { say("items", n, w.items) }); err != nil {
		return err
	}
	if err := s.fill(ctx, w.users, w.decisions, func(n int) { say("users", n, w.users) }); err != nil {
		return err
	}
	rng := w.dice(1 << 57)
	first, span := w.end-signalSpan.Milliseconds(), float64(signalSpan.Milliseconds())
	err := s.fill(ctx, s.Signals, func(i int) []tidal.Record {
		return []tidal.Record{w.signal(first+int64(span*float64(i)/float64(s.Signals)), rng)}
	}, func(n int) { say("signals", n, s.Signals) })
	if err != nil {
		return err
	}
	if err := s.db.Checkpoint(ctx); err != nil {
		return err
	}
	s.result.SetUpSeconds = seconds(time.Since(began))
	st := s.db.Stats()
	s.sayf("set up in %.0f s: %d items, %d users, %d cells, %d MB of state, %d MB of views", s.result.SetUpSeconds,
		st.Items, st.Users, st.Cells, st.StateBytes>>20, st.ViewBytes>>20)
	s.result.Cells, s.result.StateBytes, s.result.ViewBytes = st.Cells, st.StateBytes, st.ViewBytes
	return nil
}

// progress returns what says, every ten seconds, how far something is.
func (s *ranking) progress(began time.Time) func(what string, n, of int) {
	last := began
	return func(what string, n, of int) {
		if now := time.Now(); n == of || now.Sub(last) >= 10*time.Second {
			last = now
			s.sayf("%4.0f s: %d of %d %s", now.Sub(began).Seconds(), n, of, what)
		}
	}
}

// fill writes what record returns for 0 … n−1, in requests of loadBatch, several of them under way at once.
func (s *ranking) fill(ctx context.Context, n int, record func(i int) []tidal.Record, done func(n int)) error {
	failed := make(chan error, 1)
	free := make(chan []tidal.Record, loaders)
	for range loaders {
		free <- nil
	}
	flush := func(records []tidal.Record) {
		if len(records) > 0 {
			if _, err := s.db.Write(ctx, tidal.Request{Records: records}); err != nil {
				select {
				case failed <- err:
				default: // one is enough
				}
			}
		}
		free <- records[:0]
	}
	var err error
	records := <-free
	for i := 0; i < n && err == nil; i++ {
		records = append(records, record(i)...)
		if len(records) < loadBatch && i < n-1 {
			continue
		}
		go flush(records)
		done(i + 1)
		select {
		case err = <-failed:
		case records = <-free:
		}
	}
	if err == nil {
		free <- records
	}
	for range loaders {
		<-free // all have ended once every slot is back
	}
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	return err
}
