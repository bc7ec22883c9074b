// Package refold says what a database has to hold after a known set of events, and compares a directory with that. It
// is what a fresh process runs after an import, a benchmark or a kill:
//
//	result, err := refold.Directory(ctx, dir, refold.Options{}, func(f *refold.Fold) error {
//		return f.Add(refold.Event{Type: "view", Item: "jazz-101", User: "ada", Time: 1_700_000_000_000})
//	})
//
// Every replicated record is compared: the cells of items, of cohorts and of users' creators; what users met, saw, liked
// and hid; who met items; the fields of entities. A record that is missing is a difference, and so is one that no event
// accounts for.
//
// It computes with none of the code that the database counts with. Cells are read from their bytes by a reader of its
// own, following docs/format/values.md; numbers of events, sums of weights, buckets and registers are compared exactly.
// A decayed sum of n events is computed in floating point: it may differ by n·(1/2 + 2⁻⁹) in units of 2⁻²⁴, which is
// what the database's own rounding may add up to, and by 2⁻⁴⁸ of itself, which is above what the powers and products of
// floating point may be off. The decoders of lists, marks and fields are the database's.
//
// What it doesn't know: deletes, undone events, and creators that items name in their fields. Such things show as
// differences, or are refused. The simulator's oracle knows them all, for small histories; a Fold takes about 50 bytes
// an event and is meant for millions.
package refold
