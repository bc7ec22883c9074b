// Package consensus orders the entries of one group: it wraps etcd's Raft (go.etcd.io/raft/v3, RawNode) behind one
// stepped seam. Events go in ([Node.Tick], [Node.Propose], [Node.Step], [Node.Persisted], [Node.Applied]); after
// each of them the owner takes [Node.Ready], which says what to write, what to send and what to apply.
//
// There is no goroutine, clock, disk or socket inside. Who owns a Node calls it from one goroutine at a time, takes
// Ready after every event until it reports false (an entry may be created and replaced between two events), writes
// appends in the order given, and hands each back to Persisted only once it is durable. Entries are applied only when
// they are durable here, also when others have committed them before.
//
// An embedded database is a group of one on the same path: its leader commits when its own disk has answered.
package consensus
