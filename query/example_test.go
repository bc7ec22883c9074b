package query_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// records is the schema of the examples.
func records() *schema.Schema {
	return &schema.Schema{
		Name:    "records",
		Signals: []schema.SignalType{{Name: "view", Windows: []schema.Window{schema.Window7d}, Seen: true}},
		Items: schema.EntityType{Fields: []schema.Field{
			{Name: "title", Type: schema.TypeText},
			{Name: "creator", Type: schema.TypeKeyword},
			{Name: "category", Type: schema.TypeKeyword},
			{Name: "tags", Type: schema.TypeTags},
			{Name: "plays", Type: schema.TypeInt},
			{Name: "published", Type: schema.TypeTime},
		}},
		Users: schema.EntityType{Fields: []schema.Field{
			{Name: "region", Type: schema.TypeKeyword},
			{Name: "age", Type: schema.TypeInt},
		}},
	}
}

// A query is built by calls, and prints as text and as JSON.
func ExampleRank() {
	q := query.Rank("for_you").
		For("ada").
		Where(query.Eq("category", "jazz"), query.Unseen, query.WithinLast("published", 7*24*time.Hour)).
		MaxPer("creator", 2).
		Limit(25).
		Query()
	fmt.Println(q)
	fmt.Println(string(q.AppendJSON(nil)))
	// Output:
	// RANK items FOR USER "ada" USING for_you FILTER category = "jazz" AND unseen AND published WITHIN 7d DIVERSIFY max_per_creator 2 LIMIT 25
	// {"rank":"items","user":"ada","profile":"for_you","filter":{"and":[{"field":"category","op":"=","value":"jazz"},"unseen",{"field":"published","within":"7d"}]},"diversify":{"max_per":[{"field":"creator","n":2}]},"limit":25}
}

// The text form is what people write, in shells and logs.
func ExampleParse() {
	q, err := query.Parse(`rank items for user "u" using for_you filter category = "jazz" and unseen diversify max_per_creator 2 limit 25`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(q.User, q.Profile, q.Limit)
	fmt.Println(q.Filter)
	// Output:
	// u for_you 25
	// category = "jazz" AND unseen
}

// What can't be read is said with its place and what was expected there.
func ExampleParse_errors() {
	_, err := query.Parse(`RANK items FOR USER "ada" FITLER category = "jazz"`)
	var e *query.Error
	if errors.As(err, &e) {
		fmt.Println(e.Line, e.Column, len(e.Expected) > 5)
	}
	_, err = query.Parse(`RANK items FILTER (category = "jazz" OR tags = "jazz" LIMIT 5`)
	fmt.Println(err)
	// Output:
	// 1 27 true
	// refused: line 1, column 55 (byte 54): found "LIMIT", expected one of AND, OR, ")"
	//   …tems FILTER (category = "jazz" OR tags = "jazz" LIMIT 5
	//                                                    ^
}

// In JSON, a filter may be an object or a text, at each of its levels.
func ExampleParseJSON() {
	q, err := query.ParseJSON([]byte(`{"rank": "items", "user": "ada", "filter": {"or": ["liked", {"field": "plays", "op": ">=", "value": 1000}]}}`))
	fmt.Println(q, err)
	_, err = query.ParseJSON([]byte(`{"rank": "items", "filter": {"or": ["liked", {"field": "plays", "op": "=>", "value": 1000}]}}`))
	fmt.Println(err)
	// Output:
	// RANK items FOR USER "ada" FILTER liked OR plays >= 1000 <nil>
	// refused: line 1, column 71 (byte 70): filter.or[1].op: is the string "=>"; expected one of =, !=, <, <=, >, >=
	//   …ter": {"or": ["liked", {"field": "plays", "op": "=>", "value": 1000}]}}
	//                                                    ^
}

// Compiling finds what doesn't go with the schema, all at once, and brings the rest into normal form.
func ExampleQuery_Compile() {
	q, err := query.Parse(`RANK items FOR USER "ada" FILTER unseen AND categry = "jazz" DIVERSIFY max_per_title 2`)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = q.Compile(records())
	fmt.Println(err)
	fmt.Println(errors.Is(err, fault.ErrInput))

	plan, err := query.Rank("").Where(query.Any(query.Gt("plays", 1e3), query.Eq("category", "jazz"))).Compile(records())
	fmt.Println(plan, err)
	fmt.Println(plan.Fingerprint)
	// Output:
	// refused: line 1, column 45 (byte 44): filter.and[1].field: "categry" is no field of items (did you mean category?)
	//   RANK items FOR USER "ada" FILTER unseen AND categry = "jazz" DIVERSI…
	//                                               ^
	// refused: line 1, column 72 (byte 71): diversify.max_per[0].field: title is of type text; lists are mixed by fields of type keyword, tags, bool and int
	//   …a" FILTER unseen AND categry = "jazz" DIVERSIFY max_per_title 2
	//                                                    ^
	// true
	// RANK items USING for_you FILTER plays > 1000 OR category = "jazz" LIMIT 25 <nil>
	// ff06b7708b314b1a4d1449332334e18f
}

// A cohort is a filter over users' fields; who is in it is found by matching.
func ExampleMatch() {
	x, err := query.ParseFilter(`region = "US" AND age < 25`)
	if err == nil {
		s := records()
		x, err = query.CompileFilter(x, &s.Users, true)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := map[string]schema.Value{"region": schema.String("US"), "age": schema.Int(19)}
	fmt.Println(query.Match(x, func(field string) (schema.Value, bool) {
		v, ok := ada[field]
		return v, ok
	}, 0))
	// Output: true
}

// Filters are joined by All, Any and Negate.
func ExampleAll() {
	fmt.Println(query.All(
		query.AnyOf("tags", "live", "session"),
		query.Negate(query.Any(query.Seen, query.FromCollection("later"))),
		query.Ge("published", time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)),
	))
	// Output: tags IN ("live", "session") AND NOT (seen OR collection "later") AND published >= time("2024-05-01T00:00:00Z")
}
