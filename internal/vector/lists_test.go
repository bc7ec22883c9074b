package vector_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/vector"
)

var _ vector.Index = &vector.Lists{}

// all is more cells than there are.
const all = 1 << 20

// twins are an index and what it should hold, in a map and in a set of its own.
type twins struct {
	t     *testing.T
	r     *rand.Rand
	lists *vector.Lists
	plain *vector.Set
	model model
	ords  int
}

func newTwins(t *testing.T, r *rand.Rand, d, ords int, o vector.Options) *twins {
	return &twins{t, r, vector.NewLists(vector.NewSet(d), o), vector.NewSet(d), model{}, ords}
}

func (w *twins) put(n state.Ord, v []float32) {
	w.model[n] = slices.Clone(v)
	w.plain.Put(n, v)
	if !w.lists.Put(n, v) {
		w.t.Fatalf("%v was refused", v)
	}
}

func (w *twins) remove(n state.Ord) {
	delete(w.model, n)
	w.plain.Remove(n)
	w.lists.Remove(n)
}

// change makes a random change: mostly a put, or mostly a removal.
func (w *twins) change(growing bool) {
	n := state.Ord(w.r.IntN(w.ords))
	switch d := w.plain.Dimensions(); {
	case growing && w.r.IntN(8) == 0, !growing && w.r.IntN(40) > 0:
		w.remove(n)
	case w.r.IntN(50) == 0: // past the index
		v := randomVector(w.r, d)
		w.model[n] = v
		w.plain.Put(n, v)
		w.lists.Set().Put(n, v)
	default:
		w.put(n, randomVector(w.r, d))
	}
	if w.r.IntN(20) == 0 {
		w.lists.Refresh(w.r.IntN(20000))
	}
}

// check holds everything that can be asked against the twins.
func (w *twins) check() {
	w.t.Helper()
	if err := w.lists.Check(); err != nil {
		w.t.Fatalf("%s: %v", w.lists.Phase(), err)
	}
	checkSet(w.t, w.lists.Set(), w.model, state.Ord(w.ords))
	q := unit(randomVector(w.r, w.plain.Dimensions()))
	for range 4 {
		k, filter := 1+w.r.IntN(50), w.filter()
		want := vector.Exact{Set: w.plain}.Search(q, k, filter, nil)
		wide := w.lists.Search(q, k, filter, nil)
		if !slices.Equal(wide, want) {
			w.t.Fatalf("%s: k %d\ngot  %v\nwant %v", w.lists.Phase(), k, wide, want)
		}
	}
}

func (w *twins) filter() (f vector.Filter) {
	if w.r.IntN(2) == 0 {
		f.In = roaring.New()
		for part, n := w.r.Float64(), 0; n < w.ords; n++ {
			if w.r.Float64() < part {
				f.In.Add(uint32(n))
			}
		}
	}
	if w.r.IntN(2) == 0 {
		m := state.Ord(1 + w.r.IntN(40))
		f.Accept = func(n state.Ord) bool { return n%m == 0 }
	}
	return f
}

// TestListsHoldWhatAMapHolds lets an index grow and shrink at random through several trainings: no vector is lost,
// found twice or stale, and with all cells searched it answers as Exact does, to the bit, whatever it is at.
func TestListsHoldWhatAMapHolds(t *testing.T) {
	r := newRand(t)
	phases := map[string]int{}
	for range 6 {
		w := newTwins(t, r, 1+r.IntN(40), 200+r.IntN(4000), vector.Options{Exact: 20 + r.IntN(400), Probe: all})
		for wave := range 4 {
			for step := range w.ords * 2 {
				w.change(wave%2 == 0)
				if step%(w.ords/5) == 0 {
					phases[w.lists.Phase()]++
					w.check()
				}
			}
		}
		for w.lists.Refresh(10000) {
		}
		w.check()
	}
	for _, p := range []string{"resting", "learning", "grouping", "moving"} {
		if phases[p] == 0 && p != "grouping" { // that takes a few dozen steps
			t.Errorf("never %s: %v", p, phases)
		}
	}
}

// TestItemsAreFoundByTheirVectors holds the promise for every vector, with a single cell searched, while the index is
// trained and vectors move.
func TestItemsAreFoundByTheirVectors(t *testing.T) {
	r := newRand(t)
	w := newTwins(t, r, 24, 6000, vector.Options{Exact: 500, Probe: 1})
	phases := map[string]int{}
	everyone := func() {
		phases[w.lists.Phase()]++
		for n := range w.model {
			hits := w.lists.Search(w.lists.Set().Get(n), 1, vector.Filter{}, nil)
			if len(hits) != 1 || hits[0].Ord != n {
				t.Fatalf("%s: item %d isn't found, but %v", w.lists.Phase(), n, hits)
			}
		}
	}
	for n := range state.Ord(w.ords) {
		w.put(n, randomVector(r, 24))
		if n%400 == 399 {
			everyone()
			w.lists.Refresh(r.IntN(1 << 20))
			everyone()
		}
	}
	for more := true; more; {
		more = w.lists.Refresh(1 << 20)
		everyone()
	}
	if phases["moving"] == 0 || phases["learning"] == 0 || phases["resting"] == 0 {
		t.Errorf("not every phase was met: %v", phases)
	}
}

