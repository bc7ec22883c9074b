package tidal_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// mixed is a world with something to mix.
func mixed(t *testing.T, s uint64) *world {
	t.Helper()
	w := newWorld(t, s, 60, 5, rankSchema(wanderer()))
	for range 300 {
		w.step()
	}
	return w
}

// TestListsAreArrangedAsAsked checks at random queries what holds whatever the scores are: how long a list is, and what
// pins, buries, exclusions, rules and slots do to it.
func TestListsAreArrangedAsAsked(t *testing.T) {
	s := seed(t)
	explored, pinned := 0, 0
	for run := range uint64(2) {
		w := mixed(t, s+run)
		for range 150 {
			x := w.arranged()
			a := rankIt(t, w.db, x.q)
			x.check(a)
			if again := rankIt(t, w.db, x.q); !reflect.DeepEqual(again.Items, a.Items) {
				t.Errorf("%s\nasked again with the same seed gives\n%v\nafter\n%v", x.q, again.Items, a.Items)
			}
			for _, y := range a.Items {
				explored += int(oneIf(y.Slot != ""))
				pinned += int(oneIf(y.Pinned))
			}
			if t.Failed() {
				t.Fatalf("seed %d", s+run)
			}
		}
	}
	if explored < 100 || pinned < 50 {
		t.Errorf("only %d items were explored, %d pinned", explored, pinned)
	}
}

// arrangement is a query, and what it's known to find without being arranged.
type arrangement struct {
	w    *world
	q    *query.Query
	free []string // by falling score
}

func (w *world) arranged() *arrangement {
	names := builtinsOf(w.db)
	limit := 1 + w.rng.IntN(40)
	user, at := w.user(), w.clock.now()
	base := query.Rank(w.one(names...)).For(user).Seed(w.rng.Uint64()).At(at)
	if w.rng.IntN(2) == 0 {
		x, err := query.ParseFilter(w.filter(1, true))
		if err != nil {
			w.t.Fatal(err)
		}
		base.Where(x)
	}
	for range w.rng.IntN(3) {
		base.Exclude(w.item())
	}
	x := &arrangement{w: w}
	x.free = idsOf(rankIt(w.t, w.db, base.Limit(500).Unmixed().Explore(0).Query()))
	q := base.Limit(limit).Query()
	q.Diversity, q.Explore = nil, nil
	switch w.rng.IntN(3) {
	case 0:
		q.Diversity = &schema.Diversity{
			MaxPer:  []schema.MaxPer{{Field: "creator", N: 1 + w.rng.IntN(3)}, {Field: "category", N: 3 + w.rng.IntN(8)}},
			AtLeast: []schema.AtLeast{{Field: "tags", Value: "rare", N: w.rng.IntN(4) + 1}},
		}
	case 1:
		q.Diversity = &schema.Diversity{Shares: []schema.Share{{Field: "explicit", Max: 0.6}}, Relevance: 0.7}
	}
	if w.rng.IntN(2) == 0 {
		share := []float64{0, 0.1, 0.25, 0.5}[w.rng.IntN(4)]
		q.Explore = &share
	}
	for range w.rng.IntN(4) {
		p := query.Pin{Item: w.item(), Rank: 1 + w.rng.IntN(limit)}
		if !slices.ContainsFunc(q.Pins, func(o query.Pin) bool { return o.Item == p.Item || o.Rank == p.Rank }) &&
			!slices.Contains(q.Exclude, p.Item) {
			q.Pins = append(q.Pins, p)
		}
	}
	for range w.rng.IntN(4) {
		item := w.item()
		if !slices.ContainsFunc(q.Pins, func(o query.Pin) bool { return o.Item == item }) {
			q.Buries = append(q.Buries, item)
		}
	}
	x.q = q
	return x
}

