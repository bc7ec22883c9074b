// Package disk is a simulated disk: a file system in memory that loses, on demand, what a real one may lose.
//
//	d := disk.New(rng)
//	file, err := d.Create("/db/x", "") // d is a vfs.FS
//	d.Interrupt(n)   // the n-th operation from now on panics with [ErrPower]
//	d.Crash(true)    // power loss: what wasn't synced is lost, kept or torn; all handles are dead
//	d.Crash(false)   // the process died: its locks and handles are gone, what it wrote is not
//
// Data is lost by sectors of 512 bytes: each sector that was written since the last sync of its file is kept or lost
// on its own, unless a crash takes all or none. A name (created, renamed, removed) is lost unless its directory was
// synced since; a rename is lost or kept as a whole.
//
// Faults are asked for by name and strike once: see [Disk.Inject]. After a failed sync the file holds in memory what
// it held, while the disk has some of it, and a later sync doesn't write the rest: it is what Linux does.
//
// One thread at a time uses a Disk; equal calls and seeds give equal bytes. It has no links, no permissions, and no
// times.
package disk
