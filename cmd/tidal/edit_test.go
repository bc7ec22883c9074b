package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

const itemLines = `{"id":"a","fields":{"title":"Ä","price":5,"published":"2024-05-01","tags":["y","x"]}}

{"kind":"creator","id":"miles","fields":{"name":"Miles","verified":true}}
{"id":"b"}
`

// shop makes a database with a few entities and returns its directory.
func shop(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	yaml := write(t, "shop.yaml", good(t, "schema", "--format", "csv").stdout)
	r := answer[putResult](t, good(t, "put", "--dir", dir, "--schema", yaml, "--json", write(t, "items.ndjson", itemLines)))
	again := answer[putResult](t, good(t, "put", "--dir", dir, "--schema", yaml, "--json", write(t, "items.ndjson", itemLines)))
	if again.Written != 0 || again.Already != 3 {
		t.Fatalf("the same command again: %+v", again)
	}
	if r.Written != 3 || r.Already != 0 || !strings.HasPrefix(r.Lane, "put-item-") {
		t.Fatalf("%+v", r)
	}
	return dir
}

// plain drops what differs from run to run.
func plain(s string) string {
	var out []string
	for _, line := range strings.Split(s, "\n") {
		if !strings.HasPrefix(line, "touched") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func TestEntitiesGoInAndComeOut(t *testing.T) {
	dir := shop(t)
	golden(t, "entity.txt", plain(good(t, "entity", "--dir", dir, "--id", "a").stdout))
	good(t, "patch", "--dir", dir, "--id", "a", "--fields", `{"price":null,"language":"de"}`)
	got := answer[entityResult](t, good(t, "entity", "--dir", dir, "--id", "a", "--json"))
	want := tidal.Fields{
		"title": schema.String("Ä"), "published": schema.Time(1714521600000), "tags": schema.Tags([]string{"x", "y"}),
		"language": schema.String("de"),
	}
	if fmt.Sprint(got.Fields) != fmt.Sprint(want) || got.Kind != "item" || got.Touched == "" {
		t.Errorf("%+v", got)
	}
	w := answer[writtenResult](t, good(t, "put", "--dir", dir, "--id", "a", "--fields", `{"title":"new"}`, "--json"))
	got = answer[entityResult](t, good(t, "entity", "--dir", dir, "--id", "a", "--json"))
	if w.Position == "" || len(got.Fields) != 1 {
		t.Errorf("%+v %+v", w, got)
	}
	good(t, "delete", "--dir", dir, "--id", "a")
	trouble(t, exitNotFound, "not_found", []string{`item "a"`}, "entity", "--dir", dir, "--id", "a")
	again := answer[putResult](t, good(t, "put", "--dir", dir, "--json", write(t, "again.ndjson", itemLines)))
	if again.Written != 0 || again.Already != 3 {
		t.Errorf("the same content again: %+v", again)
	}
}

func TestAListIsReadPageByPage(t *testing.T) {
	dir := shop(t)
	var input strings.Builder
	for n := range 25 {
		fmt.Fprintf(&input, "{\"id\":\"u%02d\",\"fields\":{\"language\":\"en\"}}\n", n)
	}
	good(t, "put", "--dir", dir, "--kind", "user", write(t, "users.ndjson", input.String()))
	after, pages, seen := "", 0, ""
	for {
		r := answer[listResult](t, good(t, "list", "--dir", dir, "--kind", "user", "--limit", "10", "--after", after, "--json"))
		for _, e := range r.Entities {
			seen += e.ID
		}
		if pages++; r.Next == "" {
			break
		}
		after = r.Next
	}
	if pages != 3 || len(seen) != 75 || !strings.HasPrefix(seen, "u00u01") || !strings.HasSuffix(seen, "u24") {
		t.Errorf("%d pages: %s", pages, seen)
	}
	all := good(t, "list", "--dir", dir, "--kind", "user", "--all", "--json").stdout
	if strings.Count(all, "\n") != 25 {
		t.Errorf("%s", all)
	}
	// What list prints, put reads.
	other := filepath.Join(t.TempDir(), "other")
	yaml := write(t, "shop.yaml", good(t, "schema", "--dir", dir).stdout)
	good(t, "put", "--dir", other, "--schema", yaml, write(t, "copy.ndjson", all))
	if o := good(t, "list", "--dir", other, "--kind", "user"); strings.Count(o.stdout, "language=") != 25 {
		t.Errorf("%s", o.stdout)
	}
	if o := good(t, "list", "--dir", other, "--kind", "creator"); o.stdout != "There are none.\n" {
		t.Errorf("%s", o.stdout)
	}
	if o := good(t, "list", "--dir", dir, "--kind", "user", "--limit", "2"); !strings.HasSuffix(o.stdout, "\nMore: --after u01\n") {
		t.Errorf("%s", o.stdout)
	}
}

func TestAUserIsReadErasedAndUndone(t *testing.T) {
	dir := database(t)
	good(t, "put", "--dir", dir, "--kind", "user", "--id", "ada", "--fields", `{"language":"de"}`)
	r := answer[userResult](t, good(t, "user", "--dir", dir, "--user", "ada", "--json"))
	if len(r.Recents) != 1 || r.Recents[0].Type != "like" || len(r.Ties) != 1 || r.Ties[0].Marks[0] != "liked" ||
		r.Ties[0].Seen != "2023-11-14T22:13:20Z" || r.Next != "" || r.Touched == "" {
		t.Errorf("%+v", r)
	}
	golden(t, "user.txt", plain(good(t, "user", "--dir", dir, "--user", "ada").stdout))
	page := answer[userResult](t, good(t, "user", "--dir", dir, "--user", "ada", "--limit", "1", "--json"))
	if page.Next != "item:a" {
		t.Errorf("%+v", page)
	}
	if page = answer[userResult](t, good(t, "user", "--dir", dir, "--user", "ada", "--after", page.Next, "--json")); len(page.Ties) != 0 {
		t.Errorf("%+v", page)
	}
	good(t, "undo", "--dir", dir, "--position", r.Recents[0].Position)
	trouble(t, exitRefused, "undone", []string{"already undone"}, "undo", "--dir", dir, "--position", r.Recents[0].Position)
	if r = answer[userResult](t, good(t, "user", "--dir", dir, "--user", "ada", "--json")); !r.Recents[0].Undone {
		t.Errorf("%+v", r)
	}
	e := answer[eraseResult](t, good(t, "erase", "--dir", dir, "--user", "ada", "--json"))
	if !e.Known || e.Forgotten == "" || e.Position == "" {
		t.Errorf("%+v", e)
	}
	trouble(t, exitNotFound, "not_found", []string{`user "ada"`}, "user", "--dir", dir, "--user", "ada")
	if o := good(t, "erase", "--dir", dir, "--user", "ada"); !strings.Contains(o.stdout, "Nothing was known") ||
		!strings.Contains(o.stdout, "holds nothing of them after") {
		t.Errorf("%s", o.stdout)
	}
	got := answer[cellResult](t, good(t, "get", "--dir", dir, "--item", "a", "--type", "view", "--at", "newest", "--json"))
	if got.Total != 1 {
		t.Errorf("an erased user's view is still one: %+v", got)
	}
}

func TestAnEventIsUndoneByItsRequest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	good(t, "import", "--dir", dir, "--format", "csv", "--lane", "l", write(t, "events.csv", eventsCSV))
	good(t, "undo", "--dir", dir, "--lane", "l", "--number", "1", "--index", "1")
	got := answer[cellResult](t, good(t, "get", "--dir", dir, "--item", "a", "--type", "like", "--at", "newest", "--json"))
	if got.Total != 0 {
		t.Errorf("%+v", got)
	}
	trouble(t, exitNotFound, "not_found", []string{`lane "l"`}, "undo", "--dir", dir, "--lane", "l", "--number", "2")
	trouble(t, exitNotFound, "not_found", []string{`key "k"`}, "undo", "--dir", dir, "--key", "k")
}

func TestASchemaIsAddedTo(t *testing.T) {
	dir := shop(t)
	path := write(t, "shop.yaml", "")
	current := good(t, "schema", "--dir", dir).stdout
	set := func(text string) []string {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"schema", "--dir", dir, "--set", path}
	}
	same := answer[setResult](t, good(t, append(set(current), "--json")...))
	if same.Before != 1 || same.Version != 1 {
		t.Errorf("%+v", same)
	}
	s := parsed(t, current)
	s.Signals = append(s.Signals, schema.SignalType{Name: "wave"})
	s.Signals[0].HalfLives = append(s.Signals[0].HalfLives, s.Signals[2].HalfLives[0])
	s.Items.Fields = append(s.Items.Fields, schema.Field{Name: "mood", Type: schema.TypeKeyword})
	if o := good(t, set(string(s.YAML()))...); o.stdout != "Schema events is at version 2 now.\n" {
		t.Errorf("%s", o.stdout)
	}
	good(t, "put", "--dir", dir, "--id", "c", "--fields", `{"mood":"blue"}`)
	if o := good(t, set(current)...); !strings.Contains(o.stdout, "adds nothing") {
		t.Errorf("an older schema: %s", o.stdout)
	}
	// What schema prints of a grown database can be set again, and added to.
	grown := good(t, "schema", "--dir", dir).stdout
	if r := answer[setResult](t, good(t, append(set(grown), "--json")...)); r.Version != 2 {
		t.Errorf("%+v", r)
	}
	s = parsed(t, grown)
	s.Signals[0].Meaning = schema.Negative
	s.Items.Fields = s.Items.Fields[1:]
	trouble(t, exitFormat, "schema", []string{"signals.view.meaning: was positive, would be negative", "items.fields.title"},
		set(string(s.YAML()))...)
	trouble(t, exitFormat, "foreign", []string{`"events"`}, set(strings.Replace(grown, "name: events", "name: other", 1))...)
	trouble(t, exitRefused, "refused", []string{path}, set("signals: 7")...)
	if v := parsed(t, good(t, "schema", "--dir", dir).stdout).Version; v != 2 {
		t.Errorf("refused schemas left version %d", v)
	}
}

