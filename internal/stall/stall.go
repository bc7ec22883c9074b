// Package stall stops the disk of another process for a while, without being root and without a line of code in that
// process: its system calls fsync and fdatasync don't return until they may. That is how a disk behaves that hangs: what
// is written lands in memory, and nobody is told that it is safe.
//
//	disk, err := stall.Command(cmd, launcher) // cmd is what shall run; launcher is this program with the arguments that end in Exec
//	err = cmd.Start()
//	err = disk.Started()
//	disk.Stall()
//	<-disk.Bitten() // a sync waits
//	disk.Resume()
//
// It is for tests and benchmarks. Linux's seccomp does it (kernel 5.5 or later): a filter that a process puts on itself
// hands its syncs to whoever holds the filter's other end, see [Exec]. While nothing is stalled a sync takes some
// microseconds longer. Writes, and syncs of directories by other calls, aren't touched, and a disk that fails or is full
// isn't imitated. Elsewhere than on Linux, on amd64 and arm64, [Supported] says why it can't be had.
package stall

import "errors"

// ErrUnsupported is why a disk can't be stalled on this machine; the text says what is missing.
var ErrUnsupported = errors.New("a disk can't be stalled here")
