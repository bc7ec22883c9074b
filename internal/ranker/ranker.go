package ranker

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/diversity"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/heads"
	"github.com/tidaldb/tidal/internal/index"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/vector"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/rank"
	"github.com/tidaldb/tidal/schema"
)

// Ask is what is asked, checked against the schema: as in [query.Query], where the fields are explained.
type Ask struct {
	User, Similar, Cohort string
	Filter                query.Expr
	Exclude, Buries       []string
	Pins                  []query.Pin
	Boosts                []query.Boost
	Limit                 int
	Diversity             *schema.Diversity // nil: the profile's
	Explore               *float64          // nil: the profile's
	Explain               bool
}

// Effort is how much is done for a list. Each level does less than the one before.
type Effort uint8

// The levels.
const (
	Full Effort = iota
	// FewerCandidates takes 40 % of the candidates and scores half as many.
	FewerCandidates
	// CoarseCounts estimates counts within windows from decayed scores, too, and reads no cell; but for profiles that look at
	// single hours, of which decayed scores say nothing.
	CoarseCounts
	// NoMixing leaves out diversity and exploration, too.
	NoMixing
)

func (e Effort) String() string {
	return [...]string{"full", "fewer_candidates", "coarse_counts", "no_mixing"}[e]
}

// Job is one list to be made.
type Job struct {
	Engine  *engine.Engine
	Views   *Views
	Program *rank.Program
	// Stranger, unless nil, ranks in the place of Program where nothing is known of the user.
	Stranger *rank.Program
	Ask      *Ask
	// At is the time to rank at, in Unix milliseconds. Seed decides what is random.
	At   int64
	Seed uint64
	// Effort is how much is done.
	Effort Effort
	// Kept are candidates that an earlier page left, by falling score, and Page counts pages from 0. With any, no others are
	// looked for. AsShown keeps their order and takes all of them: it's a list that is asked for again.
	Kept    []Kept
	Page    int
	AsShown bool
	// Clock reads a monotonic clock, for the times of stages; nil leaves them out.
	Clock func() time.Duration
}

// Kept is a candidate that was ranked before.
type Kept struct {
	ID         string
	Score      float64
	Slot       string
	Propensity float64
}

// Left is a candidate behind a list. An item keeps its ordinal for as long as the process lives, so that its id needs not
// be looked up unless somebody wants to go on.
type Left struct {
	Ord   state.Ord
	Score float64
}

// Item is one place of a list.
type Item struct {
	ID    string
	Score float64
	// Slot is the exploration slot that gave the place away, and Propensity with which probability to this item; empty and
	// 1 for a ranked place.
	Slot       string
	Propensity float64
	// Pinned reports that the query put it there.
	Pinned bool
	// Terms are what the score is made of, if that was asked for.
	Terms []rank.Term
}

// Stats says what a list took.
type Stats struct {
	// Candidates were found, Passed were left by filters, hides and early gates, Scored had every feature computed.
	Candidates, Passed, Scored int
	// Hidden counts what would have been a candidate but for the user's hides, mutes and blocks; an item that several sources
	// gave counts for each.
	Hidden int
	Effort Effort
	// Stopped items were hidden and had come through to the last look, which took them out. It counts mistakes of ours.
	Stopped int
	// Times of the stages.
	User, Find, First, Second, Mix time.Duration
}

// List is the answer.
type List struct {
	Items []Item
	// Rest are the candidates behind the list, by falling score.
	Rest []Left
	// Broken are the rules of diversity that couldn't be kept, in words; Warnings are what didn't stop the list.
	Broken, Warnings []string
	Stats            Stats
}

// Ranker makes lists, one at a time. The zero value is ready.
type Ranker struct {
	job     *Job
	program *rank.Program // of the two
	who     person
	feat    features

	filter   *index.Filter
	excluded ordSet
	boosts   []*index.Filter
	subject  state.Ord // the query's item
	about    bool      // there is one

	found   []candidate
	passed  ordSet
	tried   int
	kept    int // of those, kept away from the user by their hides, mutes and blocks
	values  []float64
	tile    tile
	order   []int32
	ranked  []heads.Ranked
	hits    []vector.Hit
	ords    []state.Ord
	weights []vector.Weighted
	co      neighbours
	cosim   neighbours
	mixer   diversity.Mixer
	mix     mixing

	warnings []string
	err      error
}

// candidate is an item that may be shown.
type candidate struct {
	n state.Ord
	// first is the first phase's score, or minus the place in which it came.
	first, score float64
	buried       bool
	slot         string
	propensity   float64
}

// What is scored in the second phase at most.
const (
	secondMost  = 300
	secondExtra = 100 // beyond a long list
	// Of what the first phase has in order already, so many times a list's length are enough: what it puts further down isn't
	// brought among the first by features that it guessed.
	secondTimes = 6
)

// Run makes a list. What it returns shares nothing with the engine or the ranker, but for the ordinals of [List.Rest].
func (r *Ranker) Run(j *Job) (*List, error) {
	r.job, r.err = j, nil
	defer func() { r.job = nil }()
	out := &List{Warnings: append([]string(nil), j.Program.Warnings()...)}
	out.Stats.Effort = j.Effort
	r.warnings = nil
	lap := r.laps()
	if err := r.begin(); err != nil {
		return nil, err
	}
	lap(&out.Stats.User)
	if len(j.Kept) > 0 || j.AsShown {
		r.keep()
	} else if err := r.gather(); err != nil {
		return nil, err
	}
	out.Stats.Candidates, out.Stats.Passed, out.Stats.Hidden = r.tried, len(r.found), r.kept
	lap(&out.Stats.Find)
	if !j.AsShown {
		r.cut()
	}
	lap(&out.Stats.First)
	if err := r.second(); err != nil {
		return nil, err
	}
	out.Stats.Scored = len(r.found)
	lap(&out.Stats.Second)
	err := r.assemble(out)
	lap(&out.Stats.Mix)
	out.Warnings = append(out.Warnings, r.warnings...)
	return out, err
}

