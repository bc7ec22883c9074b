package index

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// seeds runs a test under several seeds, or under the one in TIDAL_SEED alone.
func seeds(t *testing.T, n uint64, run func(t *testing.T, rng *rand.Rand)) {
	if testing.Short() {
		n = (n + 9) / 10
	}
	t.Helper()
	first := uint64(1)
	if text := os.Getenv("TIDAL_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("TIDAL_SEED: %v", err)
		}
		first, n = seed, 1
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprintf("TIDAL_SEED=%d", seed), func(t *testing.T) { run(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

// model is an index beside the plain maps that it must agree with.
type model struct {
	rng    *rand.Rand
	x      *Index
	schema *schema.Schema
	items  map[state.Ord]*modelItem
	stored map[state.Ord]algebra.Entity // also of those that don't exist
	clock  int64
	spread int // of values: small makes common ones
	ords   int
}

type modelItem struct {
	fields  map[string]schema.Value
	touched int64
}

const modelNow = 1_000_000

func newModel(rng *rand.Rand, ords int) *model {
	m := &model{
		rng: rng, x: New(), schema: &schema.Schema{Name: "model"}, items: map[state.Ord]*modelItem{},
		stored: map[state.Ord]algebra.Entity{}, clock: modelNow - 4, spread: 1 + rng.IntN(12), ords: ords,
	}
	m.grow()
	return m
}

// grow declares some fields more.
func (m *model) grow() {
	fields := []schema.Field{
		{Name: "creator", Type: schema.TypeKeyword},
		{Name: "published", Type: schema.TypeTime},
		{Name: "expires", Type: schema.TypeTime},
	}
	for t := schema.TypeKeyword; t <= schema.TypeTags; t++ {
		for _, suffix := range []string{"_a", "_b"} {
			fields = append(fields, schema.Field{Name: t.String() + suffix, Type: t})
		}
	}
	m.rng.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	for _, f := range fields {
		if _, ok := m.schema.Items.Field(f.Name); !ok && m.rng.IntN(2) == 0 {
			m.schema.Items.Fields = append(m.schema.Items.Fields, f)
		}
	}
	m.x.Declare(m.schema)
}

func (m *model) value(f schema.Field) schema.Value {
	n := m.rng.IntN(m.spread)
	switch f.Type {
	case schema.TypeKeyword:
		return schema.String(strings.Repeat("k", n%3) + strconv.Itoa(n))
	case schema.TypeText:
		return schema.String("text " + strconv.Itoa(n))
	case schema.TypeInt:
		if m.rng.IntN(8) == 0 {
			return schema.Int([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, -1, 0}[m.rng.IntN(5)])
		}
		return schema.Int(int64(n - 3))
	case schema.TypeFloat:
		if m.rng.IntN(8) == 0 {
			return schema.Float([]float64{-math.MaxFloat64, math.MaxFloat64, 0, 5e-324, -5e-324}[m.rng.IntN(5)])
		}
		return schema.Float(float64(n)/2 - 1)
	case schema.TypeBool:
		return schema.Bool(n%2 == 0)
	case schema.TypeTime:
		if m.rng.IntN(20) == 0 {
			return schema.Time([]int64{math.MinInt64, math.MaxInt64, 0, modelNow}[m.rng.IntN(4)])
		}
		return schema.Time(modelNow - 4 + int64(n))
	case schema.TypeGeo:
		if m.rng.IntN(4) == 0 {
			return schema.Geo([]float64{-90, 90, 0, 45}[m.rng.IntN(4)], []float64{-180, 180, 0, 179.5}[m.rng.IntN(4)])
		}
		return schema.Geo(float64(m.rng.IntN(721))/4-90, float64(m.rng.IntN(1441))/4-180)
	}
	set := make([]string, m.rng.IntN(4))
	for i := range set {
		set[i] = "t" + strconv.Itoa(m.rng.IntN(m.spread))
	}
	return schema.Tags(set)
}

// step puts, patches or deletes one item.
func (m *model) step() {
	n := state.Ord(m.rng.IntN(m.ords))
	if m.rng.IntN(40) == 0 { // seldom, so that items are published when they are touched, too
		m.clock++
	}
	stamp := algebra.Stamp{HLC: hlc.Make(m.clock, uint16(m.rng.IntN(1<<16)))}
	if stamp.HLC <= m.stored[n].Touched.HLC || stamp.HLC <= m.stored[n].Deleted {
		m.clock++
		stamp.HLC = hlc.Make(m.clock, 1)
	}
	switch op := m.rng.IntN(10); {
	case op == 0:
		m.stored[n] = m.stored[n].ApplyDelete(stamp)
		delete(m.items, n)
	default:
		item := m.items[n]
		put := op < 5
		if item == nil || put {
			item = &modelItem{fields: map[string]schema.Value{}}
			m.items[n] = item
		}
		item.touched = m.clock
		changes := m.changes(item)
		if put {
			m.stored[n] = m.stored[n].ApplyPut(stamp, changes)
		} else {
			m.stored[n] = m.stored[n].ApplyPatch(stamp, changes)
		}
	}
	e := m.stored[n]
	m.x.Put(n, &e, e.Exists())
}

// changes sets and clears some fields of an item. Values that the index must take for unset are among them.
func (m *model) changes(item *modelItem) []algebra.Change {
	var out []algebra.Change
	for _, f := range m.schema.Items.Fields {
		switch m.rng.IntN(12) {
		case 0:
			out = append(out, algebra.Change{Name: f.Name})
			delete(item.fields, f.Name)
		case 1:
			odd := [][]byte{schema.Vector([]float32{1}).Encode(), {}, {77, 1}, []byte("\x02short")}[m.rng.IntN(4)]
			if f.Type == schema.TypeKeyword && m.rng.IntN(2) == 0 {
				odd = schema.String(strings.Repeat("long", 300)).Encode()
			}
			out = append(out, algebra.Change{Name: f.Name, Value: odd})
			delete(item.fields, f.Name)
		case 2, 3, 4, 5, 6, 7, 8:
			v := m.value(f)
			out = append(out, algebra.Change{Name: f.Name, Value: v.Encode()})
			item.fields[f.Name] = v
		}
	}
	out = append(out, algebra.Change{Name: "no_such_field", Value: schema.Int(1).Encode()})
	slices.SortFunc(out, func(a, b algebra.Change) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// rebuilt returns a new index of what is stored now.
func (m *model) rebuilt() *Index {
	x := New()
	x.Declare(m.schema)
	x.Load(func(yield func(state.Ord, *algebra.Entity) bool) {
		for _, n := range slices.Sorted(maps.Keys(m.stored)) {
			e := m.stored[n]
			again := m.rng.IntN(100) == 0 // an item may come twice
			if !yield(n, &e) || again && !yield(n, &e) {
				return
			}
		}
	})
	return x
}

func (m *model) age(n state.Ord) int64 {
	if v, ok := m.items[n].fields["published"]; ok {
		ms, _ := v.Time()
		return ms
	}
	return m.items[n].touched
}

// byAge returns the items for which keep holds, newest first, as [Index.Newest] should.
func (m *model) byAge(q int64, keep func(n state.Ord) bool) []state.Ord {
	var out []state.Ord
	for n := range m.items {
		if m.age(n) <= q && keep(n) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b state.Ord) int {
		return cmp.Or(cmp.Compare(m.age(b), m.age(a)), cmp.Compare(b, a))
	})
	return out
}

// modelContext has sets, some of them as bitmaps, with items that don't exist among them.
type modelContext struct {
	now  int64
	sets map[string]*modelSet
}

type modelSet struct {
	has    map[state.Ord]bool
	bitmap bool
	guess  int
}

func (s *modelSet) Has(n state.Ord) bool { return s.has[n] }
func (s *modelSet) Estimate() int        { return s.guess }
func (s *modelSet) Items() (*roaring.Bitmap, bool) {
	if !s.bitmap {
		return nil, false
	}
	b := roaring.New()
	for n := range s.has {
		b.Add(uint32(n))
	}
	return b, true
}

func (c *modelContext) get(name string) Set {
	if s, ok := c.sets[name]; ok {
		return s
	}
	return nil
}

func (c *modelContext) Now() int64 { return c.now }
func (c *modelContext) Condition(w query.Condition) Set {
	if w == query.Unseen {
		panic("unseen was asked for")
	}
	return c.get(w.String())
}
func (c *modelContext) Collection(name string) Set { return c.get("collection " + name) }
func (c *modelContext) Cohort(name string) Set     { return c.get("cohort " + name) }

func (m *model) context() *modelContext {
	c := &modelContext{now: modelNow, sets: map[string]*modelSet{}}
	for _, name := range []string{"seen", "liked", "unblocked", "followed", "collection c", "cohort c"} {
		s := &modelSet{has: map[state.Ord]bool{}, bitmap: m.rng.IntN(2) == 0, guess: m.rng.IntN(2*m.ords) - m.ords/2}
		for range m.rng.IntN(m.ords) {
			s.has[state.Ord(m.rng.IntN(m.ords+10))] = true
		}
		c.sets[name] = s
	}
	return c
}

// filter draws an expression that fits the schema.
func (m *model) filter(depth int) query.Expr {
	if depth > 0 && m.rng.IntN(3) > 0 {
		list := make([]query.Expr, m.rng.IntN(4))
		for i := range list {
			list[i] = m.filter(depth - 1)
		}
		switch m.rng.IntN(3) {
		case 0:
			return query.Or(list)
		case 1:
			return query.Not{X: m.filter(depth - 1)}
		}
		return query.And(list)
	}
	switch m.rng.IntN(12) {
	case 0:
		return query.InCollection{Name: []string{"c", "none"}[m.rng.IntN(2)]}
	case 1:
		return query.InCohort{Name: []string{"c", "none"}[m.rng.IntN(2)]}
	case 2:
		return query.Is{What: query.Condition(1 + m.rng.IntN(7))}
	case 3:
		return query.Condition(1 + m.rng.IntN(7))
	}
	if len(m.schema.Items.Fields) == 0 {
		return query.And{}
	}
	f := m.schema.Items.Fields[m.rng.IntN(len(m.schema.Items.Fields))]
	return m.fieldFilter(f)
}

func (m *model) fieldFilter(f schema.Field) query.Expr {
	if m.rng.IntN(8) == 0 || f.Type == schema.TypeText {
		return query.Has{Field: f.Name}
	}
	op := query.Op(1 + m.rng.IntN(6))
	switch f.Type {
	case schema.TypeGeo:
		lat, lon, _ := m.value(f).Geo()
		meters := []float64{0, 1, 50_000, 300_000, 2_000_000, 9_000_000, 1e7, 1.9e7, 3e7, -1}[m.rng.IntN(10)]
		return query.Near{Field: f.Name, Lat: lat, Lon: lon, Meters: meters}
	case schema.TypeBool, schema.TypeTags:
		op = query.Op(1 + m.rng.IntN(2))
	case schema.TypeTime:
		if m.rng.IntN(2) == 0 {
			spans := []time.Duration{-1, 0, 1, time.Millisecond, 1500 * time.Microsecond, 3 * time.Millisecond, math.MaxInt64}
			return query.Within{Field: f.Name, Span: spans[m.rng.IntN(len(spans))]}
		}
	}
	value := func() schema.Value {
		if f.Type == schema.TypeTags {
			return schema.String("t" + strconv.Itoa(m.rng.IntN(m.spread+1)))
		}
		return m.value(f)
	}
	if m.rng.IntN(3) == 0 {
		in := query.In{Field: f.Name}
		for range m.rng.IntN(14) {
			in.Values = append(in.Values, value())
		}
		return in
	}
	return query.Compare{Field: f.Name, Op: op, Value: value()}
}

// holds evaluates a filter on plain values.
func (m *model) holds(e query.Expr, n state.Ord, c *modelContext) bool {
	item := m.items[n]
	is := func(name string) bool { s := c.sets[name]; return s != nil && s.has[n] }
	switch e := e.(type) {
	case query.And:
		return !slices.ContainsFunc(e, func(p query.Expr) bool { return !m.holds(p, n, c) })
	case query.Or:
		return slices.ContainsFunc(e, func(p query.Expr) bool { return m.holds(p, n, c) })
	case query.Not:
		return !m.holds(e.X, n, c)
	case query.Condition:
		return m.holds(query.Is{What: e}, n, c)
	case query.Is:
		if e.What == query.Unseen {
			return !is("seen")
		}
		return is(e.What.String())
	case query.InCollection:
		return is("collection " + e.Name)
	case query.InCohort:
		return is("cohort " + e.Name)
	case query.Has:
		_, ok := item.fields[e.Field]
		return ok
	case query.In:
		return slices.ContainsFunc(e.Values, func(v schema.Value) bool {
			return m.holds(query.Compare{Field: e.Field, Op: query.Equal, Value: v}, n, c)
		})
	case query.Within:
		ms, ok := item.fields[e.Field].Time()
		if !ok || ms > c.now {
			return false
		}
		ago := new(big.Int).Sub(big.NewInt(c.now), big.NewInt(ms))
		return ago.Mul(ago, big.NewInt(int64(time.Millisecond))).Cmp(big.NewInt(int64(e.Span))) <= 0
	case query.Near:
		lat, lon, ok := item.fields[e.Field].Geo()
		return ok && apart(lat, lon, e.Lat, e.Lon) <= e.Meters
	case query.Compare:
		return compares(item.fields[e.Field], e)
	}
	panic("unknown expression")
}

func (m *model) served(n state.Ord, q int64) bool {
	item, ok := m.items[n]
	if !ok {
		return false
	}
	ms, ok := item.fields["expires"].Time()
	return !ok || q < ms
}

func compares(v schema.Value, e query.Compare) bool {
	if v.IsZero() {
		return e.Op == query.NotEqual
	}
	if set, ok := v.Tags(); ok {
		tag, _ := e.Value.Text()
		return slices.Contains(set, tag) == (e.Op == query.Equal)
	}
	var order int
	if a, ok := v.Text(); ok {
		b, _ := e.Value.Text()
		order = cmp.Compare(a, b)
	} else if a, ok := v.Int(); ok {
		b, _ := e.Value.Int()
		order = cmp.Compare(a, b)
	} else if a, ok := v.Float(); ok {
		b, _ := e.Value.Float()
		order = cmp.Compare(a, b)
	} else if a, ok := v.Time(); ok {
		b, _ := e.Value.Time()
		order = cmp.Compare(a, b)
	} else if v != e.Value {
		order = 1
	}
	switch e.Op {
	case query.Equal:
		return order == 0
	case query.NotEqual:
		return order != 0
	case query.Less:
		return order < 0
	case query.LessEqual:
		return order <= 0
	case query.Greater:
		return order > 0
	}
	return order >= 0
}

// apart is the distance of two places by their vectors: other arithmetic than the index has.
func apart(lat1, lon1, lat2, lon2 float64) float64 {
	point := func(lat, lon float64) [3]float64 {
		lat, lon = lat*math.Pi/180, lon*math.Pi/180
		return [3]float64{math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)}
	}
	a, b := point(lat1, lon1), point(lat2, lon2)
	cross := [3]float64{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
	return 6371008.8 * math.Atan2(math.Hypot(math.Hypot(cross[0], cross[1]), cross[2]), a[0]*b[0]+a[1]*b[1]+a[2]*b[2])
}
