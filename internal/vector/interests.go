package vector

import (
	"cmp"
	"math"
	"slices"

	"github.com/viterin/vek/vek32"

	"github.com/tidaldb/tidal/internal/state"
)

// MaxInterests is how many interests a user has at most.
const MaxInterests = 4

// Weighted is an item that a user met, and what it says about the user: above 0 attracts, below 0 repels. The caller
// makes weights of signals, and lets them fade with time.
type Weighted struct {
	Ord    state.Ord
	Weight float32
}

// Interest is one of the things that a user likes.
type Interest struct {
	// Vector has the length 1.
	Vector []float32
	// Mass is how much there is to it, above 0: the weights of its items, less β/γ-th of those that were disliked. The
	// parts of a user's interests in the sum of masses say how a list may be divided between them.
	Mass float32
}

// The constants of interests. They are the same for all data.
const (
	// leaderCosine is how near items lie that say the same about a user.
	leaderCosine = 0.6
	// refineRounds is how often items are given to the nearest interest and interests moved to the mean of their items.
	refineRounds = 3
	// attract and repel are β and γ of Rocchio's formula, at the values that are customary (C. D. Manning, P. Raghavan,
	// H. Schütze, Introduction to Information Retrieval, 2008, §9.1.1).
	attract = 0.75
	repel   = 0.15
)

// Interests finds what a user likes: at most limit vectors, at most [MaxInterests], by falling mass. Items without a
// vector say nothing; an item that stands there more than once counts with the sum of its weights. Who liked nothing
// has no interests. The result depends on the items and the set alone, not on the order of items.
//
// Several vectors, since the mean of two unlike tastes lies near neither (A. Pal et al., PinnerSage: Multi-Modal User
// Embedding Framework for Recommendations at Pinterest, KDD 2020). They are found so:
//
//   - From the heaviest liked item to the lightest, each joins the most similar leader so far, or becomes one if none
//     is similar by 0.6. The leaders of the heaviest groups begin an interest each.
//   - Three times, liked items go to the interest that they are most similar to, if the cosine is above 0, and each
//     interest becomes the weighted mean of its items, at length 1 (spherical k-means: I. Dhillon, D. Modha, Concept
//     Decompositions for Large Sparse Text Data Using Clustering, Machine Learning 42, 2001).
//   - Disliked items go to the interest that they are most similar to, too, and push it away (J. Rocchio, Relevance
//     Feedback in Information Retrieval, in: The SMART Retrieval System, 1971): of the mean p of what was liked and the
//     mean n of what was disliked remains β·p − γ·min(1, dislikes ÷ likes)·n, with β = 0.75 and γ = 0.15.
//
// An interest in which γ times the dislikes outweighs β times the likes is none.
func Interests(set *Set, items []Weighted, limit int) []Interest {
	limit = min(limit, MaxInterests)
	if limit < 1 {
		return nil
	}
	c := newClusters(set, items)
	if len(c.liked) == 0 {
		return nil
	}
	c.lead(limit)
	for range refineRounds {
		c.refine()
	}
	return c.interests()
}

// Match is how well an item fits a user: the highest cosine between its vector and an interest's, in [−1, 1] but for
// rounding; 0 without interests, and for a v that isn't of their dimensions.
func Match(interests []Interest, v []float32) float32 {
	best, any := float32(math.Inf(-1)), false
	for _, x := range interests {
		if len(v) == len(x.Vector) && len(v) > 0 {
			best, any = max(best, vek32.Dot(x.Vector, v)), true
		}
	}
	if !any {
		return 0
	}
	return best
}

// point is an item with a vector; its weight is positive, for dislikes too.
type point struct {
	ord    state.Ord
	weight float32
	vector []float32
}

// clusters is what interests are found with.
type clusters struct {
	liked, disliked []point // heaviest first, by ordinal where equal
	// centres are of length 1, by the order in which they began; an interest that loses its items stays where it was.
	centres [][]float32
	sums    [][]float32
	masses  [MaxInterests]float32
	term    []float32 // scratch: a vector times a weight
}

// newClusters sorts items into likes and dislikes, in an order that is a function of what they are.
func newClusters(set *Set, items []Weighted) *clusters {
	sorted := make([]Weighted, 0, 64)
	for _, w := range items {
		if finite(w.Weight) {
			sorted = append(sorted, w)
		}
	}
	slices.SortFunc(sorted, func(a, b Weighted) int {
		return cmp.Or(cmp.Compare(a.Ord, b.Ord), cmp.Compare(a.Weight, b.Weight))
	})
	points := make([]point, 0, len(sorted))
	c := &clusters{}
	for i := 0; i < len(sorted); {
		n, weight := sorted[i].Ord, float32(0)
		for ; i < len(sorted) && sorted[i].Ord == n; i++ {
			weight += sorted[i].Weight
		}
		if v := set.Get(n); v != nil && weight != 0 && finite(weight) {
			points = append(points, point{n, weight, v})
		}
	}
	slices.SortFunc(points, func(a, b point) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.ord, b.ord))
	})
	likes := len(points)
	for likes > 0 && points[likes-1].weight < 0 {
		likes--
	}
	c.liked, c.disliked = points[:likes], points[likes:]
	for i := range c.disliked {
		c.disliked[i].weight = -c.disliked[i].weight
	}
	return c
}

