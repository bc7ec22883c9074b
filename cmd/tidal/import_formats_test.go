package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
)

// dataFile returns a file or folder of TIDAL_DATA, and skips the test where it isn't.
func dataFile(t *testing.T, path ...string) string {
	t.Helper()
	folder := os.Getenv(dataEnv)
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "data")
	}
	full := filepath.Join(append([]string{folder}, path...)...)
	if _, err := os.Stat(full); err != nil {
		t.Skipf("%s isn't here: %v; name the folder that holds it with %s", path[0], err, dataEnv)
	}
	return full
}

// The votes on every post, counted by cutting strings out of the dump, are what the database counts.
func TestStackExchangeAgainstADumbCount(t *testing.T) {
	from := dataFile(t, "stackexchange-bicycles-meta")
	dir := filepath.Join(t.TempDir(), "db")
	o := good(t, "import", "--dir", dir, "--format", "stackexchange", "--json", from)
	got := answer[importResult](t, o)
	skipped := map[string]int64{
		"deletion": 39, "undeletion": 3, "moderator_review": 30, "approve_edit_suggestion": 18, "close": 6,
		"tag_wiki": 11, "tag_wiki_excerpt": 11,
	}
	if got.Rows != 1446+5671 || got.Entities != 453+971 || got.Signals != 5136+281+158 || got.Skipped != 118 ||
		got.Imported+got.Skipped != got.Rows || fmt.Sprint(got.SkippedBy) != fmt.Sprint(skipped) || got.Clamped != 0 {
		t.Errorf("%+v", got)
	}
	if o.stderr != "" {
		t.Errorf("rows that are left out on purpose are complained of: %s", o.stderr)
	}
	checkVotes(t, dir, filepath.Join(from, "Votes.xml"))

	// What is counted doesn't depend on whether posts or votes come first.
	other := filepath.Join(t.TempDir(), "db")
	votesFirst := answer[importResult](t, good(t, "import", "--dir", other, "--format", "stackexchange", "--json",
		filepath.Join(from, "Votes.xml"), filepath.Join(from, "Posts.xml")))
	if votesFirst.DigestCells != got.DigestCells || votesFirst.Lane == got.Lane {
		t.Errorf("posts first %+v, votes first %+v", got, votesFirst)
	}
	again := answer[importResult](t, good(t, "import", "--dir", dir, "--format", "stackexchange", "--json", from))
	if again.Already != got.Imported || again.Signals != 0 || again.Entities != 0 || again.Digest != got.Digest {
		t.Errorf("again: %+v", again)
	}
}

// checkVotes compares every item's totals with the rows that grep would find.
func checkVotes(t *testing.T, dir, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string]map[string]int64{"upvote": {}, "downvote": {}, "accept": {}}
	name := map[string]string{"1": "accept", "2": "upvote", "3": "downvote"}
	for scan := bufio.NewScanner(f); scan.Scan(); {
		value := func(attribute string) string {
			_, rest, _ := strings.Cut(scan.Text(), " "+attribute+"=\"")
			text, _, _ := strings.Cut(rest, "\"")
			return text
		}
		if kind, ok := name[value("VoteTypeId")]; ok {
			want[kind][value("PostId")]++
		}
	}
	db, err := tidal.Open(dir, nil, &tidal.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for kind, items := range want {
		for item, total := range items {
			cell, err := db.Cell(t.Context(), item, kind, db.Stats().Newest)
			if err != nil || cell.Total != total {
				t.Errorf("%s of %s: %d, want %d (%v)", kind, item, cell.Total, total, err)
			}
		}
	}
}

// Every line of Video.txt is a purchase, and the order of a file is the order of its times.
func TestOrderedVideoIsImportedWhole(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("287,107 rows take seconds")
	}
	file := dataFile(t, "ordered-video", "Video.txt")
	dir := filepath.Join(t.TempDir(), "db")
	got := answer[importResult](t, good(t, "import", "--dir", dir, "--format", "ordered", "--json", file))
	if got.Rows != 287_107 || got.Imported != 287_107 || got.Signals != 287_107 || got.Clamped != 0 {
		t.Errorf("%+v", got)
	}
	v := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json"))
	if v.Items != 23_715 || v.Users != 31_013 || v.Newest != "2000-02-03T05:31:10Z" {
		t.Errorf("%d items, %d users, newest %s", v.Items, v.Users, v.Newest)
	}
}

const (
	ordersCSV = "id,bought,sku,who,qty\n1,2024-05-06 07:08:09,p1,ada,2\n2,2024-05-06,p2,bob,1\n3,soon,p3,bob,1\n"
	ordersMap = "columns:\n  item: sku\n  user: who\n  weight: qty\n  time: bought\n" +
		"constants:\n  type: purchase\ntime_formats: [datetime, date]\n"
)

