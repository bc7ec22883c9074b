// Package host drives the stepped cores in a real process: the goroutines, the clocks and the files are here, and the
// decisions are not.
//
// [Open] opens a replica's directory, replays its log into an engine and starts two goroutines: one loop that steps
// the core and applies entries (loop.go), and one that writes and syncs the log (disk.go). [Replica.Write] hands a
// request to the loop and waits for its answer; [Replica.Read] looks at the engine while the loop stands aside;
// [Replica.Close] finishes what was begun and waits for both.
//
// [Replica.Backup] copies what is there into one stream while all of that goes on, and [Restore] makes a directory of it.
//
// A failure of the disk is final: every open request ends with an error that says whether its outcome is known,
// later writes are refused, and reads go on from memory. The way back is to open the directory again.
package host
