package ranker

import (
	"fmt"
	"math"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/heads"
	"github.com/tidaldb/tidal/internal/index"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/vector"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/rank"
	"github.com/tidaldb/tidal/schema"
)

// features reads the numbers that a program wants to know of items, for one query.
type features struct {
	e      *engine.Engine
	v      *Views
	who    *person
	cohort string
	q      int64
	seed   uint64
	coarse bool // windows are estimated from decayed scores, so that no cell is read

	early []reading // of the first phase
	late  []reading // of the second, cells apart
	cells []cellPlan

	set       *vector.Set
	interests []vector.Interest
	trends    []heads.Scorer // of approval
	trendMost float64        // the highest that an item has
	risings   []heads.Scorer
	subject   []float32 // the embedding of the query's item, nil for none
	co, cosim *table[float32]

	cell algebra.SignalState
	best []heads.Ranked
	some []float64
}

// reading is how one feature is had.
type reading struct {
	at      int // among the values
	f       rank.Feature
	types   []typeReading
	numbers index.NumericColumn
	filter  *index.Filter
	truths  index.BoolColumn
	isBool  bool
	isTime  bool
}

// typeReading is how one signal type is read from dense columns.
type typeReading struct {
	column   heads.Type
	halfLife int64 // 0 for a type without decayed scores
	scorer   heads.Scorer
}

// cellPlan is what is read of the cells of one signal type.
type cellPlan struct {
	name string
	of   *schema.SignalType
	want []wanted
}

type wanted struct {
	at       int
	kind     rank.FeatureKind
	window   algebra.Window
	halfLife int64
}

// plan makes ready to read the features of a program; early of them are the first phase's.
func (f *features) plan(p *rank.Program, ctx index.Context) error {
	f.early, f.late, f.cells = f.early[:0], f.late[:0], f.cells[:0]
	for i, x := range p.Features() {
		if f.fromCells(x) {
			if err := f.wantCells(i, x); err != nil {
				return err
			}
			continue
		}
		r, err := f.reading(i, x, ctx)
		if err != nil {
			return fmt.Errorf("feature %s: %w", x, err)
		}
		if i < p.Early() {
			f.early = append(f.early, r)
		} else {
			f.late = append(f.late, r)
		}
	}
	return nil
}

// fromCells reports whether a feature is read from items' cells.
func (f *features) fromCells(x rank.Feature) bool {
	switch x.Kind {
	case rank.FeatureScore, rank.FeatureTotal:
		return f.cohort != ""
	case rank.FeatureCount, rank.FeatureSum, rank.FeatureUnique:
		return f.cohort != "" || !f.coarse
	}
	return false
}

func (f *features) wantCells(at int, x rank.Feature) error {
	for i := range x.Types() {
		t := &f.v.schema.Signals[i]
		w := wanted{at: at, kind: x.Kind}
		switch x.Kind {
		case rank.FeatureCount:
			var err error
			if w.window, err = algebra.ParseWindow(x.Window.String()); err != nil {
				return fmt.Errorf("feature %s: %w", x, err)
			}
		case rank.FeatureScore:
			w.halfLife = halfLifeOf(t, x.HalfLife)
		}
		c := f.cellsOf(t)
		c.want = append(c.want, w)
	}
	return nil
}

func (f *features) cellsOf(t *schema.SignalType) *cellPlan {
	for i := range f.cells {
		if f.cells[i].of == t {
			return &f.cells[i]
		}
	}
	if len(f.cells) < cap(f.cells) {
		f.cells = f.cells[:len(f.cells)+1]
		c := &f.cells[len(f.cells)-1]
		*c = cellPlan{name: t.Name, of: t, want: c.want[:0]}
		return c
	}
	f.cells = append(f.cells, cellPlan{name: t.Name, of: t})
	return &f.cells[len(f.cells)-1]
}

func halfLifeOf(t *schema.SignalType, h time.Duration) int64 {
	switch {
	case h != 0:
		return h.Milliseconds()
	case len(t.HalfLives) > 0:
		return t.HalfLives[0].Milliseconds()
	}
	return 0
}

