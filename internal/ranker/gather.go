package ranker

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/tidaldb/tidal/internal/heads"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/vector"
	"github.com/tidaldb/tidal/schema"
)

// accept reports whether an item may be a candidate: it exists, passes the filter, and the user hasn't hidden it.
func (r *Ranker) accept(n state.Ord) bool {
	if !r.filter.Match(n) || r.excluded.has(n) {
		return false
	}
	if r.who.hidden(r.job.Views, n) {
		r.kept++
		return false
	}
	return true
}

// offer takes an item that was accepted for a candidate, once.
func (r *Ranker) offer(n state.Ord) {
	if r.passed.add(n) {
		r.found = append(r.found, candidate{n: n, first: -float64(len(r.found)), propensity: 1})
	}
}

// tryIt is accept and offer for sources that yield items one by one.
func (r *Ranker) tryIt(n state.Ord) bool {
	r.tried++
	return r.passed.has(n) || r.accept(n)
}

// gather fills found from the profile's sources. A filter that leaves few items is a source by itself: those are taken,
// all of them, whatever the profile's sources are, so that a narrow question is answered from everything it is about. If
// they will be cut down by the order in which they came, those of the sources still come first.
func (r *Ranker) gather() error {
	set, ok := r.filter.Superset()
	few := ok && set.GetCardinality() <= fewItems
	if !few || !r.program.HasFirst() && set.GetCardinality() > uint64(r.most()) {
		r.sources()
	}
	if !few || r.err != nil {
		return r.err
	}
	it := set.Iterator()
	for it.HasNext() {
		if n := state.Ord(it.Next()); r.tryIt(n) {
			r.offer(n)
		}
	}
	return nil
}

func (r *Ranker) sources() {
	for _, s := range r.program.Sources() {
		if r.job.Effort >= FewerCandidates && s.Kind != schema.FromAll {
			s.Limit = max(1, s.Limit*2/5)
		}
		r.source(&s)
	}
}

// fewItems is how many items a filter leaves at most to be a source by itself.
const fewItems = 2000

func (r *Ranker) source(s *schema.Source) {
	v := r.job.Views
	switch s.Kind {
	case schema.FromAll:
		r.filter.Each(func(n state.Ord) bool {
			if r.tryIt(n) {
				r.offer(n)
			}
			return true
		})
	case schema.FromHead:
		r.fromHead(s)
	case schema.FromRising:
		r.fromRising(s)
	case schema.FromNewest:
		r.ords = v.Index.Newest(r.ords[:0], s.Limit, r.job.At, r.tryIt)
		r.offerAll()
	case schema.FromFollowed:
		r.fromFollowed(s.Limit)
	case schema.FromInterests:
		r.fromInterests(s.Limit)
	case schema.FromCoEngaged:
		r.fromScores(&r.co.scores, s.Limit)
	case schema.FromSimilar:
		if r.feat.subject != nil {
			r.fromVector(r.feat.subject, s.Limit, comparedForItem)
		}
		r.fromScores(&r.cosim.scores, s.Limit)
	case schema.FromSample:
		r.fromSample(s.Limit)
	case schema.FromMost:
		if i, ok := v.types[s.Signal]; ok && r.job.Ask.Cohort == "" {
			r.ranked = v.Heads.MostOf(v.columns[i], s.Limit, r.tryIt, r.ranked[:0])
			r.offerRanked()
		}
	}
}

func (r *Ranker) offerAll() {
	for _, n := range r.ords {
		r.offer(n)
	}
}

func (r *Ranker) fromHead(s *schema.Source) {
	i, ok := r.job.Views.types[s.Signal]
	if !ok {
		return
	}
	h := r.job.Views.Heads
	typ, halfLife := r.job.Views.columns[i], halfLifeOf(&r.job.Views.schema.Signals[i], s.HalfLife)
	if cohort := r.job.Ask.Cohort; cohort != "" {
		var exact bool
		if r.ranked, exact = h.CohortTop(cohort, typ, halfLife, s.Limit, r.tryIt, r.ranked[:0]); !exact {
			r.ranked = r.scanCohort(s.Signal, halfLife, s.Limit)
		}
		r.offerRanked()
		return
	}
	if c, ok := h.Column(typ, halfLife); ok {
		r.fromColumn(c, s.Limit)
	}
}

// fromColumn takes the best of a column: from its head, or where a filter has left too little of that, from all.
func (r *Ranker) fromColumn(c heads.Column, limit int) {
	var exact bool
	if r.ranked, exact = c.Top(limit, r.tryIt, r.ranked[:0]); !exact {
		r.ranked = c.Scan(limit, r.tryIt, r.ranked[:0])
	}
	r.offerRanked()
}

func (r *Ranker) offerRanked() {
	for i := range r.ranked {
		r.offer(r.ranked[i].Ord)
	}
}

// scanCohort reads the cells of a cohort of all items that are accepted, and keeps the best.
func (r *Ranker) scanCohort(signal string, halfLife int64, limit int) []heads.Ranked {
	all := r.ranked[:0]
	cell := &r.feat.cell
	r.filter.Each(func(n state.Ord) bool {
		if !r.job.Engine.HasCohortCell(n, r.job.Ask.Cohort, signal) || !r.tryIt(n) {
			return true
		}
		if r.err = r.job.Engine.ItemCell(n, r.job.Ask.Cohort, signal, cell); r.err != nil {
			return false
		}
		if log, ok := cell.LogScore(halfLife); ok {
			all = append(all, heads.Ranked{Ord: n, LogScore: log})
		}
		return true
	})
	slices.SortFunc(all, byScore)
	return all[:min(limit, len(all))]
}

// sampleTries is how many draws a sample takes at most for each item that it wants.
const sampleTries = 8

