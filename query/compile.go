package query

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/schema"
)

// Compile holds the query against a schema and brings it into normal form. All problems are reported at once: the error
// joins one [Error] for each, with the place where it stood if the query was read from a text or JSON. The query isn't
// changed.
//
// Whether the profile exists, and takes what the query says of window, signal and similar item, is for the database to
// say.
func (q *Query) Compile(s *schema.Schema) (*Plan, error) {
	c := &compiler{schema: s, items: &s.Items, user: q.User != "", lists: true}
	n := q.clone()
	if e := q.checkSizes(); e != nil {
		return nil, e // without a place: finding it would print what is too large to be printed
	}
	c.who(n)
	c.ranking(n)
	if n.Filter != nil {
		if n.Filter = c.expr(n.Filter, &trail{key: "filter"}); isTrue(n.Filter) {
			n.Filter = nil
		}
	}
	c.page(n)
	c.diversity(n.Diversity)
	c.arranged(n)
	if len(c.problems) > 0 {
		return nil, q.located(c.problems)
	}
	return &Plan{Query: *n, Fingerprint: n.fingerprint()}, nil
}

// located joins problems, each with its place.
func (q *Query) located(problems []*Error) error {
	at := q.placesOf()
	errs := make([]error, len(problems))
	for i, e := range problems {
		if p, ok := at.find(e.Path); ok {
			e = e.locate(p)
		}
		errs[i] = e
	}
	return errors.Join(errs...)
}

// checkSizes refuses a query that is too large to be looked at.
func (q *Query) checkSizes() *Error {
	conditions := 0
	if q.Filter != nil {
		if e := sizeAt("filter", q.Filter, &conditions); e != nil {
			return e
		}
	}
	for _, part := range []struct {
		path, what string
		n, most    int
	}{
		{"exclude", "items", len(q.Exclude), maxExclude},
		{"pins", "pins", len(q.Pins), maxPins},
		{"bury", "items", len(q.Buries), maxBuries},
		{"boosts", "boosts", len(q.Boosts), maxBoosts},
	} {
		if part.n > part.most {
			return refuse(part.path, "has %d %s; a query has at most %d", part.n, part.what, part.most)
		}
	}
	for i, b := range q.Boosts {
		t := trail{up: &trail{key: "boosts"}, index: i}
		if e := sizeAt(t.String()+".where", b.Where, &conditions); e != nil {
			return e
		}
	}
	return nil
}

// compiler collects problems in the order in which they are found.
type compiler struct {
	schema   *schema.Schema // nil for a filter alone
	items    *schema.EntityType
	user     bool // there is one
	lists    bool // the filter is for a list, and may ask for conditions, collections and cohorts
	problems []*Error
}

func (c *compiler) refuse(path, format string, args ...any) {
	c.problems = append(c.problems, refuse(path, format, args...))
}

// id refuses what is no id.
func (c *compiler) id(t *trail, s string) {
	if s == "" || len(s) > id.MaxLen {
		c.refuse(t.String(), "has %d bytes; ids have 1 to %d", len(s), id.MaxLen)
	}
}

func (c *compiler) ids(key string, list *[]string) {
	for i, s := range *list {
		c.id(&trail{up: &trail{key: key}, index: i}, s)
	}
	slices.Sort(*list)
	if *list = slices.Compact(*list); len(*list) == 0 {
		*list = nil
	}
}

// who checks whom the list is for and what else it's about.
func (c *compiler) who(q *Query) {
	if q.User != "" {
		c.id(&trail{key: "user"}, q.User)
	}
	if q.Similar != "" {
		c.id(&trail{key: "similar"}, q.Similar)
	}
	if q.Cohort != "" {
		c.cohort(&trail{key: "cohort"}, q.Cohort)
	}
	c.ids("exclude", &q.Exclude)
}

func (c *compiler) cohort(t *trail, name string) {
	known := make([]string, len(c.schema.Cohorts))
	for i := range c.schema.Cohorts {
		if known[i] = c.schema.Cohorts[i].Name; known[i] == name {
			return
		}
	}
	c.refuse(t.String(), "%s is no cohort of the schema%s", quoted(clip(name)), suggest(name, known))
}