func parsed(t *testing.T, yaml string) *schema.Schema {
	t.Helper()
	s, err := schema.ParseYAML("schema.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBadEntitiesAreRefusedWithTheirLine(t *testing.T) {
	dir := shop(t)
	before := good(t, "verify", "--dir", dir, "--json").stdout
	for name, c := range map[string]struct{ text, says string }{
		"no object":        {"[1]", "f:1: refused: not a JSON object"},
		"not closed":       {`{"id":"a"`, "f:1: refused: the object isn't closed"},
		"text behind":      {`{"id":"a"} x`, "text behind"},
		"key twice":        {`{"id":"a","id":"b"}`, `key "id" appears twice`},
		"unknown key":      {"\n" + `{"id":"a","titel":1}`, `f:2: refused: unknown key "titel"`},
		"unknown field":    {`{"id":"a","fields":{"titel":"x"}}`, "f:1: refused: fields.titel: is no field of items"},
		"field twice":      {`{"id":"a","fields":{"title":"x","title":"y"}}`, "appears twice"},
		"wrong type":       {`{"id":"a","fields":{"title":7}}`, "fields.title"},
		"fields a list":    {`{"id":"a","fields":[]}`, "fields: not a JSON object"},
		"unknown kind":     {`{"id":"a","kind":"thing"}`, `kind: "thing"`},
		"id a number":      {`{"id":7}`, "id: is no string"},
		"no id":            {`{"id":"x"}` + "\n\n\n" + `{"fields":{}}`, "f:4: refused: id: is empty"},
		"long id":          {`{"id":"` + strings.Repeat("x", 513) + `"}`, "f:1: refused: id:"},
		"empty creator":    {`{"id":"x","fields":{"creator":""}}`, "fields.creator"},
		"not UTF-8":        {"{\"id\":\"\xff\"}", "not UTF-8"},
		"line without end": {strings.Repeat(" ", 3) + `{"id":"` + strings.Repeat("x", maxEntityLine) + `"}`, "passes 4194304 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "f", c.text)
			trouble(t, exitRefused, "refused", []string{c.says}, "put", "--dir", dir, path)
			trouble(t, exitRefused, "refused", []string{c.says}, "patch", "--dir", dir, path)
		})
	}
	if after := good(t, "verify", "--dir", dir, "--json").stdout; digestOf(after) != digestOf(before) {
		t.Errorf("refused files left something:\n%s%s", before, after)
	}
	trouble(t, exitRefused, "refused", []string{"fields.titel"}, "put", "--dir", dir, "--id", "a", "--fields", `{"titel":1}`)
	trouble(t, exitRefused, "refused", []string{"fields: not a JSON object"}, "put", "--dir", dir, "--id", "a", "--fields", `7`)
	trouble(t, exitRefused, "key_reused", []string{"other content"}, "put", "--dir", dir, "--lane",
		laneInUse(t, dir), write(t, "f", `{"id":"z"}`))
	missing := filepath.Join(t.TempDir(), "none")
	for _, args := range [][]string{
		{"put", "--dir", missing, "--id", "a"},
		{"delete", "--dir", missing, "--id", "a"},
		{"list", "--dir", missing},
		{"user", "--dir", missing, "--user", "u"},
		{"undo", "--dir", missing, "--key", "k"},
		{"put", "--dir", dir, missing},
	} {
		trouble(t, exitNotFound, "not_found", []string{missing}, args...)
	}
}

