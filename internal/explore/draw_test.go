package explore_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/explore"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/schema"
)

var update = flag.Bool("update", false, "rewrite the golden file of draws")

// newRand returns a generator whose seed is logged; TIDAL_SEED repeats a run.
func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := testseed.Of(t)
	return rand.New(rand.NewPCG(seed, 1))
}

func randomPool(r *rand.Rand, items int) explore.List {
	pool := explore.List{}
	for _, item := range r.Perm(items)[:r.IntN(items+1)] {
		pool = append(pool, uint32(item))
	}
	return pool
}

// TestDrawsKeepTheirLaws follows draws one by one: nothing twice, nothing that is excluded, everything from its pool,
// and each propensity is one over what was left.
func TestDrawsKeepTheirLaws(t *testing.T) {
	r := newRand(t)
	given, back := 0, 0
	for range 20000 {
		var slots []schema.Slot
		var pools []explore.Pool
		for i := range r.IntN(4) {
			slots = append(slots, schema.Slot{Name: string(rune('a' + i)), Share: 0.5 * r.Float64()})
			if pools = append(pools, nil); r.IntN(5) > 0 {
				pools[i] = randomPool(r, 20)
			}
		}
		pools = pools[:r.IntN(len(pools)+1)]
		gone := map[uint32]bool{}
		var excluded []uint32
		for range r.IntN(8) {
			excluded = append(excluded, r.Uint32N(25))
			gone[excluded[len(excluded)-1]] = true
		}
		seed := r.Uint64()
		places := explore.Places(r.IntN(30), slots, nil, seed)
		picks, empty := explore.Draw(places, slots, pools, excluded, seed)
		if again, too := explore.Draw(places, slots, pools, excluded, seed); !reflect.DeepEqual(again, picks) ||
			!slices.Equal(too, empty) {
			t.Fatalf("one seed draws %v and %v", picks, again)
		}
		given, back = given+len(picks), back+len(empty)
		for _, place := range places {
			left := leftIn(pools, place.Slot, gone)
			if len(left) == 0 {
				if len(empty) == 0 || empty[0] != place {
					t.Fatalf("nothing is left for %v, but empty places are %v", place, empty)
				}
				empty = empty[1:]
				continue
			}
			p := picks[0]
			picks = picks[1:]
			if p.Place != place || !slices.Contains(left, p.Item) || p.Propensity != 1/float64(len(left)) {
				t.Fatalf("%v for %v, where %v are left", p, place, left)
			}
			gone[p.Item] = true
		}
		if len(picks)+len(empty) > 0 {
			t.Fatalf("too much: %v, empty %v", picks, empty)
		}
	}
	if given < 10000 || back < 1000 {
		t.Errorf("%d places were filled, %d weren't: the cases are one-sided", given, back)
	}
}

func leftIn(pools []explore.Pool, slot int, gone map[uint32]bool) (left []uint32) {
	if slot >= len(pools) || pools[slot] == nil {
		return nil
	}
	for i := range pools[slot].Len() {
		if item := pools[slot].At(i); !gone[item] {
			left = append(left, item)
		}
	}
	return left
}

// TestDrawsAreUniform counts over many seeds, in a row and spread, what comes first, and what comes second after it.
func TestDrawsAreUniform(t *testing.T) {
	slots := []schema.Slot{{Name: "new"}}
	places := []explore.Place{{Rank: 2}, {Rank: 5}}
	pools := []explore.Pool{explore.List{10, 11, 12, 13, 14, 15, 16}}
	excluded := []uint32{12, 99}
	for _, factor := range []uint64{1, 0x9e3779b97f4a7c15} {
		const draws = 60000
		var first [7]int
		var pairs [49]int
		for seed := range uint64(draws) {
			picks, _ := explore.Draw(places, slots, pools, excluded, seed*factor)
			a, b := picks[0].Item-10, picks[1].Item-10
			first[a]++
			pairs[7*a+b]++
		}
		var possible []int
		for i, n := range pairs {
			if a, b := i/7, i%7; a == b || a == 2 || b == 2 {
				if n != 0 {
					t.Fatalf("pair %d, %d was drawn", a, b)
				}
				continue
			}
			possible = append(possible, n)
		}
		if x := chiSquare(append(first[:2], first[3:]...), draws/6.0); x > 20.5 { // 5 degrees of freedom, 1 in 1,000
			t.Errorf("seeds × %d: first draws %v, χ² = %v", factor, first, x)
		}
		if x := chiSquare(possible, draws/30.0); x > 58.3 { // 29 degrees of freedom, 1 in 1,000
			t.Errorf("seeds × %d: pairs %v, χ² = %v", factor, possible, x)
		}
	}
}

