// Package state holds the replicated records of one shard in memory: bytes by key, filed under the entity that owns
// them, with a digest that two replicas can compare.
//
// A record is (kind, owner, sub-key) → value, where the value is the canonical encoding that package algebra defines
// for the kind. The usual calls are [Table.Owner], to turn an id into its ordinal, and [Table.Get] and [Table.Put]
// with a [Key]; who reads a record in order to change it saves a search with [Table.Lookup], [Table.Value] and
// [Table.Set]. [Table.Raise] starts a new generation of an owner, which drops its records; [Table.Evict] forgets an
// owner wholly, which is for those that are kept elsewhere; [Table.Digest] hashes what is there.
//
// The package does not know what a signal is, how values merge, or who may write: that is package engine. A table is
// not safe for concurrent use, but for this: calls about different kinds of owners may run at once, and so may calls
// that only read.
package state

// Notes for maintainers.
//
// Owners. Everything about an owner hangs on its head, a block of bytes with its id and its records (head.go, bag.go), so
// that a write to a few records of one owner, as each signal is, meets the index of ids (index.go), the owner's slot, and
// then one place in memory. Large records have blocks of their own; the records of busy owners are spread over leaves
// (leaves.go). A list of interactions grows into room in front of it, with notes beside it (splice.go). A generation drops
// what hangs on the head, a listing by user is one walk, and a digest bucket is a set of owners.
//
// Memory. Blocks lie in segments that hold no pointers (arena.go): ten million records cost the garbage collector nothing
// to scan. A record that outgrows its block gets another and leaves a hole; segments with many holes are emptied by the
// calls that make holes, a little each (tidy.go). Every block is referred to from one place, by a 32-bit handle, which
// is why it can be moved.
//
// Pauses. Nothing is ever copied as a whole to grow: indexes are split, slots come in pieces, segments are added.
//
// Ordinals are private to the process, and never reach a digest or a wire: two replicas that saw their first events in
// different orders number their items differently. So do layouts: no order of records inside means anything.
