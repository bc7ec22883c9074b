package transport

import (
	"testing"

	"github.com/tidaldb/tidal/internal/testseed"
	"pgregory.net/rapid"
)

func TestNumbersOfOtherRegions(t *testing.T) {
	testseed.Of(t)
	rapid.Check(t, func(t *rapid.T) {
		region, replica := rapid.Uint16().Draw(t, "region"), rapid.Uint64Range(1, farMask).Draw(t, "replica")
		r, n, far := Near(Far(region, replica))
		if r != region || n != replica || !far {
			t.Fatalf("replica %d of region %d comes back as %d of %d, %v", replica, region, n, r, far)
		}
		if _, n, far := Near(replica); far || n != replica {
			t.Fatalf("replica %d is taken for one of another region", replica)
		}
		other := rapid.Uint16().Draw(t, "other")
		if (Far(region, replica) == Far(other, replica)) != (region == other) {
			t.Fatalf("regions %d and %d share a number", region, other)
		}
		who := Identity{Region: region, Replica: replica}
		if got := who.SeenFrom(other); (got == replica) != (region == other) {
			t.Fatalf("from region %d replica %d of region %d is called %d", other, replica, region, got)
		}
	})
	if nobody := (&Identity{Region: 3}); nobody.SeenFrom(1) != 0 {
		t.Error("a newcomer without a number has one elsewhere")
	}
}
