package eval

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// judge has lists made for the users under test of one split, and scores them.
type judge struct {
	data     *Data
	training *Training
	tests    []Case // those that lists are made for
	k        []int  // ascending
	distance *distance
	number   map[string]uint32
	name     string // of the split
	now      func() time.Time
	step     Step
}

func newJudge(d *Data, s *Split, t *Training, tests []Case, o *Options) *judge {
	j := &judge{
		data: d, training: t, tests: tests, k: o.K, distance: newDistance(d, t),
		number: make(map[string]uint32, len(t.Items)), name: s.Name, now: o.Now, step: o.Step,
	}
	for i, name := range t.Items {
		j.number[name] = uint32(i)
	}
	return j
}

// verdict is what is known of one recommender: figures, and each user's NDCG at the first k.
type verdict struct {
	Figures
	ndcg []float64
}

// scoreSince lets r make the lists of all users under test. A list that breaks the rules of a [Recommender] is an
// error: its figures would say nothing.
//
// The seconds count from when preparing r began.
func (j *judge) scoreSince(ctx context.Context, r Recommender, began time.Time) (*verdict, error) {
	v := &verdict{Figures: Figures{K: j.k, NDCG: make([]float64, len(j.k)), HitRate: make([]float64, len(j.k))}}
	b := beyond{judge: j, shown: make([]bool, len(j.training.Items))}
	met := newMarks(len(j.training.Items))
	for n, c := range j.tests {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		list, err := r.Recommend(ctx, c.User, j.k[len(j.k)-1])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Name(), err)
		}
		items, err := j.check(&met, c.User, list)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Name(), err)
		}
		v.add(items, c.Items)
		b.add(items[:min(j.k[0], len(items))])
		j.step.tell("ranking by "+r.Name()+", "+j.name, n+1, len(j.tests))
	}
	v.divide()
	b.report(&v.Figures)
	v.Seconds = j.now().Sub(began).Seconds()
	return v, nil
}

// add scores one list by what it should hold.
func (v *verdict) add(items, wanted []uint32) {
	hits := make([]bool, len(items))
	for i, item := range items {
		hits[i] = slices.Contains(wanted, item)
	}
	for i, k := range v.K {
		ndcg := NDCG(hits, len(wanted), k)
		v.NDCG[i] += ndcg
		v.HitRate[i] += HitRate(hits, k)
		if i == 0 {
			v.ndcg = append(v.ndcg, ndcg)
		}
	}
	v.MRR += ReciprocalRank(hits)
	v.Users++
}

// divide makes means of sums.
func (v *verdict) divide() {
	users := float64(max(1, v.Users))
	for i := range v.K {
		v.NDCG[i] /= users
		v.HitRate[i] /= users
	}
	v.MRR /= users
}

// beyond gathers what lists are like beside being right.
type beyond struct {
	judge     *judge
	shown     []bool
	surprise  float64
	places    int
	distances []float64
}

func (b *beyond) add(list []uint32) {
	t := b.judge.training
	for _, item := range list {
		b.shown[item] = true
		b.surprise += SelfInformation(t.Met[item], t.Users)
		b.places++
	}
	if d, ok := b.judge.distance.within(list); ok {
		b.distances = append(b.distances, d)
	}
}

func (b *beyond) report(f *Figures) {
	f.Coverage = float64(countTrue(b.shown)) / float64(b.judge.training.CatalogueSize())
	f.Novelty = b.surprise / float64(max(1, b.places))
	f.IntraListDiversity = mean(b.distances)
}

// check turns a list into numbers.
func (j *judge) check(met *marks, user uint32, list []string) ([]uint32, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("the list for user %q %s", j.data.Users[user], fmt.Sprintf(format, args...))
	}
	if k := j.k[len(j.k)-1]; len(list) > k {
		return nil, bad("has %d items; %d were asked for", len(list), k)
	}
	met.clear()
	for _, v := range j.training.History[user] {
		met.set(v.Item)
	}
	items := make([]uint32, len(list))
	for i, name := range list {
		item, ok := j.number[name]
		switch {
		case !ok || !j.training.Served[item]:
			return nil, bad("has item %q, which training doesn't know", name)
		case met.has(item) && slices.Contains(items[:i], item):
			return nil, bad("has item %q twice", name)
		case met.has(item):
			return nil, bad("has item %q, which the user met in training", name)
		}
		items[i] = item
		met.set(item)
	}
	return items, nil
}

func countTrue(list []bool) int {
	n := 0
	for _, b := range list {
		if b {
			n++
		}
	}
	return n
}