// TestSlotsDrawIndependently counts pairs of what two slots draw with one seed from pools that have nothing in common.
func TestSlotsDrawIndependently(t *testing.T) {
	slots := []schema.Slot{{Name: "a"}, {Name: "b"}}
	places := []explore.Place{{Rank: 2, Slot: 0}, {Rank: 5, Slot: 1}}
	pools := []explore.Pool{explore.List{0, 1, 2, 3, 4}, explore.List{10, 11, 12, 13, 14}}
	const draws = 50000
	var pairs [25]int
	for seed := range uint64(draws) {
		picks, _ := explore.Draw(places, slots, pools, nil, seed)
		pairs[5*picks[0].Item+picks[1].Item-10]++
	}
	if x := chiSquare(pairs[:], draws/25.0); x > 51.2 { // 24 degrees of freedom, 1 in 1,000
		t.Errorf("pairs %v, χ² = %v", pairs, x)
	}
}

// TestPropensitiesMakeEstimatesRight is what propensities are for: rewards divided by them sum to those of the whole
// pool that was left, on average, also where slots share items and what was drawn first changes what is left.
func TestPropensitiesMakeEstimatesRight(t *testing.T) {
	slots := []schema.Slot{{Name: "new", Share: 0.3}, {Name: "unfollowed", Share: 0.2}}
	pools := []explore.Pool{explore.List{1, 2, 3, 4, 5, 6}, explore.List{4, 5, 6, 7, 8, 9, 10}}
	reward := func(item uint32) float64 { return math.Sqrt(float64(item)) }
	var n, sum, squares float64
	for seed := range uint64(20000) {
		places := explore.Places(10, slots, nil, seed)
		picks, _ := explore.Draw(places, slots, pools, []uint32{2, 9}, seed)
		gone := map[uint32]bool{2: true, 9: true}
		for _, p := range picks {
			truth := 0.0
			for _, item := range leftIn(pools, p.Slot, gone) {
				truth += reward(item)
			}
			gone[p.Item] = true
			d := reward(p.Item)/p.Propensity - truth
			n, sum, squares = n+1, sum+d, squares+d*d
		}
	}
	if off := math.Abs(sum/n) / math.Sqrt(squares/n/n); off > 4 {
		t.Errorf("the estimate is off by %v, that is %v standard errors", sum/n, off)
	}
}

// TestDrawsAreForEver holds the numbers that a seed stands for.
func TestDrawsAreForEver(t *testing.T) {
	var b strings.Builder
	for seed := range uint64(12) {
		seed *= 0xdeadbeefcafe
		slots := []schema.Slot{
			{Name: "new", Share: 0.1}, {Name: "unfollowed", Share: 0.13}, {Name: "ünlü", Share: 0.05},
		}
		pools := []explore.Pool{explore.List{9, 8, 7, 6, 5, 4, 3, 2, 1}, many{}, explore.List{100, 200, 300}}
		places := explore.Places(25, slots, []int{1, 7}, seed)
		picks, empty := explore.Draw(places, slots, pools, []uint32{5, 200, 999}, seed)
		fmt.Fprintf(&b, "seed %d\n", seed)
		for _, p := range picks {
			fmt.Fprintf(&b, "  %2d %s %d %.9f\n", p.Rank, slots[p.Slot].Name, p.Item, p.Propensity)
		}
		for _, p := range empty {
			fmt.Fprintf(&b, "  %2d %s: nothing left\n", p.Rank, slots[p.Slot].Name)
		}
	}
	const file = "testdata/draws.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("draws changed (-update rewrites %s):\n%s", file, b.String())
	}
}

// many is a pool of the even numbers below 2,000,000.
type many struct{}

func (many) Len() int            { return 1_000_000 }
func (many) At(index int) uint32 { return uint32(2 * index) }
func (many) Index(item uint32) int {
	if item%2 == 1 || item >= 2_000_000 {
		return -1
	}
	return int(item / 2)
}

func BenchmarkDraw(b *testing.B) {
	slots := []schema.Slot{{Name: "new", Share: 0.1}, {Name: "unfollowed", Share: 0.1}, {Name: "any", Share: 0.1}}
	var candidates explore.List
	var shown []uint32
	for i := range uint32(2000) {
		candidates = append(candidates, 7*i)
		if i < 45 {
			shown = append(shown, 7*i)
		}
	}
	pools := []explore.Pool{candidates[:300], candidates, many{}}
	b.ReportAllocs()
	for seed := uint64(0); b.Loop(); seed++ {
		explore.Draw(explore.Places(50, slots, []int{1}, seed), slots, pools, shown, seed)
	}
}
