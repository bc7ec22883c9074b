package tidal_test

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// Posts of Reddit's communities with their votes, from a public-domain data set: C. Dary, "Reddit Top 2.5 Million", 2013,
// github.com/umbrae/reddit-top-2.5-million. It has the 1,000 best posts of each community, as of August 2013.
//
// How many votes a post got is known, when isn't. Here they arrive at a rate that halves every four hours, half of them
// within the first four and 98 in 100 within a day; votes for and against alike.
const redditHalf = 4 * time.Hour

// redditPost is a post, and how many votes for and against it there are in the end.
type redditPost struct {
	id, community, domain, title string
	published                    time.Time
	ups, downs                   int
	comments                     int64
	up, down                     float64 // of these, how many the world has by now
	upWeek                       float64 // and how many came in the last seven days
	downWeek                     float64
	upDay, upHour                float64
}

// arrival is when vote k of n was given: the times at which (k+½)/n of all were there.
func (p *redditPost) arrival(k, n int) time.Time {
	part := (float64(k) + 0.5) / float64(n)
	return p.published.Add(time.Duration(-math.Log2(1-part) * float64(redditHalf)))
}

// count counts the votes that were given behind one time and not behind another.
func (p *redditPost) count(n int, from, to time.Time) float64 {
	by := func(t time.Time) int {
		return sort.Search(n, func(k int) bool { return p.arrival(k, n).After(t) })
	}
	return float64(by(to) - by(from))
}

func (p *redditPost) votes() float64 { return p.up + p.down }

// share is which part of the votes is for the post.
func (p *redditPost) share() float64 { return p.up / max(1, p.votes()) }

