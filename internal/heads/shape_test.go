package heads_test

import (
	"math"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/heads"
	"github.com/tidaldb/tidal/internal/state"
)

// TestWhatIsDeclaredIsThere: versions of a schema may come in any order and again; numbers stay.
func TestWhatIsDeclaredIsThere(t *testing.T) {
	c := heads.New(heads.Options{})
	if _, ok := c.Type("view"); ok {
		t.Error("a type is there before it is declared")
	}
	c.Declare(small(1))
	like, _ := c.Type("like")
	for _, version := range []int{2, 1, 2} {
		c.Declare(small(version))
	}
	for i, name := range []string{"view", "like", "skip"} {
		if typ, ok := c.Type(name); !ok || int(typ) != i {
			t.Errorf("%s is number %d, %v", name, typ, ok)
		}
	}
	if got := c.HalfLives(0); !slices.Equal(got, []int64{6 * hour, day}) {
		t.Errorf("view has half-lives %v", got)
	}
	if got := c.HalfLives(2); len(got) != 0 {
		t.Errorf("skip has half-lives %v", got)
	}
	if col, ok := c.Column(like, 7*day); !ok || col.HalfLife() != 7*day {
		t.Errorf("like by 7 days: %v", ok)
	}
	if _, ok := c.Column(like, 6*hour); ok {
		t.Error("like by 6 hours is there")
	}
	if rising, ok := c.Rising(like); !ok || rising.HalfLife() != hour {
		t.Error("like has got windows and doesn't rise")
	}
	if got, exact := c.CohortTop("us", like, 7*day, 5, nil, nil); len(got) != 0 || !exact {
		t.Errorf("a cohort without events has %v, exact %v", got, exact)
	}
	c.CohortCellChanged(1, "us", like, new(algebra.SignalState))
	c.Settle()
	if _, exact := c.CohortTop("us", like, 6*hour, 5, nil, nil); exact {
		t.Error("a half-life that isn't declared answers")
	}
	if c.Items() != 2 {
		t.Errorf("%d items", c.Items())
	}
}

// TestWideColumns: stretches without cells take no memory, are walked over, and answer that there is nothing.
func TestWideColumns(t *testing.T) {
	c := heads.New(heads.Options{Keep: 8})
	c.Declare(small(1))
	var cell algebra.SignalState
	items := []state.Ord{0, 1, 4095, 4096, 300_000, 300_001, 5_000_000}
	for round := range 5 {
		for i, n := range items {
			cell.Reset()
			cell.Add(algebra.Shape{HalfLives: []int64{6 * hour}}, begin+int64(i+10*round)*second, fixed.One)
			c.CellChanged(n+state.Ord(round*10), 0, &cell)
		}
	}
	c.Settle()
	if c.Memory() > 400<<10 {
		t.Errorf("%d bytes for 35 items", c.Memory())
	}
	col, _ := c.Column(0, 6*hour)
	for _, n := range []state.Ord{2, 5000, 299_000, 5_000_001, math.MaxUint32} {
		if _, ok := col.LogScore(n); ok || c.Total(0, n) != 0 {
			t.Errorf("item %d has something", n)
		}
	}
	if got := col.Scan(3, nil, nil); got[0].Ord != 5_000_040 || got[1].Ord != 300_041 || got[2].Ord != 300_040 {
		t.Errorf("the best are %v", got)
	}
	for more := false; !more; more, _ = c.Refresh(0, nil) {
		top, _ := col.Top(1, nil, nil)
		c.Dropped(top[0].Ord)
	}
	want := col.Scan(8, nil, nil)
	if more, _ := c.Refresh(100_000, nil); more {
		t.Error("stretches without cells take long")
	}
	if got, exact := col.Top(8, nil, nil); !exact || !slices.Equal(got, want) {
		t.Errorf("built anew: %v, exact %v", got, exact)
	}
	if got, exact := col.Top(0, nil, nil); len(got) != 0 || !exact || len(col.Scan(0, nil, nil)) != 0 {
		t.Errorf("none of the best: %v, exact %v", got, exact)
	}
}

// TestHostileOrders: values that rise to the middle and fall again are what the median of three does worst with.
func TestHostileOrders(t *testing.T) {
	const n = 2000
	pipe := make([]int64, n)
	for i := range pipe {
		pipe[i] = int64(min(i, n-1-i))
	}
	for _, k := range []int{0, 7, n / 2, n - 1} {
		if got, want := heads.Highest(slices.Clone(pipe), k), int64((n-1-k)/2); got != want {
			t.Errorf("rank %d is %d, not %d", k, got, want)
		}
	}
	c := heads.New(heads.Options{})
	c.Declare(small(1))
	var cell algebra.SignalState
	for i, v := range pipe {
		cell.Reset()
		cell.Add(algebra.Shape{HalfLives: []int64{6 * hour}}, begin+v*second, fixed.One)
		c.CellChanged(state.Ord(i), 0, &cell)
	}
	c.Settle()
	col, _ := c.Column(0, 6*hour)
	for _, k := range []int{1, 2, 3, 100} {
		got := col.Scan(k, nil, nil)
		if len(got) != (k+1)/2*2 || got[0].Ord != n/2-1 || got[1].Ord != n/2 {
			t.Errorf("the best %d are %d, %v first", k, len(got), got[:2])
		}
		if top, exact := col.Top(k, nil, nil); !exact || !slices.Equal(got, top) {
			t.Errorf("the head's best %d are %d, exact %v", k, len(top), exact)
		}
	}
}

// TestTimesAtTheEnds: values hold where a time is beyond what they can say.
func TestTimesAtTheEnds(t *testing.T) {
	c := heads.New(heads.Options{})
	c.Declare(small(1))
	for i, at := range []int64{math.MinInt64, -200 * 365 * day, 0, 200 * 365 * day, math.MaxInt64} {
		var cell algebra.SignalState
		cell.Add(algebra.Shape{HalfLives: []int64{6 * hour}, Buckets: true}, at, fixed.One)
		c.CellChanged(state.Ord(i), 0, &cell)
	}
	c.Settle()
	for name, col := range map[string]heads.Column{"score": first(c.Column(0, 6*hour)), "rising": first(c.Rising(0))} {
		got, exact := col.Top(5, nil, nil)
		if !exact || len(got) != 5 || got[0].Ord < 3 || got[2].Ord != 2 || got[4].Ord > 1 {
			t.Errorf("by %s: %v, exact %v", name, got, exact)
		}
		for n := range state.Ord(5) {
			if s := col.At(0).Score(n); s < 0 || math.IsNaN(s) || math.IsInf(s, 0) || n == 2 && s != 1 {
				t.Errorf("by %s: item %d scores %v", name, n, s)
			}
		}
	}
}

func first(col heads.Column, _ bool) heads.Column { return col }
