// Package replica is one replica of one shard as a stepped core: requests, ticks and completions go in, and what to
// persist, send, apply and answer comes out.
//
// A driver calls one input method ([Core.Propose], [Core.Persisted], [Core.Applied], [Core.Tick], [Core.Step]) with
// the time of that moment, then [Core.Take], and does what the [Output] says; package host is the driver of real
// processes, package sim that of simulated ones. There is no goroutine, clock, disk or socket inside, and the same
// inputs give the same outputs.
//
// Only a leader that has applied its own empty entry of the term stamps. Stamping is: recognise retries, number the
// records, give each its stamp, fill in what apply must not look up (generations, creators), and propose the batch, all in
// one step; when the proposal is dropped, the counters are what they were. Requests that come while the disk is busy
// are stamped together; one that comes alone never waits.
//
// The core reads the engine and never writes it: entries are applied by the driver, who says so afterwards.
package replica
