package main

import (
	"encoding/base64"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
)

// rankSchema has a profile of its own, whose scores are known: those of the built-in ones change with what is learned.
const rankSchema = `name: records
signals:
  view: {half_life: 7d, windows: [24h, 7d], meaning: positive, seen: true}
  like: {half_life: 30d, windows: [24h, 7d], meaning: positive, sets: [liked]}
  hide: {meaning: hard_negative}
items:
  fields: {title: text, category: keyword, year: int}
profiles:
  - name: old_first
    version: 1
    score:
      - {name: year, add: 2000 - field(year)}
      - {name: jazz, multiply: "if(is(category, \"jazz\"), 2, 1)"}
    diversity: {max_per: {category: 2}}
  - name: old_first
    version: 2
    score:
      - {name: year, add: 2000 - field(year)}
      - {name: shares, add: total(share)}
`

const rankItems = `{"id":"blue-train","fields":{"title":"Blue Train","category":"jazz","year":1957}}
{"id":"kind-of-blue","fields":{"title":"Kind of Blue","category":"jazz","year":1959}}
{"id":"giant-steps","fields":{"title":"Giant Steps","category":"jazz","year":1960}}
{"id":"requiem","fields":{"title":"Requiem","category":"classical","year":1791}}
`

const rankEvents = `{"type":"like","user":"ben","item":"blue-train","time":1700000000}
{"type":"like","user":"ben","item":"giant-steps","time":1700000001}
{"type":"view","user":"cem","item":"giant-steps","time":1700000002}
{"type":"hide","user":"ada","item":"requiem","time":1700000003}
`

// records makes a shop of four records.
func records(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	good(t, "put", "--dir", dir, "--schema", write(t, "records.yaml", rankSchema), write(t, "items.ndjson", rankItems))
	good(t, "import", "--dir", dir, "--format", "ndjson", write(t, "events.ndjson", rankEvents))
	return dir
}

func itemsOf(r *rankResult) string {
	var names []string
	for i := range r.Items {
		names = append(names, fmt.Sprintf("%d %s", r.Items[i].Rank, r.Items[i].Item))
	}
	return strings.Join(names, ", ")
}

// timeless replaces the times taken.
func timeless(s string) string {
	return regexp.MustCompile(`\d+(\.\d+)?(ns|µs|ms|s)\b`).ReplaceAllString(s, "T")
}

func TestRankForPeople(t *testing.T) {
	dir := records(t)
	golden(t, "rank.txt", timeless(good(t, "rank", "--dir", dir, "--user", "ada", "--profile", "old_first@1", "--at", "newest").stdout))
	golden(t, "rank-explain.txt", timeless(good(t, "rank", "--dir", dir, "--explain",
		`RANK items USING old_first VERSION 1 DIVERSIFY max_per category 1 PIN "giant-steps" AT 1 AT 1700000100 LIMIT 3`).stdout))
	golden(t, "rank-warning.txt", timeless(good(t, "rank", "--dir", dir, "--profile", "old_first", "--filter", "category = \"classical\"",
		"--at", "1700000100").stdout))
}

// A question may be made of flags, or be a text or JSON, as an argument or on standard input.
func TestEachWayToAskGivesTheSameList(t *testing.T) {
	dir := records(t)
	text := `RANK items FOR USER "ada" USING old_first VERSION 1 FILTER year > 1900 AND unseen EXCLUDE ("kind-of-blue") ` +
		`AT "2023-11-14T22:15:00Z" SEED 7 LIMIT 5 EXPLAIN`
	json := `{"rank":"items","user":"ada","profile":"old_first","version":1,"filter":"year > 1900 AND unseen",` +
		`"exclude":["kind-of-blue"],"at":"2023-11-14T22:15:00Z","seed":7,"limit":5,"explain":true}`
	for name, o := range map[string]outcome{
		"flags": good(t, "rank", "--dir", dir, "--json", "--user", "ada", "--profile", "old_first@1", "--filter", "year > 1900 AND unseen",
			"--exclude", "kind-of-blue", "--at", "2023-11-14T22:15:00Z", "--seed", "7", "--limit", "5", "--explain"),
		"text":       good(t, "rank", "--dir", dir, "--json", text),
		"JSON":       good(t, "rank", "--dir", dir, "--json", json),
		"from stdin": cli(t, strings.NewReader("\n"+text+"\n"), "rank", "--dir", dir, "--json", "-"),
		"both":       good(t, "rank", "--dir", dir, "--json", strings.Replace(text, `"ada"`, `"ben"`, 1), "--user", "ada"),
	} {
		r := answer[rankResult](t, o)
		if got := itemsOf(&r); got != "1 blue-train, 2 giant-steps" {
			t.Errorf("%s: %s", name, got)
		}
		if r.Profile != "old_first" || r.Version != 1 || r.Seed != 7 || r.At != "2023-11-14T22:15:00Z" || len(r.Feed) != 16 ||
			r.Stats.Degradation != "full" || r.Stats.Passed < 2 || r.Stats.Scored < 2 || r.AsOf == "" || r.Cursor != "" ||
			r.Broken == nil || r.Warnings == nil {
			t.Errorf("%s: %+v", name, r)
		}
		for i := range r.Items {
			x := &r.Items[i]
			sum := 0.0
			for _, term := range x.Terms {
				sum += term.Delta
			}
			if x.Propensity != 1 || x.Slot != "" || math.Float64bits(sum) != math.Float64bits(x.Score) || len(x.Terms) != 2 {
				t.Errorf("%s: %+v", name, x)
			}
		}
	}
}