// laps returns what notes the time since it was called last.
func (r *Ranker) laps() func(*time.Duration) {
	clock := r.job.Clock
	if clock == nil {
		return func(*time.Duration) {}
	}
	last := clock()
	return func(into *time.Duration) {
		now := clock()
		*into, last = now-last, now
	}
}

// begin reads who asks and makes ready.
func (r *Ranker) begin() error {
	j := r.job
	v, ask := j.Views, j.Ask
	r.found, r.tried, r.kept = r.found[:0], 0, 0
	r.passed.reset()
	r.excluded.reset()
	r.who.wanted = collectionsIn(ask.Filter, r.who.wanted[:0])
	for i := range ask.Boosts {
		r.who.wanted = collectionsIn(ask.Boosts[i].Where, r.who.wanted)
	}
	if err := r.who.read(j.Engine, v, v.schema, ask.User, j.At); err != nil {
		return err
	}
	if r.program = j.Program; !r.who.known && j.Stranger != nil {
		r.program = j.Stranger
	}
	for _, id := range ask.Exclude {
		if n, ok := j.Engine.ItemOrd(id); ok {
			r.excluded.add(n)
		}
	}
	r.subject, r.about = 0, false
	if ask.Similar != "" {
		if r.subject, r.about = j.Engine.ItemOrd(ask.Similar); r.about {
			r.excluded.add(r.subject)
		}
	}
	ctx := about{r, j.At}
	var err error
	if r.filter, err = v.Index.Plan(ask.Filter, ctx); err != nil {
		return err
	}
	r.boosts = r.boosts[:0]
	for i := range ask.Boosts {
		f, err := v.Index.Plan(ask.Boosts[i].Where, ctx)
		if err != nil {
			return err
		}
		r.boosts = append(r.boosts, f)
	}
	return r.prepare(ctx)
}

// prepare makes ready what features are read from.
func (r *Ranker) prepare(ctx index.Context) error {
	j := r.job
	f := &r.feat
	f.e, f.v, f.who, f.cohort, f.q, f.seed = j.Engine, j.Views, &r.who, j.Ask.Cohort, j.At, j.Seed
	f.coarse = j.Effort >= CoarseCounts && !r.comparesHours()
	f.set, f.interests, f.subject = j.Views.vectors(""), nil, nil
	needs := r.needs()
	if f.set != nil && needs.interests {
		r.weights = r.who.weights(r.weights[:0])
		f.interests = vector.Interests(f.set, r.weights, vector.MaxInterests)
	}
	if f.set != nil && r.about {
		f.subject = f.set.Get(r.subject)
	}
	r.co.reset()
	r.cosim.reset()
	if needs.coEngaged {
		r.co.ofPerson(r)
	}
	if needs.coSimilar && r.about {
		r.cosim.ofItem(r)
	}
	f.co, f.cosim = &r.co.scores, &r.cosim.scores
	r.values = append(r.values[:0], make([]float64, len(r.program.Features()))...)
	return f.plan(r.program, ctx)
}

// comparesHours reports whether the program counts single hours. What it compares them with can't be told from decayed scores:
// estimated from one score, an hour is the day's mean hour.
func (r *Ranker) comparesHours() bool {
	return slices.ContainsFunc(r.program.Features(), func(f rank.Feature) bool {
		return f.Kind == rank.FeatureCount && f.Window == schema.Window1h
	})
}

// needed says which of what is dear a program reads.
type needed struct{ interests, coEngaged, coSimilar bool }

func (r *Ranker) needs() (out needed) {
	for _, f := range r.program.Features() {
		switch f.Kind {
		case rank.FeatureInterest:
			out.interests = true
		case rank.FeatureCoEngaged:
			out.coEngaged = true
		case rank.FeatureCoSimilar:
			out.coSimilar = true
		}
	}
	for _, s := range r.program.Sources() {
		switch s.Kind {
		case schema.FromInterests:
			out.interests = true
		case schema.FromCoEngaged:
			out.coEngaged = true
		case schema.FromSimilar:
			out.coSimilar = true
		}
	}
	return out
}

// Plan says in words where the candidates of a job would come from, and how its filter is answered.
func (r *Ranker) Plan(j *Job, w io.Writer) error {
	r.job, r.err = j, nil
	defer func() { r.job = nil }()
	if err := r.begin(); err != nil {
		return err
	}
	few := false
	if set, ok := r.filter.Superset(); ok && set.GetCardinality() <= fewItems {
		few = true
	}
	if few {
		fmt.Fprintf(w, "candidates   the filter's items, since it leaves at most %d\n", fewItems)
	}
	for _, s := range r.program.Sources() {
		if few {
			break
		}
		fmt.Fprintf(w, "candidates   %s", s.Kind)
		if s.Signal != "" {
			fmt.Fprintf(w, " of %s", s.Signal)
		}
		if s.HalfLife != 0 {
			fmt.Fprintf(w, " by half-life %s", schema.FormatDuration(s.HalfLife))
		}
		if s.Limit > 0 {
			fmt.Fprintf(w, ", at most %d", s.Limit)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "second phase the best %d\nfilter\n", r.most())
	for line := range strings.Lines(r.filter.String()) {
		fmt.Fprintf(w, "  %s", line)
	}
	_, err := fmt.Fprintln(w)
	return err
}
