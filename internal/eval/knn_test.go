package eval_test

import (
	"cmp"
	"context"
	"math"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/eval"
)

// What baselines answer is what their definitions say, computed for every pair of items and users the long way round.
func TestBaselinesAgainstTheirDefinitions(t *testing.T) {
	forLogs(t, func(t tester, l *eval.Log) {
		d := data(t, l)
		s, err := eval.LeaveLastOut(d)
		if err != nil {
			return
		}
		tr := eval.NewTraining(d, s)
		o := newOracle(d, s)
		popular := eval.NewPopularity(tr)
		near := eval.NewNeighbours(tr)
		plain, decayed := eval.NewKNN(near, popular), eval.NewDecayedKNN(near, popular)
		for user := range d.Users {
			for _, c := range []struct {
				r     eval.Recommender
				score func(item int) float64
			}{
				{popular, func(item int) float64 { return float64(o.positives[item]) }},
				{plain, func(item int) float64 { return o.knn(user, item, math.Inf(1)) }},
				{decayed, func(item int) float64 { return o.knn(user, item, 10) }},
			} {
				for _, k := range []int{1, 4, 30} {
					got, err := c.r.Recommend(context.Background(), uint32(user), k)
					if err != nil {
						t.Fatal(err)
					}
					o.check(t, c.r.Name(), user, k, got, c.score)
				}
			}
		}
	})
}

// oracle knows training by its interactions alone.
type oracle struct {
	names     []string
	served    []bool
	positives []int
	met       []map[int]bool
	liked     [][]int // by user, in the order of the latest positive interaction
	likes     [][]bool
}

func newOracle(d *eval.Data, s *eval.Split) *oracle {
	o := &oracle{
		names: d.Items, served: make([]bool, len(d.Items)), positives: make([]int, len(d.Items)),
		liked: make([][]int, len(d.Users)), likes: make([][]bool, len(d.Users)),
	}
	for range d.Users {
		o.met = append(o.met, map[int]bool{})
	}
	for u := range o.likes {
		o.likes[u] = make([]bool, len(d.Items))
	}
	for i, x := range d.Interactions {
		if s.Part[i] != eval.Train {
			continue
		}
		o.served[x.Item] = true
		if x.Positive {
			o.positives[x.Item]++
		}
		if x.User == eval.Nobody {
			continue
		}
		o.met[x.User][int(x.Item)] = true
		if x.Positive {
			o.likes[x.User][x.Item] = true
			kept := slices.DeleteFunc(o.liked[x.User], func(i int) bool { return i == int(x.Item) })
			o.liked[x.User] = append(kept, int(x.Item))
		}
	}
	return o
}

func (o *oracle) similarity(a, b int) float64 {
	var both, ofA, ofB float64
	for _, likes := range o.likes {
		if likes[a] {
			ofA++
		}
		if likes[b] {
			ofB++
		}
		if likes[a] && likes[b] {
			both++
		}
	}
	return both / (math.Sqrt(ofA*ofB) + 10)
}

func (o *oracle) knn(user, item int, halfLife float64) float64 {
	sum := 0.0
	for age, other := range slices.Backward(o.liked[user]) {
		if other != item {
			sum += o.similarity(other, item) * math.Pow(0.5, float64(len(o.liked[user])-1-age)/halfLife)
		}
	}
	return sum
}

// check compares a list with scores. Equal scores but for rounding may stand in any order; those without a score follow
// by popularity.
func (o *oracle) check(t tester, name string, user, k int, got []string, score func(int) float64) {
	var want []int
	for item, ok := range o.served {
		if ok && !o.met[user][item] {
			want = append(want, item)
		}
	}
	rank := func(item int) float64 { return math.Round(score(item) * 1e12) }
	slices.SortStableFunc(want, func(a, b int) int {
		c := cmp.Compare(rank(b), rank(a))
		if c == 0 && rank(a) == 0 {
			c = cmp.Compare(o.positives[b], o.positives[a])
		}
		return c
	})
	want = want[:min(k, len(want))]
	if len(got) != len(want) {
		t.Fatalf("%s for user %d: %v; want %d items", name, user, got, len(want))
	}
	for i, item := range want {
		have := slices.Index(o.names, got[i])
		if slices.Contains(got[:i], got[i]) || o.met[user][have] || !o.served[have] || rank(have) != rank(item) ||
			rank(item) == 0 && have != item {
			t.Fatalf("%s for user %d: %v; want %v (place %d has %v, want %v)", name, user, got, want, i+1,
				score(have), score(item))
		}
	}
}

// A log of as many events as a large MovieLens is worked through in seconds.
func BenchmarkNeighbours(b *testing.B) {
	l := &eval.Log{Schema: shop()}
	const users, items, each = 5000, 3000, 100
	for i := range users {
		l.Users = append(l.Users, string(rune(i)))
	}
	for i := range items {
		l.Items = append(l.Items, string(rune(i)))
	}
	state := uint64(1)
	for n := range users * each {
		state = state*6364136223846793005 + 1442695040888963407
		x := float64(state>>11) / (1 << 53)
		l.Events = append(l.Events, eval.Event{
			Time: int64(n), User: uint32(n % users), Item: uint32(x * x * x * items), Weight: 1, Creator: eval.Nobody,
		})
	}
	d, err := eval.NewData(l, []string{"like"})
	if err != nil {
		b.Fatal(err)
	}
	s, err := eval.LeaveLastOut(d)
	if err != nil {
		b.Fatal(err)
	}
	tr := eval.NewTraining(d, s)
	for b.Loop() {
		eval.NewNeighbours(tr)
	}
}