// readReddit reads a community's posts from 2013 on, with one vote of so many.
func readReddit(t *testing.T, community string, oneOf int) []redditPost {
	t.Helper()
	folder := os.Getenv("TIDAL_DATA")
	if folder == "" {
		folder = filepath.Join("..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(folder, "reddit-top", "data", community+".csv"))
	if err != nil {
		t.Skipf("reddit-top isn't here: %v; name the folder that holds it with TIDAL_DATA", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	rows := csv.NewReader(f)
	head, err := rows.Read()
	if err != nil {
		t.Fatal(err)
	}
	var posts []redditPost
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return posts
		}
		if err != nil {
			t.Fatal(err)
		}
		number := func(column string) float64 {
			x, err := strconv.ParseFloat(row[slices.Index(head, column)], 64)
			if err != nil {
				t.Fatalf("%s: %v", community, err)
			}
			return x
		}
		at := time.Unix(int64(number("created_utc")), 0).UTC()
		if at.Year() < 2013 {
			continue
		}
		posts = append(posts, redditPost{
			id: row[slices.Index(head, "name")], community: community, domain: row[slices.Index(head, "domain")],
			title: row[slices.Index(head, "title")], published: at, comments: int64(number("num_comments")),
			ups: int(number("ups")) / oneOf, downs: int(number("downs")) / oneOf,
		})
	}
}

func redditSchema() *schema.Schema {
	windows := []schema.Window{schema.Window1h, schema.Window24h, schema.Window7d, schema.Window30d, schema.WindowAll}
	halfLives := []time.Duration{6 * time.Hour, 7 * 24 * time.Hour, 90 * 24 * time.Hour}
	return &schema.Schema{
		Name: "reddit",
		Signals: []schema.SignalType{
			{Name: "up", Meaning: schema.Positive, HalfLives: halfLives, Windows: windows},
			{Name: "down", Meaning: schema.Negative, HalfLives: halfLives, Windows: windows},
		},
		Items: schema.EntityType{Fields: []schema.Field{
			{Name: "title", Type: schema.TypeText},
			{Name: "community", Type: schema.TypeKeyword},
			{Name: "domain", Type: schema.TypeKeyword},
			{Name: "published", Type: schema.TypeTime},
			{Name: "comments", Type: schema.TypeInt},
		}},
	}
}

// redditWorld is a database of posts, and what was written to it.
type redditWorld struct {
	*testing.T
	db          *tidal.DB
	clock       *clock
	communities []string
	posts       map[string]*redditPost
	last        time.Time     // until then all is written
	there       []*redditPost // those published by then
}

func newRedditWorld(t *testing.T, oneOf int, communities ...string) *redditWorld {
	t.Helper()
	w := &redditWorld{T: t, clock: &clock{}, communities: communities, posts: map[string]*redditPost{}}
	for _, c := range communities {
		posts := readReddit(t, c, oneOf)
		for i := range posts {
			w.posts[posts[i].id] = &posts[i]
		}
	}
	w.clock.ms.Store(time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	w.db = open(t, t.TempDir(), redditSchema(), &tidal.Options{Now: w.clock.now, CheckpointBytes: -1})
	return w
}

// until writes the posts and votes of up to a time, and sets the clock to it.
func (w *redditWorld) until(now time.Time) {
	w.Helper()
	w.clock.ms.Store(now.UnixMilli())
	if _, _, err := w.db.Load(ctx, now.String(), w.between(w.last, now)); err != nil {
		w.Fatal(err)
	}
	w.last = now
	week := now.Add(-7 * 24 * time.Hour)
	w.there = w.there[:0]
	for _, p := range w.posts {
		p.up, p.down = p.count(p.ups, time.Time{}, now), p.count(p.downs, time.Time{}, now)
		p.upWeek, p.downWeek = p.count(p.ups, week, now), p.count(p.downs, week, now)
		p.upDay, p.upHour = p.count(p.ups, now.Add(-24*time.Hour), now), p.count(p.ups, now.Add(-time.Hour), now)
		if !p.published.After(now) {
			w.there = append(w.there, p)
		}
	}
	slices.SortFunc(w.there, func(a, b *redditPost) int { return cmp.Compare(a.id, b.id) })
}

// between are the posts and votes behind one time and not behind another, in order.
func (w *redditWorld) between(from, to time.Time) iter.Seq2[tidal.Record, error] {
	type happening struct {
		at   int64
		post *redditPost
		what string
	}
	var all []happening
	add := func(p *redditPost, at time.Time, what string) {
		if at.After(from) && !at.After(to) {
			all = append(all, happening{at.UnixMilli(), p, what})
		}
	}
	for _, p := range w.posts {
		add(p, p.published, "")
		for k := range p.ups {
			add(p, p.arrival(k, p.ups), "up")
		}
		for k := range p.downs {
			add(p, p.arrival(k, p.downs), "down")
		}
	}
	slices.SortFunc(all, func(a, b happening) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.post.id, b.post.id), cmp.Compare(a.what, b.what))
	})
	w.Logf("%s: %d posts and votes", to.Format(time.DateOnly), len(all))
	return func(yield func(tidal.Record, error) bool) {
		for _, x := range all {
			var rec tidal.Record = tidal.Signal{Type: x.what, Item: x.post.id, Time: time.UnixMilli(x.at)}
			if x.what == "" {
				rec = tidal.Put{Kind: tidal.Item, ID: x.post.id, Fields: tidal.Fields{
					"title": schema.String(x.post.title), "community": schema.String(x.post.community),
					"domain": schema.String(x.post.domain), "published": schema.Time(x.at),
					"comments": schema.Int(x.post.comments),
				}}
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// addQueue writes posts of the last two days, so many an hour, each with so many votes for it and none against. They're
// of no community.
func (w *redditWorld) addQueue(anHour, votes int) []*redditPost {
	w.Helper()
	var posts []*redditPost
	var records []tidal.Record
	for i := range 48 * anHour {
		p := &redditPost{
			id: fmt.Sprintf("queue%d", i), title: "one of many", ups: votes, up: float64(votes), upWeek: float64(votes),
			published: w.last.Add(-time.Hour * time.Duration(i) / time.Duration(anHour)),
		}
		posts, w.posts[p.id] = append(posts, p), p
		records = append(records, tidal.Put{Kind: tidal.Item, ID: p.id, Fields: tidal.Fields{
			"title": schema.String(p.title), "published": schema.Time(p.published.UnixMilli()),
		}})
		for range votes {
			records = append(records, tidal.Signal{Type: "up", Item: p.id, Time: p.published})
		}
	}
	w.load("queue of "+w.last.String(), records)
	return posts
}

// dropQueue takes the posts of addQueue out.
func (w *redditWorld) dropQueue() {
	w.Helper()
	var records []tidal.Record
	for _, id := range slices.Sorted(maps.Keys(w.posts)) {
		if w.posts[id].community == "" {
			records = append(records, tidal.Delete{Kind: tidal.Item, ID: id})
			delete(w.posts, id)
		}
	}
	w.load("without the queue of "+w.last.String(), records)
}

func (w *redditWorld) load(lane string, records []tidal.Record) {
	w.Helper()
	_, _, err := w.db.Load(ctx, lane, func(yield func(tidal.Record, error) bool) {
		for _, rec := range records {
			if !yield(rec, nil) {
				return
			}
		}
	})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *redditWorld) rank(b *query.Builder) []*redditPost {
	w.Helper()
	return w.rankQuery(b.Query())
}

func (w *redditWorld) rankQuery(q *query.Query) []*redditPost {
	w.Helper()
	a, err := w.db.Rank(ctx, q)
	if err != nil {
		w.Fatal(err)
	}
	if len(a.Warnings) > 0 || len(a.Broken) > 0 {
		w.Errorf("%s: warnings %q, broken %q", a.Profile, a.Warnings, a.Broken)
	}
	out := make([]*redditPost, len(a.Items))
	for i := range a.Items {
		out[i] = w.posts[a.Items[i].Item]
	}
	return out
}

// best ranks the posts of a community, or of all, by a formula, straight from the files.
func (w *redditWorld) best(community string, n int, formula redditFormula) []*redditPost {
	var all []*redditPost
	score := map[*redditPost]float64{}
	for _, p := range w.there {
		if community == "" || p.community == community {
			all = append(all, p)
			score[p] = formula(p, w.last.Sub(p.published).Hours())
		}
	}
	slices.SortStableFunc(all, func(a, b *redditPost) int { return cmp.Compare(score[b], score[a]) })
	return all[:min(n, len(all))]
}

// median is the middle one of a figure of all posts.
func (w *redditWorld) median(of func(*redditPost) float64) float64 {
	var all []float64
	for _, p := range w.there {
		all = append(all, of(p))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