// A query as JSON may be longer than one as text, also with a flag beside it.
func TestALongQueryIsAnswered(t *testing.T) {
	dir := records(t)
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = fmt.Sprintf(`"%0200d"`, i)
	}
	ids[7] = `"requiem"`
	long := `{"rank":"items","profile":"old_first","exclude":[` + strings.Join(ids, ",") + `]}`
	for _, args := range [][]string{nil, {"--limit", "7"}} {
		o := cli(t, strings.NewReader(long), append([]string{"rank", "--dir", dir, "--json", "-"}, args...)...)
		if r := answer[rankResult](t, o); len(r.Items) != 3 {
			t.Errorf("%+v", o)
		}
	}
}

// The plan of each flag is that of the clause.
func TestFlagsAreClauses(t *testing.T) {
	dir := records(t)
	plan := func(args ...string) string {
		var got struct{ Query, Plan string } = answer[struct{ Query, Plan string }](t, good(t, append([]string{"rank", "--dir", dir, "--json", "--plan"}, args...)...))
		if !strings.Contains(got.Plan, "fingerprint") {
			t.Errorf("%v: %s", args, got.Plan)
		}
		return got.Query
	}
	for _, c := range []struct{ args, clause string }{
		{"--user u", `FOR USER "u"`},
		{"--profile hot", `USING hot`},
		{"--profile related --similar requiem", `USING related SIMILAR TO "requiem"`},
		{"--profile top --window 7d", `USING top WINDOW 7d`},
		{"--profile most --signal like", `USING most SIGNAL like`},
		{"--exclude a --exclude b", `EXCLUDE ("a", "b")`},
		{"--at newest", `AT "2023-11-14T22:13:23Z"`},
		{"--at newest+1h", `AT "2023-11-14T23:13:23Z"`},
		{"--seed 0", `SEED 0`},
		{"--limit 3", `LIMIT 3`},
		{"--explain", `EXPLAIN`},
	} {
		if got := plan(strings.Fields(c.args)...); !strings.Contains(got, c.clause) {
			t.Errorf("%s: %s", c.args, got)
		}
	}
	human := good(t, "rank", "--dir", dir, "--plan", "--profile", "hot", "--filter", `category = "jazz"`).stdout
	if !strings.Contains(human, "hot, version 1") || !strings.Contains(human, "filter") {
		t.Errorf("%s", human)
	}
}

func TestPagesGoOnAndAListComesAgain(t *testing.T) {
	dir := records(t)
	ask := []string{"rank", "--dir", dir, "--json", "--profile", "old_first@1", "--limit", "2"}
	first := answer[rankResult](t, good(t, ask...))
	second := answer[rankResult](t, good(t, append(ask, "--cursor", first.Cursor)...))
	if got := itemsOf(&first) + ", " + itemsOf(&second); !strings.Contains(got, "1 ") || !strings.Contains(got, "3 ") ||
		len(second.Items) != 2 || second.Feed != first.Feed || second.At != first.At || second.Cursor != "" {
		t.Errorf("%s; %+v", got, second)
	}
	for _, x := range second.Items {
		if slices.ContainsFunc(first.Items, func(y rankedItem) bool { return y.Item == x.Item }) {
			t.Errorf("%s is on both pages", x.Item)
		}
	}
	again := answer[rankResult](t, good(t, append(ask, "--as-of", first.AsOf)...))
	if itemsOf(&again) != itemsOf(&first) || again.At != first.At {
		t.Errorf("%+v, was %+v", again, first)
	}
	for _, other := range [][]string{{"--user", "eve", "--as-of", first.AsOf}, {"--user", "eve", "--cursor", first.Cursor}} {
		trouble(t, exitRefused, "refused", []string{"another query"},
			append([]string{"rank", "--dir", dir, "--profile", "old_first@1", "--limit", "2"}, other...)...)
	}
	trouble(t, exitRefused, "refused", []string{"cursor"}, "rank", "--dir", dir, "--profile", "old_first@1", "--cursor", "x"+first.Cursor[1:])
}

