// Package testport chooses addresses for servers of tests that are named before they listen, or listen again after they ended:
//
//	address := testport.Free(t) // such as 127.0.0.1:23456
//
// A port that the kernel chose and that was let go is soon chosen by it again, for another test's server or for the near end of
// a connection. These are ports that it doesn't choose by itself. Who can listen at port 0 and ask where, does.
package testport

import (
	"math/rand/v2"
	"net"
	"strconv"
)

// T is a test or benchmark, as in testing.TB: package testing stays out of what isn't a test file.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Ports that are chosen from: below them are well-known ones, above them those that kernels choose by themselves.
const (
	lowest = 12_000
	behind = 32_000
)

// Free returns an address at which this machine alone can be reached and nobody listens. Different calls give different ones,
// but for one in some thousands.
func Free(t T) string {
	t.Helper()
	var err error
	for range 1000 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowest+rand.IntN(behind-lowest)))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			_ = l.Close() // there was nothing to lose
			return address
		}
	}
	t.Fatalf("there is no free port: %v", err)
	return ""
}
