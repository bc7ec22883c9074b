package engine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/record"
)

// BenchmarkApply applies batches of 512 signals with user and two cohorts, items and users by Zipf from a million
// each, to a state that has seen 400,000 such signals: larger than the processor's caches. ns/signal is the figure.
func BenchmarkApply(b *testing.B) {
	const perBatch, warmUp = 512, 800
	s := testSchema()
	f := newFeed(b, home, s)
	e := engine.New(engine.Config{Origin: home})
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.01, 1, 1_000_000-1)
	batch := func() []byte {
		records := make([]written, perBatch)
		for i := range records {
			records[i] = plain(record.Proposed{Kind: record.KindSignal, Signal: record.Signal{
				Type: uint16([]int{view, view, like, skip}[r.IntN(4)]), Weight: fixed.One,
				Item: fmt.Sprint("item-", zipf.Uint64()), User: fmt.Sprint("user-", zipf.Uint64()),
				Cohorts: []string{"de", "mobile"},
			}})
		}
		return f.batch(records...)
	}
	found := newFeed(b, home, nil)
	first := found.batch(plain(record.Proposed{
		Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Encoded: s.Encode()},
	}))
	f.next, f.clock = found.next, found.clock
	apply := func(data []byte) {
		if got, err := e.Apply(data); err != nil || got.Outcome != engine.Applied {
			b.Fatal(got, err)
		}
	}
	apply(first)
	for range warmUp {
		apply(batch())
	}
	b.ResetTimer()
	n := 0
	for range b.N {
		b.StopTimer()
		data := batch()
		b.StartTimer()
		apply(data)
		n += perBatch
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/signal")
}
