package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/refold"
)

// sound fails the test unless something was compared and nothing differs.
func sound(t *testing.T, what string, r *refold.Result, signals int64) {
	t.Helper()
	if r == nil {
		t.Fatalf("%s: nothing was compared", what)
	}
	if r.Different != 0 || r.Signals != signals || signals > 0 && r.Cells == 0 {
		t.Errorf("%s: %+v", what, *r)
	}
}

func TestImportsOfEveryFormatAreVerified(t *testing.T) {
	unraced(t)
	t.Setenv(asProgram, "1") // for the process that verifies
	dump := t.TempDir()
	put(t, filepath.Join(dump, "Posts.xml"), []byte(`<?xml version="1.0"?>
<posts>
  <row Id="1" PostTypeId="1" CreationDate="2010-08-25T00:00:00.000" Title="Why?" Tags="&lt;gears&gt;&lt;oil&gt;" />
  <row Id="2" PostTypeId="2" CreationDate="2010-08-26T00:00:00.000" />
  <row Id="3" PostTypeId="5" CreationDate="2010-08-26T00:00:00.000" />
</posts>
`))
	put(t, filepath.Join(dump, "Votes.xml"), []byte(`<?xml version="1.0"?>
<votes>
  <row Id="1" PostId="1" VoteTypeId="2" CreationDate="2010-08-25T00:00:00.000" />
  <row Id="2" PostId="2" VoteTypeId="1" CreationDate="2012-08-25T00:00:00.000" />
  <row Id="3" PostId="2" VoteTypeId="10" CreationDate="2012-08-25T00:00:00.000" />
</votes>
`))
	mapping := write(t, "m.yaml", "columns: {item: sku, user: who}\nconstants: {type: purchase, weight: \"2.5\", time: \"1700000000\"}\n")
	for _, c := range []struct {
		args     []string
		signals  int64
		entities int
		records  int // of users, at least
	}{
		{[]string{"--format", "csv", write(t, "e.csv", eventsCSV)}, 3, 0, 4},
		{[]string{"--format", "csv", "--mapping", mapping, write(t, "o.csv", "sku,who,x\na,ada,1\nb,bob,2\n")}, 2, 0, 4},
		{[]string{"--format", "ndjson", write(t, "e.ndjson", `{"type":"like","item":"a","user":"u","time":1700000000,"creator":"c","cohorts":["x","y"]}
{"type":"like","item":"","user":"u"}
{"type":"hide","item":"a","user":"u","time_ms":1700000001000}
`)}, 2, 0, 3},
		{[]string{"--format", "movielens", write(t, "u.data", "u1\ti1\t5\t880000000\nu1\ti2\t1\t880000001\nu2\ti1\t0.00000001\t880000002\n")}, 4, 2, 3},
		{[]string{"--format", "ordered", write(t, "v.txt", "u1 i1\nu1 i2\nu2 i1\n")}, 3, 2, 5},
		{[]string{"--format", "stackexchange", dump}, 2, 2, 0},
	} {
		dir := filepath.Join(t.TempDir(), "db")
		args := append([]string{"import", "--dir", dir, "--verify", "--json"}, c.args...)
		for _, again := range []string{"first", "again"} {
			r := answer[importResult](t, good(t, args...))
			sound(t, fmt.Sprint(again, c.args), r.Result, c.signals)
			if r.Result.Entities != c.entities || r.UserRecords < c.records || r.Untimed != 0 {
				t.Errorf("%v: %+v", c.args, *r.Result)
			}
		}
	}
}