func TestAnImportThroughAMapping(t *testing.T) {
	dir, orders := filepath.Join(t.TempDir(), "db"), write(t, "orders.csv", ordersCSV)
	o := good(t, "import", "--dir", dir, "--format", "csv", "--json", "--mapping", write(t, "m.yaml", ordersMap), orders)
	got := answer[importResult](t, o)
	if got.Rows != 3 || got.Imported != 2 || got.SkippedBy["time"] != 1 || !strings.Contains(o.stderr, orders+":4: time") {
		t.Errorf("%+v %s", got, o.stderr)
	}
	cell := answer[cellResult](t, good(t, "get", "--dir", dir, "--item", "p1", "--type", "purchase", "--at", "newest", "--json"))
	if cell.Total != 1 || cell.Scores["permanent"] != 2 || cell.At != "2024-05-06T07:08:09Z" {
		t.Errorf("%+v", cell)
	}
	// The same file under another mapping means other events, so it has another lane.
	views := write(t, "v.yaml", strings.Replace(ordersMap, "purchase", "view", 1))
	other := answer[importResult](t, good(t, "import", "--dir", dir, "--format", "csv", "--json", "--mapping", views, orders))
	if other.Lane == got.Lane || other.Signals != 2 {
		t.Errorf("%+v", other)
	}
}

func TestAMappingThatDoesNotFitLeavesNothingBehind(t *testing.T) {
	orders := write(t, "orders.csv", ordersCSV)
	for _, c := range []struct{ old, text, says string }{
		{"item: sku", "product: sku", `:2: columns: there is no "product"`},
		{"type: purchase", "type: buy", `:7: unknown signal type "buy"; the schema events has view`},
	} {
		file, dir := write(t, "m.yaml", strings.Replace(ordersMap, c.old, c.text, 1)), filepath.Join(t.TempDir(), "db")
		trouble(t, exitRefused, "refused", []string{file + c.says},
			"import", "--dir", dir, "--format", "csv", "--mapping", file, orders)
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a database was made: %v", c.says, err)
		}
	}
	file := write(t, "m.yaml", strings.Replace(ordersMap, "item: sku", "item: product", 1))
	trouble(t, exitRefused, "refused", []string{file + `:2: ` + orders + ` has no column "product"; its columns are id, bought`},
		"import", "--dir", filepath.Join(t.TempDir(), "db"), "--format", "csv", "--mapping", file, orders)
	none := filepath.Join(t.TempDir(), "none.yaml")
	trouble(t, exitNotFound, "not_found", []string{none},
		"import", "--dir", filepath.Join(t.TempDir(), "db"), "--format", "csv", "--mapping", none, orders)
}

func TestAFormatNeedsASchemaThatTakesItsRows(t *testing.T) {
	dir := database(t)
	trouble(t, exitRefused, "refused", []string{dir, `no signal type "upvote"`},
		"import", "--dir", dir, "--format", "stackexchange", write(t, "Votes.xml", "<votes>\n</votes>\n"))
	// A database with the types and without the fields.
	s := strings.Split(good(t, "schema", "--format", "stackexchange").stdout, "items:")[0]
	trouble(t, exitRefused, "refused", []string{`no item field "title" of the type text`},
		"import", "--dir", filepath.Join(t.TempDir(), "db"), "--format", "stackexchange",
		"--schema", write(t, "s.yaml", s), write(t, "Votes.xml", "<votes>\n</votes>\n"))
}

func TestADirectoryIsReadOnlyWhereTheFormatComesInOne(t *testing.T) {
	empty := t.TempDir()
	trouble(t, exitUsage, "usage", []string{empty + " is a directory; name the files"},
		"import", "--dir", filepath.Join(empty, "db"), "--format", "csv", empty)
	trouble(t, exitNotFound, "not_found", []string{"Posts.xml"},
		"import", "--dir", filepath.Join(empty, "db"), "--format", "stackexchange", empty)
}

// A dump that was cut ends the import, and its whole goes on under the same lane where the cut one ended.
func TestADumpThatWasCutIsNotTakenForTheWhole(t *testing.T) {
	whole := "<votes>\n" + strings.Repeat(`<row PostId="2" VoteTypeId="2" CreationDate="2010-08-27T00:00:00.000" />`+"\n", 300) +
		"</votes>\n"
	cut := write(t, "cut.xml", whole[:len(whole)*3/4])
	dir := filepath.Join(t.TempDir(), "db")
	o := cli(t, nil, "import", "--dir", dir, "--format", "stackexchange", "--lane", "l", cut)
	if o.code != exitRefused || !strings.Contains(o.stderr, "ends without </votes>") ||
		!strings.Contains(o.stderr, "128 rows of this import are in the database") {
		t.Errorf("exit %d %s", o.code, o.stderr)
	}
	got := answer[importResult](t, good(t, "import", "--dir", dir, "--format", "stackexchange", "--lane", "l", "--json",
		write(t, "whole.xml", whole)))
	if got.Imported != 300 || got.Already != 128 || got.Signals != 172 {
		t.Errorf("%+v", got)
	}
}
