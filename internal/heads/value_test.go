package heads_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/heads"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
	"pgregory.net/rapid"
)

// TestScoresAreThoseOfTheCell: at and after the mark a column's score is the cell's, within 0.71·2⁻³² of itself,
// also where that is too small for a float64.
func TestScoresAreThoseOfTheCell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		halfLife := rapid.SampledFrom([]int64{minute, 6 * hour, 7 * day, 100 * 365 * day}).Draw(t, "half-life")
		var cell algebra.SignalState
		shape := algebra.Shape{HalfLives: []int64{halfLife}}
		at := rapid.SampledFrom([]int64{begin, 0, -begin}).Draw(t, "around")
		for range rapid.IntRange(1, 8).Draw(t, "events") {
			cell.Add(shape, at+rapid.Int64Range(-20*halfLife, 20*halfLife).Draw(t, "time"),
				fixed.Weight(rapid.Int64Range(1, int64(fixed.MaxWeight)).Draw(t, "weight")))
		}
		mark, _ := cell.Mark()
		later := []int64{0, 1, halfLife / 3, 10 * halfLife, 1000 * halfLife, 1200 * halfLife}
		q := mark + rapid.SampledFrom(later).Draw(t, "later")
		c := heads.New(heads.Options{})
		c.Declare(&schema.Schema{Signals: []schema.SignalType{
			{Name: "view", HalfLives: []time.Duration{time.Duration(halfLife) * time.Millisecond}},
		}})
		c.CellChanged(5, 0, &cell)
		c.Settle()
		col, _ := c.Column(0, halfLife)
		score, _ := cell.Score(halfLife, q)
		got, want := col.At(q).Score(5), score.Float()
		// Below the normal range the last place of a float64 counts for more.
		if diff := math.Abs(got - want); diff > want*0.71*0x1p-32+0x1p-1074 {
			t.Errorf("score %v, not %v: off by %v of it", got, want, diff/want)
		}
		if col.At(q).Score(4) != 0 || col.At(q).Score(1<<20) != 0 {
			t.Error("items without a cell have a score")
		}
	})
}

// TestScoresBeyondFloats: what is too large is the greatest number, at times that lie long before the event.
func TestScoresBeyondFloats(t *testing.T) {
	c := ascending(heads.Options{}, 1)
	col, _ := c.Column(0, 6*hour)
	for _, x := range []struct {
		q    int64
		want float64
	}{
		{begin, 1},
		{begin + 6*hour, 0.5},
		{begin - 6*hour, 2},
		{begin - 1023*6*hour, 0x1p1023},
		{begin - 1024*6*hour, math.MaxFloat64},
		{math.MinInt64, math.MaxFloat64},
		{begin + 1074*6*hour, 0x1p-1074},
		{begin + 1076*6*hour, 0},
		{math.MaxInt64, 0},
	} {
		if got := col.At(x.q).Score(0); math.Abs(got-x.want) > x.want*0x1p-32 {
			t.Errorf("at %d: %v, not %v", x.q, got, x.want)
		}
	}
}

// TestScoresOfMany: they are those of each, also of items that have none, in any number.
func TestScoresOfMany(t *testing.T) {
	c := ascending(heads.Options{}, 5000)
	c.Dropped(77)
	col, _ := c.Column(0, 6*hour)
	at := col.At(begin + hour)
	for _, n := range []int{0, 1, 63, 64, 65, 1000} {
		items := make([]state.Ord, n)
		want := []float64{-1}
		for i := range items {
			items[i] = state.Ord(i * 7)
			want = append(want, at.Score(items[i]))
		}
		if got := at.Scores(items, []float64{-1}); !slices.Equal(got, want) {
			t.Errorf("%d: %v, not %v", n, got, want)
		}
	}
	if at.Score(77) != 0 || at.Score(78) == 0 {
		t.Errorf("scores %v and %v", at.Score(77), at.Score(78))
	}
}

// TestRisingIsItsFormula: the statistic of a cell in floating point, to half a step.
func TestRisingIsItsFormula(t *testing.T) {
	shape := algebra.Shape{Buckets: true}
	rapid.Check(t, func(t *rapid.T) {
		var cell algebra.SignalState
		at := rapid.SampledFrom([]int64{begin, 0, -begin}).Draw(t, "around")
		for range rapid.IntRange(0, 60).Draw(t, "recent events") {
			cell.Add(shape, at-rapid.Int64Range(0, 2*hour).Draw(t, "age"), fixed.One)
		}
		for range rapid.IntRange(0, 200).Draw(t, "older events") {
			cell.Add(shape, at-rapid.Int64Range(0, 30*hour).Draw(t, "age"), fixed.One)
		}
		for range rapid.IntRange(0, 20).Draw(t, "compensations") {
			cell.Subtract(shape, at-rapid.Int64Range(0, 30*hour).Draw(t, "age"), fixed.One)
		}
		mark, _ := cell.Mark()
		c1, c24 := float64(cell.Count(algebra.W1h, mark)), float64(cell.Count(algebra.W24h, mark))
		mean := max(0, (c24-c1)/23)
		stat := (c1 - mean) / math.Sqrt(max(mean, 1))
		got, ok := heads.Rising(&cell)
		if ok != (c1 > 0 && stat > 1e-12) {
			t.Fatalf("%v of 1h, %v of 24h: stands out %v", c1, c24, ok)
		}
		const step = 0x1p-11
		want := math.Log2(stat) + float64(mark)/float64(hour)
		if diff := want - float64(got)/0x1p32; ok && (diff < -1e-6 || diff > step+1e-6) {
			t.Errorf("%v of 1h, %v of 24h: %v, not %v", c1, c24, float64(got)/0x1p32, want)
		}
	})
}

// TestRisingPrefersBursts: ten events in an hour after none are more than a hundred after a hundred in each hour, and a
// burst is forgotten against one that is as large and newer.
func TestRisingPrefersBursts(t *testing.T) {
	shape := algebra.Shape{Buckets: true}
	cell := func(end int64, perHour, now int) *algebra.SignalState {
		c := new(algebra.SignalState)
		for h := range int64(23) {
			for range perHour {
				c.Add(shape, end-(h+1)*hour, fixed.One)
			}
		}
		for range now {
			c.Add(shape, end, fixed.One)
		}
		return c
	}
	end := begin + 59*minute
	value := func(c *algebra.SignalState) int64 {
		v, ok := heads.Rising(c)
		if !ok {
			return math.MinInt64
		}
		return v
	}
	order := []*algebra.SignalState{
		cell(end, 100, 0), cell(end, 100, 90), cell(end, 100, 110), cell(end-3*hour, 0, 10), cell(end, 0, 10),
		cell(end, 100, 300),
	}
	for i := 2; i < len(order); i++ {
		if value(order[i-1]) >= value(order[i]) {
			t.Errorf("%d: %d is not below %d", i, value(order[i-1]), value(order[i]))
		}
	}
	if v := value(order[1]); v != math.MinInt64 {
		t.Errorf("an hour below the mean stands out by %d", v)
	}
}
