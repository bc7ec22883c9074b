package ranker

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// dice returns the randomness of a test: of TIDAL_SEED, or of a new seed, which is printed.
func dice(t testing.TB) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("TIDAL_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("TIDAL_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
