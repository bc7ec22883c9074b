package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
)

func TestAFollowingRegionSaysWhereToWrite(t *testing.T) {
	for _, c := range []struct {
		err  fault.ReadOnly
		want string
	}{
		{fault.ReadOnly{Region: "eu"}, `region "eu" follows and takes no writes`},
		{fault.ReadOnly{Region: "eu", Home: "us"}, `region "eu" follows and takes no writes; write in the home region "us"`},
		{
			fault.ReadOnly{Region: "eu", Home: "us", URL: "http://a:1"},
			`region "eu" follows and takes no writes; write in the home region "us" at http://a:1`,
		},
	} {
		err := fmt.Errorf("write: %w", &c.err)
		if !errors.Is(err, fault.ErrReadOnly) || errors.Is(err, fault.ErrGeoPending) || c.err.Error() != c.want {
			t.Errorf("got %q, want %q", c.err.Error(), c.want)
		}
	}
}

func TestAPendingWriteNamesItsEvent(t *testing.T) {
	err := fmt.Errorf("write: %w", &fault.GeoPending{Position: "0:0:7"})
	var p *fault.GeoPending
	if !errors.Is(err, fault.ErrGeoPending) || errors.Is(err, fault.ErrReadOnly) || !errors.As(err, &p) || p.Position != "0:0:7" {
		t.Errorf("the event is lost: %v", err)
	}
	if want := "write: event 0:0:7 is durable in its region; no other region was heard to have it yet"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