// fromSample draws items. Where the filter has a set, and in a small catalogue, all are taken: what the score leaves of them
// is as random.
func (r *Ranker) fromSample(limit int) {
	all := r.job.Engine.ItemOrds()
	if _, ok := r.filter.Superset(); ok || int(all) <= 2*limit {
		r.source(&schema.Source{Kind: schema.FromAll})
		return
	}
	rng := rand.New(rand.NewPCG(r.job.Seed, uint64(limit)))
	for tries := sampleTries * limit; tries > 0 && limit > 0; tries-- {
		if n := state.Ord(rng.Uint32N(uint32(all))); !r.passed.has(n) && r.tryIt(n) {
			r.offer(n)
			limit--
		}
	}
}

func (r *Ranker) fromRising(s *schema.Source) {
	v := r.job.Views
	for i := range v.schema.Signals {
		t := &v.schema.Signals[i]
		if s.Signal != "" && t.Name != s.Signal || s.Signal == "" && t.Meaning != schema.Positive {
			continue
		}
		if c, ok := v.Heads.Rising(v.columns[i]); ok && r.job.Ask.Cohort == "" {
			r.fromColumn(c, s.Limit)
		}
	}
}

// fromFollowed takes the newest items of all creators whom the user follows. Each creator is asked for a few; those
// whose few are all newer than the last one that counts are asked for as many as could count.
func (r *Ranker) fromFollowed(limit int) {
	// About twice as many as wanted are looked at, so that the bar is near where it will be.
	few := min(16, max(4, 2*limit/max(1, len(r.who.follows))))
	x, column := r.job.Views.Index, []dated{}
	creators, ok := x.Creators()
	if !ok {
		return
	}
	ask := func(code uint32, k int) (full bool, oldest int64) {
		r.ords = x.NewestBy(r.ords[:0], creators.Text(code), k, r.job.At, r.tryIt)
		for _, n := range r.ords {
			oldest = x.PublishedAt(n)
			column = append(column, dated{n, oldest})
		}
		return len(r.ords) == k && k < limit, oldest
	}
	type open struct {
		code   uint32
		oldest int64
	}
	var more []open
	for _, code := range r.who.follows {
		if full, oldest := ask(code, min(few, limit)); full {
			more = append(more, open{code, oldest})
		}
	}
	bar := int64(math.MinInt64)
	if len(column) >= limit {
		slices.SortFunc(column, dated.compare)
		bar = column[limit-1].time
	}
	for _, o := range more {
		if o.oldest >= bar {
			ask(o.code, limit)
		}
	}
	slices.SortFunc(column, dated.compare)
	taken := 0
	for i, d := range column {
		if i > 0 && column[i-1].n == d.n {
			continue
		}
		if taken++; taken > limit {
			break
		}
		r.offer(d.n)
	}
}

type dated struct {
	n    state.Ord
	time int64
}

func (d dated) compare(o dated) int {
	if d.time != o.time { // not cmp.Or, which compares twice whatever comes of it
		return cmp.Compare(o.time, d.time)
	}
	return cmp.Compare(d.n, o.n)
}

// fromInterests takes the nearest items of each interest, as many as its part of all.
func (r *Ranker) fromInterests(limit int) {
	total := float32(0)
	for i := range r.feat.interests {
		total += r.feat.interests[i].Mass
	}
	for i := range r.feat.interests {
		part := r.feat.interests[i].Mass / total
		r.fromVector(r.feat.interests[i].Vector, max(1, int(float32(limit)*part)), comparedForInterest)
	}
}

// With how many vectors a search compares, about: an interest is one of several sources, the query's item what the list is
// about.
const (
	comparedForInterest = 8 << 10
	comparedForItem     = 64 << 10
)

func (r *Ranker) fromVector(q []float32, k, most int) {
	filter := vector.Filter{Accept: r.tryIt, Most: most}
	if set, ok := r.filter.Superset(); ok {
		filter.In = set
	}
	r.hits = r.job.Views.lists("").Search(q, k, filter, r.hits[:0])
	for i := range r.hits {
		r.offer(r.hits[i].Ord)
	}
}

// fromScores takes the items with the highest scores of a table.
func (r *Ranker) fromScores(t *table[float32], limit int) {
	all := r.ranked[:0]
	t.each(func(n uint32, score *float32) {
		if *score > 0 && r.tryIt(state.Ord(n)) {
			all = append(all, heads.Ranked{Ord: state.Ord(n), LogScore: int64(math.Float32bits(*score))})
		}
	})
	r.ranked = all
	best := first(all, limit, func(a, b *heads.Ranked) bool { return byScore(*a, *b) < 0 })
	slices.SortFunc(best, byScore)
	for i := range best {
		r.offer(best[i].Ord)
	}
}

// keep takes the candidates of an earlier page. The filter was theirs, so only what was hidden or taken out since is left
// out.
func (r *Ranker) keep() {
	for i := range r.job.Kept {
		k := &r.job.Kept[i]
		r.tried++
		n, ok := r.job.Engine.ItemOrd(k.ID)
		if !ok || !r.job.Views.Index.Served(n, r.job.At) || r.excluded.has(n) {
			continue
		}
		if r.who.hidden(r.job.Views, n) {
			r.kept++
			continue
		}
		if r.passed.add(n) {
			r.found = append(r.found, candidate{n: n, first: k.Score, slot: k.Slot, propensity: k.Propensity})
		}
	}
}

// byScore orders by score, the highest first, then by ordinal.
func byScore(a, b heads.Ranked) int {
	if a.LogScore != b.LogScore {
		return cmp.Compare(b.LogScore, a.LogScore)
	}
	return cmp.Compare(a.Ord, b.Ord)
}
