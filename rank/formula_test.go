package rank

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/schema"
)

// facts are what is known of one candidate, for formulae in plain Go.
type facts struct {
	age                                       float64 // hours
	pos, neg, approval, views, starts, ends   float64 // totals
	pos1h, pos24h, pos7d, neg7d               float64
	share24h, view24h, uniqueViews, trend     float64
	coEngaged, interest, affinity, known      float64
	similar, coSimilar, follows, random, seen float64
}

func drawFacts(t *rapid.T) facts {
	n := func(name string, most float64) float64 {
		return rapid.OneOf(rapid.Just(0.0), rapid.Map(rapid.Float64Range(0, most), math.Floor)).Draw(t, name)
	}
	u := func(name string, low, high float64) float64 {
		return rapid.Float64Range(low, high).Draw(t, name)
	}
	return facts{
		age: u("age", 0, 5000), pos: n("pos", 1e6), neg: n("neg", 1e5), approval: n("approval", 1e5), views: n("views", 1e6),
		starts: n("starts", 1e4), ends: n("ends", 1e4), pos1h: n("pos 1h", 1e4), pos24h: n("pos 24h", 1e5),
		pos7d: n("pos 7d", 1e5), neg7d: n("neg 7d", 1e4), share24h: n("share 24h", 1e4), view24h: n("view 24h", 1e5),
		uniqueViews: n("unique", 1e6), trend: u("trend", 0, 1), coEngaged: u("co-engaged", 0, 1),
		interest: u("interest", -1, 1), affinity: u("affinity", -50, 50), known: n("known", 1.5),
		similar: u("similar", -1, 1), coSimilar: u("co-similar", 0, 1), follows: n("follows", 1.5),
		random: u("random", 0, 0.999), seen: n("seen", 1.5),
	}
}

// values are the facts as features of the built-in profiles over the schema of events.
func (x facts) values(t fataler, p *Program) []float64 {
	known := map[string]float64{
		"age": x.age * 3600, "total(positive)": x.pos, "total(negative)": x.neg, "total(approval)": x.approval,
		"total(view)": x.views, "total(start)": x.starts, "total(complete)": x.ends, "count(positive, 1h)": x.pos1h,
		"count(positive, 24h)": x.pos24h, "count(positive, 7d)": x.pos7d, "count(negative, 7d)": x.neg7d,
		"count(share, 24h)": x.share24h, "count(view, 24h)": x.view24h, "unique(view)": x.uniqueViews,
		"trend": x.trend, "score(positive)": 0, "rising": 0, "co_engaged": x.coEngaged, "interest": x.interest, "affinity": x.affinity,
		"known": x.known, "similar": x.similar, "co_similar": x.coSimilar, "follows": x.follows, "random": x.random,
		"seen": x.seen, "score(share, 7d)": 0, "score(view, 1d)": 0,
	}
	out := make([]float64, len(p.Features()))
	for i, f := range p.Features() {
		v, ok := known[f.String()]
		if !ok {
			t.Fatalf("%s needs %s", p.Name(), f)
		}
		out[i] = v
	}
	return out
}

