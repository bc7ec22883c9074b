package tidal_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// redditFormula scores a post of an age.
type redditFormula func(p *redditPost, hours float64) float64

// What Reddit published of its own orders (github.com/reddit-archive/reddit, r2/lib/db/_sorts.pyx).
func redditHot(p *redditPost, hours float64) float64 {
	s := p.up - p.down
	sign := 0.0
	if s != 0 {
		sign = math.Copysign(1, s)
	}
	return sign*math.Log10(max(math.Abs(s), 1)) - hours*3600/45000 // there in seconds since a fixed day: the same order
}

func redditControversy(p *redditPost, _ float64) float64 {
	if p.up == 0 || p.down == 0 {
		return 0
	}
	return math.Pow(p.votes(), min(p.up, p.down)/max(p.up, p.down))
}

func redditConfidence(p *redditPost, _ float64) float64 {
	return wilsonBound(p.up, p.votes(), 1.281551565545)
}

func redditScore(p *redditPost, _ float64) float64 { return p.up - p.down }

// newsHot is Hacker News' order, without its penalties (P. Graham, news.arc).
func newsHot(p *redditPost, hours float64) float64 {
	return max(p.up-p.down-1, 0) / math.Pow(hours+2, 1.8)
}

func wilsonBound(good, n, z float64) float64 {
	if n == 0 {
		return 0
	}
	p := good / n
	return (p + z*z/(2*n) - z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))) / (1 + z*z/n)
}

// The formulae of the built-in profiles, as docs/ranking.md states them.
func builtinHot(p *redditPost, hours float64) float64 { return hotWith(0.5)(p, hours) }

// hotWith is the formula of hot with another gravity.
func hotWith(gravity float64) redditFormula {
	return func(p *redditPost, hours float64) float64 {
		return math.Log10(max(p.up-p.down, 1)) / math.Pow(hours+2, gravity)
	}
}

func builtinControversial(p *redditPost, _ float64) float64 {
	n := p.votes()
	return p.up * p.down / max(n*n, 1) * math.Log10(1+n)
}

func builtinHiddenGems(p *redditPost, _ float64) float64 {
	return wilsonBound(p.up, p.votes(), 1.959963984540054) / math.Log10(p.votes()+10)
}

func builtinTop(p *redditPost, _ float64) float64 { return p.up - min(p.down, p.up) }

func builtinMost(p *redditPost, _ float64) float64 { return p.up }

func builtinTopOfWeek(p *redditPost, _ float64) float64 { return p.upWeek - min(p.downWeek, p.upWeek) }

// builtinTrending is what trending is without signals share and view.
func builtinTrending(p *redditPost, _ float64) float64 {
	return 0.8*p.upDay/24 + 0.2*math.Log10(1+p.up)
}

func builtinRising(p *redditPost, hours float64) float64 {
	mean := p.upDay / 24
	return max(p.upHour-mean, 0) / math.Sqrt(mean+1) * (1 + math.Exp2(-hours/24))
}

// overlap is which part of a list another one has.
func overlap(a, b []*redditPost) float64 {
	n := 0
	for _, p := range a {
		if slices.Contains(b, p) {
			n++
		}
	}
	return float64(n) / float64(max(1, len(a)))
}

// agreement is Spearman's correlation of two orders of the same posts.
func agreement(a, b []*redditPost) float64 {
	at := map[*redditPost]int{}
	for i, p := range b {
		at[p] = i
	}
	n, sum := float64(len(a)), 0.0
	for i, p := range a {
		d := float64(i - at[p])
		sum += d * d
	}
	return 1 - 6*sum/(n*(n*n-1))
}

// print shows a list to who runs the test with -v: docs/evaluation.md has some of these.
func (w *redditWorld) print(name string, list []*redditPost) {
	for i, p := range list[:min(10, len(list))] {
		w.Logf("%-16s %2d %6.0f %6.0f %7.1f h  %-16s %-24s %s", name, i+1, p.up, p.down,
			w.last.Sub(p.published).Hours(), p.community, p.domain, p.title)
	}
}

