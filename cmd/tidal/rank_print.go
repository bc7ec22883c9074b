package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
)

// rankResult is what rank prints with --json.
type rankResult struct {
	Feed     string       `json:"feed"`
	Profile  string       `json:"profile"`
	Version  uint32       `json:"version"`
	At       string       `json:"at"`
	Seed     uint64       `json:"seed"`
	Items    []rankedItem `json:"items"`
	Broken   []string     `json:"broken"`
	Warnings []string     `json:"warnings"`
	Cursor   string       `json:"cursor"`
	AsOf     string       `json:"as_of"`
	Stats    rankStats    `json:"stats"`
}

type rankedItem struct {
	Rank       int        `json:"rank"`
	Item       string     `json:"item"`
	Score      float64    `json:"score"`
	Slot       string     `json:"slot"`
	Propensity float64    `json:"propensity"`
	Pinned     bool       `json:"pinned,omitempty"`
	Ref        string     `json:"ref"`
	Terms      []rankTerm `json:"terms,omitempty"`
}

type rankTerm struct {
	Name  string  `json:"name"`
	Op    string  `json:"op"`
	Value float64 `json:"value"`
	Delta float64 `json:"delta"`
}

type rankStats struct {
	Candidates  int    `json:"candidates"`
	Passed      int    `json:"passed"`
	Scored      int    `json:"scored"`
	Degradation string `json:"degradation"`
	UserUs      int64  `json:"user_us"`
	FindUs      int64  `json:"find_us"`
	FirstUs     int64  `json:"first_us"`
	SecondUs    int64  `json:"second_us"`
	MixUs       int64  `json:"mix_us"`
}

func newRankResult(db *tidal.DB, a *tidal.Answer) (*rankResult, error) {
	s := &a.Stats
	r := &rankResult{
		Feed: fmt.Sprintf("%016x", a.Feed), Profile: a.Profile, Version: a.Version, At: stamp(a.At), Seed: a.Seed,
		Items: []rankedItem{}, Broken: append([]string{}, a.Broken...), Warnings: append([]string{}, a.Warnings...),
		Cursor: a.Cursor(), AsOf: a.AsOf(),
		Stats: rankStats{
			s.Candidates, s.Passed, s.Scored, s.Degradation, s.User.Microseconds(), s.Find.Microseconds(),
			s.First.Microseconds(), s.Second.Microseconds(), s.Mix.Microseconds(),
		},
	}
	for i := range a.Items {
		x := &a.Items[i]
		ref := a.Ref(i)
		read, err := db.Ref(ref) // which place it is, on a page that isn't the first
		if err != nil {
			return nil, err
		}
		item := rankedItem{
			Rank: read.Place, Item: x.Item, Score: x.Score, Slot: x.Slot, Propensity: x.Propensity, Pinned: x.Pinned,
			Ref: base64.RawURLEncoding.EncodeToString(ref),
		}
		for _, t := range x.Terms {
			item.Terms = append(item.Terms, rankTerm{t.Name, t.Op.String(), t.Value, t.Delta})
		}
		r.Items = append(r.Items, item)
	}
	return r, nil
}

// maxShownCursor is how long a cursor may be that is shown to people.
const maxShownCursor = 120

func (r *rankResult) print(w io.Writer, q *query.Query, titles []string, a *tidal.Answer) {
	whom := "nobody in particular"
	if q.User != "" {
		whom = printable(q.User)
	}
	fmt.Fprintf(w, "%s, version %d, for %s at %s\n", r.Profile, r.Version, whom, r.At)
	if len(r.Items) > 0 {
		fmt.Fprintln(w)
		r.printItems(w, titles)
	}
	fmt.Fprintln(w)
	for _, text := range r.Warnings {
		fmt.Fprintf(w, "Warning: %s\n", text)
	}
	for _, text := range r.Broken {
		fmt.Fprintf(w, "Couldn't be kept: %s\n", text)
	}
	fmt.Fprintln(w, statsLine(&a.Stats))
	switch {
	case r.Cursor == "":
	case len(r.Cursor) <= maxShownCursor:
		fmt.Fprintf(w, "More: the same command with --cursor %s\n", r.Cursor)
	default:
		fmt.Fprintln(w, "More: --json prints a cursor, with which --cursor continues the list.")
	}
}

// printItems prints the table of items, and below each one its terms, if they were asked for.
func (r *rankResult) printItems(w io.Writer, titles []string) {
	head := []string{">rank", "item"}
	if titles != nil {
		head = append(head, "title")
	}
	head = append(head, ">score", "why")
	rows := make([][]string, len(r.Items))
	for i := range r.Items {
		x := &r.Items[i]
		row := []string{strconv.Itoa(x.Rank), printable(x.Item)}
		if titles != nil {
			row = append(row, printable(titles[i]))
		}
		why := x.Slot
		if x.Pinned {
			why = "pinned"
		}
		rows[i] = append(row, number(x.Score), why)
	}
	var lines strings.Builder
	table(&lines, head, rows)
	for n, line := range strings.Split(strings.TrimSuffix(lines.String(), "\n"), "\n") {
		fmt.Fprintln(w, line)
		if n > 0 {
			printTerms(w, r.Items[n-1].Terms)
		}
	}
}

func printTerms(w io.Writer, terms []rankTerm) {
	if len(terms) == 0 {
		return
	}
	rows := make([][]string, len(terms))
	for i, t := range terms {
		rows[i] = []string{"       ", t.Name, t.Op, number(t.Value), fmt.Sprintf("%+.6g", t.Delta)}
	}
	var lines strings.Builder
	table(&lines, []string{"", "", "", ">", ">"}, rows)
	_, body, _ := strings.Cut(lines.String(), "\n") // the terms have no head of their own
	fmt.Fprint(w, body)
}

// statsLine says what a list took.
func statsLine(s *tidal.RankStats) string {
	all := s.User + s.Find + s.First + s.Second + s.Mix
	line := fmt.Sprintf("%s, %s passed, %s scored, in %s (user %s, find %s, first %s, second %s, mix %s)",
		plural(s.Candidates, "candidate"), thousands(s.Passed), thousands(s.Scored), micros(all), micros(s.User),
		micros(s.Find), micros(s.First), micros(s.Second), micros(s.Mix))
	if s.Degradation != "full" {
		line += "; less was done, since many queries were under way: " + s.Degradation
	}
	return line
}

func micros(d time.Duration) string { return d.Round(time.Microsecond).String() }
