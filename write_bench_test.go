package tidal_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// BenchmarkSync is the floor under every durable write: 4 KiB written in place and synced, by nobody but the file
// system. ARCHITECTURE.md puts the figures of BenchmarkWrite beside it.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	const blocks = 1024
	for i := range blocks {
		if _, err := f.WriteAt(block, int64(i*len(block))); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := f.WriteAt(block, int64(i%blocks*len(block))); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWrite writes views of 10,000 items by 10,000 users, durably, from call to answer.
func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct{ callers, signals int }{{1, 1}, {1, 64}, {64, 1}, {64, 64}} {
		b.Run(fmt.Sprintf("callers=%d/signals=%d", c.callers, c.signals), func(b *testing.B) {
			benchmarkWrite(b, c.callers, c.signals)
		})
	}
}

func benchmarkWrite(b *testing.B, callers, signals int) {
	db, err := tidal.Open(b.TempDir(), schema.Events(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	b.ResetTimer()
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			request := make([]tidal.Signal, signals)
			for n := caller; n < b.N; n += callers {
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
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N*signals)/b.Elapsed().Seconds(), "signals/s")
}
