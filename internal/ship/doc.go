// Package ship is how committed batches get from region to region, as a stepped core: packets, ticks and what was applied
// go in, and what to send, propose and read comes out.
//
// A driver calls one input method ([Core.Applied], [Core.Receive], [Core.Tick], [Core.Proposed], [Core.Done]) with the time of
// that moment, then [Core.Take], and does what the [Output] says; package host is the driver of real processes, package sim
// that of simulated ones. There is no goroutine, clock, disk or socket inside, and the same inputs give the same outputs.
//
// The receiver asks. The leader of a region subscribes at a replica of each other region, saying what it has of each origin;
// that replica, whether it leads or not, sends from memory or from its log what is committed and applied there, as long as the
// window isn't full. What comes is checked and proposed to the receiver's own group, so that all replicas of a region apply one
// log. Whatever the network loses, repeats or reorders is mended by asking again: sequence numbers say what is missing, and
// vectors what is there.
//
// Decision 47 says why so, and testdata/scripts shows what is done about what, in stories that can be read. The package neither applies anything nor knows what a record means; whether a gap is closed by
// batches or by a compacted range is for package reconcile to say.
package ship