// leader is an item that stands for those which say the same.
type leader struct {
	at   int // in liked
	mass float32
}

// lead chooses where interests begin.
func (c *clusters) lead(limit int) {
	leaders := make([]leader, 0, 16)
	for i, p := range c.liked {
		nearest, best := -1, float32(leaderCosine)
		for j, l := range leaders {
			likeness := vek32.Dot(c.liked[l.at].vector, p.vector)
			if likeness > best || likeness == best && nearest < 0 {
				nearest, best = j, likeness
			}
		}
		if nearest < 0 {
			leaders = append(leaders, leader{at: i})
			nearest = len(leaders) - 1
		}
		leaders[nearest].mass += p.weight
	}
	slices.SortStableFunc(leaders, func(a, b leader) int { return cmp.Compare(b.mass, a.mass) })
	leaders = leaders[:min(limit, len(leaders))]

	d := len(c.liked[0].vector)
	memory := make([]float32, (2*len(leaders)+1)*d)
	cut := func() []float32 {
		v := memory[:d:d]
		memory = memory[d:]
		return v
	}
	c.term = cut()
	for _, l := range leaders {
		centre := cut()
		copy(centre, c.liked[l.at].vector)
		c.centres = append(c.centres, centre)
		c.sums = append(c.sums, cut())
	}
}

// refine gives each liked item to its nearest interest and moves the interests.
func (c *clusters) refine() {
	for i := range c.sums {
		clear(c.sums[i])
		c.masses[i] = 0
	}
	for _, p := range c.liked {
		if i := c.nearest(p.vector); i >= 0 {
			c.gather(c.sums[i], p)
			c.masses[i] += p.weight
		}
	}
	for i, sum := range c.sums {
		copy(c.term, sum)
		if c.masses[i] > 0 && unit(c.term) {
			copy(c.centres[i], c.term)
		}
	}
}

// nearest is the interest most similar to v, or −1 if v points away from all.
func (c *clusters) nearest(v []float32) int {
	nearest, best := -1, float32(0)
	for i, centre := range c.centres {
		if likeness := vek32.Dot(centre, v); likeness > best {
			nearest, best = i, likeness
		}
	}
	return nearest
}

// gather adds a point to a sum. The two steps round alike on every processor, which a fused one wouldn't.
func (c *clusters) gather(sum []float32, p point) {
	vek32.MulNumber_Into(c.term, p.vector, p.weight)
	vek32.Add_Inplace(sum, c.term)
}

// interests lets dislikes repel, and ends.
func (c *clusters) interests() []Interest {
	var dislikes [MaxInterests]float32
	repelled := make([][]float32, len(c.centres))
	for _, p := range c.disliked {
		i := c.nearest(p.vector)
		if i < 0 {
			continue
		}
		if repelled[i] == nil {
			repelled[i] = make([]float32, len(p.vector))
		}
		c.gather(repelled[i], p)
		dislikes[i] += p.weight
	}
	var out []Interest
	for i, centre := range c.centres {
		mass := c.masses[i] - dislikes[i]*(repel/attract)
		if c.masses[i] == 0 || !(mass > 0) {
			continue
		}
		if dislikes[i] > 0 {
			c.rocchio(c.sums[i], c.masses[i], repelled[i], dislikes[i])
			if unit(c.sums[i]) {
				copy(centre, c.sums[i])
			}
		}
		out = append(out, Interest{Vector: centre, Mass: mass})
	}
	slices.SortStableFunc(out, func(a, b Interest) int { return cmp.Compare(b.Mass, a.Mass) })
	return out
}

// rocchio makes β·p − γ·min(1, dislikes ÷ likes)·n of the sum of likes.
func (c *clusters) rocchio(sum []float32, likes float32, repelled []float32, dislikes float32) {
	vek32.MulNumber_Inplace(sum, attract/likes)
	vek32.MulNumber_Into(c.term, repelled, -repel*min(1, dislikes/likes)/dislikes)
	vek32.Add_Inplace(sum, c.term)
}

func finite(x float32) bool { return x-x == 0 }
