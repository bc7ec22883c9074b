package replica_test

import (
	"fmt"
	"testing"

	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

// BenchmarkForeign is what a leader, alone in its group, spends on a batch of 64 signals of another region: "offered" until it
// is proposed, "applied" with all that follows but the disk.
func BenchmarkForeign(b *testing.B) {
	batches := foreignBatches(b, 512)
	for _, part := range []string{"offered", "applied"} {
		b.Run(part, func(b *testing.B) {
			var to *rig
			b.ReportAllocs()
			for i := range b.N {
				if i%len(batches) == 0 {
					b.StopTimer()
					to = receiver(b)
					b.StartTimer()
				}
				to.offer(batches[i%len(batches)])
				if part == "offered" {
					if i%64 == 63 {
						b.StopTimer()
						to.flush()
						to.run()
						b.StartTimer()
					}
					continue
				}
				if i%16 == 15 {
					to.flush()
					to.run()
				}
			}
			b.ReportMetric(64*float64(b.N)/b.Elapsed().Seconds(), "signals/s")
		})
	}
}

func receiver(tb failer) *rig {
	to := newRig(tb, func(c *replica.Config) {
		c.Origin, c.Tracer, c.Consensus.MaxUncommitted = otherOrigin, nil, 64<<20
	})
	to.quiet, to.forgetful = true, true
	to.lead()
	return to
}

// foreignBatches are consecutive batches of one origin, the first of which brings the schema.
func foreignBatches(tb failer, n int) [][]byte {
	from := leading(tb, func(c *replica.Config) { c.Tracer, c.Consensus.MaxUncommitted = nil, 64<<20 })
	from.quiet = true
	for i := range n - 1 {
		var records []record.Proposed
		for j := range 64 {
			k := i*64 + j
			records = append(records, signal(uint16(k%2), fmt.Sprint("user", k*7919%10_000), fmt.Sprint("item", k*104_729%10_000)))
		}
		from.must(inLane(from.request(records...), fmt.Sprint("lane", i%16), uint64(1+i/16)))
	}
	return from.shipped()
}
