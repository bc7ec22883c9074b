package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

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

// What is restored of a member's backup is a database of its own.
func TestAMembersBackupIsADatabaseOfItsOwn(t *testing.T) {
	g := three(t)
	g.write("p", 1, "x")
	g.same()
	left := fewer(3, 1)
	for _, m := range g.members { // the leader's and the others'
		if left--; left < 0 {
			break
		}
		var b bytes.Buffer
		if _, _, err := m.Backup(t.Context(), &b, host.BackupOptions{}); err != nil {
			t.Fatal(err)
		}
		disk := pebblevfs.NewMem()
		if _, _, _, err := host.Restore(t.Context(), &b, "copy", host.RestoreOptions{FS: disk, SegmentBytes: smallSegment}); err != nil {
			t.Fatal(err)
		}
		r, err := host.Open(t.Context(), host.Options{FS: disk, Dir: "copy"})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := write(t.Context(), r, "p", 1, "x", 1); err != nil || !again.Duplicate {
			t.Errorf("a retry: %+v, %v", again, err)
		}
		if _, err := write(t.Context(), r, "p", 2, "x", 1); err != nil || total(t, r, "x") != 2 {
			t.Errorf("x counts %d, %v", total(t, r, "x"), err)
		}
		if digest(r) == digest(m) {
			t.Error("the copy's write is the member's, too")
		}
		mustClose(t, r)
	}
}

// A member's directory isn't cut: the others have what is missing.
func TestAMembersLogIsNotCut(t *testing.T) {
	g := three(t)
	for address := range g.members {
		if address == "a" {
			continue
		}
		g.kill(address)
		if _, _, err := host.Cut(g.disks[address], "db"); !errors.Is(err, fault.ErrInput) || !strings.Contains(err.Error(), "join anew") {
			t.Errorf("%s: %v", address, err)
		}
		break
	}
}

// Who only reads a member's directory sees what is known to be agreed upon, and no more.
func TestAReaderOfAMemberSeesNoMoreThanWasAgreedUpon(t *testing.T) {
	g, left := bereave(t)
	r, err := host.Open(t.Context(), host.Options{FS: g.disks[left], Dir: "db", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, r)
	if got := total(t, r, "agreed 3"); got != 1 {
		t.Errorf("agreed 3 counts %d times", got)
	}
	if got := total(t, r, "open 0"); got != 0 {
		t.Errorf("what nobody acknowledged counts %d times", got)
	}
}
