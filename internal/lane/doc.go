// Package lane remembers who wrote what already, so that a retry is recognised and never counted twice.
//
// A lane is a producer that numbers its requests from 1. The leader asks before it stamps; applying a stamped request
// enters it:
//
//	verdict, err := table.Check(producer, request, content)
//	switch {
//	case err != nil: // the number was used for something else, or is too old to tell
//	case verdict.Duplicate: // answer with verdict.Position
//	default: // stamp it
//	}
//	…
//	table.Accept(producer, request, lane.Accepted{Position: position, Count: count, Content: content, HLC: stamp})
//
// Explicit idempotency keys are kept beside the lanes. What was stamped and isn't applied yet is the leader's to know.
//
// A checkpoint keeps a table as records: [Table.Changes] yields those that changed since the last one, and
// [Table.Restore] takes them back in.
//
// A table is local to a group: its replicas hold the same one because they apply the same log in the same order, but
// two regions hold different ones. It is a pure data structure: no clock, no lock, no goroutine.
package lane

// What is kept for a lane, and for how long.
//
//	requests  1 …………………………………………… hw−63 ………… hw
//	window                                 └─ 64 bits ─┘   for ever: was the request accepted?
//	runs             └─ run ─┘ └──── run ────┘  └─ run ─┘  for the horizon: where, with how many records
//	hashes                       floor ┴─────────────────  for the newest MaxHashes: with what content
//
// A request in a run is a duplicate and gets its position back. Outside of the runs, a request above the window is
// fresh; so is one in the window whose bit is clear, since requests of one producer overtake each other; all else is
// too old to tell.
//
// A run is a maximal sequence of requests that follow each other in number and in position and have equally many
// records, so that one position tells all of them. A producer that fills batches by itself has one run for ever;
// producers that share batches have one run per request, and MaxRuns bounds what that costs.
