// Package algebra is what replicated state is made of: values whose updates may arrive in any order, in any grouping,
// on any replica, and still end in the same bytes.
//
// Every value is one of two things. A *sum* ([SignalState]) adds integers: commutative, associative, and invertible,
// so an event that was counted can be taken out again. A sum must see every event exactly once; the version vector
// above sees to that. A *join* (everything else) takes a maximum of some kind: commutative, associative and
// idempotent, so it doesn't matter how often an update is seen. The joins are [LWWRegister], [MaxPair], [PNCounter],
// [HLL], [PairMarks], [Entity], and the lists that a [ListRule] bounds.
//
// Most callers hold encoded values and need two functions: [Merge], which is the storage's merge operator, and
// [Subtract], its counterpart for a compacted [Range] of which the receiver already holds a part. Both take the
// record's [Kind]. Code on the hot path works on the types themselves, or on encoded lists through
// [ListRule.InsertEncoded].
//
// Encodings are canonical: one value has one byte string, and the value that changes nothing (the identity of its
// merge) is the empty one wherever a value stands alone. So equal state has equal bytes, and a digest is a hash over
// encodings. Decoders accept nothing else, and return a *fault.Corrupt for it.
//
// Everything is integer arithmetic on the arguments: no clock, no randomness, no map order, no floating point. The
// package doesn't know keys, schemas or storage; what belongs under which key, and which generation of an entity is
// the live one, is its callers' business.
//
// Merges return new values and leave both inputs as they were, unless a method says that it works in place. Returned
// values may share byte slices and strings with the inputs, which nobody may modify.
package algebra