func (x *arrangement) check(a *tidal.Answer) {
	t, q := x.w.t, x.q
	t.Helper()
	list := idsOf(a)
	wrong := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s\n%s\nlist %v\nfree %v", q, fmt.Sprintf(format, args...), list, x.free)
	}
	all := slices.Clone(x.free)
	for _, p := range x.pins() {
		if !slices.Contains(all, p.Item) {
			all = append(all, p.Item)
		}
	}
	if len(list) != min(q.Limit, len(all)) {
		wrong("has %d items, of %d with limit %d", len(list), len(all), q.Limit)
		return
	}
	seen := map[string]bool{}
	for i, id := range list {
		if seen[id] || !slices.Contains(all, id) {
			wrong("%s is there twice, or shouldn't be there", id)
		}
		seen[id] = true
		if y := a.Items[i]; (y.Slot == "") != (y.Propensity == 1) && (y.Slot == "" || y.Propensity > 1 || y.Propensity <= 0) {
			wrong("%s has slot %q and propensity %v", id, y.Slot, y.Propensity)
		}
	}
	x.checkPins(a, wrong)
	x.checkBuries(a, wrong)
	x.checkRules(a, wrong)
}

// pins are those that can be shown.
func (x *arrangement) pins() (out []query.Pin) {
	o := &rankOracle{w: x.w, plan: &query.Plan{Query: *x.q}, at: x.q.At, who: x.w.viewOf(x.q.User)}
	for _, p := range x.q.Pins {
		e, err := x.w.db.Entity(x.w.t.Context(), tidal.Item, p.Item)
		if err == nil && o.shown(&e) {
			out = append(out, p)
		} else if err != nil && !errors.Is(err, tidal.ErrNotFound) {
			x.w.t.Fatal(err)
		}
	}
	return out
}

func (x *arrangement) checkPins(a *tidal.Answer, wrong func(string, ...any)) {
	pins := x.pins()
	for _, y := range a.Items {
		if y.Pinned != slices.ContainsFunc(pins, func(p query.Pin) bool { return p.Item == y.Item }) {
			wrong("%s is pinned: %v", y.Item, y.Pinned)
		}
	}
	for _, p := range pins {
		at := slices.Index(idsOf(a), p.Item) + 1
		if at == 0 || at > p.Rank || at < p.Rank && p.Rank <= len(a.Items)-len(pins) {
			wrong("%s stands at %d, not at %d", p.Item, at, p.Rank)
		}
	}
}

// checkBuries expects buried items behind all others, but for what rules make of it.
func (x *arrangement) checkBuries(a *tidal.Answer, wrong func(string, ...any)) {
	if x.q.Diversity != nil || a.Profile == "for_you" || a.Profile == "related" || a.Profile == "notification" {
		return
	}
	buried := false
	for i, y := range a.Items {
		is := slices.Contains(x.q.Buries, y.Item)
		if buried && !is && y.Slot == "" && !y.Pinned {
			wrong("%s at %d stands behind a buried item", y.Item, i)
		}
		buried = buried || is
	}
}

func (x *arrangement) checkRules(a *tidal.Answer, wrong func(string, ...any)) {
	d := x.q.Diversity
	if d == nil || len(a.Broken) > 0 {
		return
	}
	counts := map[[2]string]int{}
	for _, y := range a.Items {
		e, err := x.w.db.Entity(x.w.t.Context(), tidal.Item, y.Item)
		if err != nil {
			x.w.t.Fatal(err)
		}
		for _, f := range []string{"creator", "category", "explicit"} {
			if v, ok := e.Fields[f]; ok {
				counts[[2]string{f, v.String()}]++
			}
		}
		if tags, _ := e.Fields["tags"].Tags(); slices.Contains(tags, "rare") {
			counts[[2]string{"tags", "rare"}]++
		}
	}
	for key, n := range counts {
		for _, r := range d.MaxPer {
			if r.Field == key[0] && n > r.N {
				wrong("%s %s stands %d times, at most %d", key[0], key[1], n, r.N)
			}
		}
		for _, r := range d.Shares {
			if most := max(1, math.Floor(r.Max*float64(len(a.Items))+1e-9)); r.Field == key[0] && float64(n) > most {
				wrong("%s %s stands %d times, at most %v", key[0], key[1], n, most)
			}
		}
	}
	for _, r := range d.AtLeast {
		if n := counts[[2]string{r.Field, r.Value}]; n < r.N {
			wrong("%s %s stands %d times, at least %d", r.Field, r.Value, n, r.N)
		}
	}
}

