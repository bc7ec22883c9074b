package learn_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/learn"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/schema"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var rewards = learn.Rewards{"view": 0, "like": 1, "skip": -1, "buy": 3}

// at is an event so many minutes behind the start; place 0 answers no list.
func at(minute int, user, kind, item string, feed uint64, place int) tidal.Exported {
	x := tidal.Exported{
		Kind: "signal", Position: tidal.Position{Seq: 1}, Time: start.Add(time.Duration(minute) * time.Minute), Type: kind,
		User: user, Item: item, Weight: 1,
	}
	if place > 0 {
		x.Ref = &tidal.FeedRef{
			Feed: feed, Place: place, Item: item, Propensity: 1, Profile: "for_you", Version: 1, Time: start,
		}
	}
	return x
}

func lines[T any](t *testing.T, list []T) string {
	t.Helper()
	var b strings.Builder
	for _, x := range list {
		line, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

// onThePage demands that the page for users shows a line.
func onThePage(t *testing.T, all string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "exports.md"))
	if err != nil {
		t.Fatal(err)
	}
	if line, _, _ := strings.Cut(all, "\n"); !strings.Contains(string(page), "\n"+line+"\n") {
		t.Errorf("docs/exports.md doesn't show\n%s", line)
	}
}

// The lines are a format: programs read them.
func TestPairsKeepTheirShape(t *testing.T) {
	p := learn.NewPairs(learn.PairOptions{Rewards: rewards})
	var got []*learn.Pair
	drawn := at(4, "ada", "like", "c", 7, 3)
	drawn.Ref.Slot, drawn.Ref.Propensity = "fresh", 0.25
	for _, x := range []tidal.Exported{
		at(-5, "ada", "like", "old", 0, 0),
		at(1, "ada", "view", "a", 7, 1),
		at(2, "ada", "view", "b", 7, 2),
		at(3, "ada", "skip", "b", 7, 2),
		drawn,
		at(4, "bob", "like", "a", 7, 1), // the same list shown to somebody else is another list
		at(5, "ada", "hover", "d", 7, 4),
		at(6, "ada", "like", "e", 0, 0),
	} {
		got = append(got, p.Add(&x)...)
	}
	if len(got) > 0 {
		t.Errorf("pairs of open lists: %v", got)
	}
	const want = `{"prompt":"profile: for_you\nuser: ada\nliked: old","chosen":"c","rejected":"b","rule":"negative","user":"ada","feed":"0000000000000007","profile":"for_you","profile_version":1,"list_time":"2026-03-01T12:00:00.000Z","chosen_as":{"item":"c","place":3,"slot":"fresh","propensity":0.25,"reward":1},"rejected_as":{"item":"b","place":2,"propensity":1,"reward":-1}}
{"prompt":"profile: for_you\nuser: ada\nliked: old","chosen":"c","rejected":"a","rule":"impression","user":"ada","feed":"0000000000000007","profile":"for_you","profile_version":1,"list_time":"2026-03-01T12:00:00.000Z","chosen_as":{"item":"c","place":3,"slot":"fresh","propensity":0.25,"reward":1},"rejected_as":{"item":"a","place":1,"propensity":1,"reward":0}}
`
	if rest := lines(t, p.Rest()); rest != want {
		t.Errorf("pairs are\n%s, want\n%s", rest, want)
	}
	onThePage(t, want)
	if c := p.Counts(); c != (learn.PairCounts{Events: 8, Answers: 5, Lists: 2, Pairs: 2}) {
		t.Errorf("counts: %+v", c)
	}
}

func TestListsCloseWhenTheirWindowEnds(t *testing.T) {
	p := learn.NewPairs(learn.PairOptions{Rewards: rewards, Window: time.Hour, MaxLists: 2, MaxPairs: 1, History: -1})
	add := func(minute int, kind, item string, feed uint64, made int) string {
		x := at(minute, "ada", kind, item, feed, 1)
		x.Ref.Time = start.Add(time.Duration(made) * time.Minute)
		return lines(t, p.Add(&x))
	}
	for _, x := range []struct {
		minute     int
		kind, item string
		feed       uint64
		made       int
		pairs      int
	}{
		{1, "like", "a", 1, 0, 0},
		{2, "skip", "b", 1, 0, 0},
		{3, "skip", "c", 1, 0, 0},
		{61, "like", "a", 2, 60, 1}, // an hour later: list 1 gives one pair, and one too many
		{62, "skip", "z", 1, 0, 0},  // late
		{63, "skip", "b", 2, 60, 0},
		{64, "like", "a", 3, 63, 0},
		{65, "like", "a", 4, 64, 1}, // a third list: the first of them is closed early
	} {
		if got := add(x.minute, x.kind, x.item, x.feed, x.made); strings.Count(got, "\n") != x.pairs {
			t.Errorf("minute %d gave %q, want %d pairs", x.minute, got, x.pairs)
		}
	}
	if rest := p.Rest(); len(rest) != 0 {
		t.Errorf("the rest is %v", rest)
	}
	want := learn.PairCounts{Events: 8, Answers: 8, Late: 1, Lists: 4, Early: 1, Pairs: 2, Cut: 1}
	if c := p.Counts(); c != want {
		t.Errorf("counts %+v, want %+v", c, want)
	}
}