// What is hidden between two pages isn't on the second one, nor in the first one when it's asked for again.
func TestWhatIsHiddenMeanwhileIsOnNoPage(t *testing.T) {
	dir := records(t)
	ask := []string{"rank", "--dir", dir, "--json", "--user", "eve", "--profile", "old_first@1", "--limit", "2"}
	first := answer[rankResult](t, good(t, ask...))
	all := answer[rankResult](t, good(t, append(ask, "--limit", "4")...))
	if len(first.Items) != 2 || len(all.Items) != 4 {
		t.Fatalf("%+v %+v", first, all)
	}
	var hides strings.Builder
	for _, n := range []int{0, 3} {
		fmt.Fprintf(&hides, "{\"type\":\"hide\",\"user\":\"eve\",\"item\":%q}\n", all.Items[n].Item)
	}
	good(t, "import", "--dir", dir, "--format", "ndjson", write(t, "more.ndjson", hides.String()))
	for name, args := range map[string][]string{"cursor": {"--cursor", first.Cursor}, "as of": {"--as-of", first.AsOf}, "anew": nil} {
		r := answer[rankResult](t, good(t, append(ask, args...)...))
		for _, x := range r.Items {
			if x.Item == all.Items[0].Item || x.Item == all.Items[3].Item {
				t.Errorf("%s: %s is hidden, and shown", name, x.Item)
			}
		}
	}
}

// What a reference says can be read by the database that gave it.
func TestReferencesOfAListAreReadable(t *testing.T) {
	dir := records(t)
	r := answer[rankResult](t, good(t, "rank", "--dir", dir, "--user", "ada", "--profile", "old_first@1", "--json"))
	if itemsOf(&r) != "1 blue-train, 2 kind-of-blue, 3 giant-steps" {
		t.Fatalf("what ada hid is there, or something else isn't: %s", itemsOf(&r))
	}
	db, err := tidal.Open(dir, nil, &tidal.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, x := range r.Items {
		raw, err := base64.RawURLEncoding.DecodeString(x.Ref)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := db.Ref(raw)
		if err != nil || ref.Item != x.Item || ref.Place != x.Rank || fmt.Sprintf("%016x", ref.Feed) != r.Feed || ref.Profile != r.Profile {
			t.Errorf("%+v %v", ref, err)
		}
	}
}

func TestAnEmptyListSaysWhy(t *testing.T) {
	dir, unput := records(t), database(t)
	nothing := filepath.Join(t.TempDir(), "db")
	good(t, "put", "--dir", nothing, "--schema", write(t, "records.yaml", rankSchema), write(t, "none", ""))
	for _, c := range []struct {
		dir, says string
		args      []string
	}{
		{nothing, "no item yet", nil},
		{unput, "2 items have signals but were never put", nil},
		{unput, "--items", nil},
		{dir, "no item meets the filter", []string{"--filter", `category = "rock"`}},
		{dir, "none could be shown", []string{"--profile", "following", "--user", "ada"}},
	} {
		o := good(t, append([]string{"rank", "--dir", c.dir, "--json"}, c.args...)...)
		if r := answer[rankResult](t, o); len(r.Items) != 0 || r.Items == nil || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%v: %+v, stderr %q, want %q", c.args, r, o.stderr, c.says)
		}
	}
	if o := good(t, "rank", "--dir", dir, "--user", "ada"); o.stderr != "" {
		t.Errorf("a list that isn't empty: %s", o.stderr)
	}
}

