// Package store is the checkpoint of one replica: what its state was at one index of its group's log, on disk, so that
// a restart replays the log behind that index and not all of it, and the log can go below it.
//
// A [Store] holds three sorts of records. *Replicated* records lie under a [Key] and merge as package algebra says for
// their kind; *group-local* ones are opaque bytes under opaque keys; and one [Meta] says which entry all of this is the
// state after. They change together: the usual call is [NewBatch] with the Meta that the records amount to, then
// [Batch.Merge] for each effect, then [Store.Commit]. After a crash Meta and records are of the same instant, always.
//
// Commit is atomic and not durable: [Store.Flush] is what makes everything up to its answer survive a power loss. A
// crash before it takes the store back to some earlier commit, never into the middle of one, and the log behind that
// is applied again. That is why a commit that changes records must raise the applied index.
//
// There are two forms behind the one type. [Open] gives the form on disk, which is Pebble with its own log switched
// off and algebra.Merge as its merge operator; [OpenMemory] a deterministic one in memory, whose [Memory] plays the
// disk and crashes on demand. One suite of tests holds for both.
//
// Opening reads everything: [Store.Parts] divides that among goroutines. [Store.Usage] is for the operator.
//
// The package doesn't decide when to commit or flush, doesn't know what a record means beyond its kind, and computes
// no digest: load [Store.Records] into a state.Table for that.
package store

// Notes for maintainers.
//
// Merging is blind: nothing is read to write. So a record may arrive for a generation that is over, and stays where it
// lies until [Batch.Raise] or a snapshot sweeps it; every read leaves such records out. What the reads show is a
// function of the set of merges, whatever the order, the grouping, and whichever compactions ran.
//
// Pebble without its log has one memtable after the other, flushed in order, and a batch is never split between two:
// what is on disk is the state after some prefix of the commits. Meta travels in the batch, so it says which.
