package ranker

import (
	"math"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/heads"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// neighbours find what those who met the same items met beside them, in two hops: from items to their engagers, from these
// to what they met. It's a nearest-neighbour method over sequences: V-SkNN (M. Ludewig, D. Jannach, Evaluation of
// Session-based Recommendation Algorithms, UMUAI 28, 2018) with the closeness in the neighbour's sequence of STAN (D. Garg
// et al., Sequence and Time Aware Neighbourhood for Session-based Recommendations, SIGIR 2019), and a discount for
// popularity on both ends.
//
// Everything is read from the engine's lists, so a signal counts from the moment it is visible. Ids aren't looked up on the
// way: items and users are told apart by 32-bit hashes, as the index of ids has them. That two share one is rare, and costs
// no more than a wrong candidate, which is then held against filters as any other.
type neighbours struct {
	scores table[float32] // by ordinal, in [0, 1]

	weights table[float32]  // of the source items, by hash
	known   table[struct{}] // hashes of items that must not get a score
	users   []neighbour
	byUser  table[int32] // where a user is in users, by hash
	raw     table[float32]
	found   []scored
	ords    []state.Ord
	popular []int64
	list    trail
}

// The constants of the method. They were found on MovieLens 100K and on a list of purchases, and lie where both are flat:
// docs/evaluation.md.
const (
	// sourceItems is how many of the user's newest items are looked at; one counts half as much as one that is sourceHalf
	// places newer.
	sourceItems = 32
	sourceHalf  = 4
	// unliked is what an item counts that was met, and not liked.
	unliked = 0.5
	// popularity is discounted by (number + popularShift)^−¼.
	popularShift = 10
	// nearest is how many neighbours are asked, of the preselected ones who share most.
	nearest     = 128
	preselected = 256
	// closeness is the part of a score that depends on how close an item stands to what both met, in the neighbour's
	// sequence; behind it counts full, before it half. It falls by e in closenessSpan places.
	closeness     = 0.75
	closenessSpan = 10
	before        = 0.5
	// resolvedMost is how many items get a score at most.
	resolvedMost = 1000
)

// neighbour is a user who met some of the source items.
type neighbour struct {
	id     []byte // lent
	gen    hlc.Timestamp
	hash   uint32
	weight float64 // of what is shared
	ord    state.Ord
	norm   float64 // 1/√(number of records), one for each item that a type with a mark was sent about
}

type scored struct {
	hash  uint32
	score float32
}

// trail is what a neighbour met, oldest first.
type trail struct {
	n      int
	hashes [algebra.MaxList]uint32
	tastes [algebra.MaxList]float32
	close  [algebra.MaxList]float32
}

func (x *neighbours) reset() {
	x.scores.reset()
	x.weights.reset()
	x.known.reset()
	x.byUser.reset()
	x.raw.reset()
	x.users, x.found = x.users[:0], x.found[:0]
}

// ofPerson scores what a user hasn't met, by what they met last.
func (x *neighbours) ofPerson(r *Ranker) {
	who, e := &r.who, r.job.Engine
	for i, m := range who.history {
		hash := e.ItemHash(m.n)
		x.known.at(hash)
		if i >= sourceItems {
			continue
		}
		w := math.Exp2(-float64(i)/sourceHalf) * discount(r.job.Views, m.n)
		if m.liking <= 0 || m.liking == 1 && r.job.Views.approves {
			w *= unliked
		}
		*x.weights.at(hash) = float32(w)
		x.engagers(e, m.n, w, who.name)
	}
	x.second(r)
}

// ofItem scores what those met who met one item.
func (x *neighbours) ofItem(r *Ranker) {
	hash := r.job.Engine.ItemHash(r.subject)
	x.known.at(hash)
	*x.weights.at(hash) = 1
	x.engagers(r.job.Engine, r.subject, 1, "")
	x.second(r)
}

// discount is what popularity takes from an item.
func discount(v *Views, n state.Ord) float64 { return discounted(v.popularity(n)) }

func discounted(popularity int64) float64 {
	return 1 / math.Sqrt(math.Sqrt(float64(popularity+popularShift)))
}

// engagers is the first hop, from one item.
func (x *neighbours) engagers(e *engine.Engine, n state.Ord, w float64, self string) {
	algebra.ScanList(e.Engagers(n), func(m *algebra.Met) bool {
		if string(m.ID) == self {
			return true
		}
		hash := uint32(xxh3.Hash(m.ID))
		at := x.byUser.at(hash)
		if *at == 0 {
			x.users = append(x.users, neighbour{id: m.ID, gen: m.Gen, hash: hash})
			*at = int32(len(x.users))
		}
		x.users[*at-1].weight += w
		return true
	})
}

// second is the second hop: from the nearest neighbours to what they met.
func (x *neighbours) second(r *Ranker) {
	e := r.job.Engine
	chosen, asked := preselected, nearest
	if r.job.Effort >= FewerCandidates {
		chosen, asked = preselected*2/5, nearest*2/5
	}
	x.preselect(chosen)
	for i := range x.users {
		u := &x.users[i]
		n, met, ok := e.Resident(u.id, uint64(u.gen))
		if !ok {
			u.weight = 0
			continue
		}
		u.ord, u.norm = n, 1/math.Sqrt(float64(max(met, 1)))
		u.weight *= u.norm
	}
	x.preselect(asked)
	for i := range x.users {
		if u := &x.users[i]; u.weight > 0 {
			x.ask(r, u)
		}
	}
	x.resolve(r)
}

// preselect leaves the k neighbours with the highest weights. They are left in an order that doesn't depend on ordinals,
// since sums of floating-point numbers depend on it.
func (x *neighbours) preselect(k int) {
	x.users = first(x.users, k, byWeight)
	slices.SortFunc(x.users, func(a, b neighbour) int {
		switch {
		case byWeight(&a, &b):
			return -1
		case byWeight(&b, &a):
			return 1
		}
		return 0
	})
}

func byWeight(a, b *neighbour) bool {
	if a.weight != b.weight {
		return a.weight > b.weight
	}
	return a.hash < b.hash
}

// ask adds what one neighbour met.
func (x *neighbours) ask(r *Ranker, u *neighbour) {
	t := &x.list
	t.read(r.job.Engine.RecentsOfOrd(u.ord), r.job.Views)
	shared := t.sweep(&x.weights)
	if shared == 0 {
		return // what both met is too long ago to be in the list
	}
	// Types that leave no mark on an item leave no record of it either, but the list has it.
	norm := min(u.norm, 1/math.Sqrt(float64(t.n)))
	for k := range t.n {
		if _, known := x.known.get(t.hashes[k]); known {
			continue
		}
		s := float64((1-closeness)*shared+closeness*t.close[k]) * norm
		*x.raw.at(t.hashes[k]) += float32(s) * t.tastes[k]
	}
}

// read reads a list of recents, which has the newest first and each item once.
func (t *trail) read(list []byte, v *Views) {
	t.n = 0
	algebra.ScanList(list, func(m *algebra.Met) bool {
		at := len(t.hashes) - 1 - t.n
		t.hashes[at] = uint32(xxh3.Hash(m.ID))
		t.tastes[at] = v.taste(m.Type)
		t.n++
		return true
	})
	first := len(t.hashes) - t.n
	copy(t.hashes[:], t.hashes[first:])
	copy(t.tastes[:], t.tastes[first:])
}

// sweep computes how close each item stands to the sources in the list, and returns what the list shares with them.
func (t *trail) sweep(weights *table[float32]) (shared float32) {
	fade := float32(math.Exp(-1.0 / closenessSpan))
	var own [algebra.MaxList]float32
	acc := float32(0)
	for k := range t.n {
		own[k], _ = weights.get(t.hashes[k])
		shared += own[k]
		t.close[k] = acc
		acc = (acc + own[k]) * fade
	}
	if shared == 0 {
		return 0
	}
	acc = 0
	for k := t.n - 1; k >= 0; k-- {
		t.close[k] += before * acc
		acc = (acc + own[k]) * fade
	}
	return shared
}

// resolve turns the sums into scores of items in [0, 1].
func (x *neighbours) resolve(r *Ranker) {
	x.raw.each(func(hash uint32, sum *float32) { x.found = append(x.found, scored{hash: hash, score: *sum}) })
	x.found = first(x.found, resolvedMost, func(a, b *scored) bool {
		if a.score != b.score {
			return a.score > b.score
		}
		return a.hash < b.hash
	})
	kept := x.found[:0]
	x.ords = x.ords[:0]
	for _, f := range x.found {
		if n, ok := r.job.Engine.ItemOfHash(f.hash); ok {
			kept = append(kept, f)
			x.ords = append(x.ords, n)
		}
	}
	x.popular = r.job.Views.popularities(x.ords, x.popular[:0])
	best := float32(0)
	for i := range kept {
		kept[i].score *= float32(discounted(x.popular[i]))
		best = max(best, kept[i].score)
	}
	if best == 0 {
		return
	}
	for i := range kept {
		*x.scores.at(uint32(x.ords[i])) = kept[i].score / best
	}
}

// popularTypes are the types by which popularity goes: the first two positive ones that mark items as seen, of which there
// are most signals as a rule, or else the first two positive ones. More would be more to read for each item.
func (v *Views) popularTypes() []heads.Type {
	var visits, others []heads.Type
	for i := range v.schema.Signals {
		switch t := &v.schema.Signals[i]; {
		case t.Meaning == schema.Positive && t.Seen:
			visits = append(visits, v.columns[i])
		case t.Meaning == schema.Positive:
			others = append(others, v.columns[i])
		}
	}
	all := append(visits, others...)
	return all[:min(2, len(all))]
}

// popularity is about how many users met an item: the larger number of signals of the types that popularity goes by.
func (v *Views) popularity(n state.Ord) int64 {
	most := int64(0)
	for _, t := range v.popular {
		most = max(most, v.Heads.Total(t, n))
	}
	return most
}

// popularities is popularity of many items: a type after another, so that reads from memory don't wait for each other.
func (v *Views) popularities(items []state.Ord, out []int64) []int64 {
	for range items {
		out = append(out, 0)
	}
	for _, t := range v.popular {
		for i, n := range items {
			out[i] = max(out[i], v.Heads.Total(t, n))
		}
	}
	return out
}

// taste is what an interaction of a type says about the item, to others.
func (v *Views) taste(typeName []byte) float32 {
	if i, ok := v.typeOf(typeName); ok {
		return v.tastes[i]
	}
	return unliked
}

// tastesOf says for each type how much it counts, and whether the schema has types that say more than a visit does.
func tastesOf(s *schema.Schema) (tastes []float32, approves bool) {
	tastes = make([]float32, len(s.Signals))
	for i := range s.Signals {
		approves = approves || likingOf(&s.Signals[i]) == 2
	}
	for i := range s.Signals {
		liking := likingOf(&s.Signals[i])
		tastes[i] = unliked
		if liking == 2 || liking == 1 && !approves {
			tastes[i] = 1
		}
	}
	return tastes, approves
}
