// Package index holds the views over the fields of items: what a ranking query filters by, walks in order, and reads as
// features of a candidate.
//
// The engine calls [Index.Declare] with each version of the schema and [Index.Put] or [Index.Remove] whenever the
// record of an item changes. A query makes a filter of its expression with [Index.Plan] and asks [Filter.Match] for
// each candidate; when few items pass, [Filter.Bitmap] is the list of candidates itself. [Index.Newest] and
// [Index.NewestBy] walk by age, [Index.Numeric] and [Index.Keyword] give columns to read features from, and
// [Index.Suggest] says which values of a field are frequent.
//
// Everything here can be rebuilt from the records: putting all of them into a new index gives the same answers as the
// history of changes did. Nothing is replicated, and no digest covers it.
//
// An index isn't safe for changes beside anything else: the owner keeps changes and reads apart. Reads may run in
// parallel. What a read returned (a filter, a column, a bitmap) holds until the next change and must not be modified.
//
// The package doesn't know users: what is true of a user and an item comes in through [Context]. It has no words of
// texts (a text field is only set or not), no vectors and no signals.
package index

// Notes for maintainers.
//
// Layout. An item's fields lie in columns by ordinal (column.go), in pieces that are made when first used, so that
// nothing is copied as a whole to grow and a field that few items have costs little. Beside the column each type of
// field has what its filters need:
//
//	keyword  codes of a dictionary (dictionary.go), and per value its items (posting.go)
//	tags     the same, with a list of codes per item (lists.go)
//	int, float, time
//	         numbers as ordered 64-bit keys (numbers.go), and the same in order (ordered.go)
//	bool     two bitmaps
//	geo      places by cells of one degree (places.go)
//	text     whether it's set
//
// Put compares with what the columns say and touches only what differs.
//
// Plans. compile.go makes a tree of nodes of an expression: negations are pushed down to the leaves, ranges over one
// field are joined. Each node knows how many items it expects, what testing one costs, and what making its set costs
// (nodes.go, tree.go). choose.go decides by these; build.go makes sets. Costs are rough nanoseconds: only their
// proportions matter, and no answer depends on them.
