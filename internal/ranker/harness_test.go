package ranker

import (
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/testseed"
)

// dice returns the randomness of a test: of TIDAL_SEED, or of a new seed, which is printed.
func dice(t testing.TB) *rand.Rand {
	t.Helper()
	seed := testseed.Of(t)
	return rand.New(rand.NewPCG(seed, 0))
}
