// Package testport chooses addresses for servers of tests that are named before they listen, or listen again after they ended:
//
//	address := testport.Free(t) // such as 127.0.0.1:23456
//
// See package freeport, which chooses them.
package testport

import "github.com/tidaldb/tidal/internal/freeport"

// T is a test or benchmark, as in testing.TB: package testing stays out of what isn't a test file.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Free returns an address at which this machine alone can be reached and nobody listens.
func Free(t T) string {
	t.Helper()
	address, err := freeport.At("127.0.0.1")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return address
}
