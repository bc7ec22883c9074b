// Package oracle says what replicated state should be: a slow fold of a set of events, straight from the definition of
// each record, and a comparison that names the first difference.
//
//	want, err := oracle.Fold(events, oracle.Definition())
//	err = want.Compare(engine.Records)
//
// [State.Add] makes the set larger: a record that has new events is computed again from all it has.
//
// It shares no merging code with packages algebra and engine. It sees the whole set at once, so it can say "the latest
// of all", "every event of that minute" or "the 64 newest" and never has to ask what order things came in: numbers are
// sums over lists of events, in math/big, and registers are maxima over lists of writes. Cells are read from their
// bytes by a reader of its own. What it does share is the integer that one event adds to an epoch (fixed.Grow, whose
// bound it checks with floating point) and the decoders of plain records.
package oracle
