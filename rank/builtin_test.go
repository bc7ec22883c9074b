package rank

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// drawSchema draws a valid schema, with names that the built-in profiles look for among others.
func drawSchema(t *rapid.T) *schema.Schema {
	names := []string{
		"view", "like", "share", "skip", "hide", "start", "complete", "rating", "positive", "negative", "approval", "signal",
		"window", "score", strings.Repeat("x", schema.MaxName),
	}
	s := &schema.Schema{Name: "random"}
	for _, name := range rapid.Permutation(names).Draw(t, "order")[:rapid.IntRange(0, len(names)).Draw(t, "signals")] {
		st := schema.SignalType{
			Name: name, Meaning: schema.Meaning(rapid.IntRange(0, 3).Draw(t, "meaning")), Seen: rapid.Bool().Draw(t, "seen"),
			UniqueUsers: rapid.Bool().Draw(t, "unique"), Permanent: rapid.Bool().Draw(t, "permanent"),
		}
		for _, h := range []time.Duration{90 * time.Second, time.Hour, day, 7 * day} {
			if len(st.HalfLives) < 3 && rapid.Bool().Draw(t, "half-life") {
				st.HalfLives = append(st.HalfLives, h)
			}
		}
		if rapid.Bool().Draw(t, "windows") {
			st.Windows = []schema.Window{schema.Window(rapid.IntRange(1, 5).Draw(t, "window"))}
		}
		s.Signals = append(s.Signals, st)
	}
	if rapid.Bool().Draw(t, "creator") {
		s.Items.Fields = append(s.Items.Fields, schema.Field{Name: schema.CreatorField, Type: schema.TypeKeyword})
	}
	if rapid.Bool().Draw(t, "embedding") {
		s.Items.Embeddings = append(s.Items.Embeddings, schema.Embedding{Name: "e", Dimensions: 3})
	}
	if err := s.Validate(); err != nil {
		t.Fatalf("the generator drew what isn't valid: %v", err)
	}
	return s
}

// Every built-in profile compiles against every schema without a warning, is an ordinary profile, never scores below 0,
// and never needs more than it may.
func TestBuiltinsCompileAgainstEverySchema(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		for _, b := range Builtins(s) {
			p, err := Compile(b, s, Params{})
			if err != nil {
				t.Fatalf("%v", err)
			}
			if w := p.Warnings(); len(w) > 0 {
				t.Fatalf("%s warns %q", b.Name, w)
			}
			if p.Name() != b.Name || p.Version() != 1 || len(p.Sources()) == 0 {
				t.Fatalf("%+v became %s version %d with sources %v", b, p.Name(), p.Version(), p.Sources())
			}
			values := make([]float64, len(p.Features()))
			for i, f := range p.Features() {
				values[i] = plausible(f, rapid.Float64Range(0, 0.999).Draw(t, "value"))
			}
			if score := p.Score(values); !(score >= 0) {
				t.Fatalf("%s scores %v for %v = %v", b.Name, score, p.Features(), values)
			}
		}
		for _, params := range []Params{{Cohort: true}, {Signal: "negative", Window: schema.Window1h}} {
			for _, b := range builtins {
				if _, err := Compile(b.make(s), s, params); err != nil {
					t.Fatalf("with %+v: %v", params, err)
				}
			}
		}
	})
}

// A built-in profile may be copied into a schema as version 2 and changed there: the schema accepts it. That of most
// names the query's signal as a source, which is the compiler's word and no type.
func TestBuiltinsAreValidProfilesOfASchema(t *testing.T) {
	for _, s := range []*schema.Schema{schema.Events(), schema.MovieLens(), withEmbedding(), fixture()} {
		for _, b := range Builtins(s) {
			copied := s.Clone()
			b.Version = 2
			copied.Profiles = []schema.Profile{b}
			if err := copied.Validate(); err != nil && b.Name != "most" {
				t.Errorf("%s: %v", b.Name, err)
			}
		}
	}
}

func TestBuiltinsAreInOrderOfNames(t *testing.T) {
	if !slices.IsSortedFunc(builtins[:], func(a, b builtin) int { return strings.Compare(a.name, b.name) }) {
		t.Error("the table isn't sorted")
	}
	for i, p := range Builtins(schema.Events()) {
		if p.Name != builtins[i].name {
			t.Errorf("%s makes a profile called %s", builtins[i].name, p.Name)
		}
	}
}

