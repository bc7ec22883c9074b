// Package remnant has the form of pieces: what is left of a stretch of one origin's log once its files were let go, for regions that
// still lack it: either a compacted range, or the batches themselves, whichever takes fewer bytes once compressed. A piece is
// one file:
//
//	data := remnant.Encode(&head, raw)
//	head, raw, err := remnant.Decode(path, data)
//
// The package knows neither what a range nor what a batch is, reads no file and writes none. The bytes are described in
// docs/format/piece.md.
package remnant
