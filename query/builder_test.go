package query

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// full is a query with every clause but one: a cursor and a reference don't go together.
const full = `RANK items FOR USER "u" USING top VERSION 2 SIMILAR TO "x" COHORT "us" WINDOW 7d SIGNAL view ` +
	`FILTER category = "jazz" AND unseen AND published WITHIN 7d AND NOT tags = "news" AND price < 10.0 AND ` +
	`place WITHIN 5 km OF 48.85, 2.35 AND collection "later" AND cohort "us" AND has(url) AND language IN ("de", "en") ` +
	`EXCLUDE ("a", "b") DIVERSIFY max_per_creator 2, max_share category 0.6, at_least format "video" 3, relevance 0.7, ` +
	`embedding content EXPLORE 0.1 PIN "z" AT 1 PIN "w" AT 2 BURY ("y") BOOST category = "jazz" BY 1.5 ` +
	`BOOST liked OR saved BY 0.5 AT "2024-05-01T12:00:00Z" SEED 7 LIMIT 25 CURSOR "c" EXPLAIN`

func built() *Builder {
	return Rank("top").For("u").Version(2).SimilarTo("x").Cohort("us").Window(schema.Window7d).Signal("view").
		Where(Eq("category", "jazz"), Unseen).
		Where(WithinLast("published", 7*24*time.Hour), Negate(Eq("tags", "news")), Lt("price", 10.0),
			NearTo("place", 48.85, 2.35, 5000), FromCollection("later"), FromCohort("us"), IsSet("url"),
			AnyOf("language", "de", "en")).
		Exclude("a").Exclude("b").
		MaxPer("creator", 2).MaxShare("category", 0.6).AtLeast("format", "video", 3).Relevance(0.7, "content").
		Explore(0.1).Pin("z", 1).Pin("w", 2).Bury("y").
		Boost(Eq("category", "jazz"), 1.5).Boost(Any(Liked, Saved), 0.5).
		At(time.Date(2024, 5, 1, 14, 0, 0, 0, time.FixedZone("", 7200))).Seed(7).Limit(25).After("c").Explain()
}

// The builder can say all that the text can, and each field of a query.
func TestTheBuilderCoversEveryFieldOfAQuery(t *testing.T) {
	q := built().Query()
	if got := q.String(); got != full {
		t.Errorf("built\n%s, want\n%s", got, full)
	}
	parsed, err := Parse(full)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(without(parsed), q) {
		t.Errorf("parsed %#v, built %#v", parsed, q)
	}
	v := reflect.ValueOf(*q)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "AsOf" && name != "from" {
			t.Errorf("the field %s isn't set", name)
		}
	}
	if q := Rank("").AsOf("l").Unmixed().Query(); q.String() != `RANK items DIVERSIFY none ASOF "l"` {
		t.Errorf("built %s", q)
	}
	plan, err := built().Compile(shop())
	if err != nil || plan.String() != full {
		t.Errorf("compiled %v, %v", plan, err)
	}
}

func TestWhatABuilderMadeStaysAsItWas(t *testing.T) {
	b := built()
	first, second := b.Query(), b.Query()
	before := first.String()
	b.Exclude("more").Where(Seen).MaxPer("format", 1).Pin("more", 3).Bury("more").Boost(Seen, 2).Seed(9).Explore(0.2)
	second.Exclude[0], second.Pins[0].Item, second.Buries[0], second.Boosts[0].Factor = "", "", "", 0
	second.Diversity.MaxPer[0].N, *second.Seed, *second.Explore = 0, 0, 0
	if first.String() != before {
		t.Errorf("%s became %s", before, first)
	}
}