// What a feed needs is in for_you: sources of all kinds, two per creator, unseen only, and a tenth of new items.
func TestForYouIsAFeed(t *testing.T) {
	p := mustCompile(t, withEmbedding(), "for_you", Params{})
	kinds := map[schema.SourceKind]bool{}
	for _, s := range p.Sources() {
		kinds[s.Kind] = true
	}
	for _, k := range []schema.SourceKind{
		schema.FromHead, schema.FromNewest, schema.FromFollowed, schema.FromInterests, schema.FromCoEngaged,
	} {
		if !kinds[k] {
			t.Errorf("no source of kind %d in %v", k, p.Sources())
		}
	}
	if d := p.Diversity(); !slices.Equal(d.MaxPer, []schema.MaxPer{{Field: "creator", N: 2}}) {
		t.Errorf("the list is mixed by %+v", d)
	}
	want := []schema.Slot{{Name: "fresh", Share: 0.1, Pool: schema.PoolNew, Within: 24 * time.Hour}}
	if !slices.Equal(p.Explore(), want) {
		t.Errorf("explores %+v", p.Explore())
	}
	for i, f := range p.Features() {
		values := make([]float64, len(p.Features()))
		if f.Kind == FeatureSeen {
			values[i] = 1
			if p.Pass(values) || p.PassEarly(values) {
				t.Error("a seen item passes")
			}
		}
	}
	if !p.HasFirst() || p.Exact() {
		t.Errorf("first phase: %v, exact: %v", p.HasFirst(), p.Exact())
	}
}

func TestFollowingShowsFollowedCreatorsOnly(t *testing.T) {
	p := mustCompile(t, schema.Events(), "following", Params{})
	for follows, want := range []bool{false, true} {
		values := make([]float64, len(p.Features()))
		for i, f := range p.Features() {
			if f.Kind == FeatureFollows {
				values[i] = float64(follows)
			}
		}
		if p.Pass(values) != want {
			t.Errorf("follows %d: passes %v", follows, !want)
		}
	}
	if p = mustCompile(t, schema.MovieLens(), "following", Params{}); p.Pass(make([]float64, len(p.Features()))) {
		t.Error("an item passes where nobody can be followed")
	}
}

func TestLookup(t *testing.T) {
	s := schema.Events()
	own := func(name string, version uint32) schema.Profile {
		return schema.Profile{Name: name, Version: version, Score: []schema.Step{add("mine", "age")}}
	}
	s.Profiles = []schema.Profile{own("evening", 1), own("evening", 4), own("hot", 2), own("new", 1), own("top", 3)}
	for _, c := range []struct {
		name    string
		version uint32
		got     uint32 // version
		mine    bool
		err     string
	}{
		{"evening", 0, 4, true, ""},
		{"evening", 1, 1, true, ""},
		{"evening", 3, 0, false, "refused: version: evening has no version 3; it has 1, 4"},
		{"hot", 0, 2, true, ""},
		{"hot", 1, 1, false, ""},
		{"new", 0, 1, true, ""},
		{"new", 1, 1, true, ""},
		{"top", 2, 0, false, "refused: version: top has no version 2; it has 1, 3"},
		{"trending", 0, 1, false, ""},
		{"trendign", 0, 0, false, `refused: profile: "trendign" is unknown (did you mean "trending"?)`},
		{"evenin", 0, 0, false, `refused: profile: "evenin" is unknown (did you mean "evening"?)`},
		{
			"evergreen", 0, 0, false, `refused: profile: "evergreen" is unknown; there are controversial, following, for_you, ` +
				`hidden_gems, hot, most, new, notification, related, rising, shuffle, top, trending, evening`,
		},
	} {
		p, err := Lookup(s, c.name, c.version)
		switch {
		case c.err != "":
			if err == nil || err.Error() != c.err || !errors.Is(err, fault.ErrInput) {
				t.Errorf("%s %d: got %v, want %s", c.name, c.version, err, c.err)
			}
		case err != nil:
			t.Errorf("%s %d: %v", c.name, c.version, err)
		case p.Version != c.got || (p.Score[0].Name == "mine") != c.mine || p.Name != c.name:
			t.Errorf("%s %d: got version %d with %v", c.name, c.version, p.Version, p.Score)
		}
	}
}

