// Package backup is the form of a database's copy: one stream that says what it is, carries a checkpoint and a stretch of
// the log, and ends with what it amounts to. The bytes are described in docs/format/backup.md.
//
// Who writes one:
//
//	w, err := backup.NewWriter(to, backup.Head{…})
//	err = w.Chunk(chunk)  // of the checkpoint, in order
//	err = w.Entry(entry)  // of the log, in order
//	sums, err := w.Close(backup.Manifest{…})
//
// Who reads one:
//
//	r, err := backup.NewReader(from) // knows the head
//	for {
//		f, err := r.Next() // io.EOF behind the last frame, with r.Manifest known
//		…
//	}
//
// A reader hands out nothing that it hasn't checked: every frame carries a hash of itself and of all before it, so that a
// bit that isn't as it was, a frame that is missing and an end that comes early are told at the first frame concerned.
//
// The package doesn't know what chunks and batches mean, opens no file, and makes no directory of what it reads: package
// host does.
package backup
