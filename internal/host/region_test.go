package host_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
)

// TestNumbersOfRegionsAreGivenOnce asks in every way: again, under a name that's taken, from elsewhere, through a follower.
func TestNumbersOfRegionsAreGivenOnce(t *testing.T) {
	g := newGroup(t)
	first := g.found("a")
	if got := first.Regions(); got != nil {
		t.Errorf("a database of one region has %+v", got)
	}
	if err := first.Promote(t.Context(), "home"); !errors.Is(err, fault.ErrInput) {
		t.Errorf("promote the only one: %v", err)
	}
	g.start("b", "a")
	g.voters(2)
	ask := func(r *host.Replica, name, address string) (id.Region, error) {
		return r.AskRegion(t.Context(), name, address, 0)
	}
	for range 2 { // the answer was lost
		for _, r := range g.members {
			if n, err := ask(r, "eu-west", "eu-1"); err != nil || n != 1 {
				t.Errorf("eu-west gets %d, %v", n, err)
			}
		}
	}
	if n, err := ask(first, "ap-south", "ap-1"); err != nil || n != 2 {
		t.Errorf("ap-south gets %d, %v", n, err)
	}
	for what, x := range map[string]struct{ name, address, says string }{
		"the name from elsewhere": {"eu-west", "eu-2", "is there already"},
		"the founder's name":      {"home", "eu-1", "is there already"},
		"no name":                 {"", "eu-1", "region"},
		"no address":              {"sa-east", "", "address"},
		"a bad name":              {"sa_east", "sa-1", "region"},
	} {
		var in *fault.Input
		if n, err := ask(first, x.name, x.address); !errors.As(err, &in) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s gets %d, %v", what, n, err)
		}
	}
	if _, err := first.AskRegion(t.Context(), "sa-east", "sa-1", time.Minute); !errors.Is(err, fault.ErrClock) {
		t.Errorf("a newcomer whose clock is off: %v", err)
	}
	if err := first.RemoveRegion(t.Context(), "ap-south", ""); err != nil {
		t.Fatal(err)
	}
	if n, err := ask(first, "ap-south", "ap-1"); err != nil || n != 3 {
		t.Errorf("the name of a region that was forgotten gets %d, %v", n, err)
	}
	for name, want := range map[string]error{"eu-west": nil, "": nil, "eu-north": fault.ErrForeign} {
		if err := first.SameName(1, name); !errors.Is(err, want) {
			t.Errorf("who says that number 1 is %q hears %v", name, err)
		}
	}
	if err := first.SameName(9, "eu-north"); err != nil {
		t.Errorf("who isn't in the table hears %v", err)
	}
	all := first.Regions()
	if len(all) != 4 || all[0].Name != "home" || all[0].Role != host.RegionHome || !all[0].Own || len(all[0].Members) != 2 ||
		all[1].Role != host.RegionActive || all[1].Known || !all[1].Unreachable || all[2].Role != host.RegionRemoved {
		t.Errorf("the regions are %+v", all)
	}
}