// want is each built-in profile's formula as docs/ranking.md has it.
func (x facts) want(name string) float64 {
	halved := func(hours float64) float64 { return math.Exp(-x.age / hours * math.Ln2) }
	ratio := func(a, b float64) float64 {
		if b == 0 {
			return 0
		}
		return a / b
	}
	liking, disliking := math.Max(x.affinity, 0), math.Min(x.affinity, 0)
	velocity := x.pos24h / 24
	switch name {
	case "trending":
		return 0.5*x.share24h/24 + 0.3*x.view24h/24 + 0.2*math.Log10(1+x.views)
	case "rising":
		mean := x.pos24h / 24
		return (math.Max(x.pos1h-mean, 0)/math.Sqrt(mean+1) + 0.0001) * (1 + halved(24))
	case "hot":
		return (math.Log10(math.Max(x.approval-x.neg, 1)) + 0.0001) / math.Pow(x.age+2, 0.5)
	case "new", "following":
		return 1 / (1 + x.age)
	case "top":
		return math.Max(x.pos7d-x.neg7d, 0)
	case "most":
		return x.pos
	case "controversial":
		n := x.approval + x.neg
		return ratio(x.approval*x.neg, n*n) * math.Log10(1+n)
	case "hidden_gems":
		return wilsonBySearch(x.approval, x.approval+x.neg) / math.Log10(x.views+10)
	case "shuffle":
		return x.random * math.Sqrt((x.approval+1)/(x.approval+x.neg+2))
	case "related":
		return (0.6*x.coSimilar + 0.4*math.Max(x.similar, 0)) * (1 + 0.2*x.interest)
	case "notification":
		return (x.coEngaged + 0.5*math.Max(x.interest, 0) + 0.4*x.follows + 0.3*liking/(1+liking)) * halved(12)
	case "for_you":
		s := x.coEngaged + 0.5*math.Max(x.interest, 0) + 0.2*liking/(1+liking) + 0.1*x.trend
		if x.known == 0 {
			s += 0.4*velocity/(1+velocity) + 0.3*wilsonBySearch(x.ends, x.starts) + 0.3*halved(7*24)
		}
		return s * (1 + 0.5*disliking/(1-disliking)) * (1 + 0.2*halved(7*24))
	}
	panic("no formula for " + name)
}

// wilsonBySearch is the Wilson bound by its definition: the least rate p that the observed rate lies at most 1.96
// deviations above, √(p(1−p)/n) each.
func wilsonBySearch(pos, n float64) float64 {
	if pos <= 0 || n <= 0 {
		return 0
	}
	seen := math.Min(pos/n, 1)
	low, high := 0.0, seen
	for range 200 {
		p := (low + high) / 2
		if seen-p > 1.96*math.Sqrt(p*(1-p)/n) {
			low = p
		} else {
			high = p
		}
	}
	return low
}

func near(a, b float64) bool {
	return math.Abs(a-b) <= 1e-9*math.Max(1, math.Max(math.Abs(a), math.Abs(b)))
}

// The built-in profiles compute the formulae that are published for them.
func TestBuiltinsComputeTheirFormulae(t *testing.T) {
	s := withEmbedding()
	for _, b := range builtins {
		t.Run(b.name, func(t *testing.T) {
			p := mustCompile(t, s, b.name, Params{})
			rapid.Check(t, func(t *rapid.T) {
				x := drawFacts(t)
				got, want := p.Score(x.values(t, p)), x.want(b.name)
				if !near(got, want) {
					t.Fatalf("%+v\ngot  %v\nwant %v", x, got, want)
				}
				if got < 0 {
					t.Fatalf("%+v: %v is below 0, where a boost would lower it", x, got)
				}
			})
		})
	}
}

func TestWilson(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Float64Range(0, 1e7).Draw(t, "n")
		pos := rapid.Float64Range(-1, 1.5).Draw(t, "rate") * n
		got, want := wilson(pos, n), wilsonBySearch(pos, n)
		if math.Abs(got-want) > 1e-9 || got < 0 || got > 1 {
			t.Fatalf("wilson(%v, %v) is %v, want %v", pos, n, got, want)
		}
	})
	// Where all n succeed the bound is n / (n + z²).
	for _, n := range []float64{1, 10, 1000} {
		if got, want := wilson(n, n), n/(n+1.96*1.96); math.Abs(got-want) > 1e-12 {
			t.Errorf("wilson(%v, %v) is %v, want %v", n, n, got, want)
		}
	}
}

