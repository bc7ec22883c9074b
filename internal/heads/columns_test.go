package heads_test

import (
	"math"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/heads"
	"github.com/tidaldb/tidal/internal/state"
	"pgregory.net/rapid"
)

// TestAnswersAreThoseOfSorting: whatever happens to cells, columns that were told of each change and columns that were
// told of the final cells give the answers of sorting all cells, or say that they can't.
func TestAnswersAreThoseOfSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := heads.Options{
			Keep:       rapid.SampledFrom([]int{1, 3, 16, 100, 4096}).Draw(t, "keep"),
			CohortKeep: rapid.SampledFrom([]int{1, 4, 20}).Draw(t, "cohort keep"),
			// A few KiB drop cohorts again and again.
			CohortBytes: rapid.SampledFrom([]int64{0, 2 << 10, 6 << 10}).Draw(t, "cohort bytes"),
		}
		m := newModel(rapid.Uint64().Draw(t, "seed"), rapid.SampledFrom([]int{20, 90, 300}).Draw(t, "items"), opts)
		refresh := rapid.SampledFrom([]int{0, 1, 7, 1000}).Draw(t, "refresh")
		var o outcome
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			for range rapid.IntRange(1, 300).Draw(t, "steps") {
				m.step()
				if refresh > 0 {
					if _, err := m.under.Refresh(refresh, m.read); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := m.check(&o); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestTheModelMeetsAllCases: what the property rests on does happen.
func TestTheModelMeetsAllCases(t *testing.T) {
	var o outcome
	rebuilding := 0
	for seed := range uint64(5) {
		m := newModel(seed, 200, heads.Options{Keep: 16, CohortKeep: 8})
		for i := range 3000 {
			m.step()
			more, err := m.under.Refresh(3, m.read)
			if err != nil {
				t.Fatal(err)
			}
			if more {
				rebuilding++
			}
			if i%100 == 99 {
				if err := m.check(&o); err != nil {
					t.Fatalf("seed %d, step %d: %v", seed, i, err)
				}
			}
		}
	}
	t.Logf("%+v, %d refreshes under way", o, rebuilding)
	if o.exact == 0 || o.inexact == 0 || o.ties == 0 || o.filtered == 0 || rebuilding == 0 {
		t.Errorf("%+v, %d refreshes under way", o, rebuilding)
	}
}

// ascending returns columns of n items whose scores rise with the ordinal, of one event each.
func ascending(opts heads.Options, n int) *heads.Columns {
	c := heads.New(opts)
	c.Declare(small(1))
	var cell algebra.SignalState
	for i := range n {
		cell.Reset()
		cell.Add(algebra.Shape{HalfLives: []int64{6 * hour}}, begin+int64(i)*second, fixed.One)
		c.CellChanged(state.Ord(i), 0, &cell)
	}
	c.Settle()
	return c
}

// descending checks that a list is last, last−1, …, of k items.
func descending(t *testing.T, got []heads.Ranked, last, k int) {
	t.Helper()
	if len(got) != k {
		t.Fatalf("%d items, not %d", len(got), k)
	}
	for i, r := range got {
		if int(r.Ord) != last-i {
			t.Fatalf("place %d has %d, not %d", i, r.Ord, last-i)
		}
	}
}

// TestTheHeadIsEnough: without ties, filters or deletions, the best 4,096 of any number of items need no scan.
func TestTheHeadIsEnough(t *testing.T) {
	const n = 50_000
	c := ascending(heads.Options{}, n)
	col, _ := c.Column(0, 6*hour)
	for _, k := range []int{1, 2, 10, 128, 500, 1000, 2500, 4096} {
		got, exact := col.Top(k, nil, nil)
		if !exact {
			t.Fatalf("the best %d aren't in the head", k)
		}
		descending(t, got, n-1, k)
	}
	// A filter that the best few hundred don't satisfy often enough is met further down.
	got, exact := col.Top(100, func(n state.Ord) bool { return n%25 == 0 }, nil)
	if !exact || len(got) != 100 || got[0].Ord != n-25 || got[99].Ord != n-25*100 {
		t.Errorf("every 25th: %d, exact %v", len(got), exact)
	}
	if members, all := col.Len(); members < 4096 || members > 6145 || all {
		t.Errorf("the head has %d members, all %v", members, all)
	}
	if got, exact := col.Top(7000, nil, nil); exact || len(got) > 6145 {
		t.Errorf("7,000 of the head: %d, exact %v", len(got), exact)
	}
}

// TestAHeadThatRanShortIsBuiltAnew: after its members were deleted a head answers less, and the same as before once
// Refresh has walked over the column, in small steps with changes between them.
func TestAHeadThatRanShortIsBuiltAnew(t *testing.T) {
	const n, gone = 50_000, 4000
	c := ascending(heads.Options{}, n)
	col, _ := c.Column(0, 6*hour)
	for i := n - gone; i < n; i++ {
		c.Dropped(state.Ord(i))
	}
	for steps := 0; ; steps++ {
		more, err := c.Refresh(1000, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			if steps < n/1000-1 {
				t.Errorf("%d items in %d steps of 1,000", n, steps)
			}
			break
		}
		// The highest goes, and one that was looked at already becomes the highest but one.
		c.Dropped(state.Ord(n - gone - 1 - steps))
	}
	first := n - gone
	for ; !has(col, first-1); first-- {
	}
	got, exact := col.Top(4000, nil, nil)
	if !exact {
		t.Fatal("the head is still short")
	}
	descending(t, got, first-1, 4000)
}

func has(col heads.Column, n int) bool {
	_, ok := col.LogScore(state.Ord(n))
	return ok
}

// TestTiesBeyondTheHead: when more items tie than a head can hold, it says so, and a scan returns all of them.
func TestTiesBeyondTheHead(t *testing.T) {
	const n = 20_000
	c := heads.New(heads.Options{})
	c.Declare(small(1))
	var cell algebra.SignalState
	cell.Add(algebra.Shape{HalfLives: []int64{6 * hour}}, begin, fixed.One)
	for i := range state.Ord(n) {
		c.CellChanged(i, 0, &cell)
	}
	cell.Add(algebra.Shape{HalfLives: []int64{6 * hour}}, begin, fixed.One)
	c.CellChanged(7, 0, &cell)
	c.Settle()
	col, _ := c.Column(0, 6*hour)
	if got, exact := col.Top(1, nil, nil); !exact || len(got) != 1 || got[0].Ord != 7 {
		t.Errorf("the best one is %v, exact %v", got, exact)
	}
	if _, exact := col.Top(2, nil, nil); exact {
		t.Error("20,000 items that tie are in the head")
	}
	if got := col.Scan(2, nil, nil); len(got) != n || got[0].Ord != 7 || got[1].Ord != 0 || got[n-1].Ord != n-1 {
		t.Errorf("the scan returns %d items", len(got))
	}
}

// TestWithoutSettleNothingIsRead: a read that would miss changes is a mistake of the caller.
func TestWithoutSettleNothingIsRead(t *testing.T) {
	c := ascending(heads.Options{}, 10)
	c.CellChanged(3, 0, new(algebra.SignalState))
	defer func() {
		if recover() == nil {
			t.Error("the read went through")
		}
	}()
	c.Total(0, 3)
}

// TestMemory: 16 bytes per item and type with one half-life, heads beside.
func TestMemory(t *testing.T) {
	const n = 1 << 18
	c := ascending(heads.Options{}, n)
	perItem := float64(c.Memory()) / n
	t.Logf("%.2f bytes per item", perItem)
	if perItem < 16 || perItem > 17 {
		t.Errorf("%.2f bytes per item", perItem)
	}
}

func TestTheHotPathsDoNotAllocate(t *testing.T) {
	c := ascending(heads.Options{}, 50_000)
	var cell algebra.SignalState
	at := begin
	change := func() {
		for n := range state.Ord(2000) {
			at += second
			cell.Reset()
			cell.Add(algebra.Shape{HalfLives: []int64{6 * hour}}, at, fixed.One)
			c.CellChanged(n*25, 0, &cell)
			c.CohortCellChanged(n*25, "us", 0, &cell)
		}
		c.Settle()
	}
	for range 10 {
		change()
	}
	if n := testing.AllocsPerRun(5, change); n != 0 {
		t.Errorf("2,000 changes allocate %v times", n)
	}
	col, _ := c.Column(0, 6*hour)
	out := make([]heads.Ranked, 0, 8192)
	accept := func(n state.Ord) bool { return n%2 == 0 }
	if n := testing.AllocsPerRun(5, func() {
		col.Top(500, accept, out)
		col.Scan(500, accept, out)
		c.CohortTop("us", 0, 6*hour, 500, accept, out)
		col.At(at).Score(7)
	}); n != 0 {
		t.Errorf("reads allocate %v times", n)
	}
}

// TestSelection: the value of a rank is that of sorting, with many that are equal, too.
func TestSelection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]int64{0, 3, 50, math.MaxInt64}).Draw(t, "most")
		s := rapid.SliceOfN(rapid.Int64Range(-most, most), 1, 400).Draw(t, "values")
		k := rapid.IntRange(0, len(s)-1).Draw(t, "rank")
		sorted := slices.Sorted(slices.Values(s))
		if got, want := heads.Highest(s, k), sorted[len(sorted)-1-k]; got != want {
			t.Errorf("rank %d is %d, not %d", k, got, want)
		}
	})
}
