package tidal_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// BenchmarkSignals64 writes requests of 64 views, each with a user and two cohorts, durably, from 16 callers. Items and
// users are Zipf-distributed over 100,000 names each.
func BenchmarkSignals64(b *testing.B) {
	const callers, names = 16, 100_000
	db, err := tidal.Open(b.TempDir(), schema.Events(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	items, users := make([]string, names), make([]string, names)
	for i := range names {
		items[i], users[i] = fmt.Sprint("item-", i), fmt.Sprint("user-", i)
	}
	runtime.GC()
	b.ResetTimer()
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(caller)))
			zipf := rand.NewZipf(rng, 1.07, 1, names-1)
			request := make([]tidal.Signal, 64)
			cohorts := []string{"de", "new"}
			for n := caller; n < b.N; n += callers {
				for j := range request {
					request[j] = tidal.Signal{
						Type: "view", User: users[zipf.Uint64()], Item: items[zipf.Uint64()], Cohorts: cohorts,
					}
				}
				if _, err := db.Signals(context.Background(), request...); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N*64)/b.Elapsed().Seconds(), "signals/s")
}
