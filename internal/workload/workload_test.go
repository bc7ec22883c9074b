package workload

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// seed is TIDAL_SEED, or a fixed one; it is printed when a test fails.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(1)
	if s := os.Getenv("TIDAL_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("TIDAL_SEED=%d", n)
		}
	})
	return n
}

// The tables give every rank exactly its weight: nothing is left to chance, so nothing is left to statistics.
func TestZipfTablesHoldTheExactDistribution(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 1000, 99_991, maxNames} {
		z := newZipf(n)
		mass := make([]uint64, n)
		for k, c := range z.columns {
			mass[k] += c.threshold
			mass[c.alias] += z.sum - c.threshold
		}
		for k := range mass {
			if want := zipfScale / uint64(k+1) * uint64(n); mass[k] != want {
				t.Fatalf("n %d: rank %d has mass %d of %d", n, k, mass[k], want)
			}
		}
		harmonic := 0.0
		for k := n; k >= 1; k-- {
			harmonic += 1 / float64(k)
		}
		for _, k := range []int{1, (n + 1) / 2, n} {
			p := float64(mass[k-1]) / float64(n) / float64(z.sum)
			if exact := 1 / float64(k) / harmonic; math.Abs(p/exact-1) > 1e-5 {
				t.Errorf("n %d: rank %d has probability %g, want %g", n, k, p, exact)
			}
		}
	}
}

// Chi-squared over the ranks: with 999 degrees of freedom a sound sampler exceeds 1,200 in 1 of 100,000 seeds.
func TestDrawsFollowTheTables(t *testing.T) {
	const n, draws = 1000, 1_000_000
	z := newZipf(n)
	r := rand.New(rand.NewPCG(seed(t), 2))
	var seen [n]int
	for range draws {
		seen[z.draw(r)]++
	}
	harmonic, chi := 0.0, 0.0
	for k := 1; k <= n; k++ {
		harmonic += 1 / float64(k)
	}
	for k, got := range seen {
		want := draws / float64(k+1) / harmonic
		chi += (float64(got) - want) * (float64(got) - want) / want
	}
	if chi > 1200 {
		t.Errorf("chi-squared is %.0f", chi)
	}
}

func TestAConnectionYieldsTheSameEventsAgain(t *testing.T) {
	for _, dist := range []Dist{Zipf, Uniform} {
		c := Config{Seed: seed(t), Dist: dist, Items: 5000, Users: 3000, Cohorts: 2, Spread: time.Hour}
		take := func(c Config, connection int) []Event {
			w, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			var all []Event
			s, batch := w.Source(connection), make([]Event, 64)
			for n := range 50 {
				s.Next(int64(n)*1000, batch)
				all = append(all, batch...)
			}
			return all
		}
		one := take(c, 3)
		if !slices.Equal(one, take(c, 3)) {
			t.Errorf("%s: the same connection yields other events", dist)
		}
		if slices.Equal(one, take(c, 4)) {
			t.Errorf("%s: two connections yield the same", dist)
		}
		c.Seed++
		if slices.Equal(one, take(c, 3)) {
			t.Errorf("%s: two seeds yield the same", dist)
		}
	}
}

