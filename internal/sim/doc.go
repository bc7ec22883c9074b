// Package sim runs the parts of tidal on one thread, from one seed, against slow answers that are plainly right.
//
// [Interleave] takes the logs that a few origins could have stamped (package workload), lets engines apply them in many
// orders, and holds every one of them against the others and against a fold of the same set of events by definition
// (package oracle):
//
//	report, err := sim.Interleave(seed, sim.Orders{Count: 4})
//
// [Node] runs one replica as it is, log, consensus, engine and all, over a simulated disk and clock (package disk), under
// clients that retry and through crashes at any point:
//
//	report, err := sim.Node(seed, sim.NodeOptions{Seconds: 20})
//
// [Cluster] runs a group of members in the same way, over a simulated network between machines of which each has a disk
// and a clock of its own:
//
//	report, err := sim.Cluster(seed, sim.ClusterOptions{Nodes: 3, Seconds: 20})
//
// The process is package host's, without its goroutines: [host.Base] opens, [host.Stepper] steps, [host.Journal]
// writes. docs/simulator.md says what goes wrong in a run, what is checked, and how mistakes are planted to prove it.
//
// A seed is a whole run: the same seed gives the same bytes, the same steps and the same digests on every machine. An
// error names the first difference; the seed is all that is needed to see it again.
package sim