// TestAPutThatWasKilledGoesOn kills the program while it reads a long file, and gives it the file again.
func TestAPutThatWasKilledGoesOn(t *testing.T) {
	dir := shop(t)
	var all strings.Builder
	const lines = 6000
	for n := range lines {
		fmt.Fprintf(&all, `{"kind":"user","id":"user-%06d","fields":{"language":"en"}}`+"\n", n)
	}
	c := program(t, "put", "--dir", dir, "--lane", "l", "-")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	// What the pipe and the reader's buffer can't hold was taken, and all but its last request written.
	if _, err := io.WriteString(in, all.String()[:all.Len()*3/4]); err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Fatal("the killed program ended well")
	}
	r := answer[putResult](t, good(t, "put", "--dir", dir, "--lane", "l", "--json", write(t, "users", all.String())))
	if r.Written+r.Already != lines || r.Already < 512 || r.Written < lines/5 {
		t.Errorf("%+v", r)
	}
	list := good(t, "list", "--dir", dir, "--kind", "user", "--all", "--json").stdout
	if n := strings.Count(list, "\n"); n != lines {
		t.Errorf("%d users, want %d", n, lines)
	}
}

// FuzzALineIsReadAsItIsPrinted takes any line; one that is accepted prints as a line with the same meaning.
func FuzzALineIsReadAsItIsPrinted(f *testing.F) {
	for _, line := range strings.Split(itemLines, "\n") {
		f.Add([]byte(line))
	}
	f.Add([]byte(`{"id":"x","fields":{"price":1e300,"duration":-7,"published":1714521600000,"tags":[],"title":"\u0000"}}`))
	s := schema.Events()
	flags := &putFlags{}
	f.Fuzz(func(t *testing.T, line []byte) {
		rec, err := flags.line(s, tidal.Item, line)
		if err != nil {
			return
		}
		put := rec.(tidal.Put)
		for name, v := range put.Fields {
			if v.IsZero() {
				delete(put.Fields, name) // a null, which a put leaves out
			}
		}
		printed, err := json.Marshal(newEntityResult(&tidal.Entity{Kind: put.Kind, ID: put.ID, Fields: put.Fields}))
		if err != nil {
			t.Fatal(err)
		}
		again, err := flags.line(s, tidal.Item, printed)
		if err != nil {
			t.Fatalf("%s is printed as %s: %v", line, printed, err)
		}
		if got := again.(tidal.Put); got.Kind != put.Kind || got.ID != put.ID || !maps.Equal(got.Fields, put.Fields) {
			t.Errorf("%s is printed as %s, which means %+v instead of %+v", line, printed, got, put)
		}
	})
}