// The lists of votes over real posts: they are what their formulae say, computed from the files by other code, they are
// near to what Reddit itself would have shown for the same votes, and they hold what their names promise.
func TestRedditLists(t *testing.T) {
	if testing.Short() {
		t.Skip("a million votes take a while; run without -short")
	}
	for _, x := range []struct {
		name        string
		oneOf       int // votes are one signal
		communities []string
	}{
		{"small communities", 1, []string{
			"Coffee", "MachineLearning", "chess", "compsci", "golang", "history", "linux", "math", "netsec", "philosophy",
		}},
		{"large communities", 100, []string{
			"EarthPorn", "askscience", "food", "gaming", "movies", "news", "science", "space",
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := newRedditWorld(t, x.oneOf, x.communities...)
			for _, day := range []time.Time{
				time.Date(2013, 3, 12, 18, 0, 0, 0, time.UTC), time.Date(2013, 5, 21, 18, 0, 0, 0, time.UTC),
				time.Date(2013, 7, 31, 18, 0, 0, 0, time.UTC),
			} {
				w.until(day)
				w.checkFormulae()
				w.checkPromises()
				w.checkWindows()
				w.checkQueue()
				for _, profile := range []string{"new", "top"} {
					w.print(profile, w.rank(query.Rank(profile).Limit(10)))
				}
			}
		})
	}
}

// checkFormulae holds lists against their formulae and Reddit's. The best by the formula are all there, in the lists of
// everything, whose candidates come from sources, as in those of one community, whose few posts are looked at one by
// one.
func (w *redditWorld) checkFormulae() {
	w.Helper()
	for _, c := range []struct {
		name           string
		query          *query.Builder
		own, classic   redditFormula
		common, agrees float64 // with the classic: least overlap of the first 25, and least correlation
	}{
		{"hot", query.Rank("hot"), builtinHot, redditHot, 0.65, 0.74},
		{"hot by HN", query.Rank("hot"), builtinHot, newsHot, 0.95, 0.98},
		{"controversial", query.Rank("controversial"), builtinControversial, redditControversy, 0.6, 0.98},
		{"hidden_gems", query.Rank("hidden_gems"), builtinHiddenGems, redditConfidence, 0.3, 0.15},
		{"top of all", query.Rank("top").Window(schema.WindowAll), builtinTop, redditScore, 1, 0.999},
		{"top of the week", query.Rank("top").Window(schema.Window7d), builtinTopOfWeek, redditScore, 0, -1},
		{"most", query.Rank("most").Signal("up"), builtinMost, redditScore, 0, 0.8},
	} {
		q := c.query.Limit(25).Query()
		got, best := w.rankQuery(q), w.best("", len(w.there), c.own)
		found := w.found(got, w.best("", 25, c.own), c.own)
		if found < 1 {
			w.Errorf("%s: %.2f of the best 25 are in the list", c.name, found)
		}
		classic := w.best("", len(w.there), c.classic)
		common, agrees := overlap(got, classic[:25]), agreement(best, classic)
		if common < c.common || agrees < c.agrees {
			w.Errorf("%s: %.2f in common with the classic order, correlation %.3f", c.name, common, agrees)
		}
		w.Logf("%s %s: %.2f of the best 25; %.2f of 25 in common with the classic, correlation of all %.3f",
			w.last.Format(time.DateOnly), c.name, found, common, agrees)
		w.print(c.name, got)
		w.print("  classic", classic)
		for _, of := range w.communities {
			q.Filter = query.Eq("community", of)
			if part := w.found(w.rankQuery(q), w.best(of, 25, c.own), c.own); part < 1 {
				w.Errorf("%s of %s: %.2f of the best 25 are in the list", c.name, of, part)
			}
		}
	}
}

// checkWindows looks at lists whose counts begin with a full minute or hour, so that they may differ a little from what
// the files say: the best ten are there, and of the best 25 nearly all.
func (w *redditWorld) checkWindows() {
	w.Helper()
	for _, c := range []struct {
		profile string
		own     redditFormula
		least   float64
	}{{"trending", builtinTrending, 0.85}, {"rising", builtinRising, 0.95}} {
		got, best := w.rank(query.Rank(c.profile).Limit(25)), w.best("", 25, c.own)
		for len(best) > 0 && c.own(best[len(best)-1], w.last.Sub(best[len(best)-1].published).Hours()) == 0 {
			best = best[:len(best)-1] // as good as any other
		}
		first, all := overlap(best[:min(10, len(best))], got), overlap(best, got)
		if first < 1 || all < c.least {
			w.Errorf("%s: %.2f of the best ten are in the list, %.2f of the best %d", c.profile, first, all, len(best))
		}
		w.Logf("%s %s: %.2f of the best %d", w.last.Format(time.DateOnly), c.profile, all, len(best))
		w.print(c.profile, got)
	}
}

