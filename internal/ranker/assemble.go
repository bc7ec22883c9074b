package ranker

import (
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/diversity"
	"github.com/tidaldb/tidal/internal/explore"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// mixing is what a list is put together from.
type mixing struct {
	extra  []candidate // at fixed places: pinned ones, and those that exploration drew
	fixed  []diversity.Fixed
	ranks  []int
	scores []float64
	picks  []int
	fields []fieldCodes
	room   [1]uint32
	v      *Views
	found  []candidate
	// embedding is the slot that likeness is taken from; empty is the first.
	embedding string
}

// maxRest is how many candidates are kept for later pages.
const maxRest = 300

// assemble makes the list of the candidates, which are in order.
func (r *Ranker) assemble(out *List) error {
	if r.job.AsShown {
		return r.fill(out, r.found)
	}
	m := &r.mix
	m.extra, m.fixed, m.ranks, m.v = m.extra[:0], m.fixed[:0], m.ranks[:0], r.job.Views
	if err := r.pin(); err != nil {
		return err
	}
	rules := r.job.Ask.Diversity
	if rules == nil {
		own := r.program.Diversity()
		rules = &own
	}
	if r.job.Effort >= NoMixing {
		rules = &schema.Diversity{}
	} else {
		if err := r.explore(r.job.Ask.Limit); err != nil {
			return err
		}
	}
	m.found, m.embedding = r.found, rules.Embedding
	m.scores = m.scores[:0]
	for i := range r.found {
		s := r.found[i].score
		if i > 0 {
			s = min(s, m.scores[i-1]) // buried ones come last, whatever their score
		}
		m.scores = append(m.scores, s)
	}
	in := diversity.Input{
		Rules: rules, Minimums: m.plan(rules), Scores: m.scores, Items: m, Fixed: m.fixed,
		Limit: r.job.Ask.Limit,
	}
	var broken []diversity.Violation
	m.picks, broken = r.mixer.Mix(&in, m.picks[:0])
	for _, b := range broken {
		out.Broken = append(out.Broken, m.describe(&b))
	}
	shown := make([]candidate, 0, len(m.picks))
	for _, p := range m.picks {
		shown = append(shown, *m.at(p))
	}
	r.rest(out)
	return r.fill(out, shown)
}

// pin takes pinned items out of the candidates, and puts them at their places. An item that can't be shown leaves its
// place to others.
func (r *Ranker) pin() error {
	if r.job.Page > 0 {
		return nil
	}
	for _, p := range r.job.Ask.Pins {
		n, ok := r.job.Engine.ItemOrd(p.Item)
		if !ok || !r.job.Views.Index.Served(n, r.job.At) || r.who.hidden(r.job.Views, n) || r.excluded.has(n) {
			r.warnings = append(r.warnings, fmt.Sprintf("%q can't be shown and isn't pinned", p.Item))
			continue
		}
		c := candidate{n: n, propensity: 1}
		if err := r.scoreShown(&c); err != nil {
			return err
		}
		r.take(n)
		r.fix(c, p.Rank)
	}
	return nil
}

// take removes an item from the candidates.
func (r *Ranker) take(n state.Ord) {
	r.found = slices.DeleteFunc(r.found, func(c candidate) bool { return c.n == n })
}

func (r *Ranker) fix(c candidate, rank int) {
	r.mix.extra = append(r.mix.extra, c)
	r.mix.fixed = append(r.mix.fixed, diversity.Fixed{Rank: rank, Item: -1 - len(r.mix.extra)}) // numbered when all are known
	r.mix.ranks = append(r.mix.ranks, rank)
}

// rest keeps the candidates that aren't in the list for the pages that follow.
func (r *Ranker) rest(out *List) {
	m := &r.mix
	taken := r.order[:0]
	for _, p := range m.picks {
		if p >= 0 && p < len(m.found) {
			taken = append(taken, int32(p))
		}
	}
	slices.Sort(taken)
	r.order = taken
	left := min(maxRest, len(m.found)-len(taken))
	if left <= 0 {
		return
	}
	out.Rest = make([]Left, 0, left)
	for i := range m.found {
		if len(taken) > 0 && taken[0] == int32(i) {
			taken = taken[1:]
			continue
		}
		if len(out.Rest) == left {
			break
		}
		out.Rest = append(out.Rest, Left{m.found[i].n, m.found[i].score})
	}
}

// fill writes the list down. Here, last of all, whatever the user has hidden is looked up once more in the engine's
// records, by the items' own ids.
func (r *Ranker) fill(out *List, shown []candidate) error {
	out.Items = make([]Item, 0, len(shown))
	for i := range shown {
		c := &shown[i]
		item := Item{
			ID: r.job.Engine.ItemID(c.n), Score: c.score, Slot: c.slot, Propensity: c.propensity,
		}
		item.Pinned = r.job.Page == 0 &&
			slices.ContainsFunc(r.job.Ask.Pins, func(p query.Pin) bool { return p.Item == item.ID })
		if Hidden(r.job.Engine, r.job.Ask.User, item.ID) {
			out.Stats.Stopped++
			continue
		}
		if r.job.Ask.Explain {
			var err error
			if item.Terms, err = r.explain(c); err != nil {
				return err
			}
		}
		out.Items = append(out.Items, item)
	}
	return nil
}

// explore gives places to items that slots draw.
func (r *Ranker) explore(limit int) error {
	slots := r.slots()
	if len(slots) == 0 {
		return nil
	}
	seed := r.job.Seed + uint64(r.job.Page)*0x9e3779b97f4a7c15
	places := explore.Places(limit, slots, r.mix.ranks, seed)
	if len(places) == 0 {
		return nil
	}
	pools := make([]explore.Pool, len(slots))
	for _, p := range places {
		if pools[p.Slot] == nil {
			pools[p.Slot] = explore.List(r.pool(&slots[p.Slot]))
		}
	}
	picks, _ := explore.Draw(places, slots, pools, r.certain(limit), seed)
	for _, p := range picks {
		c := candidate{n: state.Ord(p.Item), slot: slots[p.Slot].Name, propensity: p.Propensity}
		pass, err := r.score(&c)
		if err != nil {
			return err
		}
		if !pass {
			continue // the place goes back to the ranking
		}
		r.take(c.n)
		r.fix(c, p.Rank)
	}
	return nil
}

// slots are those of the profile, their shares brought to what the query asks for.
func (r *Ranker) slots() []schema.Slot {
	slots := r.program.Explore()
	want := r.job.Ask.Explore
	if want == nil {
		return slots
	}
	if *want <= 0 {
		return nil
	}
	if len(slots) == 0 {
		return []schema.Slot{{Name: "explore", Share: *want, Pool: schema.PoolCandidates}}
	}
	sum := 0.0
	for _, s := range slots {
		sum += s.Share
	}
	out := slices.Clone(slots)
	for i := range out {
		out[i].Share *= *want / sum
	}
	return out
}

// poolMost is how many items a pool has at most, but for that of all items.
const poolMost = 256

// pool returns the items that a slot draws from, in the order of their ids, which all replicas share. On later pages these
// are candidates alone: nothing else is known not to have been shown before. Buried items are in no pool: they come last.
func (r *Ranker) pool(s *schema.Slot) []uint32 {
	var list []uint32
	x := r.job.Views.Index
	pass := func(n state.Ord) bool {
		if r.job.Page > 0 && !r.passed.has(n) || !r.accept(n) || r.buried(n) {
			return false
		}
		r.feat.first(n, r.values)
		return r.program.PassEarly(r.values)
	}
	switch s.Pool {
	case schema.PoolNew:
		oldest := r.job.At - s.Within.Milliseconds()
		// Those that are too old come behind all others: they are let pass to end the search, and are left out.
		r.ords = x.Newest(r.ords[:0], poolMost, r.job.At, func(n state.Ord) bool { return x.PublishedAt(n) <= oldest || pass(n) })
		for _, n := range r.ords {
			if x.PublishedAt(n) <= oldest {
				break
			}
			list = append(list, uint32(n))
		}
	case schema.PoolAll:
		r.filter.Each(func(n state.Ord) bool {
			if pass(n) {
				list = append(list, uint32(n))
			}
			return true
		})
	default:
		for i := range r.found {
			t, _ := r.who.creators.get(r.job.Views.creatorOf(r.found[i].n))
			if !r.found[i].buried && (s.Pool != schema.PoolUnfollowed || !t.follows) {
				list = append(list, uint32(r.found[i].n))
			}
		}
	}
	slices.SortFunc(list, func(a, b uint32) int { return r.job.Engine.CompareItems(state.Ord(a), state.Ord(b)) })
	return list
}

// certain are items that have a place without exploration: pinned ones, and the best candidates, as many as there are
// places.
func (r *Ranker) certain(limit int) []uint32 {
	out := make([]uint32, 0, limit+len(r.mix.extra))
	for i := range r.mix.extra {
		out = append(out, uint32(r.mix.extra[i].n))
	}
	for i := range r.found[:min(limit, len(r.found))] {
		out = append(out, uint32(r.found[i].n))
	}
	return out
}
