package index

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// describe writes down all that an index can be asked, without codes, which depend on the history.
func describe(x *Index, top state.Ord) string {
	var b strings.Builder
	fmt.Fprintf(&b, "live %d %v\n", x.Len(), x.Live())
	fmt.Fprintf(&b, "newest %v\n", x.Newest(nil, math.MaxInt, math.MaxInt64, nil))
	for _, f := range x.fields {
		p, _ := f.view.present()
		fmt.Fprintf(&b, "%s %v: %d %v\n", f.Name, f.Type, f.view.count(), p)
		switch v := f.view.(type) {
		case *keywords, *tags:
			c, _ := x.Keyword(f.Name)
			for _, s := range x.Suggest(f.Name, "", math.MaxInt) {
				fmt.Fprintf(&b, "  %q %d %v\n", s.Text, s.Items, c.Items(c.Lookup(s.Text)))
			}
			for n := range top {
				for _, code := range c.Codes(n, nil) {
					fmt.Fprintf(&b, "  %d %q\n", n, c.Text(code))
				}
			}
		case *numbers:
			v.order.ascend(entry{}, lastOf(0, math.MaxUint64), func(part []entry) {
				for _, e := range part {
					fmt.Fprintf(&b, "  %v %v %d\n", v.float(e.key), e.key, e.ord)
				}
			})
			for n := range top {
				key, ok := v.get(n)
				fmt.Fprint(&b, " ", key, ok)
			}
		case *flags:
			fmt.Fprintf(&b, "  %v %v\n", v.yes, v.no)
		case *places:
			for n := range top {
				if v.has(n) {
					fmt.Fprintf(&b, "  %d %v %v %d\n", n, v.lats.get(n), v.lons.get(n), v.cells.get(n))
				}
			}
			for i, row := range v.rows {
				for j := range lonCells {
					if row != nil && row.cells[j].n > 0 {
						items, _ := row.cells[j].bitmap()
						fmt.Fprintf(&b, "  cell %d,%d %d of %d %v\n", i, j, row.sizes[j], row.n, items)
					}
				}
			}
		}
		for n := range top {
			fmt.Fprint(&b, f.view.has(n), " ")
		}
	}
	for n := range top {
		at, ok := x.ExpiresAt(n)
		fmt.Fprintf(&b, "%d %d %q %d %v\n", n, x.PublishedAt(n), x.CreatorOf(n), at, ok)
	}
	for _, s := range x.Suggest(schema.CreatorField, "", math.MaxInt) {
		fmt.Fprintln(&b, s.Text, x.NewestBy(nil, s.Text, math.MaxInt, math.MaxInt64, nil), x.CreatorItems(s.Text))
	}
	fmt.Fprintln(&b, x.byCreator.n)
	return b.String()
}

// The history of an index doesn't show: an index that saw all changes answers like one made of what is stored now.
func TestIncrementalEqualsRebuilt(t *testing.T) {
	seeds(t, 40, func(t *testing.T, rng *rand.Rand) {
		m := newModel(rng, 1+rng.IntN(200))
		for range 8 {
			for range rng.IntN(4 * m.ords) {
				m.step()
			}
			if got, want := describe(m.x, state.Ord(m.ords)), describe(m.rebuilt(), state.Ord(m.ords)); got != want {
				t.Fatalf("incremental:\n%s\nrebuilt:\n%s", got, want)
			}
			m.grow()
		}
	})
}

// When the last item is gone nothing is left of any: no value, no entry of an order, no code.
func TestNothingIsLeftOfRemovedItems(t *testing.T) {
	seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		m := newModel(rng, 300)
		for range 2000 {
			m.step()
		}
		for n := range state.Ord(m.ords) {
			m.x.Remove(n)
			m.x.Remove(n)
		}
		empty := New()
		empty.Declare(m.schema)
		if got, want := describe(m.x, state.Ord(m.ords)), describe(empty, state.Ord(m.ords)); got != want {
			t.Fatalf("left:\n%s\nwant:\n%s", got, want)
		}
		for _, f := range m.x.fields {
			var d *dictionary
			switch v := f.view.(type) {
			case *keywords:
				d = &v.dict
			case *tags:
				d = &v.dict
			default:
				continue
			}
			if len(d.codes) != 0 || len(d.free) != int(d.top) || d.single.Len()+d.several.Len() != 0 {
				t.Errorf("%s: dictionary keeps %d values of %d codes, %d free", f.Name, len(d.codes), d.top, len(d.free))
			}
		}
	})
}

// Features read back as the values that were put.
func TestColumnsHoldWhatWasPut(t *testing.T) {
	seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		m := newModel(rng, 150)
		for range 1000 {
			m.step()
		}
		for _, f := range m.schema.Items.Fields {
			for n := range state.Ord(m.ords) {
				var want schema.Value
				if item := m.items[n]; item != nil {
					want = item.fields[f.Name]
				}
				if got := readBack(m.x, f, n, want); got != want {
					t.Fatalf("%s of item %d is %v, want %v", f.Name, n, got, want)
				}
			}
		}
	})
}

