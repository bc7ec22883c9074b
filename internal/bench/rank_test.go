package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/hidden"
	"github.com/tidaldb/tidal/schema"
)

func smallRank(t *testing.T) RankOptions {
	env, _ := testEnv(t)
	return RankOptions{
		Env: env, Items: 1000, Users: 200, Signals: 10_000, Dimensions: 8, Seconds: 0.1, Clients: 2, Rate: 300,
		Ingest: 5000, Seed: 1,
	}
}

func TestRankMeasuresEveryList(t *testing.T) {
	o := smallRank(t)
	o.Quiet = true
	r, err := Rank(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) != 0 || r.HiddenServed != 0 {
		t.Errorf("%d hidden items were served; %q", r.HiddenServed, r.Problems)
	}
	if len(r.Profiles) != len(rankedLists) || len(r.Quiet) != len(rankedLists) {
		t.Errorf("%d and %d lists were measured, want %d", len(r.Profiles), len(r.Quiet), len(rankedLists))
	}
	lists := 0
	for _, of := range []map[string]RankFigures{r.Profiles, r.Quiet} {
		for name, f := range of {
			lists += f.Lists
			if f.P50 <= 0 || f.P99 < f.P50 || f.Mean <= 0 || f.Lists < 1 || f.Rate <= 0 {
				t.Errorf("%s wasn't measured: %+v", name, f)
			}
			// Where few were asked for, since the machine is slow, it may have been by users whose lists are empty.
			if f.Candidates < 1 || f.Scored > f.Candidates || f.Length > f.Scored+1 || f.Lists >= 10 && (f.Scored < 1 || f.Length < 1) {
				t.Errorf("%s has no candidates, or more items than it scored: %+v", name, f)
			}
			if s := f.Stages; s.Find <= 0 || s.Second <= 0 || s.User+s.Find+s.First+s.Second+s.Mix > 2*f.Mean+1000 {
				t.Errorf("%s has stages that don't make up its time: %+v", name, f)
			}
		}
	}
	if f := r.Profiles["shuffle"]; f.Candidates != 1000 || f.Length != listLength {
		t.Errorf("shuffle, which takes every item: %+v", f)
	}
	for _, name := range recalled {
		if x := r.Recall[name]; !(x > 0 && x <= 1) {
			t.Errorf("recall of %s is %v", name, x)
		}
	}
	if r.IngestPerSecond <= 0 || r.RankPerSecond <= 0 || r.Lists <= lists || r.Hides == 0 || r.Cells < 1000 ||
		r.SetUpSeconds <= 0 {
		t.Errorf("%+v", r)
	}
}