// Sources leave much open; the program's don't.
func TestSourcesAreResolved(t *testing.T) {
	head := func(signal string, h time.Duration) schema.Source {
		return schema.Source{Kind: schema.FromHead, Signal: signal, HalfLife: h, Limit: 500}
	}
	for _, c := range []struct {
		source schema.Source
		params Params
		want   string
		warns  string
	}{
		{schema.Source{Kind: schema.FromHead}, Params{}, fmt.Sprint(head("view", day), head("like", 30*day)), ""},
		{head("view", 0), Params{}, fmt.Sprint(head("view", day)), ""},
		{head("view", 7*day), Params{}, fmt.Sprint(head("view", 7*day)), ""},
		{head("negative", 0), Params{}, fmt.Sprint(head("skip", day)), ""},
		{head("signal", 0), Params{Signal: "view"}, fmt.Sprint(head("view", day), head("view", 7*day)), ""},
		{head("signal", 0), Params{}, fmt.Sprint(head("view", day), head("like", 30*day)), ""},
		{
			head("share", 0),
			Params{},
			"{all}",
			"no candidates from the head of share: the schema declares no half_lives for it",
		},
		{
			head("vieww", 0),
			Params{},
			"{all}",
			`vieww is no signal type of the schema and gives no candidates (did you mean "view"?)`,
		},
		{
			schema.Source{Kind: schema.FromRising, Limit: 7},
			Params{},
			fmt.Sprint(schema.Source{Kind: schema.FromRising, Signal: "view", Limit: 7},
				schema.Source{Kind: schema.FromRising, Signal: "like", Limit: 7},
				schema.Source{Kind: schema.FromRising, Signal: "share", Limit: 7}), "",
		},
		{schema.Source{Kind: schema.FromRising, Signal: "tip"}, Params{}, "{all}", "no rising candidates of tip"},
		{
			schema.Source{Kind: schema.FromNewest},
			Params{},
			fmt.Sprint(schema.Source{Kind: schema.FromNewest, Limit: 500}), "",
		},
	} {
		p := schema.Profile{Name: "p", Version: 1, Candidates: []schema.Source{c.source}, Score: []schema.Step{add("x", "1")}}
		prog, err := Compile(p, fixture(), c.params)
		if err != nil {
			t.Errorf("%+v: %v", c.source, err)
			continue
		}
		want := strings.ReplaceAll(c.want, "{all}", fmt.Sprint(schema.Source{Kind: schema.FromAll}))
		if got := strings.Trim(fmt.Sprint(prog.Sources()), "[]"); got != want {
			t.Errorf("%+v: got %s, want %s", c.source, got, want)
		}
		if w := strings.Join(prog.Warnings(), "; "); (w == "") != (c.warns == "") || !strings.Contains(w, c.warns) {
			t.Errorf("%+v: warns %q, want %q", c.source, w, c.warns)
		}
	}
}