func (f *features) reading(at int, x rank.Feature, ctx index.Context) (r reading, err error) {
	r = reading{at: at, f: x}
	switch x.Kind {
	case rank.FeatureScore, rank.FeatureTotal, rank.FeatureCount, rank.FeatureSum, rank.FeatureUnique:
		for i := range x.Types() {
			t := typeReading{column: f.v.columns[i], halfLife: halfLifeOf(&f.v.schema.Signals[i], x.HalfLife)}
			if c, ok := f.v.Heads.Column(t.column, t.halfLife); ok {
				t.scorer = c.At(f.q)
			} else {
				t.halfLife = 0
			}
			r.types = append(r.types, t)
		}
	case rank.FeatureTrend:
		f.planTrend()
	case rank.FeatureRising:
		f.planRising()
	case rank.FeatureField:
		var ok bool
		if r.numbers, ok = f.v.Index.Numeric(x.Field); !ok {
			r.truths, r.isBool = f.v.Index.Bool(x.Field)
		}
		field, _ := f.v.schema.Items.Field(x.Field)
		r.isTime = field.Type == schema.TypeTime
	case rank.FeatureHas:
		r.filter, err = f.v.Index.Plan(query.Has{Field: x.Field}, ctx)
	case rank.FeatureIs:
		r.filter, err = f.v.Index.Plan(query.Compare{Field: x.Field, Op: query.Equal, Value: schema.String(x.Value)}, ctx)
	}
	return r, err
}

// column reads one feature of many items.
func (f *features) column(r *reading, items []state.Ord, out []float64) {
	switch r.f.Kind {
	case rank.FeatureScore:
		clear(out)
		for i := range r.types {
			if t := &r.types[i]; t.halfLife > 0 {
				f.addScores(&t.scorer, items, out)
			}
		}
	case rank.FeatureTrend:
		clear(out)
		for i := range f.trends {
			f.addScores(&f.trends[i], items, out)
		}
		for i := range out {
			if f.trendMost > 0 {
				out[i] = min(1, out[i]/f.trendMost)
			} else {
				out[i] = 0
			}
		}
	case rank.FeatureRising:
		clear(out)
		for i := range f.risings {
			f.addScores(&f.risings[i], items, out)
		}
	default:
		for i, n := range items {
			out[i] = f.read(r, n)
		}
	}
}

// addScores adds decayed scores, whose places in memory are read side by side.
func (f *features) addScores(s *heads.Scorer, items []state.Ord, out []float64) {
	f.some = s.Scores(items, f.some[:0])
	for i := range out {
		out[i] += f.some[i]
	}
}

// first fills in the values that the first phase needs.
func (f *features) first(n state.Ord, values []float64) {
	for i := range f.early {
		values[f.early[i].at] = f.read(&f.early[i], n)
	}
}

// all fills in every value.
func (f *features) all(n state.Ord, values []float64) error {
	clear(values)
	f.first(n, values)
	for i := range f.late {
		values[f.late[i].at] = f.read(&f.late[i], n)
	}
	for i := range f.cells {
		c := &f.cells[i]
		if err := f.e.ItemCell(n, f.cohort, c.name, &f.cell); err != nil {
			return fmt.Errorf("cell %s of item %q: %w", c.name, f.e.ItemID(n), err)
		}
		for _, w := range c.want {
			values[w.at] += f.fromCell(&w)
		}
	}
	return nil
}

func (f *features) fromCell(w *wanted) float64 {
	switch w.kind {
	case rank.FeatureScore:
		if s, ok := f.cell.Score(w.halfLife, f.q); ok && w.halfLife > 0 {
			return s.Float()
		}
	case rank.FeatureTotal:
		return float64(max(0, f.cell.Total()))
	case rank.FeatureCount:
		return float64(f.cell.Count(w.window, f.q))
	case rank.FeatureSum:
		return max(0, engine.PlainSum(f.cell.PermanentSum()))
	case rank.FeatureUnique:
		return float64(f.cell.Unique())
	}
	return 0
}

// read has one feature of one item.
func (f *features) read(r *reading, n state.Ord) float64 {
	switch r.f.Kind {
	case rank.FeatureScore:
		return scores(r, n)
	case rank.FeatureTotal, rank.FeatureSum, rank.FeatureUnique:
		return f.totals(r, n)
	case rank.FeatureCount:
		return f.estimate(r, n)
	case rank.FeatureTrend:
		return f.trend(n)
	case rank.FeatureRising:
		return f.rising(n)
	case rank.FeatureAge:
		return float64(max(0, f.q-f.v.Index.PublishedAt(n))) / 1000
	case rank.FeatureNow:
		return float64(f.q) / 1000
	case rank.FeatureField:
		return f.field(r, n)
	case rank.FeatureHas, rank.FeatureIs:
		return truth(r.filter.Match(n))
	case rank.FeatureRandom:
		return rank.Uniform(f.seed, xxh3.HashString(f.e.ItemID(n)))
	}
	return f.personal(r, n)
}

