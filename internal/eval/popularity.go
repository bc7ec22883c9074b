package eval

import "context"

// Recommender is a way to choose items for users, made from the training part of a split.
type Recommender interface {
	// Name is the key of its figures in a result, such as "item_knn".
	Name() string
	// Recommend returns at most k items for a user of the log, best first, each once, and none that the user met in
	// training. The list may be overwritten by the next call. One goroutine calls it.
	Recommend(ctx context.Context, user uint32, k int) ([]string, error)
}

// Popularity recommends the items with the most positive training interactions to everybody.
type Popularity struct {
	training *Training
	order    []uint32
	met      marks
}

// NewPopularity counts. Of items with the same count the one that was met first in the log is the better one.
func NewPopularity(t *Training) *Popularity {
	all := best{k: len(t.Items)}
	for i, served := range t.Served {
		if served {
			all.offer(scored{uint32(i), float64(t.Positives[i])})
		}
	}
	p := &Popularity{training: t, met: newMarks(len(t.Items))}
	for _, s := range all.take() {
		p.order = append(p.order, s.item)
	}
	return p
}

// Name is "popularity".
func (p *Popularity) Name() string { return "popularity" }

// Recommend is as [Recommender] says.
func (p *Popularity) Recommend(_ context.Context, user uint32, k int) ([]string, error) {
	p.met.clear()
	for _, v := range p.training.History[user] {
		p.met.set(v.Item)
	}
	return p.fill(nil, k), nil
}

// fill appends the most popular unmarked items until the list has k.
func (p *Popularity) fill(list []string, k int) []string {
	for _, item := range p.order {
		if len(list) >= k {
			break
		}
		if !p.met.has(item) {
			list = append(list, p.training.Items[item])
		}
	}
	return list
}

// marks is a set of items that is emptied at once.
type marks struct {
	round uint32
	of    []uint32
}

func newMarks(items int) marks { return marks{round: 1, of: make([]uint32, items)} }

func (m *marks) set(item uint32)      { m.of[item] = m.round }
func (m *marks) has(item uint32) bool { return m.of[item] == m.round }

func (m *marks) clear() {
	m.round++
	if m.round == 0 {
		clear(m.of)
		m.round = 1
	}
}
