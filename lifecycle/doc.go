// Package lifecycle says what a write goes through: a set of declared state machines (a client request, a proposal, a
// log entry, an append, …), and the [Transition] records that their instances leave behind.
//
// A component that takes part holds a [*Handle], marks what happens and knows nothing else:
//
//	ref := h.Begin(lifecycle.Append)
//	if h.On() {
//		h.Mark(lifecycle.Transition{Machine: lifecycle.Append, Instance: ref.Instance, State: lifecycle.Start, Time: now})
//	}
//
// A nil handle is off: it costs one branch, and the [Handle.On] before a Mark keeps attributes from being built for
// nobody. What receives the records is a [Tracer]. [Recorder] is the one that keeps everything in memory: it checks
// that every instance went a declared way, and prints the story as text for golden tests.
//
// Time is always an argument, in nanoseconds of the node's own monotonic clock: nothing here reads a clock, starts a
// goroutine or touches a file. Records of one step share their time; their order is the order of the calls.
//
// The package has no connection between nodes and writes no pictures: instances are named within one replica, and
// readers join the histories of several nodes by (term, index) and trace id.
package lifecycle