func TestEpisodesKeepTheirShape(t *testing.T) {
	p := learn.NewEpisodes(learn.EpisodeOptions{Rewards: rewards})
	drawn := at(1, "ada", "view", "a", 7, 1)
	drawn.Ref.Slot, drawn.Ref.Propensity, drawn.Position.Seq = "fresh", 0.5, 9
	session := at(2, "ada", "like", "s", 0, 0)
	session.Session = "s1"
	undone := at(3, "ada", "like", "never", 0, 0)
	undone.Undone = true
	var got []*learn.Episode
	for _, x := range []tidal.Exported{
		drawn, at(0, "ada", "like", "b", 0, 0), at(2, "ada", "buy", "a", 7, 1), session, undone,
		at(1, "", "like", "nobody's", 0, 0), at(33, "ada", "skip", "c", 0, 0),
	} {
		got = append(got, p.Add(&x)...)
	}
	got = append(got, p.Rest()...)
	const want = `{"episode_id":"0:0:9","user":"ada","return":4,"steps":[{"observation":{"time":"2026-03-01T12:00:00.000Z","recent":[]},"action":"b","reward":1,"discount":1,"is_first":true,"is_last":false,"is_terminal":false,"types":["like"]},{"observation":{"time":"2026-03-01T12:01:00.000Z","profile":"for_you","profile_version":1,"place":1,"recent":["b"]},"action":"a","reward":3,"discount":1,"is_first":false,"is_last":true,"is_terminal":false,"types":["view","buy"],"feed":"0000000000000007","slot":"fresh","propensity":0.5}]}
{"episode_id":"0:0:1","user":"ada","session":"s1","return":1,"steps":[{"observation":{"time":"2026-03-01T12:02:00.000Z","recent":[]},"action":"s","reward":1,"discount":1,"is_first":true,"is_last":true,"is_terminal":false,"types":["like"]}]}
{"episode_id":"0:0:1","user":"ada","return":-1,"steps":[{"observation":{"time":"2026-03-01T12:33:00.000Z","recent":[]},"action":"c","reward":-1,"discount":1,"is_first":true,"is_last":true,"is_terminal":false,"types":["skip"]}]}
`
	if out := lines(t, got); out != want {
		t.Errorf("episodes are\n%s, want\n%s", out, want)
	}
	onThePage(t, want)
	if c := p.Counts(); c != (learn.EpisodeCounts{Events: 7, Anonymous: 1, Episodes: 3, Steps: 4}) {
		t.Errorf("counts: %+v", c)
	}
}

func TestEpisodesAreBounded(t *testing.T) {
	p := learn.NewEpisodes(learn.EpisodeOptions{Rewards: rewards, MaxOpen: 2, MaxSteps: 2})
	closed := 0
	for i, user := range []string{"a", "b", "a", "c", "a", "a"} { // c closes b's, and a's third step ends its first episode
		x := at(i, user, "like", fmt.Sprint(i), 0, 0)
		closed += len(p.Add(&x))
	}
	if rest := p.Rest(); closed != 2 || len(rest) != 2 {
		t.Errorf("%d closed, %d at the end", closed, len(rest))
	}
	if c := p.Counts(); c != (learn.EpisodeCounts{Events: 6, Episodes: 4, Early: 1, Steps: 6}) {
		t.Errorf("counts: %+v", c)
	}
}