// What each profile is for, said by pairs: the first of each must be above the second.
func TestBuiltinsPreferWhatTheyAreFor(t *testing.T) {
	s := withEmbedding()
	for _, c := range []struct {
		profile, why  string
		above, beside facts
	}{
		{"hot", "the younger of two with equal votes", facts{age: 1, approval: 50}, facts{age: 30, approval: 50}},
		{
			"hot", "what nobody voted for above what everybody dislikes, which |for − against| would call hot",
			facts{age: 1, approval: 9},
			facts{age: 1, neg: 5000},
		},
		{
			"rising", "a burst on little above the same burst on much",
			facts{pos1h: 50, pos24h: 60},
			facts{pos1h: 550, pos24h: 12060},
		},
		{"rising", "the younger of two", facts{age: 2, pos1h: 50, pos24h: 60}, facts{age: 900, pos1h: 50, pos24h: 60}},
		{"controversial", "many divided above few divided", facts{approval: 1000, neg: 900}, facts{approval: 1, neg: 1}},
		{"controversial", "divided above agreed", facts{approval: 50, neg: 50}, facts{approval: 5000, neg: 3}},
		{
			"hidden_gems", "good and little seen above good and much seen",
			facts{approval: 90, neg: 2, views: 300},
			facts{approval: 90, neg: 2, views: 300000},
		},
		{
			"hidden_gems", "much approval above one vote",
			facts{approval: 90, neg: 2, views: 300},
			facts{approval: 1, views: 2},
		},
		{"top", "approved above disputed", facts{pos7d: 100}, facts{pos7d: 150, neg7d: 80}},
		{"trending", "shared above viewed", facts{share24h: 100}, facts{view24h: 100}},
		{
			"for_you", "for a user with a history, what goes with it above what is popular",
			facts{known: 1, coEngaged: 0.8},
			facts{known: 1, trend: 1, pos24h: 500},
		},
		{
			"for_you", "for a new user, what is popular and fresh above what is neither",
			facts{pos24h: 500, trend: 0.5, age: 5},
			facts{pos24h: 1, trend: 0.1, age: 4000},
		},
		{
			"for_you", "a neutral creator above a disliked one",
			facts{known: 1, coEngaged: 0.5},
			facts{known: 1, coEngaged: 0.5, affinity: -5},
		},
	} {
		p := mustCompile(t, s, c.profile, Params{})
		if a, b := p.Score(c.above.values(t, p)), p.Score(c.beside.values(t, p)); !(a > b) {
			t.Errorf("%s: %s: %v and %v", c.profile, c.why, a, b)
		}
	}
}

// The parameters of a query reach the profiles that are made for them.
func TestTheQuerysSignalAndWindow(t *testing.T) {
	s := schema.Events()
	for _, c := range []struct {
		profile string
		params  Params
		want    string
	}{
		{"most", Params{}, "total(positive)"},
		{"most", Params{Signal: "share"}, "total(share)"},
		{"most", Params{Signal: "share", Window: schema.Window24h}, "count(share, 24h)"},
		{"most", Params{Signal: "unlike", Window: schema.Window30d}, "count(unlike, 30d)"},
		{"top", Params{Window: schema.Window1h}, "count(positive, 1h)"},
		{"top", Params{Window: schema.WindowAll}, "total(positive)"},
		{"trending", Params{Window: schema.Window1h}, "count(share, 1h)"},
	} {
		p := mustCompile(t, s, c.profile, c.params)
		found := false
		for _, f := range p.Features() {
			found = found || f.String() == c.want
		}
		if !found {
			t.Errorf("%s with %+v needs %v, want %s among them", c.profile, c.params, p.Features(), c.want)
		}
	}
	b, _ := Lookup(s, "most", 0)
	for params, want := range map[Params]string{
		{Signal: "shar"}: `refused: signal: "shar" is no signal type of the schema (did you mean "share"?)`,
		{Window: 9}:      "refused: window: window(9) is unknown; the windows are 1h, 24h, 7d, 30d and all",
	} {
		if _, err := Compile(b, s, params); err == nil || err.Error() != want {
			t.Errorf("%+v: got %v, want %s", params, err, want)
		}
	}
}
