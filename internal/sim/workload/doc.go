// Package workload invents the logs of a small cluster: what a few origins would have stamped, as real batches, with
// everything that makes merging hard. From one seed come the same bytes on every machine:
//
//	w := workload.Generate(seed)
//	for _, log := range w.Logs {
//		for _, batch := range log.Batches { … batch.Data, batch.Events … }
//	}
//
// There are three regions, and one of them goes on in a second incarnation after half of the run, which compensates
// what the first one stamped. Origins learn from each other now and then, so that generations and the second schema
// version are used only by who can know them; their clocks are skewed and often agree to the bit. Event times cluster
// at the edges of buckets and epochs, are late by minutes or a year, or lie before 1970.
//
// The package knows how batches are written, and nothing of what they do: that is for package oracle to say and for
// package engine to do.
package workload