// What a seed yields is fixed for ever: figures of years apart are of the same workload.
func TestASeedMeansTheSameEverywhere(t *testing.T) {
	w, err := New(Config{Seed: 7, Dist: Zipf, Items: 1_000_000, Users: 1_000_000, Cohorts: 2, Spread: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	events := make([]Event, 3)
	w.Source(1).Next(10_000_000, events)
	got := ""
	for _, e := range events {
		got += fmt.Sprintln(e.Time, TypeName(e.Type), w.Item(e.Item), w.User(e.User), w.Cohorts(e.User))
	}
	const want = "7775505 like item-0205982 user-0746637 [age-3 country-10]\n" +
		"9174872 view item-0730757 user-0000000 [age-0 country-00]\n" +
		"7982100 skip item-0737737 user-0164899 [age-0 country-15]\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestEventsStayWithinTheirBounds(t *testing.T) {
	w, err := New(Config{Seed: seed(t), Dist: Uniform, Items: 7, Users: 11, Cohorts: 2, Spread: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	events := make([]Event, 20_000)
	w.Source(0).Next(5000, events)
	items, users, cohorts, kinds := map[uint32]int{}, map[uint32]int{}, map[string]int{}, [Types]int{}
	for _, e := range events {
		if e.Time < 4000 || e.Time > 5000 {
			t.Fatalf("time %d", e.Time)
		}
		items[e.Item]++
		users[e.User]++
		kinds[e.Type]++
		for _, c := range w.Cohorts(e.User) {
			cohorts[c]++
		}
	}
	if len(items) != 7 || len(users) != 11 || len(cohorts) < 4 {
		t.Errorf("%d items, %d users, %d cohorts", len(items), len(users), len(cohorts))
	}
	for k, n := range kinds {
		want := float64(len(events) * types[k].share / 100)
		if math.Abs(float64(n)-want) > 6*math.Sqrt(want) {
			t.Errorf("%s came %d times, want about %.0f", types[k].name, n, want)
		}
	}
}

func TestNamesCount(t *testing.T) {
	s := newNames("item-", 20_001)
	for _, i := range []uint32{0, 9, 10, 99, 100, 12_345, 20_000} {
		if want := fmt.Sprintf("item-%07d", i); s.at(i) != want {
			t.Errorf("name %d is %q, want %q", i, s.at(i), want)
		}
	}
}

func TestPopularItemsAreScatteredOneToOne(t *testing.T) {
	for _, n := range []int{1, 2, 1000, 611_953} {
		s, seen := newScatter(n), make([]bool, n)
		for rank := range n {
			if at := s.of(uint32(rank)); seen[at] {
				t.Fatalf("n %d: rank %d meets another at %d", n, rank, at)
			} else {
				seen[at] = true
			}
		}
	}
}

func TestEveryCellGetsItsEvents(t *testing.T) {
	w, err := New(Config{Seed: seed(t), Dist: Uniform, Items: 30})
	if err != nil {
		t.Fatal(err)
	}
	const end, perCell = int64(90_000_000), 4
	got := map[[2]uint32]int{}
	var last, total int64
	err = w.EachCell(perCell, 64, end, 8*time.Hour, func(events []Event) error {
		for _, e := range events {
			got[[2]uint32{e.Item, uint32(e.Type)}]++
			if e.Time >= end || e.Time < end-(8*time.Hour).Milliseconds() || e.Time < last-(2*time.Hour).Milliseconds() {
				t.Fatalf("time %d after %d", e.Time, last)
			}
			last = max(last, e.Time)
			total++
		}
		return nil
	})
	if err != nil || len(got) != 300 || total != 1200 {
		t.Fatalf("%d cells, %d events: %v", len(got), total, err)
	}
	for cell, n := range got {
		if n != perCell {
			t.Errorf("cell %v has %d events", cell, n)
		}
	}
	stop := errors.New("stop")
	if err := w.EachCell(1, 64, end, time.Hour, func([]Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error is lost: %v", err)
	}
}

func TestImpossibleWorkloadsAreRefused(t *testing.T) {
	for _, c := range []Config{
		{Dist: "normal", Items: 1},
		{Dist: Zipf},
		{Dist: Zipf, Items: maxNames + 1},
		{Dist: Zipf, Items: 1, Users: -1},
		{Dist: Zipf, Items: 1, Users: maxNames + 1},
		{Dist: Zipf, Items: 1, Users: 1, Cohorts: 3},
		{Dist: Zipf, Items: 1, Cohorts: 1},
		{Dist: Zipf, Items: 1, Spread: -1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestTheSchemaHasTheTypesInOrder(t *testing.T) {
	for _, all := range []bool{false, true} {
		s := Schema(all)
		if len(s.Signals) != Types {
			t.Fatalf("%d types", len(s.Signals))
		}
		for i, x := range s.Signals {
			if x.Name != TypeName(uint8(i)) || len(x.HalfLives) != map[bool]int{false: 1, true: 3}[all] {
				t.Errorf("type %d: %+v", i, x)
			}
			if !all && x.HalfLives[0] != HalfLife(uint8(i)) {
				t.Errorf("%s has half-life %v", x.Name, x.HalfLives[0])
			}
		}
	}
}

func BenchmarkNext64(b *testing.B) {
	w, err := New(Config{Seed: 1, Dist: Zipf, Items: 1_000_000, Users: 1_000_000, Cohorts: 2})
	if err != nil {
		b.Fatal(err)
	}
	s, events := w.Source(0), make([]Event, 64)
	for b.Loop() {
		s.Next(0, events)
	}
}
