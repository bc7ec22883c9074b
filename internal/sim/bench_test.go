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

// BenchmarkCluster runs a group of three for 20 simulated seconds, a seed an iteration, on one thread.
func BenchmarkCluster(b *testing.B) {
	simulated, seed := int64(0), uint64(0)
	var room sim.Room
	for b.Loop() {
		seed++
		r, err := room.Cluster(seed, sim.ClusterOptions{Nodes: 3, Seconds: 20})
		if err != nil {
			b.Fatal(err)
		}
		simulated += r.Simulated
	}
	b.ReportMetric(float64(simulated)/1e9/b.Elapsed().Seconds(), "sim-s/s")
}