func TestWhoeverWritesWantsTheDirectoryForItself(t *testing.T) {
	dir := shop(t)
	db, err := tidal.Open(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"put", "--dir", dir, "--id", "a"},
		{"delete", "--dir", dir, "--id", "a"},
		{"erase", "--dir", dir, "--user", "u"},
		{"undo", "--dir", dir, "--key", "k"},
		{"schema", "--dir", dir, "--set", write(t, "s.yaml", string(db.Schema().YAML()))},
	} {
		trouble(t, exitLocked, "locked", nil, args...)
	}
	good(t, "entity", "--dir", dir, "--id", "a")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// laneInUse writes a line under a lane and returns its name.
func laneInUse(t *testing.T, dir string) string {
	t.Helper()
	good(t, "put", "--dir", dir, "--lane", "mine", write(t, "f", `{"id":"y"}`))
	return "mine"
}

func digestOf(verified string) string {
	_, rest, _ := strings.Cut(verified, `"digest":"`)
	return rest
}

func TestAWrongCommandLineAboutEntitiesIsAUsageError(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ args, says string }{
		{"put --dir " + dir, "pass --id"},
		{"put --id a", "--dir is missing"},
		{"put --dir " + dir + " --id a f", "pass --id"},
		{"put --dir " + dir + " --kind thing --id a", `--kind "thing"`},
		{"put --dir " + dir + " --id a --lane l", "--lane"},
		{"put --dir " + dir + " --fields {} f", "--fields"},
		{"put --dir " + dir + " -", "pass --lane"},
		{"put --dir " + dir + " --lane l - -", "read once"},
		{"delete --dir " + dir, "--id is missing"},
		{"erase --dir " + dir, "--user is missing"},
		{"user --dir " + dir, "--user is missing"},
		{"user --dir " + dir + " --user u --after x", "--after"},
		{"user --dir " + dir + " --user u --limit 0", "--limit 0"},
		{"list --dir " + dir + " --limit 10001", "--limit 10001"},
		{"list --dir " + dir + " --kind x", `--kind "x"`},
		{"entity --dir " + dir, "--id is missing"},
		{"entity --id a", "--dir is missing"},
		{"list", "--dir is missing"},
		{"user --user u", "--dir is missing"},
		{"undo --key k", "--dir is missing"},
		{"erase --user u", "--dir is missing"},
		{"delete --id a", "--dir is missing"},
		{"undo --dir " + dir, "in one way"},
		{"undo --dir " + dir + " --key k --lane l", "in one way"},
		{"undo --dir " + dir + " --lane l", "--number go together"},
		{"undo --dir " + dir + " --key k --index 1", "--index"},
		{"undo --dir " + dir + " --position 7", "--position"},
		{"schema --format csv --set f", "--set goes with --dir"},
	} {
		o := cli(t, nil, strings.Fields(c.args)...)
		if o.code != exitUsage || !strings.Contains(o.stderr, c.says) || o.stdout != "" {
			t.Errorf("tidal %s: exit %d, stdout %q, stderr %q; want %q", c.args, o.code, o.stdout, o.stderr, c.says)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("a refused command line left something behind: %v %v", entries, err)
	}
}
