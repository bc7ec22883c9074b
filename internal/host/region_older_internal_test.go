package host

import (
	"errors"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/ship"
)

// TestWhoIsKnownByWhatItStampedKeepsItsNumber: a table that is older than it was lacks regions of which there are events here, or
// elsewhere, or which speak.
func TestWhoIsKnownByWhatItStampedKeepsItsNumber(t *testing.T) {
	of := func(n id.Region) id.VersionVector { return id.VersionVector{}.With(id.Origin{Region: n}, 5) }
	for _, x := range []struct {
		name string
		own  id.VersionVector
		seen []ship.RegionStatus
		want id.Region
		err  error
	}{
		{"nobody", id.VersionVector{}, nil, 0, nil},
		{"its events are here", of(3), nil, 3, nil},
		{"its events are elsewhere", of(0), []ship.RegionStatus{{Number: 1, Reachable: true, Vector: of(4)}}, 4, nil},
		{"it's in the table", of(0), []ship.RegionStatus{{Number: 1, Reachable: true}}, 1, nil},
		{"it speaks and isn't in the table", of(0), []ship.RegionStatus{{Number: 2, Reachable: true}}, 0, fault.ErrNotLeader},
		{"it has fallen silent", of(0), []ship.RegionStatus{{Number: 2}}, 2, nil},
	} {
		got, err := highestOf(x.own, &ship.Status{Regions: x.seen}, func(n id.Region) bool { return n <= 1 })
		if got != x.want || !errors.Is(err, x.err) {
			t.Errorf("%s: %d, %v; want %d, %v", x.name, got, err, x.want, x.err)
		}
	}
}
