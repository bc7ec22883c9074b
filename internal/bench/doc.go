// Package bench measures tidal: how fast a database takes signals in, how long it takes to open, how much memory it
// needs, how long ranked lists take. The command "tidal bench" prints what it returns; docs/bench.md says what each figure means.
//
//	result, err := bench.Ingest(ctx, bench.IngestOptions{Seconds: 10, Peer: "redis", Fresh: child})
//
// A benchmark works on a real directory with real syncs, in a place of its own that it removes afterwards. What was
// acknowledged is repeated by another process, which opens the directory and compares. A peer does the same logical
// work in the same run, in turns with tidal, so that a slow minute of the machine is slow for both.
//
// The package doesn't measure single functions; those benchmarks stand beside them (make bench).
package bench