// checkQueue adds a stream of posts that nobody cares for, 20 an hour with three votes each, which they get at once, and
// asks how many of them are hot: fewer than by Reddit's formula and than by Hacker News', and hardly more than half of
// the list where three votes are much. Then it takes them out again.
func (w *redditWorld) checkQueue() {
	w.Helper()
	real := w.there
	defer func() { w.there = real }()
	all := append(slices.Clone(real), w.addQueue(20, 3)...)
	w.there = all
	got := w.rank(query.Rank("hot").Limit(25))
	if found := w.found(got, w.best("", 25, builtinHot), builtinHot); found < 1 {
		w.Errorf("hot with a queue: %.2f of the best 25 are in the list", found)
	}
	queued := func(list []*redditPost) (n int) {
		for _, p := range list {
			if p.community == "" {
				n++
			}
		}
		return n
	}
	n, byReddit, byNews := queued(got), queued(w.best("", 25, redditHot)), queued(w.best("", 25, newsHot))
	if n > 13 || n >= min(byReddit, byNews) {
		w.Errorf("hot: %d of 25 are of the queue; by Reddit's formula %d, by Hacker News' %d", n, byReddit, byNews)
	}
	w.Logf("%s queue: %d of 25; by Reddit's formula %d, by Hacker News' %d", w.last.Format(time.DateOnly), n, byReddit,
		byNews)
	for _, gravity := range []float64{0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1, 1.8} {
		hot := hotWith(gravity)
		w.there = all
		n := queued(w.best("", 25, hot))
		w.there = real
		list := w.best("", 25, hot)
		w.Logf("gravity %.1f: %2d of the queue; without it, %.2f in common with Reddit's, %.2f with Hacker News'", gravity, n,
			overlap(list, w.best("", 25, redditHot)), overlap(list, w.best("", 25, newsHot)))
	}
	w.dropQueue()
}

// found is which part of a list is as good as the last of the best.
func (w *redditWorld) found(list, best []*redditPost, formula redditFormula) float64 {
	score := func(p *redditPost) float64 { return formula(p, w.last.Sub(p.published).Hours()) }
	n, last := 0, score(best[len(best)-1])
	for _, p := range list {
		if score(p) >= last-1e-9*math.Abs(last) {
			n++
		}
	}
	return float64(n) / float64(len(best))
}

// checkPromises looks at lists as a reader would.
func (w *redditWorld) checkPromises() {
	w.Helper()
	votes, share := w.median((*redditPost).votes), w.median((*redditPost).share)
	for _, p := range w.rank(query.Rank("hot").Limit(10)) {
		if age := w.last.Sub(p.published); age > 48*time.Hour || p.up <= p.down {
			w.Errorf("hot: %s, of %s ago, with %v votes for it and %v against", p.title, age, p.up, p.down)
		}
	}
	for _, p := range w.rank(query.Rank("controversial").Limit(25)) {
		if p.share() > share || p.votes() < votes {
			w.Errorf("controversial: %s, with %v votes for it and %v against", p.title, p.up, p.down)
		}
	}
	for _, p := range w.rank(query.Rank("hidden_gems").Limit(25)) {
		if p.share() < share || p.votes() > votes {
			w.Errorf("hidden gem: %s, with %v votes for it and %v against", p.title, p.up, p.down)
		}
	}
	for _, profile := range []string{"rising", "new"} {
		for _, p := range w.rank(query.Rank(profile).Limit(5)) {
			if age := w.last.Sub(p.published); age > 24*time.Hour {
				w.Errorf("%s: %s, of %s ago", profile, p.title, age)
			}
		}
	}
	mixed := map[string]int{}
	list := w.rank(query.Rank("hot").Limit(25).MaxPer("domain", 2))
	for _, p := range list {
		if mixed[p.domain]++; mixed[p.domain] > 2 {
			w.Errorf("more than two of %s", p.domain)
		}
	}
	w.print("hot, mixed", list)
}
