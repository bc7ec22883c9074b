// Package record is the meaning of a batch: the bytes that are appended, replicated, shipped and replayed, and the
// records inside them.
//
// A leader fills a [Builder] and finishes it once; everybody else opens the bytes and reads them in order:
//
//	batch, err := record.Open(data)
//	for rec, err := range batch.Records() {
//		switch rec.Kind {
//		case record.KindSignal:
//			err = record.DecodeSignal(rec.Body, &signal)
//		…
//
// A batch is immutable once it is committed, and so nothing is copied on the way in: every string and slice that this
// package decodes points into the bytes of its batch. Who keeps an id longer than the batch clones it.
//
// One value has exactly one encoding. Decoders take nothing else: a length that could be written shorter, cohorts out
// of order, a byte behind the end are damage ([fault.ErrCorrupt]), and so is every flipped bit. The layout is written
// down byte by byte in docs/format/batch.md.
//
// The package doesn't stamp, order, store or apply anything, and knows a schema only by its hash: a signal's type is
// an index, a field's value is opaque.
package record