func TestRankWithoutEmbeddingsAndOfSomeListsOnly(t *testing.T) {
	o := smallRank(t)
	o.Dimensions, o.Only, o.Ingest = 0, []string{"for_you", "new"}, 0
	r, err := Rank(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Profiles) != 2 || r.Quiet != nil || r.IngestPerSecond != 0 || r.Profiles["for_you"].Candidates < 25 ||
		len(r.Problems) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestRankRefusesWhatCantBeMeasured(t *testing.T) {
	for says, change := range map[string]func(*RankOptions){
		"999 items":  func(o *RankOptions) { o.Items = 999 },
		"99 users":   func(o *RankOptions) { o.Users = 99 },
		"0 clients":  func(o *RankOptions) { o.Clients = 0 },
		"NaN lists":  func(o *RankOptions) { o.Rate = math.NaN() },
		"for -1 s":   func(o *RankOptions) { o.Seconds = -1 },
		`"for_me"`:   func(o *RankOptions) { o.Only = []string{"for_me"} },
		"-5 signals": func(o *RankOptions) { o.Ingest = -5 },
	} {
		o := smallRank(t)
		change(&o)
		if _, err := Rank(t.Context(), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", says, err)
		}
	}
}

func TestTheWorldIsTheSameForASeedAndAsDescribed(t *testing.T) {
	o := smallRank(t)
	o.Items, o.Users = 20_000, 5000
	const end = 1_750_000_000_000
	w, again := newWorld(&o, end), newWorld(&o, end)
	rng, same := w.dice(1), again.dice(1)
	day := (24 * time.Hour).Milliseconds()
	byUser, byItem, fresh := map[string]int{}, map[string]int{}, 0
	const n = 20_000
	for range n {
		x, y := w.signal(end, rng), again.signal(end, same)
		if x.Item != y.Item || x.User != y.User || x.Type != y.Type {
			t.Fatalf("%+v and %+v have one seed", x, y)
		}
		byUser[x.User]++
		byItem[x.Item]++
	}
	for i := range o.Items {
		if i > 0 && w.published(i) < w.published(i-1) {
			t.Fatalf("item %d was published before item %d", i, i-1)
		}
		if at := w.published(i); at > end || at < end-90*day {
			t.Fatalf("item %d was published at %d", i, at)
		} else if got := w.existing(at); got < i-1 || got > i+worldCategories {
			t.Fatalf("%d items exist when item %d is published", got, i)
		}
		if w.published(i) > end-7*day {
			fresh += byItem[itemName(i)]
		}
	}
	// 15 in 100 items are of the last week; they have more than half of the signals.
	if part := float64(fresh) / n; part < 0.5 || part > 0.9 {
		t.Errorf("new items have %.2f of the signals", part)
	}
	most := 0
	for _, k := range byUser {
		most = max(most, k)
	}
	if most < n/100 || most > n/20 || len(byUser) < 3000 {
		t.Errorf("the most active of %d users sent %d of %d signals", len(byUser), most, n)
	}
	item := w.item(42).Fields
	if v, _ := item["content"].Vector(); len(v) != 8 || item["category"] != schema.String("category-02") ||
		item["creator"] != schema.String(creatorName(w.creatorOf(42))) ||
		item[bucketField] != schema.String(bucketName(w.bucketOf(42))) {
		t.Errorf("%v", item)
	}
}

func TestZipfDrawHalvesFromRankToRank(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var counts [1000]int
	for range 1_000_000 {
		counts[zipfDraw(rng, len(counts))]++
	}
	for _, k := range []int{1, 3, 9, 99} {
		// Rank k has log(1+1/(k+1)) of the logarithm of all.
		want := 1_000_000 * math.Log1p(1/float64(k+1)) / math.Log(1001)
		if got := float64(counts[k]); math.Abs(got-want) > 5*math.Sqrt(want) {
			t.Errorf("rank %d came %v times, want %.0f", k, got, want)
		}
	}
	if slices.Contains(counts[:], 0) {
		t.Error("a rank never came")
	}
}

// A run whose database served what was hidden has failed, whoever notices.
func TestTheCheckOfListsNoticesWhatWasHidden(t *testing.T) {
	o := smallRank(t)
	w := newWorld(&o, time.Now().UnixMilli())
	h := &history{began: time.Now(), w: w}
	h.decided()
	blocked := ""
	for _, r := range w.decisions(10) {
		if x, ok := r.(tidal.Relate); ok && x.What == tidal.Blocks {
			blocked = x.Target
		}
	}
	var bad, good int
	for i := range w.items {
		if creatorName(w.creatorOf(i)) == blocked {
			bad = i
		} else if i > 0 {
			good = i
		}
	}
	shows := func(user, item int, at int64) hidden.Op {
		return hidden.Op{Op: hidden.List, User: userName(user), Items: []string{itemName(item)}, Begin: at, End: at + 5}
	}
	h.hide([]wish{{user: 11, item: good}}, 100, 110)
	h.add([]hidden.Op{shows(11, good, 104), shows(12, good, 200), shows(11, bad, 200)})
	if got := h.check(); len(got) != 0 {
		t.Errorf("a list that began before the hide was acknowledged, and other people's: %q", got)
	}
	h.add([]hidden.Op{shows(11, good, 111), shows(10, bad, 111)})
	want := 1
	if blocked != "" && creatorName(w.creatorOf(bad)) == blocked {
		want = 2
	}
	if got := h.check(); len(got) != want || h.hidden() != 1 {
		t.Errorf("want %d, have %q", want, got)
	}
}

func TestHidesGoRoundFromThoseWhoSeeToThoseWhoAsk(t *testing.T) {
	var h hides
	if _, ok := h.someone(3); ok {
		t.Error("nobody hid anything yet")
	}
	for i := range mostWishes + 10 {
		h.want(wish{user: i, item: 1})
	}
	first := h.take(4)
	if len(first) != 4 || first[0].user != 0 || first[3].user != 3 || len(h.take(mostWishes)) != mostWishes-4 ||
		len(h.take(1)) != 0 {
		t.Errorf("%v", first)
	}
	h.hid(first)
	if u, ok := h.someone(6); !ok || u != 2 {
		t.Errorf("%d %v", u, ok)
	}
}

func TestProcessorTimeGoesOn(t *testing.T) {
	before, ok := processorTime()
	if !ok {
		t.Skip("this system doesn't say what processor time a process had")
	}
	began, sum := time.Now(), 0
	for time.Since(began) < 200*time.Millisecond {
		sum++
	}
	if after, ok := processorTime(); !ok || after < before || after-before > 10*time.Second || sum == 0 {
		t.Errorf("%v, then %v", before, after)
	}
}
