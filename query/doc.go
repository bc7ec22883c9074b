// Package query says what a question to the database is: for whom, ranked how, of which items, mixed how.
//
// Most programs build a query and hand it to the database:
//
//	q := query.Rank("for_you").
//		For("ada").
//		Where(query.Eq("category", "jazz"), query.Unseen, query.WithinLast("published", 7*24*time.Hour)).
//		MaxPer("creator", 2).
//		Limit(25)
//
// The same question is a line of text, for shells, logs and people, read by [Parse]:
//
//	RANK items FOR USER "ada" USING for_you
//	  FILTER category = "jazz" AND unseen AND published WITHIN 7d
//	  DIVERSIFY max_per_creator 2 LIMIT 25
//
// and a JSON object, for other languages, read by [ParseJSON]:
//
//	{"rank": "items", "user": "ada", "profile": "for_you",
//	 "filter": {"and": [{"field": "category", "op": "=", "value": "jazz"}, "unseen", "published WITHIN 7d"]},
//	 "diversify": {"max_per": [{"field": "creator", "n": 2}]}, "limit": 25}
//
// All three make a [Query], a plain struct that may also be written by hand. [Query.String] prints it as text and
// [Query.AppendJSON] as JSON; both read back as the same query.
//
// # Filters
//
// A filter is an [Expr]. [Eq], [Ne], [Lt], [Le], [Gt], [Ge] and [AnyOf] compare a field, [WithinLast] asks how old a
// time is, [NearTo] how far a place is, [IsSet] whether there is anything. Conditions such as [Unseen] and [Liked] ask
// what the query's user did with an item; [FromCollection] and [FromCohort] what is in a saved list, and what a group
// of users met. [All], [Any] and [Negate] join them. [ParseFilter] reads a filter alone:
//
//	x, err := query.ParseFilter(`category IN ("jazz", "soul") AND NOT tags = "live"`)
//
// # Compiling
//
// Nothing is looked up while a query is built or read. [Query.Compile] holds it against a schema: fields exist, values
// have their types, figures are within bounds. It reports every problem at once, each an [Error] that says where:
//
//	refused: line 1, column 45 (byte 44): filter.and[1].field: "categry" is no field of items (did you mean category?)
//	  RANK items FOR USER "ada" FILTER unseen AND categry = "jazz"
//	                                              ^
//
// What comes out is a [Plan]: the query in normal form, with each value in its field's type, and a [Fingerprint] that
// cursors are bound to. Equal questions have equal plans, whichever form they came in.
//
// A filter over users' fields, as cohorts are defined by, is compiled alone by [CompileFilter] and evaluated by [Match].
//
// The package answers nothing: it knows no items, no clock and no profiles, so whether a profile exists is for the
// database to say. docs/query.md describes the language for its users.
package query

// For maintainers. A query has one path for each of its parts, such as "filter.and[1].value" or "pins[0].rank", whatever
// form it came in. Compile reports problems by path alone; a query that was read carries a table from paths to places
// (type source), by which reports gain line and column. The table is dropped when the query was changed since.
//
//	text ──Parse──┐                  ┌── String ── text
//	JSON ─ParseJSON─ Query ─Compile─ Plan (a Query in normal form)
//	Go ──Builder──┘                  └── AppendJSON ── JSON
