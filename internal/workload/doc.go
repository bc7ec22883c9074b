// Package workload invents signals for benchmarks: who does what with which item, and when.
//
//	w, err := workload.New(workload.Config{Seed: 1, Dist: workload.Zipf, Items: 1_000_000, Users: 1_000_000})
//	if err != nil {
//		return err
//	}
//	events := make([]workload.Event, 64)
//	w.Source(0).Next(time.Now().UnixMilli(), events)
//
// Items and users are drawn uniformly or by Zipf's law with exponent 1, each for itself. A [Source] is one connection's
// stream. What it yields depends on the configuration, on the number of the connection and on the times that it is
// given, and on nothing else: a checker that knows the times of the requests which were acknowledged can repeat them.
// [Workload.EachCell] walks through a given number of events per cell instead.
//
// Everything is computed with integers, so that a seed means the same on every machine. The package starts nothing and
// reads no clock. It isn't the simulator's workload (internal/sim/workload), which looks for mistakes and not for speed.
package workload
