package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// rankFlags are the flags of rank.
type rankFlags struct {
	dir, user, profile, filter, similar, cohort, window, signal, at, cursor, asOf string

	limit         int
	exclude       []string
	seed          uint64
	explain, plan bool
}

func (a *app) rankCommand() *cobra.Command {
	var f rankFlags
	c := &cobra.Command{
		Use:   "rank --dir D [--user U] [--profile P] [flags] [QUERY]",
		Short: "Answer what should be shown: a list for a user, ranked, filtered and mixed",
		Long: `Answer what should be shown: a list for a user, ranked by a profile, filtered and mixed. What the user has hidden isn't
in it, nor what is by creators whom they have muted or blocked.

The question is made of flags, or is a query as text or JSON, the one argument; "-" reads it from standard input. A flag
beside a query replaces the clause of the same name. Only items that exist are ranked: those that were put, or that an
import made with --items.

With --plan it prints how the query would be answered, and answers nothing.`,
		Example: `  tidal rank --dir D --user ada
  tidal rank --dir D --user ada --profile hot --filter 'category = "jazz" AND unseen' --limit 10 --explain
  tidal rank --dir D --profile related --similar jazz-101 --json
  tidal rank --dir D 'RANK items FOR USER "ada" USING for_you DIVERSIFY max_per_creator 2 LIMIT 25'
  tidal rank --dir D --profile top --window 7d --at newest --plan`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
	}
	f.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(c); err != nil {
			return err
		}
		q, err := a.readQuery(args)
		if err != nil {
			return err
		}
		when, err := f.apply(c, q)
		if err != nil {
			return err
		}
		return readDB(c, f.dir, func(db *tidal.DB) error {
			if when != nil {
				if q.At, err = a.resolveAt(db, *when); err != nil {
					return err
				}
			}
			if f.changes(c) {
				q = asWritten(q)
			}
			return a.runRank(c, db, q, f.plan)
		})
	}
	return c
}

func (f *rankFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&f.user, "user", "", "id of the user that the list is for (default: nobody in particular)")
	c.Flags().StringVar(&f.profile, "profile", "", "the way to rank, also with a version, as in hot@1 (default: for_you)")
	c.Flags().StringVar(&f.filter, "filter", "", `what items must meet, such as 'category = "jazz" AND unseen'`)
	c.Flags().StringVar(&f.similar, "similar", "", "the item that lists such as related are about")
	c.Flags().StringVar(&f.cohort, "cohort", "", "count signals of this cohort only")
	c.Flags().StringVar(&f.window, "window", "", "what profiles such as top look back over: 1h, 24h, 7d, 30d or all")
	c.Flags().StringVar(&f.signal, "signal", "", "signal type that profiles such as most count")
	c.Flags().IntVar(&f.limit, "limit", query.DefaultLimit, fmt.Sprintf("length of the list, 1 to %d", query.MaxLimit))
	c.Flags().StringArrayVar(&f.exclude, "exclude", nil, "an item that must not be in the list; may be repeated")
	atFlag(c, &f.at)
	c.Flags().Uint64Var(&f.seed, "seed", 0, "decides what is random, so that a list can be had again (default: drawn)")
	c.Flags().BoolVar(&f.explain, "explain", false, "show every term of every score")
	c.Flags().BoolVar(&f.plan, "plan", false, "print how the query would be answered, and answer nothing")
	c.Flags().StringVar(&f.cursor, "cursor", "", "continue a list: the cursor that came with it")
	c.Flags().StringVar(&f.asOf, "as-of", "", "ask for an earlier list again: the as_of that came with it")
}

// check refuses what no database would have to be opened for.
func (f *rankFlags) check(c *cobra.Command) error {
	switch {
	case f.dir == "":
		return usagef(c, "--dir is missing: name the directory of the database")
	case f.limit < 1 || f.limit > query.MaxLimit:
		return usagef(c, "--limit %d: want 1 to %d", f.limit, query.MaxLimit)
	case f.cursor != "" && f.asOf != "":
		return usagef(c, "pass --cursor or --as-of, not both")
	}
	return nil
}

// maxQueryText is how much of a query is read from standard input: more than any query may have.
const maxQueryText = 2 << 20

// readQuery reads the query that is the argument, or stands on standard input; without one it's an empty query.
func (a *app) readQuery(args []string) (*query.Query, error) {
	if len(args) == 0 {
		return &query.Query{}, nil
	}
	text := args[0]
	if text == "-" {
		all, err := io.ReadAll(io.LimitReader(a.stdin, maxQueryText))
		if err != nil {
			return nil, fmt.Errorf("read the query: %w", err)
		}
		text = string(all)
	}
	if text = strings.TrimSpace(text); strings.HasPrefix(text, "{") {
		return query.ParseJSON([]byte(text))
	}
	return query.Parse(text)
}

