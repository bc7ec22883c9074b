// Package wal is the durable, ordered log of one replica. Raft's entries and its hard state go in; what was synced
// comes out again after any crash, and nothing else does.
//
// The calls most people make:
//
//	log, recovered, err := wal.Open(wal.Options{Dir: dir, Identity: who})
//	err = log.Append(entries, &hardState) // written, not durable; many may follow each other
//	err = log.Sync()                      // now everything appended so far survives a power loss
//	entries, err := log.Entries(lo, hi, 1<<20)
//	tail := log.Tail(next)
//	entry, err := tail.Next(ctx) // durable entries only, as they come
//
// Payloads are opaque: the log doesn't know what an entry means, only its term and index. One goroutine at a time
// calls Append, Truncate, Sync, Mark, Reset, Release and Close; everything else may be called from anywhere.
//
// The log never cuts what may have been acknowledged. At open it distinguishes three ends of the last file: zeros
// (a clean end), bytes that were never proved durable (a torn tail: cut, and reported in [Recovery]), and a damaged
// record in front of a sync mark that proves it was durable once (refused as a *[fault.Corrupt] with file and offset).
// After a failed write or sync every later call fails with [fault.ErrDisk]; the way back is to open again.
//
// It doesn't compress, doesn't decide what is committed, and doesn't start goroutines. The bytes are described in
// docs/format/log.md; [Scan], [Verify] and [Dump] read them without taking the lock, [Cut] gives up what is damaged.
package wal

// Notes for maintainers.
//
// The whole of recovery rests on one invariant: a sync mark is only ever the first record of a write that follows a
// successful sync, and its offset is the length of what was durable by then. So every record in front of a valid mark
// was durable, and an unsynced write can't hold a valid mark behind a torn record: the mark is its first record.
// Hence "a valid mark behind the first invalid record" means damage, and its absence allows a cut.
//
// The same holds across files. A file is synced before its successor is created; a successor's first record, which
// carries the predecessor's exact length, is durable (file and directory) before anything else is written to it.
// So a file whose first record can't be read was never used, unless another valid record of it exists.
//
// A cut tail must not come back to life when later records grow over it. Where bytes other than zero remain behind
// the cut, the log goes on in a new file, whose first record fences the old one off at the valid length.
//
// After a failed fsync the kernel may hold pages that are clean in memory and absent on disk. Open therefore writes
// again what no mark proves to be durable before it syncs: reading valid bytes is no proof that they are on disk.