// Where the schema has nothing for a profile's sources and features, that is a warning; what can never be right is
// refused.
func TestWhatIsWrongAroundExpressions(t *testing.T) {
	s := schema.MovieLens()
	steps := []schema.Step{add("a", "interest + similar"), add("b", "affinity + follows")}
	p := schema.Profile{Name: "p", Version: 1, Score: steps, Candidates: []schema.Source{
		{Kind: schema.FromInterests}, {Kind: schema.FromFollowed},
	}, Diversity: schema.Diversity{Relevance: 0.5}}
	prog, err := Compile(p, s, Params{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"interest is 0: items have no embedding", "similar is 0: items have no embedding",
		"affinity is 0: items have no field creator", "follows is 0: items have no field creator",
		"no candidates from interests: items have no embedding",
		"no candidates from followed creators: items have no field creator",
		"the list isn't mixed by likeness: items have no embedding",
	}
	if !slices.Equal(prog.Warnings(), want) || prog.Diversity().Relevance != 0 {
		t.Errorf("warns\n%s\nmixed by %+v", strings.Join(prog.Warnings(), "\n"), prog.Diversity())
	}
	_, err = Compile(schema.Profile{
		Name: "q", Version: 1,
		Candidates: []schema.Source{
			{Kind: 77},
			{Kind: schema.FromHead, Signal: "like", HalfLife: day},
			{Kind: schema.FromNewest, Limit: 10_001},
			{Kind: schema.FromNewest, Signal: "like"},
			{Kind: schema.FromAll, Limit: 5},
		},
		Score: []schema.Step{{Name: "", Op: schema.Add, Expr: "1"}, {Name: "x", Op: 9, Expr: "1"}, add("x", "1")},
		Diversity: schema.Diversity{
			MaxPer:    []schema.MaxPer{{Field: "genre", N: 0}, {Field: "title", N: 1}},
			Shares:    []schema.Share{{Field: "genres", Max: 1.5}},
			AtLeast:   []schema.AtLeast{{Field: "genres", Value: "a", N: 0}},
			Relevance: 2, Embedding: "e",
		},
		Explore: []schema.Slot{{Name: "", Share: 0.9, Pool: 9}, {Name: "y", Share: 0.1, Pool: schema.PoolAll, Within: day}},
	}, s, Params{})
	for _, part := range []string{
		"score[0].name: is empty", "score[1].op: 9 is unknown", `score[2].name: "x" is the name`,
		"candidates[0].kind: 77", "candidates[1].half_life: like has no half-life of 1d", "candidates[2].limit: is 10001",
		"candidates[3]: only heads", "candidates[4].limit: stands with all",
		`max_per[0].field: items have no field genre (did you mean "genres"?)`, "max_per[0].n: is 0",
		"max_per[1].field: title is of type text", "shares[0].max: is 1.5", "at_least[0].n: is 0",
		"diversity.relevance: is 2", "diversity.embedding: items have no embedding e", "explore[0].name",
		"explore[0].share: is 0.9",
		"explore[0].pool: 9", "explore[1].within", "explore: takes 1 of the list",
	} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q isn't told in\n%v", part, err)
		}
	}
	if !errors.Is(err, fault.ErrInput) {
		t.Error("the error doesn't match that of refused input")
	}
	if _, err := Compile(schema.Profile{Name: "r"}, s, Params{}); err == nil {
		t.Error("a profile without steps compiles")
	}
}

// Within a cohort no signals are at hand for the first phase: it takes the order of the sources, and gates wait.
func TestACohortMakesSignalsExpensive(t *testing.T) {
	p := schema.Profile{
		Name: "p", Version: 1, First: "score(view) - age", Score: []schema.Step{add("x", "score(view)")},
		Gates: []string{"total(view) > 3", "age < 7d"},
	}
	for _, cohort := range []bool{false, true} {
		p.Score[0].Expr = "score(view) + count(view, 1h)"
		prog, err := Compile(p, schema.Events(), Params{Cohort: cohort})
		if err != nil {
			t.Fatal(err)
		}
		want := "[score(view, 1d) age total(view) count(view, 1h)] 3 true"
		if cohort {
			want = "[age total(view) score(view, 1d) count(view, 1h)] 1 false"
		}
		if got := fmt.Sprint(prog.Features(), prog.Early(), prog.HasFirst()); got != want {
			t.Errorf("cohort %v: got %s, want %s", cohort, got, want)
		}
	}
}

// The draw of an item depends on seed and item alone, lies in [0, 1), and is spread evenly.
func TestUniform(t *testing.T) {
	const n = 20_000
	var cells [20]int
	sum, product := 0.0, 0.0
	for i := range uint64(n) {
		u, v := Uniform(7, i), Uniform(8, i)
		if u < 0 || u >= 1 || u != Uniform(7, i) {
			t.Fatalf("item %d draws %v", i, u)
		}
		cells[int(u*20)]++
		sum += u
		product += (u - 0.5) * (v - 0.5)
	}
	if mean := sum / n; mean < 0.49 || mean > 0.51 {
		t.Errorf("the mean is %v", mean)
	}
	if c := product / n * 12; c < -0.03 || c > 0.03 {
		t.Errorf("the draws of two seeds are correlated by %v", c)
	}
	for i, c := range cells {
		if c < n/20*8/10 || c > n/20*12/10 {
			t.Errorf("cell %d has %d of %d draws", i, c, n)
		}
	}
	// A list that is asked for again must come in the same order, after an upgrade too.
	for _, c := range []struct {
		seed, hash uint64
		want       float64
	}{{0, 0, 0.6524484863740322}, {1, 2, 0.7376992526901169}, {42, 1 << 63, 0.9581715506866649}} {
		if got := Uniform(c.seed, c.hash); got != c.want {
			t.Errorf("seed %d and hash %d draw %v, want %v", c.seed, c.hash, got, c.want)
		}
	}
}