// TestSlotsTakeTheirShare checks that exploration gives away as many places as its share, named, with a propensity.
func TestSlotsTakeTheirShare(t *testing.T) {
	db, c := fresh(t)
	for i := range 100 {
		write(t, db, tidal.Put{Kind: tidal.Item, ID: fmt.Sprint("item ", i)})
	}
	for i, share := range []float64{0.1, 0.3, 0.5} {
		drawn := map[string]int{}
		for seed := range uint64(50) {
			a := rankIt(t, db, query.Rank("new").Limit(20).Explore(share).Seed(seed).At(c.now()).Query())
			n := 0
			for _, x := range a.Items {
				if x.Slot != "" {
					drawn[x.Item]++
					n++
				}
				if (x.Slot == "") != (x.Propensity == 1) || x.Propensity <= 0 || x.Propensity > 0.05 && x.Slot != "" {
					t.Errorf("%+v", x)
				}
			}
			if n != []int{2, 6, 10}[i] || len(a.Items) != 20 {
				t.Errorf("share %v: %d of %d places are explored", share, n, len(a.Items))
			}
		}
		if len(drawn) < 40 {
			t.Errorf("only %d different items were drawn", len(drawn))
		}
	}
}

// TestPagesAreOneList goes through lists by cursors, over a restart, and expects the list that is asked for at once.
func TestPagesAreOneList(t *testing.T) {
	s := seed(t)
	w := mixed(t, s)
	for i, name := range builtinsOf(w.db) {
		base := query.Rank(name).For(w.user()).At(w.clock.now()).Seed(7).Unmixed().Explore(0)
		whole := rankIt(t, w.db, base.Limit(500).Query())
		if whole.Cursor() != "" {
			t.Errorf("%s: a cursor behind the end", name)
		}
		q := base.Limit(7).Query()
		var pages []tidal.RankedItem
		for n := 0; ; n++ {
			a := rankIt(t, w.db, q)
			for k := range a.Items {
				ref, err := w.db.Ref(a.Ref(k))
				want := tidal.FeedRef{
					Feed: a.Feed, Place: len(pages) + k + 1, Item: a.Items[k].Item, Propensity: 1, Profile: name, Version: 1, Time: a.At,
				}
				if err != nil || ref != want {
					t.Errorf("%s: the reference says %+v, %v; want %+v", name, ref, err, want)
				}
			}
			pages = append(pages, a.Items...)
			if q.Cursor = a.Cursor(); q.Cursor == "" {
				break
			}
			if i == 2 && n == 1 {
				w.reopen()
			}
		}
		if len(pages)+len(whole.Items) > 0 && !reflect.DeepEqual(pages, whole.Items) {
			t.Errorf("seed %d, %s: pages are\n%s\nwant\n%s", s, name, showRanked(pages), showRanked(whole.Items))
		}
	}
}

// TestMixedPagesRepeatNothing goes through lists with rules and exploration.
func TestMixedPagesRepeatNothing(t *testing.T) {
	s := seed(t)
	w := mixed(t, s)
	for _, name := range builtinsOf(w.db) {
		user := w.user()
		q := query.Rank(name).For(user).At(w.clock.now()).Limit(6).Explore(0.5).Pin(w.item(), 2).Query()
		seen := map[string]bool{}
		for {
			a := rankIt(t, w.db, q)
			for _, x := range a.Items {
				if seen[x.Item] {
					t.Errorf("seed %d, %s: %s comes twice", s, name, x.Item)
				}
				seen[x.Item] = true
			}
			if q.Cursor = a.Cursor(); q.Cursor == "" {
				break
			}
		}
		for _, id := range idsOf(rankIt(t, w.db, query.Rank(name).For(user).At(w.clock.now()).Limit(500).Query())) {
			if !seen[id] {
				t.Errorf("seed %d, %s: %s is on no page", s, name, id)
			}
		}
	}
}

