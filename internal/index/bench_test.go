package index

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

var benchItems = flag.Int("items", 100_000, "items in the index of benchmarks")

const benchNow = 1_700_000_000_000

func benchSchema() *schema.Schema {
	return &schema.Schema{Items: schema.EntityType{Fields: []schema.Field{
		{Name: "category", Type: schema.TypeKeyword},
		{Name: "creator", Type: schema.TypeKeyword},
		{Name: "tags", Type: schema.TypeTags},
		{Name: "price", Type: schema.TypeFloat},
		{Name: "duration", Type: schema.TypeInt},
		{Name: "published", Type: schema.TypeTime},
	}}}
}

// benchEntities draws items: 100 categories and 5,000 tags, few of them frequent, and a creator per 20 items.
func benchEntities(n int) []algebra.Entity {
	rng := rand.New(rand.NewPCG(11, 0))
	category := rand.NewZipf(rng, 1.1, 5, 99)
	tag := rand.NewZipf(rng, 1.1, 20, 4999)
	out := make([]algebra.Entity, n)
	for i := range out {
		set := make([]string, 3)
		for j := range set {
			set[j] = fmt.Sprint("tag", tag.Uint64())
		}
		at := int64(benchNow) - rng.Int64N(365*24*3600*1000)
		out[i] = algebra.Entity{}.ApplyPut(algebra.Stamp{HLC: hlc.Make(at, 0)}, []algebra.Change{
			{Name: "category", Value: schema.String(fmt.Sprint("category", category.Uint64())).Encode()},
			{Name: "creator", Value: schema.String(fmt.Sprint("creator", rng.IntN(n/20+1))).Encode()},
			{Name: "duration", Value: schema.Int(rng.Int64N(3600)).Encode()},
			{Name: "price", Value: schema.Float(float64(rng.IntN(10_000)) / 100).Encode()},
			{Name: "published", Value: schema.Time(at).Encode()},
			{Name: "tags", Value: schema.Tags(set).Encode()},
		})
	}
	return out
}

func benchLoad(entities []algebra.Entity) *Index {
	x := New()
	x.Declare(benchSchema())
	x.Load(func(yield func(state.Ord, *algebra.Entity) bool) {
		for i := range entities {
			if !yield(state.Ord(i), &entities[i]) {
				return
			}
		}
	})
	return x
}

// benchContext has a user who has seen 500 items, as a set that has no bitmap.
type benchContext struct{ seen map[state.Ord]struct{} }

func (c *benchContext) Has(n state.Ord) bool           { _, ok := c.seen[n]; return ok }
func (c *benchContext) Items() (*roaring.Bitmap, bool) { return nil, false }
func (c *benchContext) Estimate() int                  { return len(c.seen) }
func (c *benchContext) Now() int64                     { return benchNow }
func (c *benchContext) Condition(query.Condition) Set  { return c }
func (c *benchContext) Collection(string) Set          { return nil }
func (c *benchContext) Cohort(string) Set              { return nil }

func newBenchContext(n int) *benchContext {
	c := &benchContext{seen: map[state.Ord]struct{}{}}
	for i := range 500 {
		c.seen[state.Ord(i*n/500)] = struct{}{}
	}
	return c
}

var benchFilter = query.And{
	query.Compare{Field: "category", Op: query.Equal, Value: schema.String("category3")},
	query.Compare{Field: "price", Op: query.Less, Value: schema.Float(50)},
	query.Is{What: query.Unseen},
}

func under(price float64) query.Expr {
	return query.Compare{Field: "price", Op: query.Less, Value: schema.Float(price)}
}

// BenchmarkIndex reports the calls on an index of -items items, "load" what it took to make it.
func BenchmarkIndex(b *testing.B) {
	n := *benchItems
	entities := benchEntities(n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	x := benchLoad(entities)
	load := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			runtime.KeepAlive(x)
		}
		b.ReportMetric(float64(load.Nanoseconds())/float64(n), "ns/item")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "heap-B/item")
		b.ReportMetric(float64(x.Memory())/float64(n), "B/item")
	})
	rng := rand.New(rand.NewPCG(5, 0))
	candidates := make([]state.Ord, 1<<12)
	for i := range candidates {
		candidates[i] = state.Ord(rng.IntN(n))
	}
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			at := candidates[i%len(candidates)]
			x.Put(at, &entities[(int(at)+i)%n], true)
		}
	})
	c := newBenchContext(n)
	whole, err := x.Plan(benchFilter, c)
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range []Mode{Predicate, Bitmap, Mixed} {
		f := whole.Force(m)
		b.Run("match/"+m.String(), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f.Match(candidates[i%len(candidates)])
			}
		})
	}
	for _, e := range []struct {
		name string
		of   query.Expr
	}{{"1pc", under(1)}, {"20pc", under(20)}, {"1pc_of_three", query.And{benchFilter, under(10)}}} {
		b.Run("plan/"+e.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Plan(e.of, c); err != nil {
					b.Fatal(err)
				}
			}
		})
		f, _ := x.Plan(e.of, c)
		b.Run("materialise/"+e.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Force(Bitmap)
			}
		})
	}
	dst := make([]state.Ord, 0, 500)
	b.Run("newest500", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.Newest(dst, 500, benchNow, nil)
		}
	})
	b.Run("newest500_matching", func(b *testing.B) {
		f := whole.Force(Predicate)
		for b.Loop() {
			x.Newest(dst, 500, benchNow, f.Match)
		}
	})
	creator := x.CreatorOf(0)
	b.Run("newest_by20", func(b *testing.B) {
		for b.Loop() {
			x.NewestBy(dst, creator, 20, benchNow, nil)
		}
	})
	b.Run("suggest/all_creators", func(b *testing.B) {
		for b.Loop() {
			x.Suggest("creator", "", 10)
		}
	})
	price, _ := x.Numeric("price")
	b.Run("numeric", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			price.Value(candidates[i%len(candidates)])
		}
	})
}
