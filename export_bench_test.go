package tidal_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// exportable is a database with so many views, of which every other one answers a list.
func exportable(b *testing.B, signals int) *tidal.DB {
	b.Helper()
	db, err := tidal.Open(b.TempDir(), schema.Events(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	write(b, db, tidal.Put{Kind: tidal.Item, ID: "item-0"})
	answer, err := db.Rank(ctx, &query.Query{Profile: "new", Limit: 1})
	if err != nil {
		b.Fatal(err)
	}
	ref := answer.Ref(0)
	for n := 0; n < signals; n += 512 {
		request := make([]tidal.Signal, 512)
		for j := range request {
			k := (n + j) * 7919
			request[j] = tidal.Signal{
				Type: "view", User: fmt.Sprint("user-", k%10_000), Item: fmt.Sprint("item-", k/3%10_000), Cohorts: []string{"a", "b"},
			}
			if j%2 == 0 {
				request[j].Ref = ref
			}
		}
		if _, err := db.Signals(ctx, request...); err != nil {
			b.Fatal(err)
		}
	}
	return db
}

// BenchmarkExport exports a log of 262,144 signals: all of them as JSON, one user's, and nothing.
func BenchmarkExport(b *testing.B) {
	const signals = 1 << 18
	db := exportable(b, signals)
	from := time.UnixMilli(0)
	for _, c := range []struct {
		name string
		q    tidal.ExportQuery
	}{
		{"all", tidal.ExportQuery{From: from}},
		{"user", tidal.ExportQuery{From: from, User: "user-7919"}},
		{"later", tidal.ExportQuery{From: time.Now().Add(time.Hour)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var line []byte
			for b.Loop() {
				for x, err := range db.Export(ctx, c.q) {
					if err != nil {
						b.Fatal(err)
					}
					line = x.AppendJSON(line[:0])
				}
			}
			b.ReportMetric(float64(b.N*signals)/b.Elapsed().Seconds(), "signals/s")
		})
	}
}

// BenchmarkWriteBesideExport writes as BenchmarkWrite does, and every other tenth of a second an export goes through the log
// again and again. It reports the medians of what was written with and without, and of how much slower each tenth of a second was
// than the one before it, so that what else the machine does in the meantime weighs on both.
func BenchmarkWriteBesideExport(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d/signals=64", callers), func(b *testing.B) {
			db := exportable(b, 1<<17)
			p := startPressure(b, db, callers, 64)
			defer p.stop()
			var with, without []float64
			exported := 0
			for b.Loop() {
				without = append(without, p.during(func(context.Context) {}))
				with = append(with, p.during(func(ctx context.Context) { exported += exportAll(ctx, db) }))
			}
			slower := make([]float64, len(with))
			for i := range with {
				slower[i] = 100 * (1 - with[i]/without[i])
			}
			b.ReportMetric(median(without), "signals/s")
			b.ReportMetric(median(with), "signals/s-beside")
			b.ReportMetric(median(slower), "%slower")
			b.ReportMetric(float64(exported)/(benchWindow.Seconds()*float64(len(with))), "exported/s")
		})
	}
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

const benchWindow = 100 * time.Millisecond

// exportAll exports until ctx ends.
func exportAll(ctx context.Context, db *tidal.DB) (events int) {
	var line []byte
	for ctx.Err() == nil {
		for x, err := range db.Export(ctx, tidal.ExportQuery{From: time.UnixMilli(0)}) {
			if err == nil {
				line = x.AppendJSON(line[:0])
				events++
			}
		}
	}
	return events
}

// pressure is callers that write as fast as they can.
type pressure struct {
	signals atomic.Int64
	end     context.CancelFunc
	callers sync.WaitGroup
}

func startPressure(b *testing.B, db *tidal.DB, callers, signals int) *pressure {
	l := &pressure{}
	ctx, end := context.WithCancel(ctx)
	l.end = end
	for caller := range callers {
		l.callers.Go(func() {
			request := make([]tidal.Signal, signals)
			for n := caller; ctx.Err() == nil; n += callers {
				for j := range request {
					k := (n*signals + j) * 7919
					request[j] = tidal.Signal{
						Type: "view", User: fmt.Sprint("user-", k%10_000), Item: fmt.Sprint("item-", k/3%10_000),
					}
				}
				if _, err := db.Signals(context.Background(), request...); err != nil {
					b.Error(err)
					return
				}
				l.signals.Add(int64(signals))
			}
		})
	}
	return l
}

// during returns how many signals a second were written while something was done for a while.
func (l *pressure) during(do func(context.Context)) float64 {
	ctx, end := context.WithTimeout(ctx, benchWindow)
	defer end()
	began, before := time.Now(), l.signals.Load()
	do(ctx)
	<-ctx.Done()
	return float64(l.signals.Load()-before) / time.Since(began).Seconds()
}

func (l *pressure) stop() {
	l.end()
	l.callers.Wait()
}
