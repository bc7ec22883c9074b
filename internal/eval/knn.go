package eval

import (
	"context"
	"math"
)

// The settings of item-to-item neighbours, the same for all data.
const (
	neighbours = 100  // that are kept of each item
	shrink     = 10.0 // what is added below a similarity's fraction
	historyMax = 500  // newest liked items of a user that similarities are counted from
	halfLife   = 10.0 // in a user's own liked items
)

// Neighbours knows which items are liked by the same users.
type Neighbours struct {
	training *Training
	of       [][]scored
}

// NewNeighbours computes, for each item, the 100 items most similar to it. The similarity of i and j is the cosine of
// the sets of users with a positive interaction, U(i) and U(j), shrunk where few users stand behind it:
//
//	|U(i) ∩ U(j)| / (√(|U(i)|·|U(j)|) + 10)
//
// Cosine neighbours of items are those of Sarwar, Karypis, Konstan and Riedl, "Item-based Collaborative Filtering
// Recommendation Algorithms", WWW 2001; the term that shrinks them is that of Ferrari Dacrema, Cremonesi and Jannach,
// "Are We Really Making Much Progress?", RecSys 2019.
//
// It takes time in the square of a user's history, of which the newest 500 items count, and memory for 100 neighbours
// an item.
func NewNeighbours(t *Training) *Neighbours {
	n := &Neighbours{training: t, of: make([][]scored, len(t.Items))}
	histories := make([][]uint32, len(t.History))
	users := make([][]uint32, len(t.Items))
	for user := range t.History {
		liked := t.liked(uint32(user))
		liked = liked[max(0, len(liked)-historyMax):]
		histories[user] = liked
		for _, item := range liked {
			users[item] = append(users[item], uint32(user))
		}
	}
	shared := make([]int32, len(t.Items))
	var touched []uint32
	top := best{k: neighbours}
	for i := range users {
		for _, user := range users[i] {
			for _, j := range histories[user] {
				if shared[j] == 0 {
					touched = append(touched, j)
				}
				shared[j]++
			}
		}
		for _, j := range touched {
			if int(j) != i {
				norm := math.Sqrt(float64(len(users[i])) * float64(len(users[j])))
				top.offer(scored{j, float64(shared[j]) / (norm + shrink)})
			}
			shared[j] = 0
		}
		touched = touched[:0]
		n.of[i] = append([]scored(nil), top.take()...)
	}
	return n
}

// KNN recommends items whose neighbours the user liked: the score of j is the sum, over the user's liked items i that
// have j among their neighbours, of the similarity of i and j. Where fewer than k items have a score, the most popular
// ones follow.
type KNN struct {
	name    string
	decay   bool
	near    *Neighbours
	rest    *Popularity
	scores  []float64
	touched []uint32
	list    []string
}

// NewKNN takes all of a user's liked items for the same.
func NewKNN(n *Neighbours, rest *Popularity) *KNN { return newKNN("item_knn", false, n, rest) }

// NewDecayedKNN lets a liked item weigh half as much for every ten that the user liked after it: 2^(−n/10) for n.
// Weights that fall with age are those of Ding and Li, "Time Weight Collaborative Filtering", CIKM 2005; age is counted
// in the user's own events here, so that one half-life fits users of any pace.
func NewDecayedKNN(n *Neighbours, rest *Popularity) *KNN {
	return newKNN("item_knn_decay", true, n, rest)
}

func newKNN(name string, decay bool, n *Neighbours, rest *Popularity) *KNN {
	return &KNN{name: name, decay: decay, near: n, rest: rest, scores: make([]float64, len(n.of))}
}

// Name is "item_knn", or "item_knn_decay".
func (r *KNN) Name() string { return r.name }

// Recommend is as [Recommender] says.
func (r *KNN) Recommend(_ context.Context, user uint32, k int) ([]string, error) {
	t := r.near.training
	liked := t.liked(user)
	for n, i := range liked {
		weight := 1.0
		if r.decay {
			weight = math.Exp2(-float64(len(liked)-1-n) / halfLife)
		}
		for _, s := range r.near.of[i] {
			if r.scores[s.item] == 0 {
				r.touched = append(r.touched, s.item)
			}
			r.scores[s.item] += weight * s.score
		}
	}
	r.rest.met.clear()
	for _, v := range t.History[user] {
		r.rest.met.set(v.Item)
	}
	top := best{k: k}
	for _, j := range r.touched {
		if !r.rest.met.has(j) {
			top.offer(scored{j, r.scores[j]})
		}
		r.scores[j] = 0
	}
	r.touched, r.list = r.touched[:0], r.list[:0]
	for _, s := range top.take() {
		r.rest.met.set(s.item)
		r.list = append(r.list, t.Items[s.item])
	}
	r.list = r.rest.fill(r.list, k)
	return r.list, nil
}