// What is wrong with a query is shown where it stands, whoever wrote it down.
func TestWhatIsWrongWithAQueryIsShownInItsPlace(t *testing.T) {
	dir := records(t)
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"RANK items FILTER categry = \"jazz\""}, []string{"did you mean category", "\n  RANK items FILTER categry = \"jazz\"\n                    ^\n"}},
		{[]string{"--filter", `year = "x" AND unseen`}, []string{"filter.and[0].value", "FOR USER", "  RANK items FILTER year = \"x\" AND", "^\n"}},
		{[]string{"--filter", `year == 1`}, []string{"--filter: ", "  year == 1\n       ^\n"}},
		{[]string{`{"rank":"items","limitt":5}`}, []string{"limitt", "^\n"}},
		{
			[]string{`{"rank":"items","filter":{"field":"categry","op":"=","value":"x"}}`},
			[]string{"did you mean category", `  {"rank":"items","filter":{"field":"categry"`},
		},
		{[]string{"--profile", "trendin"}, []string{`did you mean "trending"`}},
		{[]string{"--profile", "old_first@7"}, []string{"old_first"}},
		{[]string{"--signal", "lik", "--profile", "most"}, []string{"did you mean like"}},
		{[]string{"--similar", "x", "--cohort", "us"}, []string{"cohort"}},
		{[]string{"RANK items LIMIT 501"}, []string{"501"}},
		{[]string{""}, []string{"RANK"}},
	} {
		trouble(t, exitRefused, "refused", c.says, append([]string{"rank", "--dir", dir}, c.args...)...)
	}
	for _, c := range []struct{ args, says string }{
		{"--limit 0", "--limit 0"},
		{"--limit 501", "--limit 501"},
		{"--profile @2", "names no profile"},
		{"--profile hot@0", "version from 1 on"},
		{"--profile hot@x", "version from 1 on"},
		{"--window 8d", "--window"},
		{"--at yesterday", "neither RFC 3339"},
		{"--cursor a --as-of b", "not both"},
		{"--seed x", "--seed"},
		{"a b", "at most 1 arg"},
	} {
		trouble(t, exitUsage, "usage", []string{c.says}, append([]string{"rank", "--dir", dir}, strings.Fields(c.args)...)...)
	}
	trouble(t, exitUsage, "usage", []string{"--dir is missing"}, "rank")
	trouble(t, exitNotFound, "not_found", nil, "rank", "--dir", filepath.Join(dir, "none"))
}

func TestProfilesAreListedAndShown(t *testing.T) {
	dir := records(t)
	got := answer[struct{ Profiles []profileLine }](t, good(t, "profiles", "--dir", dir, "--json"))
	for _, want := range []profileLine{
		{"for_you", 1, "built-in", true}, {"hot", 1, "built-in", true}, {"old_first", 1, "schema", false}, {"old_first", 2, "schema", true},
	} {
		if !slices.Contains(got.Profiles, want) {
			t.Errorf("%+v isn't among %+v", want, got.Profiles)
		}
	}
	if human := good(t, "profiles", "--dir", dir).stdout; strings.Count(human, "\n") != len(got.Profiles)+1 {
		t.Errorf("%s", human)
	}
	golden(t, "profile.txt", good(t, "profiles", "--dir", dir, "old_first").stdout)
	one := answer[profileResult](t, good(t, "profiles", "--dir", dir, "old_first@1", "--json"))
	if one.Version != 1 || one.From != "schema" || len(one.Warnings) != 0 || !slices.Contains(one.Features, "field(year)") ||
		!strings.HasPrefix(one.YAML, "profiles:\n  - name: old_first\n") {
		t.Errorf("%+v", one)
	}
	for _, p := range got.Profiles {
		if shown := answer[profileResult](t, good(t, "profiles", "--dir", dir, fmt.Sprintf("%s@%d", p.Name, p.Version), "--json")); shown.From != p.From {
			t.Errorf("%+v is listed as %+v", shown, p)
		}
	}
	// What is printed is what a schema takes.
	yaml := strings.Split(rankSchema, "profiles:")[0] + strings.Replace(one.YAML, "old_first", "copied", 1)
	good(t, "schema", "--dir", dir, "--set", write(t, "more.yaml", rankSchema+strings.Split(strings.Split(yaml, "profiles:\n")[1], "\n\n")[0]))
	trouble(t, exitRefused, "refused", []string{"for_yu", "for_you"}, "profiles", "--dir", dir, "for_yu")
	trouble(t, exitUsage, "usage", []string{"version from 1 on"}, "profiles", "--dir", dir, "hot@")
}