// TestAListIsAskedForAgain writes at random behind a list and asks for it again: the same items but what was hidden or
// deleted since.
func TestAListIsAskedForAgain(t *testing.T) {
	s := seed(t)
	w := mixed(t, s)
	for range 40 {
		x := w.arranged()
		before := rankIt(t, w.db, x.q)
		for range w.rng.IntN(40) {
			w.step()
		}
		if w.rng.IntN(2) == 0 && len(before.Items) > 0 {
			id := before.Items[w.rng.IntN(len(before.Items))].Item
			write(t, w.db, tidal.Signal{Type: w.one("hide", "view"), User: x.q.User, Item: id})
			w.events = nil // the oracle of events isn't asked here
		}
		q := *x.q
		q.AsOf = before.AsOf()
		if len(q.Pins) == 0 { // which have to lie within the limit
			q.Limit = 1 + w.rng.IntN(40)
		}
		again := rankIt(t, w.db, &q)
		o := &rankOracle{w: w, plan: &query.Plan{Query: *x.q}, at: x.q.At, who: w.viewOf(x.q.User)}
		var want []tidal.RankedItem
		for _, y := range before.Items {
			if e, err := w.db.Entity(t.Context(), tidal.Item, y.Item); err == nil && o.shown(&e) {
				want = append(want, y)
			}
		}
		same := func(a, b tidal.RankedItem) bool {
			return a.Item == b.Item && a.Slot == b.Slot && a.Pinned == b.Pinned && math.Abs(a.Propensity-b.Propensity) < 1e-6
		}
		if !slices.EqualFunc(again.Items, want, same) || again.Feed != before.Feed || !again.At.Equal(before.At) {
			t.Fatalf("seed %d, %s:\nagain\n%+v\nwant\n%+v", s, &q, again.Items, want)
		}
	}
}

// TestForeignAndDamagedPagesAreRefused changes cursors in every place, and hands them to other queries and databases.
func TestForeignAndDamagedPagesAreRefused(t *testing.T) {
	w := mixed(t, 1)
	q := query.Rank("new").Limit(3).Query()
	a := rankIt(t, w.db, q)
	refused := func(db *tidal.DB, q *query.Query, field string) {
		t.Helper()
		_, err := db.Rank(ctx, q)
		var bad *tidal.InputError
		if !errors.Is(err, tidal.ErrInput) || !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%s: %v", q, err)
		}
	}
	for i := 0; i < len(a.Cursor()); i += 3 {
		b := []byte(a.Cursor())
		if b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
		refused(w.db, &query.Query{Profile: "new", Limit: 3, Cursor: string(b)}, "cursor")
	}
	refused(w.db, &query.Query{Profile: "hot", Cursor: a.Cursor()}, "cursor")
	refused(w.db, &query.Query{Profile: "new", User: "user 1", Cursor: a.Cursor()}, "cursor")
	refused(w.db, &query.Query{Profile: "new", Cursor: a.AsOf()}, "cursor")
	refused(w.db, &query.Query{Profile: "new", AsOf: a.Cursor()}, "as_of")
	refused(w.db, &query.Query{Profile: "new", At: w.clock.now().Add(time.Hour), AsOf: a.AsOf()}, "as_of")
	for _, text := range []string{"x", "AAAA", a.Cursor()[:40], a.Cursor() + "A"} {
		refused(w.db, &query.Query{Profile: "new", Cursor: text}, "cursor")
	}
	other, _ := fresh(t)
	refused(other, &query.Query{Profile: "new", Cursor: a.Cursor()}, "cursor")
	if _, err := other.Ref(a.Ref(0)); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("another database's reference: %v", err)
	}
}