// All that is wrong in Go is reported at once, by path.
func TestMistakesInGoAreReportedByPath(t *testing.T) {
	for _, c := range []struct {
		want  string
		built *Builder
	}{
		{"filter.value: is no value: NaN is not a finite number", Rank("").Where(Lt("price", math.NaN()))},
		{"filter.and[1]: is nil; a filter that always holds is And{}", Rank("").Where(IsSet("url"), nil)},
		{"filter: is a *query.And; filters are values of the types that Expr names", Rank("").Where(&And{})},
		{"filter.not: condition(9) is unknown", Rank("").For("u").Where(Not{Condition(9)})},
		{"filter.op: op(0) is unknown", Rank("").Where(Compare{Field: "url"})},
		{"filter.value: is no value: string \"\\xff\" is not UTF-8", Rank("").Where(Eq("url", "\xff"))},
		{
			"filter.value: is null; the field price of type float takes a number",
			Rank("").Where(Eq("price", schema.Value{})),
		},
		{
			"filter.value: is a, b; the field tags of type tags takes one tag as a string",
			Rank("").Where(Eq("tags", schema.Tags([]string{"b", "a"}))),
		},
		{
			"filter.within: is -1ns; durations are whole milliseconds above 0",
			Rank("").Where(WithinLast("published", -1)),
		},
		{"filter.near: +Inf metres is no distance; it's 0 or more", Rank("").Where(NearTo("place", 0, 0, math.Inf(1)))},
		{"filter.near: latitude NaN is not from -90 to 90", Rank("").Where(NearTo("place", math.NaN(), 0, 1))},
		{"limit: is -1; limits are 1 to 500", Rank("").Limit(-1)},
		{"limit: is 501; limits are 1 to 500", Rank("").Limit(501)},
		{"window: window(9) is unknown; windows are 1h, 24h, 7d, 30d, all", Rank("").Window(9)},
		{"explore: is NaN; the part for exploration is from 0 to 0.5", Rank("").Explore(math.NaN())},
		{
			"at: lies in the year 20000; a query's time is in the years 0 to 9999",
			Rank("").At(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)),
		},
		{"exclude[1]: has 0 bytes; ids have 1 to 512", Rank("").Exclude("a", "")},
		{"bury[0]: has 513 bytes; ids have 1 to 512", Rank("").Bury(strings.Repeat("x", 513))},
		{"boosts[0].factor: is NaN; factors are above 0 and at most 1000", Rank("").Boost(And{}, math.NaN())},
		{"boosts[0].where: is nil; a filter that always holds is And{}", Rank("").Boost(nil, 1)},
		{"diversify.max_per[0].n: is 0; a number of items is from 1 to 500", Rank("").MaxPer("creator", 0)},
		{
			"diversify.max_share[0].max: is NaN; a share is above 0 and at most 1",
			Rank("").MaxShare("creator", math.NaN()),
		},
		{
			"diversify.at_least[0].value: is no value: string \"\\xff\" is not UTF-8",
			Rank("").AtLeast("creator", "\xff", 1),
		},
		{"cursor: has 40961 bytes; there are at most 40960", Rank("").After(strings.Repeat("x", 40961))},
		{"exclude: has 1001 items; a query has at most 1000", Rank("").Exclude(make([]string, 1001)...)},
		{"pins: has 101 pins; a query has at most 100", pinned(101)},
		{"bury: has 101 items; a query has at most 100", Rank("").Bury(make([]string, 101)...)},
		{"boosts: has 17 boosts; a query has at most 16", boosted(17, And{})},
		{"filter.in: has 1001 values; an IN has at most 1000", Rank("").Where(AnyOf("plays", make([]int, 1001)...))},
		{"diversify.max_per: has 17 rules; there are at most 16 of a kind", ruled(17)},
		{
			"boosts[1].where.or[56]: is one condition too many; a query's filters have at most 256 together",
			boosted(2, Or(make([]Expr, 200))),
		},
	} {
		_, err := c.built.Compile(shop())
		var e *Error
		if !errors.As(err, &e) || e.Line != 0 || !strings.Contains(err.Error(), "refused: "+c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	_, err := Rank("").Where(Eq("a", 1), Eq("b", 2)).Limit(-1).Compile(shop())
	if n := len(strings.Split(err.Error(), "\n")); n != 3 {
		t.Errorf("%d problems in %v", n, err)
	}
}

func pinned(n int) *Builder {
	b := Rank("")
	for range n {
		b.Pin("x", 1)
	}
	return b
}

func boosted(n int, x Expr) *Builder {
	b := Rank("")
	for range n {
		b.Boost(x, 1)
	}
	return b
}

func ruled(n int) *Builder {
	b := Rank("")
	for range n {
		b.MaxPer("creator", 1)
	}
	return b
}

// A filter that contains itself, and one that grows twofold with each level, are refused rather than followed.
func TestFiltersWithoutAnEndAreRefused(t *testing.T) {
	circle := And{nil, nil}
	circle[0], circle[1] = circle, circle
	var wide Expr = And{}
	for range 31 {
		wide = Or{wide, wide}
	}
	for want, x := range map[string]Expr{"nested more than 32 deep": circle, "one condition too many": wide} {
		if _, err := Rank("").Where(x).Compile(shop()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := CompileFilter(x, &shop().Items, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A query that was changed since it was read has no places in the text: they would be wrong.
func TestPlacesGoWhenAQueryIsChanged(t *testing.T) {
	q, err := Parse(`RANK items FILTER categry = "jazz"`)
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err = q.Compile(shop()); !errors.As(err, &e) || e.Column != 19 {
		t.Errorf("got %v", err)
	}
	q.Filter = And{q.Filter, Is{Unseen}}
	if _, err = q.Compile(shop()); !errors.As(err, &e) || e.Line != 0 || e.Path != "filter.and[0].field" {
		t.Errorf("got %v", err)
	}
}

// What the schema or the query holds is neither changed by Compile nor shared with the plan.
func TestAPlanIsItsOwn(t *testing.T) {
	q := built().Query()
	plan, err := q.Compile(shop())
	if err != nil {
		t.Fatal(err)
	}
	before, want := plan.String(), plan.Fingerprint
	q.Exclude[0], q.Pins[0].Item, q.Buries[0], q.Boosts[0].Factor, *q.Seed, *q.Explore = "", "", "", 0, 0, 0
	q.Diversity.MaxPer[0].N, q.Filter.(And)[0] = 0, nil
	if plan.String() != before || plan.fingerprint() != want {
		t.Errorf("%s became %s", before, plan)
	}
}

func TestLiterals(t *testing.T) {
	at := time.UnixMilli(1714564800123)
	for _, c := range []struct{ got, want Expr }{
		{Eq("f", 5), Compare{"f", Equal, schema.Int(5)}},
		{Ne("f", int64(-5)), Compare{"f", NotEqual, schema.Int(-5)}},
		{Le("f", 0.5), Compare{"f", LessEqual, schema.Float(0.5)}},
		{Gt("f", "x"), Compare{"f", Greater, schema.String("x")}},
		{Ge("f", at), Compare{"f", GreaterEqual, schema.Time(1714564800123)}},
		{Eq("f", true), Compare{"f", Equal, schema.Bool(true)}},
		{Eq("f", schema.Int(1)), Compare{"f", Equal, schema.Int(1)}},
		{AnyOf("f", 1, 2), In{"f", []schema.Value{schema.Int(1), schema.Int(2)}}},
		{All(Unseen), Is{Unseen}},
		{Any(Unseen), Is{Unseen}},
		{All(), And{}},
		{Any(), Or{}},
		{Negate(Liked), Not{Is{Liked}}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%#v, want %#v", c.got, c.want)
		}
	}
}
