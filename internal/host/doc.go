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
// With a [Group] the replica is a member: links carry packets to and from the others, a goroutine tends to what a member needs
// beside Raft (tend.go), another one works on snapshots (porter.go), and one says when it begins and ceases to lead
// (herald.go). A new directory asks for a place (join.go); any member answers (answer.go). [Recover] makes a member that is
// left the only one.
//
// A failure of the disk is final: every open request ends with an error that says whether its outcome is known,
// later writes are refused, and reads go on from memory. The way back is to open the directory again.
package host