// TestFiltersDontShortenAnswers has filters of every kind that leave few or far items, at the least of probes.
func TestFiltersDontShortenAnswers(t *testing.T) {
	r := newRand(t)
	const items = 12000
	w := newTwins(t, r, 8, items, vector.Options{Exact: 1000, Probe: 1})
	q := unit(randomVector(r, 8))
	for n := range state.Ord(items) {
		w.put(n, randomVector(r, 8))
	}
	far := roaring.New()
	for _, h := range (vector.Exact{Set: w.plain}).Search(q, items, vector.Filter{}, nil)[items-4500:] {
		far.Add(uint32(h.Ord))
	}
	check := func(name string, k int, f vector.Filter, exactly bool) {
		t.Helper()
		got, want := w.lists.Search(q, k, f, nil), vector.Exact{Set: w.plain}.Search(q, k, f, nil)
		if len(got) != len(want) || exactly && !slices.Equal(got, want) {
			t.Errorf("%s: %d found, want %d\ngot  %v\nwant %v", name, len(got), len(want), got, want)
		}
		for _, h := range got {
			if f.In != nil && !f.In.Contains(uint32(h.Ord)) || f.Accept != nil && !f.Accept(h.Ord) {
				t.Errorf("%s: item %d shouldn't be found", name, h.Ord)
			}
		}
	}
	for range 20 {
		some := map[state.Ord]bool{}
		for range 7 {
			some[state.Ord(r.IntN(items))] = true
		}
		few, most := roaring.New(), roaring.New()
		for n := range uint32(items) {
			if r.IntN(4) == 0 {
				few.Add(n)
			}
			if r.IntN(10) > 0 {
				most.Add(n)
			}
		}
		accept := func(n state.Ord) bool { return some[n] }
		none := func(state.Ord) bool { return false }
		check("a few accepted", 100, vector.Filter{Accept: accept}, true)
		check("a few accepted of many", 100, vector.Filter{In: most, Accept: accept}, true)
		check("none accepted", 10, vector.Filter{Accept: none}, true)
		check("a small bitmap", 1+r.IntN(300), vector.Filter{In: few}, true)
		check("a large bitmap", 1+r.IntN(300), vector.Filter{In: most}, false)
		check("what is far away", 1+r.IntN(100), vector.Filter{In: far}, true)
		check("more than there are", items+5, vector.Filter{}, true)
	}
}

// TestListsAreAFunctionOfTheirHistory gives two of them the same calls.
func TestListsAreAFunctionOfTheirHistory(t *testing.T) {
	r := newRand(t)
	seed := r.Uint64()
	make := func() *twins {
		w := newTwins(t, rand.New(rand.NewPCG(seed, 0)), 16, 5000, vector.Options{Exact: 300, Probe: 2})
		for range 12000 {
			w.change(true)
		}
		return w
	}
	a, b := make(), make()
	for range 200 {
		q, f := unit(randomVector(r, 16)), a.filter()
		x, y := a.lists.Search(q, 20, f, nil), b.lists.Search(q, 20, f, nil)
		if !slices.Equal(x, y) {
			t.Fatalf("one found %v\nthe other %v", x, y)
		}
	}
}

// TestChangesAloneKeepUp has nobody call Refresh: cells are trained and filled by the puts.
func TestChangesAloneKeepUp(t *testing.T) {
	r := newRand(t)
	w := newTwins(t, r, 12, 1<<15, vector.Options{Exact: 1000})
	for n := range state.Ord(w.ords) {
		w.put(n, randomVector(r, 12))
		if n > 4000 && w.lists.Loose() > 0 {
			t.Fatalf("%d of %d vectors have no cell", w.lists.Loose(), n)
		}
	}
	if c, want := w.lists.Cells(), int(3*math.Sqrt(float64(w.ords/4))); c < want {
		t.Errorf("%d cells for %d vectors, want %d", c, w.ords, want)
	}
	for n := range state.Ord(w.ords) {
		w.remove(n)
	}
	for w.lists.Refresh(1 << 20) {
	}
	w.check()
	if c := w.lists.Cells(); c > 0 {
		t.Errorf("%d cells of nothing", c)
	}
	if m := w.lists.Memory(); m > 1<<20 {
		t.Errorf("an empty index occupies %d bytes", m)
	}
}