// readBack makes a value of what columns say; of types without a column it returns want.
func readBack(x *Index, f schema.Field, n state.Ord, want schema.Value) schema.Value {
	if c, ok := x.Numeric(f.Name); ok {
		got, ok := c.Value(n)
		i, _ := want.Int()
		ms, _ := want.Time()
		exact, isFloat := want.Float()
		if isFloat && got == exact || !isFloat && !want.IsZero() && got == float64(i+ms) || want.IsZero() && !ok {
			return want
		}
		return schema.Float(got)
	}
	if c, ok := x.Keyword(f.Name); ok {
		var texts []string
		codes := c.Codes(n, nil)
		for _, code := range codes {
			texts = append(texts, c.Text(code))
		}
		switch {
		case len(codes) > 0 && c.Code(n) != codes[0], len(codes) == 0 && c.Code(n) != 0:
			return schema.String("the first code differs")
		case f.Type == schema.TypeTags && x.view(f.Name).has(n):
			return schema.Tags(texts)
		case len(texts) == 1:
			return schema.String(texts[0])
		}
		return schema.Value{}
	}
	if c, ok := x.Bool(f.Name); ok {
		if v, ok := c.Value(n); ok {
			return schema.Bool(v)
		}
		return schema.Value{}
	}
	return want
}

func TestOrderedWalksEqualASort(t *testing.T) {
	seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		m := newModel(rng, 1+rng.IntN(1500))
		for range 3 * m.ords {
			m.step()
		}
		odd := func(n state.Ord) bool { return n%3 == 1 }
		for range 20 {
			q, k := modelNow-10+rng.Int64N(20), rng.IntN(100)
			cut := func(all []state.Ord) []state.Ord { return all[:min(k, len(all))] }
			got := m.x.Newest(nil, k, q, odd)
			if want := cut(m.byAge(q, odd)); !slices.Equal(got, want) {
				t.Fatalf("newest %d at %d: %v, want %v", k, q, got, want)
			}
			if !m.has(schema.CreatorField) {
				continue
			}
			who := m.value(schema.Field{Type: schema.TypeKeyword})
			name, _ := who.Text()
			by := func(n state.Ord) bool { return m.items[n].fields[schema.CreatorField] == who }
			got = m.x.NewestBy([]state.Ord{7}, name, k, q, nil)
			if want := append([]state.Ord{7}, cut(m.byAge(q, by))...); !slices.Equal(got, want) {
				t.Fatalf("newest %d by %q at %d: %v, want %v", k, name, q, got, want)
			}
		}
	})
}

func (m *model) has(field string) bool { _, ok := m.schema.Items.Field(field); return ok }

func TestSuggestionsAreTheMostFrequentValues(t *testing.T) {
	seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		m := newModel(rng, 100)
		m.spread = 1 + rng.IntN(60)
		for range 400 {
			m.step()
		}
		for _, f := range m.schema.Items.Fields {
			for _, prefix := range []string{"", "k", "kk1", "t", "t1", "zzz"} {
				counts := map[string]int{}
				for _, item := range m.items {
					v := item.fields[f.Name]
					texts, _ := v.Tags()
					if text, ok := v.Text(); ok && f.Type == schema.TypeKeyword {
						texts = []string{text}
					}
					for _, text := range texts {
						if strings.HasPrefix(text, prefix) {
							counts[text]++
						}
					}
				}
				var want []Suggestion
				for text, n := range counts {
					want = append(want, Suggestion{text, n})
				}
				slices.SortFunc(want, Suggestion.compare)
				k := rng.IntN(12)
				if got := m.x.Suggest(f.Name, prefix, k); !slices.Equal(got, want[:min(k, len(want))]) {
					t.Fatalf("%s %q: %v, want %d of %v", f.Name, prefix, got, k, want)
				}
			}
		}
	})
}

// An item is served until the millisecond that it expires in.
func TestExpiry(t *testing.T) {
	x := New()
	x.Declare(&schema.Schema{Items: schema.EntityType{Fields: []schema.Field{{Name: "expires", Type: schema.TypeTime}}}})
	put := func(n state.Ord, v schema.Value) {
		e := algebra.Entity{}.ApplyPut(algebra.Stamp{HLC: 1 << 16}, []algebra.Change{{Name: "expires", Value: v.Encode()}})
		x.Put(n, &e, true)
	}
	put(1, schema.Time(100))
	put(2, schema.Value{})
	for q, want := range map[int64][3]bool{99: {false, true, true}, 100: {false, false, true}} {
		f, err := x.Plan(nil, &modelContext{now: q})
		if err != nil {
			t.Fatal(err)
		}
		for n, is := range want {
			served, passes := x.Served(state.Ord(n), q), f.Match(state.Ord(n))
			if served != is || passes != is {
				t.Errorf("item %d at %d: served %v, passes %v, want %v", n, q, served, passes, is)
			}
		}
	}
	if at, ok := x.ExpiresAt(1); at != 100 || !ok {
		t.Errorf("expires at %d, %v", at, ok)
	}
}

// Names with a meaning have it only with the type that goes with it.
func TestFieldsOfOtherTypesHaveNoMeaning(t *testing.T) {
	x := New()
	x.Declare(&schema.Schema{Items: schema.EntityType{Fields: []schema.Field{
		{Name: "expires", Type: schema.TypeInt}, {Name: "published", Type: schema.TypeKeyword},
	}}})
	e := algebra.Entity{}.ApplyPut(algebra.Stamp{HLC: 5 << 16}, []algebra.Change{
		{Name: "expires", Value: schema.Int(1).Encode()}, {Name: "published", Value: schema.String("x").Encode()},
	})
	x.Put(0, &e, true)
	if x.PublishedAt(0) != 5 || !x.Served(0, 10) {
		t.Errorf("published at %d, served: %v", x.PublishedAt(0), x.Served(0, 10))
	}
}