// personal has a feature that is about the query's user, or about its item.
func (f *features) personal(r *reading, n state.Ord) float64 {
	switch r.f.Kind {
	case rank.FeatureAffinity:
		t, _ := f.who.creators.get(f.v.creatorOf(n))
		return t.affinity
	case rank.FeatureFollows:
		t, _ := f.who.creators.get(f.v.creatorOf(n))
		return truth(t.follows)
	case rank.FeatureSeen:
		m, _ := f.who.items.get(uint32(n))
		return truth(m&markSeen != 0)
	case rank.FeatureMark:
		m, _ := f.who.items.get(uint32(n))
		return truth(m&markBit(r.f.Mark) != 0)
	case rank.FeatureKnown:
		return truth(f.who.known)
	case rank.FeatureInterest:
		if f.set == nil || len(f.interests) == 0 {
			return 0
		}
		return float64(vector.Match(f.interests, f.set.Get(n)))
	case rank.FeatureCoEngaged:
		x, _ := f.co.get(uint32(n))
		return float64(x)
	case rank.FeatureSimilar:
		if f.set == nil || f.subject == nil {
			return 0
		}
		return float64(dot(f.subject, f.set.Get(n)))
	case rank.FeatureCoSimilar:
		x, _ := f.cosim.get(uint32(n))
		return float64(x)
	}
	panic("ranker: feature " + r.f.String() + " is unknown")
}

func markBit(m schema.Mark) marks {
	switch m {
	case schema.Liked:
		return markLiked
	case schema.Saved:
		return markSaved
	case schema.InProgress:
		return markInProgress
	}
	return 0
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func scores(r *reading, n state.Ord) (sum float64) {
	for i := range r.types {
		if t := &r.types[i]; t.halfLife > 0 {
			sum += t.scorer.Score(n)
		}
	}
	return sum
}

func (f *features) totals(r *reading, n state.Ord) float64 {
	sum := int64(0)
	for i := range r.types {
		sum += max(0, f.v.Heads.Total(r.types[i].column, n))
	}
	return float64(sum)
}

// estimate is the number of events within a window without reading cells. A decayed sum of half-life h is h/ln 2 times
// the rate of events that weigh 1, if that is steady; there are never more events than ever.
func (f *features) estimate(r *reading, n state.Ord) (sum float64) {
	span := r.f.Window.Duration().Seconds()
	for i := range r.types {
		t := &r.types[i]
		all := float64(max(0, f.v.Heads.Total(t.column, n)))
		if t.halfLife == 0 || span == 0 {
			sum += all
			continue
		}
		sum += min(all, t.scorer.Score(n)*math.Ln2/float64(t.halfLife)*1000*span)
	}
	return sum
}

// planTrend makes ready to compare items with the one that has most approval.
func (f *features) planTrend() {
	f.trends, f.trendMost = f.trends[:0], 0
	for i := range f.v.schema.Signals {
		t := &f.v.schema.Signals[i]
		if t.Meaning != schema.Positive || f.v.approves && t.Seen || len(t.HalfLives) == 0 {
			continue
		}
		c, ok := f.v.Heads.Column(f.v.columns[i], t.HalfLives[len(t.HalfLives)-1].Milliseconds())
		if !ok {
			continue
		}
		s := c.At(f.q)
		best, exact := c.Top(1, nil, f.best[:0])
		if !exact {
			best = c.Scan(1, nil, f.best[:0])
		}
		f.best = best
		if len(best) > 0 {
			f.trendMost += s.Score(best[0].Ord)
		}
		f.trends = append(f.trends, s)
	}
}

func (f *features) planRising() {
	f.risings = f.risings[:0]
	for i := range f.v.schema.Signals {
		if f.v.schema.Signals[i].Meaning != schema.Positive {
			continue
		}
		if c, ok := f.v.Heads.Rising(f.v.columns[i]); ok {
			f.risings = append(f.risings, c.At(f.q))
		}
	}
}

func (f *features) rising(n state.Ord) (sum float64) {
	for i := range f.risings {
		sum += f.risings[i].Score(n)
	}
	return sum
}

func (f *features) trend(n state.Ord) (sum float64) {
	if f.trendMost == 0 {
		return 0
	}
	for i := range f.trends {
		sum += f.trends[i].Score(n)
	}
	return min(1, sum/f.trendMost)
}

func (f *features) field(r *reading, n state.Ord) float64 {
	if r.isBool {
		yes, _ := r.truths.Value(n)
		return truth(yes)
	}
	x, _ := r.numbers.Value(n)
	if r.isTime {
		x /= 1000
	}
	return x
}

func dot(a, b []float32) float32 {
	if len(a) != len(b) {
		return 0
	}
	sum := float32(0)
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