func TestVerifyAgainstAFileNoticesWhatTheFileDoesntSay(t *testing.T) {
	dir := database(t)
	verify := func(files ...string) outcome {
		args := []string{"verify", "--dir", dir, "--format", "csv", "--json"}
		for _, f := range files {
			args = append(args, "--against", f)
		}
		return cli(t, nil, args...)
	}
	o := verify(write(t, "same.csv", eventsCSV))
	sound(t, "the same file", answer[verifyResult](t, o).Result, 3)
	lines := strings.SplitAfter(eventsCSV, "\n")
	for name, c := range map[string]struct {
		text         string
		lost, double int64
		says         string
	}{
		"a row is missing":     {lines[0] + lines[1] + lines[2], 0, 1, "nothing accounts for it"},
		"a row is there twice": {eventsCSV + lines[1], 1, 0, "want 2"},
		"a weight":             {strings.Replace(eventsCSV, "2.5", "2.25", 1), 0, 0, "half-life"},
		"a time":               {strings.Replace(eventsCSV, "1700000000\n", "1700000060\n", 1), 0, 0, "ms"},
		"a user":               {strings.Replace(eventsCSV, "bob", "eve", 1), 0, 0, "eve"},
		"nothing":              {lines[0], 0, 3, "nothing accounts for it"},
	} {
		o := verify(write(t, "other.csv", c.text))
		r := answer[verifyResult](t, o)
		if o.code != exitFailure || r.Result == nil || r.Different == 0 || r.Lost != c.lost || r.Double != c.double ||
			!strings.Contains(o.stderr, c.says) || !strings.Contains(o.stderr, "differences") {
			t.Errorf("%s: exit %d, %+v\n%s", name, o.code, r.Result, o.stderr)
		}
	}
	o = good(t, "verify", "--dir", dir, "--format", "csv", "--against", write(t, "same.csv", eventsCSV))
	if !strings.Contains(o.stdout, "exactly what the files say") || !strings.Contains(o.stdout, "3 signals") {
		t.Errorf("%s", o.stdout)
	}
}

func TestAnImportThatIsNotAloneIsNotVerified(t *testing.T) {
	dir, other := database(t), write(t, "other.csv", eventsCSV+"view,c,ada,1,1700000007\n")
	args := []string{"import", "--dir", dir, "--format", "csv", "--verify", other}
	if o := cli(t, nil, args...); o.code != exitRefused || !strings.Contains(o.stderr, "something else already") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
	if v := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json")); v.Signals != 3 || v.Result != nil {
		t.Errorf("%+v", v)
	}
}

func TestTimesThatTheFileDoesntTellAreLeftOutOfTheComparison(t *testing.T) {
	t.Setenv(asProgram, "1") // for the process that verifies
	text := fmt.Sprintf("type,item,user,time\nview,a,u,\nlike,a,u,%d\nlike,b,u,1700000000\n", time.Now().Unix()+1_000_000)
	o := good(t, "import", "--dir", filepath.Join(t.TempDir(), "db"), "--format", "csv", "--verify", "--json", write(t, "e.csv", text))
	r := answer[importResult](t, o)
	sound(t, "without times", r.Result, 3)
	if r.Untimed != 2 || r.Clamped != 1 {
		t.Errorf("%+v", r)
	}
}

// A comparison that saw less than was written proves nothing.
func TestAVerificationThatSawTooLittleHasFailed(t *testing.T) {
	for _, c := range []struct {
		imported tally
		compared refold.Result
		bad      bool
	}{
		{tally{Signals: 7}, refold.Result{Signals: 7, Cells: 1}, false},
		{tally{Signals: 3, Already: 4}, refold.Result{Signals: 7, Cells: 1}, false},
		{tally{Signals: 7}, refold.Result{Signals: 6, Cells: 1}, true},
		{tally{Signals: 7}, refold.Result{Signals: 8, Cells: 1}, true},
		{tally{Signals: 7}, refold.Result{Signals: 7}, true},
		{tally{Entities: 1}, refold.Result{}, true},
	} {
		r := importResult{tally: c.imported, verified: verified{&c.compared}}
		if r.checkVerified(); r.Different > 0 != c.bad {
			t.Errorf("%+v", c)
		}
	}
}

func TestWhatVerifyCantCompareWithIsAUsageError(t *testing.T) {
	dir, file := database(t), write(t, "e.csv", eventsCSV)
	for _, c := range []struct{ args, says string }{
		{"verify --dir " + dir + " --against " + file, "--format"},
		{"verify --dir " + dir + " --format csv", "there are none"},
		{"verify --dir " + dir + " --format csv --against -", "standard input"},
		{"verify --dir " + dir + " --format csv --against " + dir, "is a directory"},
		{"import --dir " + dir + " --format csv --lane l --verify -", "standard input"},
	} {
		if o := cli(t, nil, strings.Fields(c.args)...); o.code != exitUsage || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%s: exit %d, %s", c.args, o.code, o.stderr)
		}
	}
	if o := cli(t, nil, "verify", "--dir", dir, "--format", "csv", "--against", file+"x"); o.code != exitNotFound {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
	if err := os.Remove(filepath.Join(dir, "IDENTITY")); err != nil {
		t.Fatal(err)
	}
	if o := cli(t, nil, "verify", "--dir", dir, "--format", "csv", "--against", file); o.code != exitDamaged {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}
