package index

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// Whatever the plan, a filter passes exactly the items that the expression holds for, evaluated on plain values.
func TestNoPlanChangesAnAnswer(t *testing.T) {
	seeds(t, 60, func(t *testing.T, rng *rand.Rand) {
		m := newModel(rng, 1+rng.IntN(300))
		for range 12 {
			for range rng.IntN(3 * m.ords) {
				m.step()
			}
			if rng.IntN(4) == 0 {
				m.grow()
			}
			for range 20 {
				m.checkFilter(t, m.filter(3), m.context())
			}
		}
	})
}

// The same with enough items for bitmaps of several kinds, split blocks, and plans that aren't all bitmaps.
func TestNoPlanChangesAnAnswerAmongManyItems(t *testing.T) {
	seeds(t, 4, func(t *testing.T, rng *rand.Rand) {
		m := newModel(rng, 9000)
		m.spread = []int{40, 4000}[rng.IntN(2)]
		for range 25_000 {
			m.step()
		}
		chosen := map[Mode]int{}
		for range 60 {
			chosen[m.checkFilter(t, m.filter(2), m.context())]++
		}
		if len(chosen) < 2 {
			t.Errorf("plans chosen: %v", chosen)
		}
	})
}

// Filters on fields mean here what they mean to package query, which evaluates them for users.
func TestFiltersMeanWhatQuerySays(t *testing.T) {
	seeds(t, 10, func(t *testing.T, rng *rand.Rand) {
		m := newModel(rng, 200)
		for len(m.schema.Items.Fields) == 0 {
			m.grow()
		}
		for range 800 {
			m.step()
		}
		c, checked := m.context(), 0
		for range 300 {
			f := m.schema.Items.Fields[rng.IntN(len(m.schema.Items.Fields))]
			e, err := query.CompileFilter(m.fieldFilter(f), &m.schema.Items, true)
			if err != nil {
				continue
			}
			checked++
			f1, err := m.x.Plan(e, c)
			if err != nil {
				t.Fatalf("%v: %v", e, err)
			}
			for n, item := range m.items {
				lookup := func(field string) (schema.Value, bool) { v, ok := item.fields[field]; return v, ok }
				want := m.served(n, c.now) && query.Match(e, lookup, c.now)
				if f1.Match(n) != want {
					t.Fatalf("%v of %v: %v, want %v", e, item.fields, !want, want)
				}
			}
		}
		if checked < 100 {
			t.Fatalf("only %d filters compile", checked)
		}
	})
}

// Readers share an index: none of them changes it. It's for the race detector to say.
func TestReadersRunInParallel(t *testing.T) {
	m := newModel(rand.New(rand.NewPCG(8, 0)), 3000)
	for len(m.schema.Items.Fields) < 17 {
		m.grow()
	}
	for range 6000 {
		m.step()
	}
	c := m.context()
	filters := make([]query.Expr, 30)
	for i := range filters {
		filters[i] = m.filter(3)
	}
	read := func() string {
		var b strings.Builder
		for _, e := range filters {
			f, err := m.x.Plan(e, c)
			if err != nil {
				t.Error(err)
				continue
			}
			b.WriteString(f.Force(Bitmap).String() + f.Force(Mixed).String())
			b.WriteString(fmt.Sprint(m.x.Newest(nil, 5, modelNow, f.Match), m.x.Suggest("keyword_a", "", 3)))
		}
		return b.String()
	}
	want := read()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got := read(); got != want {
				t.Errorf("one reader saw\n%s\nanother\n%s", got, want)
			}
		})
	}
	wg.Wait()
}

// checkFilter compares all plans of an expression with the model and returns the mode that was chosen.
func (m *model) checkFilter(t *testing.T, e query.Expr, c *modelContext) Mode {
	t.Helper()
	f, err := m.x.Plan(e, c)
	if err != nil {
		t.Fatalf("%v: %v", e, err)
	}
	var want []uint32
	for n := range state.Ord(m.ords + 20) {
		if m.served(n, c.now) && m.holds(e, n, c) {
			want = append(want, uint32(n))
		}
	}
	chosen := f.Mode()
	for _, f := range []*Filter{f, f.Force(Bitmap), f.Force(Predicate), f.Force(Mixed)} {
		var got, each []uint32
		for n := range state.Ord(m.ords + 20) {
			if f.Match(n) {
				got = append(got, uint32(n))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v\n%vpasses %v\nwant   %v", e, f, got, want)
		}
		f.Each(func(n state.Ord) bool { each = append(each, uint32(n)); return true })
		if !slices.Equal(each, want) {
			t.Fatalf("%v\n%vyields %v\nwant   %v", e, f, each, want)
		}
		b, ok := f.Bitmap()
		if ok && !slices.Equal(b.ToArray(), want) || !ok && f.Mode() == Bitmap {
			t.Fatalf("%v\n%vbitmap %v, %v\nwant   %v", e, f, b, ok, want)
		}
		if s, ok := f.Superset(); ok && slices.ContainsFunc(want, func(n uint32) bool { return !s.Contains(n) }) {
			t.Fatalf("%v\n%vcandidates %v lack some of %v", e, f, s, want)
		}
		if n := f.Estimate(); n < 0 || n > m.x.Len() {
			t.Fatalf("%v\n%vestimate %d of %d", e, f, n, m.x.Len())
		}
		if f.expect.exact && f.Estimate() != len(want) {
			t.Fatalf("%v\n%vestimate %d is called exact, but %d pass", e, f, f.Estimate(), len(want))
		}
	}
	return chosen
}

// A condition on one field is counted without looking at items.
func TestSingleConditionsAreCountedExactly(t *testing.T) {
	seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		m := newModel(rng, 400)
		for range 1500 {
			m.step()
		}
		for _, f := range m.schema.Items.Fields {
			if f.Type == schema.TypeGeo || f.Type == schema.TypeTags {
				continue
			}
			for range 10 {
				e, c := m.fieldFilter(f), m.context()
				n, err := (&compiler{m.x, c}).node(e, false)
				if err != nil {
					t.Fatal(err)
				}
				rows := 0
				for i := range m.items {
					if m.holds(e, i, c) {
						rows++
					}
				}
				if k := n.known(); int(k.rows) != rows || !k.exact {
					t.Fatalf("%v holds for %d items, counted %v (exact: %v)", e, rows, k.rows, k.exact)
				}
			}
		}
	})
}