// TestShapesAgainstTheirDefinition makes events at random, in the order of their times, and compares with what all of them
// together give.
func TestShapesAgainstTheirDefinition(t *testing.T) {
	seed := testseed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 5))
	for range 50 {
		var events []tidal.Exported
		minute := 0
		for range 200 {
			minute += rng.IntN(12)
			feed := uint64(minute / 100)
			x := at(minute, fmt.Sprint("u", rng.IntN(3)), []string{"view", "like", "skip", "buy", "other"}[rng.IntN(5)],
				fmt.Sprint("i", rng.IntN(6)), feed, rng.IntN(6))
			if x.Ref != nil {
				x.Ref.Time = start.Add(time.Duration(feed) * 100 * time.Minute)
				x.Ref.Place = 1 + int(x.Item[1]-'0')
			}
			events = append(events, x)
		}
		pairs, episodes := learn.NewPairs(learn.PairOptions{Rewards: rewards, Window: 90 * time.Minute, MaxPairs: 1000, History: -1}),
			learn.NewEpisodes(learn.EpisodeOptions{Rewards: rewards, Gap: 20 * time.Minute})
		var gotPairs, gotEpisodes []string
		keepPairs := func(list []*learn.Pair) {
			for _, x := range list {
				gotPairs = append(gotPairs, fmt.Sprint(x.Feed, x.User, x.Chosen, x.Rejected, x.Rule, x.ChosenAs.Reward, x.RejectedAs.Reward))
			}
		}
		keepEpisodes := func(list []*learn.Episode) {
			for _, x := range list {
				gotEpisodes = append(gotEpisodes, fmt.Sprint(x.User, x.Steps[0].Observation.Time, len(x.Steps), x.Return))
			}
		}
		for i := range events {
			keepPairs(pairs.Add(&events[i]))
			keepEpisodes(episodes.Add(&events[i]))
		}
		keepPairs(pairs.Rest())
		keepEpisodes(episodes.Rest())
		same(t, seed, gotPairs, pairsByDefinition(events))
		same(t, seed, gotEpisodes, episodesByDefinition(events))
	}
}

func same(t *testing.T, seed uint64, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Fatalf("seed %d: %d\n%s\nwant %d\n%s", seed, len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}

// pairsByDefinition looks at every two items of every list.
func pairsByDefinition(events []tidal.Exported) (out []string) {
	type key struct{ list, item string }
	worth := map[key]float64{}
	lists := map[string]bool{}
	for _, x := range events {
		reward, ok := rewards[x.Type]
		if !ok || x.Ref == nil || x.Time.After(x.Ref.Time.Add(90*time.Minute)) {
			continue
		}
		k := key{fmt.Sprintf("%016x", x.Ref.Feed) + x.User, x.Item}
		lists[k.list] = true
		if now, known := worth[k]; !known || reward < 0 && reward < now || now >= 0 && reward > now {
			worth[k] = reward
		}
	}
	for list := range lists {
		for i := range 6 {
			for j := range 6 {
				a, b := key{list, fmt.Sprint("i", i)}, key{list, fmt.Sprint("i", j)}
				x, ok := worth[a]
				y, ok2 := worth[b]
				if ok && ok2 && x > 0 && y <= 0 {
					rule := map[bool]string{true: "negative", false: "impression"}[y < 0]
					out = append(out, fmt.Sprint(list, a.item, b.item, rule, x, y))
				}
			}
		}
	}
	return out
}

// episodesByDefinition cuts each user's events where nothing happened for longer than the gap.
func episodesByDefinition(events []tidal.Exported) (out []string) {
	for u := range 3 {
		user := fmt.Sprint("u", u)
		steps, sum := map[string]bool{}, 0.0
		var first, last time.Time
		end := func() {
			if len(steps) > 0 {
				out = append(out, fmt.Sprint(user, first.Format("2006-01-02T15:04:05.000Z07:00"), len(steps), sum))
			}
			steps, sum = map[string]bool{}, 0
		}
		for _, x := range events {
			reward, ok := rewards[x.Type]
			if !ok || x.User != user {
				continue
			}
			if x.Time.Sub(last) > 20*time.Minute {
				end()
			}
			if last = x.Time; len(steps) == 0 {
				first = x.Time
			}
			feed := "none"
			if x.Ref != nil {
				feed = fmt.Sprint(x.Ref.Feed)
			}
			steps[feed+x.Item] = true
			sum += reward
		}
		end()
	}
	return out
}

func TestRewardsOfASchema(t *testing.T) {
	r := learn.RewardsOf(schema.Events())
	for name, want := range map[string]float64{"like": 1, "skip": -1, "hide": -1, "unlike": 0, "start": 0} {
		if got, ok := r[name]; !ok || got != want {
			t.Errorf("%s is worth %v, %v", name, got, ok)
		}
	}
}
