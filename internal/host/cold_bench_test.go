package host_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

// benchUsers is how many users there are; each has 20 signals when measuring begins.
const benchUsers = 50_000

// BenchmarkUniformUsers writes signals of evenly chosen users: with all of them in memory, and with room for a tenth.
// Then it reads users, most of whom are cold.
func BenchmarkUniformUsers(b *testing.B) {
	dir := b.TempDir()
	opts := host.Options{Dir: dir, UserMemory: -1}
	bytes := crowded(b, opts)
	b.Logf("%d bytes a user", bytes/benchUsers)
	for _, c := range []struct {
		name   string
		budget int64
	}{{"all", -1}, {"tenth", bytes / 10}} {
		b.Run(c.name, func(b *testing.B) {
			opts.UserMemory = c.budget
			r, err := host.Open(context.Background(), opts)
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := r.Close(); err != nil {
					b.Error(err)
				}
			}()
			b.ResetTimer()
			began := time.Now()
			signals(b, r, b.N, uint64(b.N))
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "signals/s")
			b.StopTimer()
			reads(b, r)
			m := userMemory(r)
			b.ReportMetric(float64(m.Bytes+m.QueuedBytes), "bytes")
			b.Logf("%+v", m)
		})
	}
}

// crowded makes the database, and returns what its users take.
func crowded(b *testing.B, opts host.Options) int64 {
	b.Helper()
	r, err := open(opts)
	if err != nil {
		b.Fatal(err)
	}
	signals(b, r, 20*benchUsers, 1)
	bytes := userMemory(r).Bytes
	if err := r.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
	return bytes
}

// signals writes n signals in batches of 64 from eight writers.
func signals(b *testing.B, r *host.Replica, n int, seed uint64) {
	b.Helper()
	const writers, batch = 8, 64
	_, hash := currentSchema(r)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w)))
			for left := n / writers; left > 0; left -= batch {
				var records []record.Proposed
				for range min(batch, left) {
					x := views(fmt.Sprintf("user %06d", rng.IntN(benchUsers)), fmt.Sprintf("item %05d", rng.IntN(20_000)), 1)[0]
					x.Signal.Creator = fmt.Sprintf("creator %d", rng.IntN(1000))
					records = append(records, x)
				}
				req := &replica.Request{Records: records, Schema: hash, Content: record.ContentHash(records)}
				if _, err := r.Write(context.Background(), req); err != nil {
					b.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// reads measures how long reading a user takes, those in memory and those who aren't apart.
func reads(b *testing.B, r *host.Replica) {
	b.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	var warm, cold []time.Duration
	for range 5000 {
		user := fmt.Sprintf("user %06d", rng.IntN(benchUsers))
		before := userMemory(r).Warmed
		began := time.Now()
		err := r.ReadUser(context.Background(), user, func(e *engine.Engine) error {
			_, err := e.Interactions(user)
			return err
		})
		took := time.Since(began)
		if err != nil {
			b.Fatal(err)
		}
		if userMemory(r).Warmed > before {
			cold = append(cold, took)
		} else {
			warm = append(warm, took)
		}
	}
	for name, all := range map[string][]time.Duration{"warm": warm, "cold": cold} {
		if len(all) > 0 {
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), name+"-p50-us")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), name+"-p99-us")
		}
	}
}
