// Package state holds the replicated records of one shard in memory: bytes by key, filed under the entity that owns
// them, with a digest that two replicas can compare.
//
// A record is (kind, owner, sub-key) → value, where the value is the canonical encoding that package algebra defines
// for the kind. The usual calls are [Table.Owner], to turn an id into its ordinal, and [Table.Get] and [Table.Put]
// with a [Key]. [Table.Raise] starts a new generation of an owner, which drops all of its records; [Table.Digest]
// hashes what is there.
//
// The package does not know what a signal is, how values merge, or who may write: that is package engine. It is not
// safe for concurrent use.
package state

// Notes for maintainers.
//
// Memory. Ids, sub-keys and values live in byte pages (arena.go) that hold no pointers, and the index (index.go) is
// a flat slice of numbers: ten million records cost the garbage collector nothing to scan. Everything refers to
// everything else by 32-bit handles. Ordinals are dense, private to the process, and never reach a digest or a wire:
// two replicas that saw their first events in different orders number their items differently.
//
// Owners. All records of an owner hang on a chain that starts in its slot, so that a generation can drop them
// without a scan, a listing by user is one walk, and a digest bucket is a set of owners.