// apply puts the flags that were given into the query, and returns the time that --at names, nil without.
func (f *rankFlags) apply(c *cobra.Command, q *query.Query) (when *instant, err error) {
	given := c.Flags().Changed
	for _, text := range []struct {
		flag string
		from string
		to   *string
	}{
		{"user", f.user, &q.User},
		{"similar", f.similar, &q.Similar},
		{"cohort", f.cohort, &q.Cohort},
		{"signal", f.signal, &q.Signal},
		{"cursor", f.cursor, &q.Cursor},
		{"as-of", f.asOf, &q.AsOf},
	} {
		if given(text.flag) {
			*text.to = text.from
		}
	}
	if given("profile") {
		if q.Profile, q.Version, err = profileName(f.profile); err != nil {
			return nil, usagef(c, "--profile: %v", err)
		}
	}
	if given("filter") {
		if q.Filter, err = query.ParseFilter(f.filter); err != nil {
			return nil, fmt.Errorf("--filter: %w", err)
		}
	}
	if given("window") {
		if q.Window, err = schema.ParseWindow(f.window); err != nil {
			return nil, usagef(c, "--window: %v", err)
		}
	}
	if given("at") {
		at, err := parseInstant(f.at)
		if err != nil {
			return nil, usagef(c, "--at: %v", err)
		}
		when = &at
	}
	if given("limit") {
		q.Limit = f.limit
	}
	if given("exclude") {
		q.Exclude = f.exclude
	}
	if given("seed") {
		q.Seed = &f.seed
	}
	q.Explain = q.Explain || f.explain
	return when, nil
}

// profileName reads "hot", or with a version "hot@2".
func profileName(s string) (name string, version uint32, err error) {
	name, text, versioned := strings.Cut(s, "@")
	if name == "" {
		return "", 0, fmt.Errorf("%q names no profile", s)
	}
	if !versioned {
		return name, 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("%q: want a version from 1 on behind the @", s)
	}
	return name, uint32(n), nil
}

// changes reports whether a flag says anything of the query.
func (f *rankFlags) changes(c *cobra.Command) bool {
	n := c.Flags().NFlag()
	for _, name := range []string{"dir", "json", "plan"} {
		if c.Flags().Changed(name) {
			n--
		}
	}
	return n > 0
}

// asWritten reads the text of a query that flags had a part in, so that what is wrong with it is shown in its place. A query
// that is too long for a text stays as it is.
func asWritten(q *query.Query) *query.Query {
	if read, err := query.Parse(q.String()); err == nil {
		return read
	}
	return q
}

func (a *app) runRank(c *cobra.Command, db *tidal.DB, q *query.Query, plan bool) error {
	if plan {
		return a.printPlan(c, db, q)
	}
	answer, err := db.Rank(c.Context(), q)
	if err != nil {
		return fmt.Errorf("rank: %w", err)
	}
	return a.printRanked(c.Context(), db, q, answer)
}

func (a *app) printPlan(c *cobra.Command, db *tidal.DB, q *query.Query) error {
	plan, err := db.QueryPlan(c.Context(), q)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return a.answer(struct {
		Query string `json:"query"`
		Plan  string `json:"plan"`
	}{q.String(), plan}, func(w io.Writer) { fmt.Fprint(w, plan) })
}

func (a *app) printRanked(ctx context.Context, db *tidal.DB, q *query.Query, answer *tidal.Answer) error {
	r, err := newRankResult(db, answer)
	if err != nil {
		return err
	}
	if len(r.Items) == 0 {
		why, err := whyEmpty(ctx, db, q, answer)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "the list is empty: %s\n", why)
	}
	titles, err := titlesOf(ctx, db, answer.Items)
	if err != nil {
		return err
	}
	return a.answer(r, func(w io.Writer) { r.print(w, q, titles, answer) })
}

// whyEmpty says what a list is empty for, as far as that is cheap to know.
func whyEmpty(ctx context.Context, db *tidal.DB, q *query.Query, answer *tidal.Answer) (string, error) {
	some, err := db.List(ctx, tidal.ListQuery{Kind: tidal.Item, Limit: 1})
	if err != nil {
		return "", err
	}
	s := &answer.Stats
	switch known := db.Stats().Items; {
	case len(some) == 0 && known == 0:
		return "there is no item yet; tidal put writes items, and tidal import signals about them", nil
	case len(some) == 0:
		return fmt.Sprintf("no item exists yet: %s have signals but were never put; tidal put writes them with their fields, and "+
			"the import of the signals makes them without, if it is run once more with --items", plural(known, "item")), nil
	case q.Cursor != "":
		return "nothing that could be shown is left behind the page before", nil
	case q.AsOf != "":
		return "nothing of the earlier list can be shown any more", nil
	case s.Candidates == 0 && q.Filter != nil:
		return "no item meets the filter, of those that the profile's sources found; tidal rank --plan says how many do", nil
	case s.Candidates == 0:
		return "the profile's sources found no candidates; tidal rank --plan names them, and --profile new takes every item", nil
	case s.Passed == 0:
		return fmt.Sprintf("%s found, and none passed: the filter, the profile's gates (for_you leaves out what was seen) and "+
			"what the user has hidden leave nothing", plural(s.Candidates, "candidate")), nil
	}
	return fmt.Sprintf("%s passed the filter, and none could be shown", plural(s.Passed, "candidate")), nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

// titlesOf reads the field "title" of items, where it is a text. It returns nil if no item has one.
func titlesOf(ctx context.Context, db *tidal.DB, items []tidal.RankedItem) ([]string, error) {
	if f, ok := db.Schema().Items.Field("title"); !ok || f.Type != schema.TypeText {
		return nil, nil
	}
	titles, any := make([]string, len(items)), false
	for i := range items {
		e, err := db.Entity(ctx, tidal.Item, items[i].Item)
		if err != nil && !errors.Is(err, tidal.ErrNotFound) { // it may have been deleted in between
			return nil, fmt.Errorf("read the title of %s: %w", printable(items[i].Item), err)
		}
		titles[i], _ = e.Fields["title"].Text()
		any = any || titles[i] != ""
	}
	if !any {
		return nil, nil
	}
	return titles, nil
}
