// Package engine turns the log's batches into state: it is the one door through which replicated state changes.
//
// [Engine.Apply] takes one batch of any origin and makes its effects visible; the leader's own batches, a restart's
// replay, a shipped batch of another region and the simulator all come this way. State after a set of events is a
// function of the set: the order in which origins interleave, and batches offered twice or too early, change
// nothing. Reads ([Engine.ReadCell], [Engine.Top], …) are answered from the same memory.
//
// A stretch of an origin's batches can be had as its sum instead: a [Compactor] makes it, [Engine.ApplyRange] takes it.
//
// A signal has an effect on its item (apply_item.go) and one on its user (apply_user.go). Neither part reads what the other
// wrote, so that they can live in different shards. Apply reads no clock: time is in the entry.
//
// With [Config.UserMemory] users that nobody touches are left to the store, and the driver fetches who is read
// (cold.go).
//
// The package starts no goroutine and is not safe for concurrent use: its driver guards it.
package engine
