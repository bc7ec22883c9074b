package sim_test

import (
	"testing"

	"github.com/tidaldb/tidal/internal/sim"
)

// BenchmarkNode runs one node of 20 simulated seconds, a seed an iteration, on one thread.
func BenchmarkNode(b *testing.B) {
	simulated, seed := int64(0), uint64(0)
	for b.Loop() {
		seed++
		r, err := sim.Node(seed, sim.NodeOptions{Seconds: 20})
		if err != nil {
			b.Fatal(err)
		}
		simulated += r.Simulated
	}
	b.ReportMetric(float64(simulated)/1e9/b.Elapsed().Seconds(), "sim-s/s")
}