// ranking checks by what the list is ranked.
func (c *compiler) ranking(q *Query) {
	if q.Profile == "" {
		q.Profile = defaultProfile
	}
	if !isName(q.Profile) || len(q.Profile) > schema.MaxName {
		c.refuse("profile", "%s is no profile's name; they are a lower-case letter, then letters, digits and "+
			"underscores, at most %d", quoted(clip(q.Profile)), schema.MaxName)
	}
	if q.Window > schema.WindowAll {
		c.refuse("window", "%s is unknown; windows are 1h, 24h, 7d, 30d, all", q.Window)
		return
	}
	kept := q.Window == 0 || q.Window == schema.WindowAll // totals are always kept
	if q.Signal != "" {
		_, t, ok := c.schema.Signal(q.Signal)
		if !ok {
			names := make([]string, len(c.schema.Signals))
			for i := range names {
				names[i] = c.schema.Signals[i].Name
			}
			c.refuse("signal", "%s is no signal type of the schema%s", quoted(clip(q.Signal)), suggest(q.Signal, names))
			return
		}
		if !kept && !slices.Contains(t.Windows, q.Window) {
			c.refuse("window", "%s isn't kept for the signal type %s%s", q.Window, q.Signal, windowsOf(t))
		}
		return
	}
	for i := range c.schema.Signals {
		kept = kept || slices.Contains(c.schema.Signals[i].Windows, q.Window)
	}
	if !kept {
		c.refuse("window", "%s isn't kept for any signal type of the schema", q.Window)
	}
}

func windowsOf(t *schema.SignalType) string {
	if len(t.Windows) == 0 {
		return "; it has none but all"
	}
	words := make([]string, len(t.Windows))
	for i, w := range t.Windows {
		words[i] = w.String()
	}
	return "; it has " + strings.Join(words, ", ")
}

// page checks how long the list is, when it's ranked, and what it continues.
func (c *compiler) page(q *Query) {
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	if q.Limit < 1 || q.Limit > MaxLimit {
		c.refuse("limit", "is %d; limits are 1 to %d", q.Limit, MaxLimit)
	}
	if q.Explore != nil {
		if *q.Explore = positiveZero(*q.Explore); !(*q.Explore >= 0 && *q.Explore <= maxExplore) {
			c.refuse("explore", "is %v; the part for exploration is from 0 to %v", *q.Explore, maxExplore)
		}
	}
	if !q.At.IsZero() {
		if ms := q.At.UnixMilli(); q.At.Year() < 0 || q.At.Year() > 9999 || ms < minTextTime || ms >= endTextTime {
			c.refuse("at", "lies in the year %d; a query's time is in the years 0 to 9999", q.At.Year())
		} else {
			q.At = time.UnixMilli(ms).UTC()
		}
	}
	if q.Cursor != "" && q.AsOf != "" {
		c.refuse("as_of", "stands beside a cursor; a query continues a list or asks for an earlier one, not both")
	}
	for _, token := range []struct{ path, text string }{{"cursor", q.Cursor}, {"as_of", q.AsOf}} {
		if len(token.text) > maxToken {
			c.refuse(token.path, "has %d bytes; there are at most %d", len(token.text), maxToken)
		}
	}
}

// arranged checks what is done by hand: pins, buries, boosts.
func (c *compiler) arranged(q *Query) {
	c.ids("bury", &q.Buries)
	for i, p := range q.Pins {
		t := &trail{up: &trail{key: "pins"}, index: i}
		item, rank := &trail{up: t, key: "item"}, &trail{up: t, key: "rank"}
		c.id(item, p.Item)
		if p.Rank < 1 || p.Rank > q.Limit {
			c.refuse(rank.String(), "is %d; the list has places 1 to %d", p.Rank, q.Limit)
		}
		for _, before := range q.Pins[:i] {
			switch {
			case before.Item == p.Item:
				c.refuse(item.String(), "%s is pinned twice", quoted(clip(p.Item)))
			case before.Rank == p.Rank:
				c.refuse(rank.String(), "place %d is given twice", p.Rank)
			}
		}
		if _, both := slices.BinarySearch(q.Buries, p.Item); both {
			c.refuse(item.String(), "%s is pinned and buried", quoted(clip(p.Item)))
		}
		if _, both := slices.BinarySearch(q.Exclude, p.Item); both {
			c.refuse(item.String(), "%s is pinned and excluded", quoted(clip(p.Item)))
		}
	}
	slices.SortFunc(q.Pins, func(a, b Pin) int { return cmp.Compare(a.Rank, b.Rank) })
	if len(q.Pins) == 0 {
		q.Pins = nil
	}
	for i := range q.Boosts {
		b, t := &q.Boosts[i], &trail{up: &trail{key: "boosts"}, index: i}
		b.Where = c.expr(b.Where, &trail{up: t, key: "where"})
		if !(b.Factor > 0 && b.Factor <= maxFactor) {
			c.refuse(t.to("factor"), "is %v; factors are above 0 and at most %d", b.Factor, maxFactor)
		}
	}
	if len(q.Boosts) == 0 {
		q.Boosts = nil
	}
}
