package heads_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/heads"
	"github.com/tidaldb/tidal/internal/state"
)

// TestCohortsStayWithinTheirShare: with ever new cohorts, the memory of all is bounded, those that are used most keep
// their heads, and those that were dropped say that they can't answer until they are built anew.
func TestCohortsStayWithinTheirShare(t *testing.T) {
	const items, share = 3000, 256 << 10
	c := heads.New(heads.Options{CohortBytes: share})
	c.Declare(small(1))
	cells := make(map[cellKey]*algebra.SignalState)
	read := func(n state.Ord, cohort, typ string) (*algebra.SignalState, error) {
		return cells[cellKey{n, cohort, typ}], nil
	}
	at := begin
	tell := func(n state.Ord, cohort string) {
		at += second
		key := cellKey{n, cohort, "view"}
		if cells[key] == nil {
			cells[key] = new(algebra.SignalState)
		}
		cells[key].Add(algebra.Shape{HalfLives: []int64{6 * hour}}, at, fixed.One)
		c.CohortCellChanged(n, cohort, 0, cells[key])
		if n%3 > 0 {
			return // some wait together
		}
		c.Settle()
		if c.Memory() > share+16<<10 {
			t.Fatalf("%d bytes of %d", c.Memory(), share)
		}
	}
	for i := range 20_000 {
		tell(state.Ord(i%items), "a: most used")
		tell(state.Ord(i*7%items), fmt.Sprintf("cohort %d", i/40))
	}
	top := func(cohort string) ([]heads.Ranked, bool) {
		c.Settle()
		return c.CohortTop(cohort, 0, 6*hour, 10, nil, nil)
	}
	if got, exact := top("a: most used"); !exact || len(got) != 10 || got[0].Ord != 19_999%items {
		t.Errorf("the most used has %v, exact %v", got, exact)
	}
	if _, exact := top("cohort 3"); exact {
		t.Error("a cohort that was dropped answers")
	}
	if _, exact := top("never met"); exact {
		t.Error("a name that may have been dropped answers")
	}
	for i := range items / 16 {
		tell(state.Ord(i), "cohort 3")
	}
	if _, exact := top("cohort 3"); exact {
		t.Error("a cohort of which a part isn't known answers")
	}
	tell(items-1, "cohort 3") // which pays for the walk
	for more := true; more; {
		var err error
		if more, err = c.Refresh(100, read); err != nil {
			t.Fatal(err)
		}
	}
	if got, exact := top("cohort 3"); !exact || len(got) != 10 || got[0].Ord != items-1 {
		t.Errorf("built anew it has %v, exact %v", got, exact)
	}
	if got, exact := c.CohortTop("cohort 3", 0, 6*hour, 1000, nil, nil); !exact || len(got) != items/16+1+40 {
		t.Errorf("built anew it has %d, exact %v", len(got), exact)
	}
}

// TestAnErrorOfAReadEndsTheRefresh: and the next one goes on where it was.
func TestAnErrorOfAReadEndsTheRefresh(t *testing.T) {
	c := heads.New(heads.Options{CohortKeep: 8})
	c.Declare(small(1))
	cells := make(map[state.Ord]*algebra.SignalState)
	for n := range state.Ord(100) {
		cell := new(algebra.SignalState)
		cell.Add(algebra.Shape{HalfLives: []int64{6 * hour}}, begin+int64(n)*second, fixed.One)
		cells[n] = cell
		c.CohortCellChanged(n, "us", 0, cell)
	}
	for n := state.Ord(80); n < 100; n++ {
		c.Dropped(n)
		delete(cells, n)
	}
	damaged := errors.New("damaged")
	read := func(n state.Ord, _, _ string) (*algebra.SignalState, error) {
		if n == 40 && damaged != nil {
			return nil, damaged
		}
		return cells[n], nil
	}
	if more, err := c.Refresh(1000, nil); err != nil || !more {
		t.Errorf("refresh without reading: %v, more %v", err, more)
	}
	if more, err := c.Refresh(1000, read); !errors.Is(err, damaged) || !more {
		t.Errorf("refresh: %v, more %v", err, more)
	}
	damaged = nil
	if more, err := c.Refresh(61, read); err != nil || more {
		t.Errorf("refresh: %v, more %v", err, more)
	}
	got, exact := c.CohortTop("us", 0, 6*hour, 8, nil, nil)
	if !exact {
		t.Fatal("the head is still short")
	}
	descending(t, got, 79, 8)
}
