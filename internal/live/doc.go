// Package live shows what a server is doing, from its metrics:
//
//	sample, err := live.Read(response.Body, time.Now())
//	figures := live.Of(samples)
//	err = live.Run(ctx, live.Options{Server: url, Fetch: fetch}, stdin, stdout)
//
// Rates are those between the last two samples, latencies those of the last ten, from the differences of histograms.
// [Figures.Table] prints them once, [Run] shows them on a terminal until somebody quits.
//
// The package asks nobody: who calls it says how a sample is fetched. It knows the names of the server's metrics and
// nothing else of the server; a metric that isn't there counts 0.
package live

// A map of the files: sample.go is one reading of all metrics, figures.go what follows from several, table.go how that
// looks, and model.go the program on the terminal, whose decisions are pure.