func TestFiltersThatDoNotFitAreRefused(t *testing.T) {
	x := New()
	x.Declare(schema.Events())
	x.Declare(&schema.Schema{Items: schema.EntityType{Fields: []schema.Field{{Name: "at", Type: schema.TypeGeo}}}})
	text, number := schema.String("a"), schema.Int(1)
	for _, e := range []query.Expr{
		nil,
		query.Has{Field: "colour"},
		query.Not{X: query.Has{Field: "colour"}},
		query.And{query.Has{Field: "url"}, query.Or{query.Within{Field: "price", Span: 5}}},
		query.Compare{Field: "category", Op: query.Equal, Value: number},
		query.Compare{Field: "tags", Op: query.Less, Value: text},
		query.Compare{Field: "tags", Op: query.Equal, Value: schema.Tags(nil)},
		query.Compare{Field: "price", Op: query.Less, Value: number},
		query.Compare{Field: "duration", Op: query.Less, Value: schema.Float(1)},
		query.Compare{Field: "published", Op: query.Less, Value: number},
		query.Compare{Field: "title", Op: query.Equal, Value: text},
		query.Compare{Field: "title"},
		query.In{Field: "duration", Values: []schema.Value{number, text}},
		query.In{Field: "category", Values: []schema.Value{text, number}},
		query.In{Field: "title", Values: []schema.Value{text}},
		query.Within{Field: "category", Span: 5},
		query.Near{Field: "price"},
		query.Near{Field: "at", Lat: 91},
		query.Near{Field: "at", Lon: math.NaN()},
	} {
		_, err := x.Plan(query.And{e}, &modelContext{})
		if !errors.Is(err, fault.ErrInput) {
			t.Errorf("%v: %v", e, err)
		}
	}
	if f, err := x.Plan(nil, &modelContext{}); err != nil || f.Match(0) {
		t.Errorf("no filter on no items: %v, %v", f, err)
	}
}

// A distance takes in the places that are exactly so far away, all over the world.
func TestDistancesIncludeTheirBorder(t *testing.T) {
	seeds(t, 3, func(t *testing.T, rng *rand.Rand) {
		x := New()
		x.Declare(&schema.Schema{Items: schema.EntityType{Fields: []schema.Field{{Name: "at", Type: schema.TypeGeo}}}})
		for range 400 {
			lat, lon := rng.Float64()*180-90, rng.Float64()*360-180
			e := algebra.Entity{}.ApplyPut(algebra.Stamp{HLC: 1 << 16}, []algebra.Change{
				{Name: "at", Value: schema.Geo(lat, lon).Encode()},
			})
			x.Put(0, &e, true)
			from := query.Near{Field: "at", Lat: rng.Float64()*180 - 90, Lon: rng.Float64()*360 - 180}
			if rng.IntN(3) == 0 { // or about opposite
				from.Lat, from.Lon = -lat+rng.Float64()*1e-7, math.Mod(lon+360, 360)-180
			}
			from.Lat = min(max(from.Lat, -90), 90)
			exact := query.Distance(lat, lon, from.Lat, from.Lon)
			for _, meters := range []float64{math.Nextafter(exact, 0), exact, math.NaN(), math.Inf(1)} {
				from.Meters = meters
				f, err := x.Plan(from, &modelContext{})
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range []Mode{Bitmap, Predicate} {
					if want := exact <= meters; f.Force(m).Match(0) != want {
						t.Fatalf("%v of %v,%v, %v m away: want %v\n%v", from, lat, lon, exact, want, f.Force(m))
					}
				}
			}
		}
	})
}

func TestMatchDoesNotAllocate(t *testing.T) {
	m := newModel(rand.New(rand.NewPCG(3, 0)), 2000)
	for len(m.schema.Items.Fields) < 16 {
		m.grow()
	}
	for range 4000 {
		m.step()
	}
	c := m.context()
	for range 40 {
		f, err := m.x.Plan(m.filter(3), c)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []*Filter{f.Force(Bitmap), f.Force(Predicate), f.Force(Mixed)} {
			n := state.Ord(0)
			if got := testing.AllocsPerRun(100, func() { f.Match(n); n++ }); got != 0 {
				t.Fatalf("%v%v allocations a match", f, got)
			}
		}
	}
}
