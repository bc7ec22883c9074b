package heads_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/heads"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

const million = 1 << 20

// fixture is a million items of two types, the first with windows, and events that come next. How often an item is met
// follows Zipf's law, and where it lies is random.
type fixture struct {
	columns *heads.Columns
	// base and stream are cells before and after each of the coming events, of as many items.
	items        []state.Ord
	base, stream []*algebra.SignalState
}

const streamed = 1 << 16

func newFixture() *fixture {
	f := &fixture{columns: heads.New(heads.Options{})}
	f.columns.Declare(&schema.Schema{Signals: []schema.SignalType{
		{Name: "view", HalfLives: []time.Duration{6 * time.Hour}, Windows: windows},
		{Name: "like", HalfLives: []time.Duration{6 * time.Hour}},
	}})
	rng := rand.New(rand.NewPCG(1, 2))
	met := make(map[state.Ord]int)
	for range streamed {
		n := zipf(rng)
		f.items = append(f.items, scatter(n))
		met[n]++
	}
	cells := make(map[state.Ord]*algebra.SignalState)
	for n := range state.Ord(million) {
		cell := new(algebra.SignalState)
		for range 1 + min(million/20/(1+int(n)), 500) {
			cell.Add(f.shape(), begin-rng.Int64N(30*day), fixed.One)
		}
		f.columns.CellChanged(scatter(n), 0, cell)
		f.columns.CellChanged(scatter(n), 1, cell)
		if met[n] > 0 {
			cells[scatter(n)] = cell
		}
	}
	for i, n := range f.items {
		f.base = append(f.base, cells[n])
		after := cells[n].Clone()
		after.Add(f.shape(), begin+int64(i), fixed.One)
		f.stream, cells[n] = append(f.stream, after), after
	}
	return f
}

var bench = sync.OnceValue(newFixture)

// rewind puts all items back to where they were before the stream.
func (f *fixture) rewind() {
	for i := len(f.items) - 1; i >= 0; i-- {
		f.columns.CellChanged(f.items[i], 0, f.base[i])
		f.columns.CellChanged(f.items[i], 1, f.base[i])
	}
	if more, _ := f.columns.Refresh(10*million, nil); more {
		panic("not done")
	}
}

func (*fixture) shape() algebra.Shape {
	return algebra.Shape{HalfLives: []int64{6 * hour}, Buckets: true}
}

// zipf draws a rank with a probability of about 1/(rank+1): the inverse of the continuous law's distribution.
func zipf(r *rand.Rand) state.Ord {
	return state.Ord(math.Exp(r.Float64()*math.Log(million+1))-1) % million
}

// scatter is a permutation of the million, so that ranks lie anywhere.
func scatter(n state.Ord) state.Ord { return (n*2654435 + 12345) % million }

// BenchmarkCellChanged replays the stream; what of it is the cell's own share is measured by "cell".
func BenchmarkCellChanged(b *testing.B) {
	f := bench()
	run := func(name string, each func(i int)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			f.rewind()
			for i := 0; b.Loop(); i++ {
				if i == streamed {
					b.StopTimer()
					f.rewind()
					b.StartTimer()
					i = 0
				}
				each(i)
			}
		})
	}
	run("with rising", func(i int) { f.columns.CellChanged(f.items[i], 0, f.stream[i]) })
	run("with rising, cell", func(i int) { f.stream[i].LogScore(6 * hour); heads.Rising(f.stream[i]) })
	run("plain", func(i int) { f.columns.CellChanged(f.items[i], 1, f.stream[i]) })
	run("plain, cell", func(i int) { f.stream[i].LogScore(6 * hour) })
	names := make([]string, 25)
	for i := range names {
		names[i] = "cohort " + string(rune('a'+i))
	}
	run("cohort", func(i int) { f.columns.CohortCellChanged(f.items[i], names[i%25], 0, f.stream[i]) })
}

func BenchmarkTop500(b *testing.B) {
	f := bench()
	f.rewind()
	col, _ := f.columns.Column(0, 6*hour)
	out := make([]heads.Ranked, 0, 8192)
	for name, accept := range map[string]func(state.Ord) bool{
		"all": nil, "half": func(n state.Ord) bool { return n&1 == 0 },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got, exact := col.Top(500, accept, out); !exact || len(got) > 510 {
					b.Fatal(len(got), exact)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	f := bench()
	f.rewind()
	f.columns.Settle()
	col, _ := f.columns.Column(0, 6*hour)
	out := make([]heads.Ranked, 0, 8192)
	b.ReportAllocs()
	for b.Loop() {
		if got := col.Scan(500, nil, out); len(got) < 500 {
			b.Fatal(len(got))
		}
	}
}

func BenchmarkScore(b *testing.B) {
	f := bench()
	f.columns.Settle()
	col, _ := f.columns.Column(0, 6*hour)
	at := col.At(begin)
	sum := 0.0
	b.Run("random", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			sum += at.Score(scatter(state.Ord(i)))
		}
	})
	b.Run("random, many", func(b *testing.B) {
		items, out := make([]state.Ord, 2000), make([]float64, 0, 2000)
		for i := 0; b.Loop(); i++ {
			if i%2000 == 0 {
				for k := range items {
					items[k] = scatter(state.Ord(i + k))
				}
				out = at.Scores(items, out[:0])
			}
		}
	})
	b.Run("near", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			sum += at.Score(state.Ord(i % 2000))
		}
	})
	b.Run("total", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			sum += float64(f.columns.Total(0, scatter(state.Ord(i))))
		}
	})
}

// BenchmarkRebuild is a walk over a million items whose heads are to be built anew.
func BenchmarkRebuild(b *testing.B) {
	c := heads.New(heads.Options{})
	c.Declare(small(1))
	var cell algebra.SignalState
	for n := range state.Ord(million) {
		cell.Reset()
		cell.Add(algebra.Shape{HalfLives: []int64{6 * hour}}, begin+int64(scatter(n))*second/8, fixed.One)
		c.CellChanged(n, 0, &cell)
	}
	c.Settle()
	col, _ := c.Column(0, 6*hour)
	for b.Loop() {
		b.StopTimer()
		for more := false; !more; more, _ = c.Refresh(0, nil) {
			top, _ := col.Top(1, nil, nil)
			c.Dropped(top[0].Ord)
		}
		b.StartTimer()
		if more, _ := c.Refresh(million, nil); more {
			b.Fatal("not done")
		}
	}
}
