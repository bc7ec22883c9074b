// Package testseed gives random tests their seed.
package testseed

import (
	"os"
	"strconv"
	"time"
)

// T is a test or benchmark, as in testing.TB: package testing stays out of what isn't a test file.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Of returns the seed of a random test: TIDAL_SEED, a whole number, or else a new one. The test's log has it, so that a
// failing run can be repeated. A TIDAL_SEED that is no number fails the test.
func Of(t T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("TIDAL_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("TIDAL_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("TIDAL_SEED=%d", seed)
	return seed
}
