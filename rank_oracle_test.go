package tidal_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/rank"
	"github.com/tidaldb/tidal/schema"
)

// TestListsAreThoseOfASlowOracle ranks every item by random profiles of all features but those that neighbours and
// vectors make, with random filters, and compares with an oracle that asks for each item's fields and cells, evaluates
// the filter on them and sorts.
func TestListsAreThoseOfASlowOracle(t *testing.T) {
	s := seed(t)
	for run := range uint64(fewer(3, 1)) {
		rng := rand.New(rand.NewPCG(s+run, 3))
		var profiles []schema.Profile
		for i := range 12 {
			profiles = append(profiles, randomProfile(rng, fmt.Sprintf("p%d", i)))
		}
		w := newWorld(t, s+run, 90, 6, rankSchema(profiles...))
		listed := 0
		for step := range 500 {
			w.step()
			if step%100 == 99 {
				if step == 299 {
					w.reopen()
				}
				for range 40 {
					listed += w.compareRanking(profiles[rng.IntN(len(profiles))].Name)
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d", s+run)
			}
		}
		if listed < 1000 {
			t.Errorf("only %d items were listed", listed)
		}
	}
}

// randomProfile takes all items, and scores them by some features.
func randomProfile(rng *rand.Rand, name string) schema.Profile {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	typ := func() string {
		return pick("view", "like", "share", "skip", "complete", "purchase", "positive", "negative", "approval")
	}
	feature := func() string {
		switch rng.IntN(18) {
		case 0, 1:
			return "score(" + typ() + ")"
		case 2:
			return "score(" + pick("view, 7d", "share, 30d", "complete, 30d") + ")"
		case 3, 4:
			return "total(" + pick(typ(), "hide", "unlike") + ")"
		case 5, 6:
			return "count(" + typ() + ", 24h)"
		case 7:
			return "velocity(" + pick("view", "like", "save", "skip") + ", " + pick("1h", "24h", "7d", "30d") + ")"
		case 8:
			return "sum(" + pick("purchase", "positive") + ")"
		case 9:
			return "unique(" + pick("view", "positive") + ")"
		case 10:
			return "log10(1 + age)"
		case 11:
			return "field(" + pick("duration", "price", "explicit") + ")"
		case 12:
			return "if(field(published) > 0, (now - field(published)) / 1d, -1)"
		case 13:
			return pick("random", "known", "seen", "liked", "saved", "in_progress")
		case 14:
			return "if(has(" + pick("title", "published", "tags", "price", "creator") + "), 1, 0)"
		case 15:
			return pick(`if(is(category, "jazz"), 1, 0)`, `if(is(tags, "live"), 1, 0)`, `if(is(tags, "none"), 1, 0)`)
		case 16:
			return "affinity"
		}
		return pick("follows", "affinity", "random")
	}
	p := schema.Profile{Name: name, Version: 1, Candidates: []schema.Source{{Kind: schema.FromAll}}}
	for i := range 3 + rng.IntN(7) {
		step := schema.Step{Name: fmt.Sprint("s", i), Op: schema.Add, Expr: fmt.Sprintf("%.3f * %s", rng.Float64(), feature())}
		if i > 0 && rng.IntN(4) == 0 {
			step.Op, step.Expr = schema.Multiply, "1 + 0.5 / (1 + abs("+feature()+"))"
		}
		p.Score = append(p.Score, step)
	}
	for range rng.IntN(3) {
		p.Gates = append(p.Gates, pick("not seen", "age < 60d", "total(view) > 0", "count(skip, 24h) < 2", `has(creator)`,
			"not liked or follows", "field(duration) > 0"))
	}
	return p
}

// compareRanking ranks by a profile, and by the oracle, and returns how many items were listed.
func (w *world) compareRanking(profile string) int {
	w.t.Helper()
	b := query.Rank(profile).Unmixed().Explore(0).Limit(500).Seed(w.rng.Uint64()).Explain()
	user := ""
	if w.rng.IntN(5) > 0 {
		user = w.user()
		if w.rng.IntN(8) == 0 {
			user = "nobody"
		}
		b.For(user)
	}
	if w.rng.IntN(5) > 0 {
		x, err := query.ParseFilter(w.filter(3, user != ""))
		if err != nil {
			w.t.Fatal(err)
		}
		b.Where(x)
	}
	for range w.rng.IntN(3) {
		x, err := query.ParseFilter(w.filter(1, user != ""))
		if err != nil {
			w.t.Fatal(err)
		}
		b.Boost(x, 0.5+w.rng.Float64())
	}
	if w.rng.IntN(3) == 0 {
		b.Exclude(w.item(), w.item(), "no item")
	}
	at := w.clock.now()
	if w.rng.IntN(3) == 0 {
		at = at.Add(time.Duration(w.rng.IntN(40*24*60)) * time.Minute)
	}
	q := b.At(at).Query()
	got := rankIt(w.t, w.db, q)
	want := w.oracleList(q)
	w.sameLists(q, got.Items, want)
	for i := range got.Items {
		sum := 0.0
		for _, term := range got.Items[i].Terms {
			sum += term.Delta
		}
		if sum != got.Items[i].Score {
			w.t.Errorf("%s\n%s: terms add up to %v, the score is %v", q, got.Items[i].Item, sum, got.Items[i].Score)
		}
	}
	return len(got.Items)
}

// sameLists compares by item: scores are equal to what is left of the oracle's sums of powers in a cell, which has
// fixed-point numbers. The order must be that of the scores as they are, ties by id.
func (w *world) sameLists(q *query.Query, got, want []tidal.RankedItem) {
	w.t.Helper()
	if !slices.IsSortedFunc(got, byScore) {
		w.t.Errorf("%s\nisn't sorted:\n%s", q, showRanked(got))
	}
	known := map[string]tidal.RankedItem{}
	for _, x := range want {
		known[x.Item] = x
	}
	for _, x := range got {
		y, ok := known[x.Item]
		delete(known, x.Item)
		if !ok || math.Abs(x.Score-y.Score) > 1e-7*max(1, math.Abs(y.Score)) || x.Propensity != 1 || x.Slot != "" || x.Pinned {
			w.t.Errorf("%s\ngives\n%swant\n%s", q, showRanked([]tidal.RankedItem{x}), showRanked([]tidal.RankedItem{y}))
			return
		}
	}
	for _, y := range known {
		w.t.Errorf("%s\nlacks\n%s", q, showRanked([]tidal.RankedItem{y}))
		return
	}
}

func byScore(a, b tidal.RankedItem) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Item, b.Item))
}

