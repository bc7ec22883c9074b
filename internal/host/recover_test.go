package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
)

// bereave kills a group but for one member's directory, in which the last writes are only in the log: the others have
// acknowledged none of them.
func bereave(t *testing.T) (g *group, left string) {
	g = three(t)
	for i := range uint64(10) {
		g.write("p", i+1, fmt.Sprint("agreed ", i))
	}
	g.same()
	leader := g.leader()
	var others []string
	for address, m := range g.members {
		if m == leader {
			left = address
		} else {
			others = append(others, address)
		}
	}
	for _, address := range others {
		g.net.Isolate(address) // they don't say what they have any more
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := write(ctx, leader, "p", 11, "open 0", 1); !errors.Is(err, fault.ErrUnknown) {
		t.Fatalf("without the others: %v", err)
	}
	for _, address := range []string{"a", "b", "c"} {
		g.kill(address)
	}
	for _, address := range others {
		g.net.Mend(left, address)
		g.net.Mend(address, left)
	}
	return g, left
}

func TestALostMajorityIsRecovered(t *testing.T) {
	g, left := bereave(t)
	opts := host.RecoverOptions{FS: g.disks[left], Dir: "db"}
	plan, err := host.Recover(t.Context(), opts)
	if err != nil || plan.Done || plan.Requests != 1 || plan.NowNumber != 4 || len(plan.Lost) != 2 {
		t.Fatalf("the plan is %+v, %v", plan, err)
	}
	opts.AcceptLoss = true
	done, err := host.Recover(t.Context(), opts)
	if err != nil || !done.Done || done.Requests != 1 || done.Refused != 0 || done.Now.Incarnation != done.Before.Incarnation+1 {
		t.Fatalf("%+v, %v", done, err)
	}
	r := g.start(left)
	g.await("it leads alone", r.Leading)
	for i := range 10 {
		if got := total(t, r, fmt.Sprint("agreed ", i)); got != 1 {
			t.Errorf("agreed %d counts %d times", i, got)
		}
	}
	if got := total(t, r, "open 0"); got != 1 {
		t.Errorf("what lay above the commit counts %d times", got)
	}
	// Its retry is recognised.
	if again, err := write(t.Context(), r, "p", 11, "open 0", 1); err != nil || !again.Duplicate {
		t.Errorf("the retry: %+v, %v", again, err)
	}
	if _, err := host.Recover(t.Context(), host.RecoverOptions{FS: g.disks[left], Dir: "db"}); !errors.Is(err, fault.ErrLocked) {
		t.Errorf("while it's open: %v", err)
	}

	// The others come back as they were, and are told that they are of another incarnation.
	for _, address := range []string{"a", "b", "c"} {
		if address == left {
			continue
		}
		if _, err := host.Open(t.Context(), g.options(address, left)); !errors.Is(err, fault.ErrForeign) ||
			!strings.Contains(err.Error(), "incarnation") {
			t.Errorf("%s comes back: %v", address, err)
		}
		delete(g.disks, address) // moved away
		g.start(address, left)
	}
	g.voters(3)
	g.write("p", 12, "behind")
	g.same()

	// With the others there it is no single member any more, and yet nothing is lost.
	if n := numbers(t, r); fmt.Sprint(n) != "[4 5 6]" {
		t.Errorf("the members are %v", n)
	}
}

func TestThereIsNothingToRecoverFromAlone(t *testing.T) {
	g := newGroup(t)
	g.found("a")
	g.kill("a")
	plan, err := host.Recover(t.Context(), host.RecoverOptions{FS: g.disks["a"], Dir: "db"})
	if !errors.Is(err, fault.ErrInput) || !plan.Single {
		t.Errorf("%+v, %v", plan, err)
	}
}