// TestFewVectorsNeedNoCells takes most of them away again.
func TestFewVectorsNeedNoCells(t *testing.T) {
	r := newRand(t)
	for _, left := range []int{0, 1, 60} {
		w := newTwins(t, r, 7, 3000, vector.Options{Exact: 500})
		for n := range state.Ord(w.ords) {
			w.put(n, randomVector(r, 7))
		}
		for n := range state.Ord(w.ords - left) {
			w.remove(n)
			if last := state.Ord(w.ords - 1); left > 0 { // there may be puts meanwhile
				w.put(last, randomVector(r, 7))
			}
		}
		for w.lists.Refresh(1000) {
		}
		if c := w.lists.Cells(); c > 0 || w.lists.Loose() != left {
			t.Errorf("%d cells, and %d of %d vectors in none", c, w.lists.Loose(), left)
		}
		w.check()
	}
}

func TestVectorsOfASetFindTheirCells(t *testing.T) {
	r := newRand(t)
	s, m := build(r, 10, 4000)
	l := vector.NewLists(s, vector.Options{Exact: 100, Probe: 1})
	if l.Len() != len(m) || l.Set() != s {
		t.Fatalf("%d vectors, want %d", l.Len(), len(m))
	}
	steps := 0
	for l.Refresh(1) {
		steps++
	}
	if l.Loose() > 0 || steps < len(m) {
		t.Errorf("after %d steps, %d of %d vectors have no cell", steps, l.Loose(), len(m))
	}
	if err := l.Check(); err != nil {
		t.Error(err)
	}
	checkSet(t, s, m, 12000)
}

// TestPutTakesVectorsOfTheSetItself has the vector alias what the put changes.
func TestPutTakesVectorsOfTheSetItself(t *testing.T) {
	r := newRand(t)
	w := newTwins(t, r, 9, 900, vector.Options{Exact: 50})
	for n := range state.Ord(900) {
		w.put(n, randomVector(r, 9))
	}
	for range 3000 {
		n, from := state.Ord(r.IntN(900)), state.Ord(r.IntN(900))
		v := slices.Clone(w.lists.Set().Get(from))
		w.plain.Put(n, v)
		w.lists.Put(n, w.lists.Set().Get(from))
		if got := w.lists.Set().Get(n); !slices.Equal(got, w.plain.Get(n)) {
			t.Fatalf("got %v, want %v", got, v)
		}
	}
}

// TestVectorsThatDontFormCells has data that nothing can be learned from.
func TestVectorsThatDontFormCells(t *testing.T) {
	r := newRand(t)
	for name, next := range map[string]func() []float32{
		"all alike":     func() []float32 { return []float32{1, 2, 3} },
		"two opposites": func() []float32 { s := float32(1 - 2*r.IntN(2)); return []float32{s, 0, 0} },
		"three axes":    func() []float32 { v := make([]float32, 3); v[r.IntN(3)] = 1; return v },
	} {
		w := newTwins(t, r, 3, 2000, vector.Options{Exact: 100, Probe: 3})
		for n := range state.Ord(2000) {
			w.put(n, next())
			w.lists.Refresh(100)
		}
		w.lists.Search([]float32{float32(math.NaN()), 0, 0}, 5, vector.Filter{}, nil)
		q := unit([]float32{1, 2, 3})
		got := w.lists.Search(q, 2000, vector.Filter{}, nil)
		want := vector.Exact{Set: w.plain}.Search(q, 2000, vector.Filter{}, nil)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d found, want %d", name, len(got), len(want))
		}
		if err := w.lists.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for n := range state.Ord(2000) { // during a training, perhaps, until nothing is left
			w.remove(n)
		}
		w.check()
	}
}

// TestEverythingGoesWhileTraining takes the vectors away between the steps of a training.
func TestEverythingGoesWhileTraining(t *testing.T) {
	r := newRand(t)
	for range 30 {
		s := vector.NewSet(5)
		l := vector.NewLists(s, vector.Options{Exact: 60})
		for n := range state.Ord(100) {
			s.Put(n, randomVector(r, 5))
		}
		for range r.IntN(900) {
			l.Refresh(1)
		}
		for n := range state.Ord(100) {
			s.Remove(n)
		}
		for l.Refresh(1000) {
		}
		if err := l.Check(); err != nil || l.Len() != 0 {
			t.Fatalf("%d vectors: %v", l.Len(), err)
		}
		l.Put(1, []float32{1, 0, 0, 0, 0})
		if hits := l.Search([]float32{1, 0, 0, 0, 0}, 5, vector.Filter{}, nil); len(hits) != 1 {
			t.Fatalf("found %v", hits)
		}
	}
}

func TestListsSearchDoesNotAllocate(t *testing.T) {
	r := newRand(t)
	w := newTwins(t, r, 32, 4000, vector.Options{Exact: 1000})
	for n := range state.Ord(4000) {
		w.put(n, randomVector(r, 32))
	}
	q := unit(randomVector(r, 32))
	out := make([]vector.Hit, 0, 100)
	accept := func(n state.Ord) bool { return n%3 > 0 }
	if n := testing.AllocsPerRun(20, func() {
		w.lists.Search(q, 100, vector.Filter{Accept: accept}, out)
	}); n != 0 {
		t.Errorf("a search allocates %v times", n)
	}
}