func showRanked(items []tidal.RankedItem) string {
	var b strings.Builder
	for _, x := range items {
		fmt.Fprintf(&b, "  %s %.12g ", x.Item, x.Score)
		for _, term := range x.Terms {
			fmt.Fprintf(&b, " %s %.9g", term.Name, term.Value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// oracleUserOf is what the database says of a user, by item and creator.
type oracleView struct {
	ties    map[named]tidal.Tie
	recents map[string]bool
}

func (w *world) viewOf(user string) oracleView {
	v := oracleView{ties: map[named]tidal.Tie{}, recents: map[string]bool{}}
	if user == "" {
		return v
	}
	state, err := w.db.User(w.t.Context(), tidal.UserQuery{ID: user, Limit: 10000})
	if err != nil && !errors.Is(err, tidal.ErrNotFound) {
		w.t.Fatal(err)
	}
	for _, x := range state.Ties {
		v.ties[named{x.Kind, x.ID}] = x
	}
	for _, x := range state.Recents {
		if !x.Undone {
			v.recents[x.Item] = true
		}
	}
	return v
}

// oracleList answers a query without pins, mixing and exploration by looking at everything.
func (w *world) oracleList(q *query.Query) []tidal.RankedItem {
	w.t.Helper()
	s := w.db.Schema()
	plan, err := q.Compile(s)
	if err != nil {
		w.t.Fatal(err)
	}
	profile, err := rank.Lookup(s, plan.Profile, plan.Version)
	if err != nil {
		w.t.Fatal(err)
	}
	program, err := rank.Compile(profile, s, rank.Params{Signal: plan.Signal, Window: plan.Window})
	if err != nil {
		w.t.Fatal(err)
	}
	o := &rankOracle{w: w, s: s, plan: plan, at: plan.At, who: w.viewOf(plan.User)}
	o.all = listAll(w.t, w.db, tidal.Item, 1000)
	var out []tidal.RankedItem
	for i := range o.all {
		x := &o.all[i]
		if !o.shown(x) || !o.matches(plan.Filter, x) {
			continue
		}
		values := make([]float64, len(program.Features()))
		for k, f := range program.Features() {
			values[k] = o.feature(f, x)
		}
		if !program.Pass(values) {
			continue
		}
		one := tidal.RankedItem{Item: x.ID, Score: program.Score(values), Propensity: 1, Terms: program.Explain(nil, values)}
		for _, b := range plan.Boosts {
			if o.matches(b.Where, x) {
				one.Score *= b.Factor
			}
		}
		out = append(out, one)
	}
	slices.SortFunc(out, byScore)
	return out
}

type rankOracle struct {
	w    *world
	s    *schema.Schema
	plan *query.Plan
	at   time.Time
	who  oracleView
	all  []tidal.Entity
}

func text(x *tidal.Entity, field string) string {
	s, _ := x.Fields[field].Text()
	return s
}

// shown reports whether an item may be in a list at all.
func (o *rankOracle) shown(x *tidal.Entity) bool {
	if until, ok := x.Fields["expires"].Time(); ok && until <= o.at.UnixMilli() {
		return false
	}
	return !slices.Contains(o.plan.Exclude, x.ID) && !o.hides(x)
}

func (o *rankOracle) hides(x *tidal.Entity) bool {
	if slices.Contains(o.who.ties[named{tidal.Item, x.ID}].Relations, tidal.Hides) {
		return true
	}
	r := o.who.ties[named{tidal.Creator, text(x, "creator")}].Relations
	return slices.Contains(r, tidal.Mutes) || slices.Contains(r, tidal.Blocks)
}

func (o *rankOracle) follows(x *tidal.Entity) bool {
	c := text(x, "creator")
	return c != "" && slices.Contains(o.who.ties[named{tidal.Creator, c}].Relations, tidal.Follows)
}

func (o *rankOracle) matches(f query.Expr, x *tidal.Entity) bool {
	tie := o.who.ties[named{tidal.Item, x.ID}]
	switch f := f.(type) {
	case nil:
		return true
	case query.And:
		return !slices.ContainsFunc(f, func(y query.Expr) bool { return !o.matches(y, x) })
	case query.Or:
		return slices.ContainsFunc(f, func(y query.Expr) bool { return o.matches(y, x) })
	case query.Not:
		return !o.matches(f.X, x)
	case query.InCollection:
		return slices.Contains(tie.Collections, f.Name)
	case query.InCohort:
		return slices.ContainsFunc(o.w.events, func(e worldEvent) bool {
			return e.Item == x.ID && e.cohort && e.life == o.w.lives[x.ID]
		})
	case query.Is:
		switch f.What {
		case query.Seen:
			return !tie.Seen.IsZero()
		case query.Unseen:
			return tie.Seen.IsZero()
		case query.Liked:
			return slices.Contains(tie.Marks, schema.Liked)
		case query.Saved:
			return slices.Contains(tie.Marks, schema.Saved)
		case query.InProgress:
			return slices.Contains(tie.Marks, schema.InProgress)
		case query.Followed:
			return o.follows(x)
		default:
			return !o.hides(x)
		}
	}
	return query.Match(f, func(field string) (schema.Value, bool) {
		v, ok := x.Fields[field]
		return v, ok
	}, o.at.UnixMilli())
}

// feature is one number about an item.
func (o *rankOracle) feature(f rank.Feature, x *tidal.Entity) float64 {
	o.w.t.Helper()
	tie := o.who.ties[named{tidal.Item, x.ID}]
	switch f.Kind {
	case rank.FeatureAge:
		since := x.Touched
		if ms, ok := x.Fields["published"].Time(); ok {
			since = time.UnixMilli(ms)
		}
		return max(0, o.at.Sub(since).Seconds())
	case rank.FeatureNow:
		return float64(o.at.UnixMilli()) / 1000
	case rank.FeatureField:
		return number(x.Fields[f.Field])
	case rank.FeatureHas:
		return oneIf(!x.Fields[f.Field].IsZero())
	case rank.FeatureIs:
		tags, _ := x.Fields[f.Field].Tags()
		return oneIf(text(x, f.Field) == f.Value || slices.Contains(tags, f.Value))
	case rank.FeatureAffinity:
		return o.affinity(text(x, "creator"))
	case rank.FeatureFollows:
		return oneIf(o.follows(x))
	case rank.FeatureSeen:
		return oneIf(!tie.Seen.IsZero())
	case rank.FeatureMark:
		return oneIf(slices.Contains(tie.Marks, f.Mark))
	case rank.FeatureKnown:
		return oneIf(o.known())
	case rank.FeatureRandom:
		return rank.Uniform(*o.plan.Seed, xxh3.HashString(x.ID))
	}
	sum := 0.0
	for i := range f.Types() {
		sum += o.counted(f, x.ID, &o.s.Signals[i])
	}
	return sum
}

func (o *rankOracle) counted(f rank.Feature, item string, t *schema.SignalType) float64 {
	cell, err := o.w.db.Cell(o.w.t.Context(), item, t.Name, o.at)
	if err != nil && !errors.Is(err, tidal.ErrNotFound) {
		o.w.t.Fatal(err)
	}
	switch f.Kind {
	case rank.FeatureScore:
		h := f.HalfLife
		if h == 0 && len(t.HalfLives) > 0 {
			h = t.HalfLives[0]
		}
		return cell.Scores[schema.FormatDuration(h)]
	case rank.FeatureTotal:
		return float64(cell.Total)
	case rank.FeatureCount:
		return float64(cell.Windows[f.Window.String()])
	case rank.FeatureSum:
		return cell.Scores["permanent"]
	case rank.FeatureUnique:
		return float64(cell.Unique)
	}
	o.w.t.Fatalf("the oracle doesn't know %s", f)
	return 0
}

// known reports whether anything is known that can rank: something was met that can still be named, or a creator of items
// is followed.
func (o *rankOracle) known() bool {
	if len(o.who.recents) > 0 {
		return true
	}
	for key, x := range o.who.ties {
		if key.kind == tidal.Item && (len(x.Marks) > 0 || !x.Seen.IsZero()) {
			return true
		}
		if key.kind == tidal.Creator && slices.Contains(x.Relations, tidal.Follows) &&
			slices.ContainsFunc(o.all, func(y tidal.Entity) bool { return text(&y, "creator") == x.ID }) {
			return true
		}
	}
	return false
}

// affinity is what the user's events with items of a creator come to, each decayed since its time.
func (o *rankOracle) affinity(creator string) (sum float64) {
	for i := range o.w.events {
		e := &o.w.events[i]
		if creator == "" || e.creator != creator || e.User != o.plan.User || e.User == "" || e.undone || e.erased {
			continue
		}
		_, t, _ := o.s.Signal(e.Type)
		x := 1.0 // of a type without half-lives each counts
		if len(t.HalfLives) > 0 {
			x = e.Weight * math.Exp2(-float64(o.at.Sub(e.Time))/float64(t.HalfLives[0]))
		}
		switch t.Meaning {
		case schema.Positive:
			sum += x
		case schema.Negative, schema.HardNegative:
			sum -= x
		}
	}
	return sum
}

func number(v schema.Value) float64 {
	if n, ok := v.Int(); ok {
		return float64(n)
	}
	if f, ok := v.Float(); ok {
		return f
	}
	if ms, ok := v.Time(); ok {
		return float64(ms) / 1000
	}
	yes, _ := v.Bool()
	return oneIf(yes)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// TestLikenessIsTheCosine ranks by likeness to an item, and compares with cosines of the vectors that were put.
func TestLikenessIsTheCosine(t *testing.T) {
	s := seed(t)
	w := newWorld(t, s, 80, 3, rankSchema(schema.Profile{
		Name: "alike", Version: 1, Candidates: []schema.Source{{Kind: schema.FromSimilar, Limit: 1000}},
		Score: []schema.Step{{Name: "likeness", Op: schema.Add, Expr: "similar"}},
	}))
	for range 60 {
		w.step()
	}
	vectorOf := func(x *tidal.Entity) []float64 {
		list, _ := x.Fields["vec"].Vector()
		out, norm := make([]float64, len(list)), 0.0
		for _, f := range list {
			norm += float64(f) * float64(f)
		}
		for i, f := range list {
			out[i] = float64(f) / math.Sqrt(norm)
		}
		return out
	}
	compared := 0
	all := listAll(t, w.db, tidal.Item, 1000)
	for i := range all {
		subject := vectorOf(&all[i])
		a := rankIt(t, w.db, query.Rank("alike").SimilarTo(all[i].ID).Limit(500).Query())
		got := map[string]float64{}
		for _, x := range a.Items {
			got[x.Item] = x.Score
		}
		for k := range all {
			x, want := vectorOf(&all[k]), 0.0
			for d := range min(len(x), len(subject)) {
				want += x[d] * subject[d]
			}
			score, listed := got[all[k].ID]
			if listed && math.Abs(score-want) > 1e-5 || listed && k == i {
				t.Fatalf("seed %d: likeness of %s to %s is %v, want %v", s, all[k].ID, all[i].ID, score, want)
			}
			compared += oneOf(listed && want != 0)
		}
	}
	if compared < 1000 {
		t.Errorf("only %d cosines were compared", compared)
	}
}
