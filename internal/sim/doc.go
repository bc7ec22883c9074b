// Package sim runs the parts of tidal on one thread, from one seed, against slow answers that are plainly right.
//
// [Interleave] takes the logs that a few origins could have stamped (package workload), lets engines apply them in many
// orders, and holds every one of them against the others and against a fold of the same set of events by definition
// (package oracle):
//
//	report, err := sim.Interleave(seed, sim.Orders{Count: 4})
//
// A seed is a whole run: the same seed gives the same bytes, the same steps and the same digests on every machine. An
// error names the first difference; the seed is all that is needed to see it again.
package sim
