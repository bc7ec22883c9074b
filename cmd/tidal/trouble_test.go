package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/rows"
	"github.com/tidaldb/tidal/schema"
)

const eventsCSV = `type,item,user,weight,time
view,a,ada,1,1700000000
like,a,ada,2.5,1700000001.5
view,b,bob,,2023-11-14T22:13:22Z
`

// database imports a few events and returns the directory.
func database(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	good(t, "import", "--dir", dir, "--format", "csv", write(t, "events.csv", eventsCSV))
	return dir
}

// segment returns the only file of a database's log, and its bytes.
func segment(t *testing.T, dir string) (path string, data []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(logPath(dir), "*.seg"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	data, err = os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return files[0], data
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// trouble runs a command line that has to fail with a code, one line on standard error, and the same as JSON.
func trouble(t *testing.T, exit int, code string, says []string, args ...string) {
	t.Helper()
	line := "tidal " + strings.Join(args, " ")
	o := cli(t, nil, args...)
	if o.code != exit || o.stdout != "" {
		t.Errorf("%s: exit %d, want %d; stdout %q", line, o.code, exit, o.stdout)
	}
	for _, s := range says {
		if !strings.Contains(o.stderr, s) {
			t.Errorf("%s: doesn't say %q: %s", line, s, o.stderr)
		}
	}
	failed := answer[failure](t, cli(t, nil, append(args, "--json")...))
	if failed.Code != code || failed.Exit != exit {
		t.Errorf("%s --json: %+v", line, failed)
	}
}

func TestEventsGoInAndComeOut(t *testing.T) {
	dir := database(t)
	got := answer[cellResult](t, good(t, "get", "--dir", dir, "--item", "a", "--type", "like", "--at", "1700000001.5", "--json"))
	if got.Total != 1 || math.Abs(got.Scores["30d"]-2.5) > 2.5e-6 || got.Windows["1h"] != 1 || got.At != "2023-11-14T22:13:21.5Z" || got.AsOfMark {
		t.Errorf("%+v", got)
	}
	early := answer[cellResult](t, good(t, "get", "--dir", dir, "--item", "a", "--type", "like", "--at", "1600000000", "--json"))
	if early.At != "2023-11-14T22:13:21.5Z" || !early.AsOfMark {
		t.Errorf("a time before the newest event is answered as of that event: %+v", early)
	}
	if o := good(t, "get", "--dir", dir, "--item", "a", "--type", "view", "--at", "newest"); !strings.Contains(o.stdout, "users, about") {
		t.Errorf("%s", o.stdout)
	}
	golden(t, "get-all.txt", good(t, "get", "--dir", dir, "--all", "--type", "view", "--at", "newest").stdout)
	golden(t, "get-one.txt", good(t, "get", "--dir", dir, "--item", "a", "--type", "view", "--at", "1600000000").stdout)
	golden(t, "top.txt", good(t, "top", "--dir", dir, "--type", "view", "--at", "newest").stdout)
	if o := good(t, "top", "--dir", dir, "--type", "share"); !strings.Contains(o.stdout, "No item has a score.") {
		t.Errorf("%s", o.stdout)
	}
	if o := good(t, "schema", "--dir", dir); o.stdout != good(t, "schema", "--format", "csv").stdout {
		t.Errorf("%s", o.stdout)
	}
}

func TestTheSameEventsAsCSVAndAsNDJSONAreTheSameCells(t *testing.T) {
	lines := `{"type":"view","item":"a","user":"ada","weight":1,"time":1700000000}
{"type":"like","item":"a","user":"ada","weight":2.5,"time":1700000001.5}
{"type":"view","item":"b","user":"bob","time":"2023-11-14T22:13:22Z"}
`
	a := answer[importResult](t, good(t, "import", "--dir", filepath.Join(t.TempDir(), "a"), "--format", "csv", "--json",
		write(t, "e.csv", eventsCSV)))
	b := answer[importResult](t, good(t, "import", "--dir", filepath.Join(t.TempDir(), "b"), "--format", "ndjson", "--json",
		write(t, "e.ndjson", lines)))
	if a.DigestCells != b.DigestCells || a.Imported != 3 || b.Imported != 3 {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestSeveralFilesAreOneInputWhoseOrderCounts(t *testing.T) {
	one, two := write(t, "1.csv", "type,item\nlike,a\nlike,b\n"), write(t, "2.csv", "item,type\nc,like\n,like\n")
	dir := filepath.Join(t.TempDir(), "db")
	o := good(t, "import", "--dir", dir, "--format", "csv", "--json", one, two)
	got := answer[importResult](t, o)
	if got.Rows != 4 || got.Imported != 3 || got.SkippedBy["id"] != 1 || !strings.Contains(o.stderr, two+":3: the item is empty") {
		t.Errorf("%+v %s", got, o.stderr)
	}
	again := answer[importResult](t, good(t, "import", "--dir", dir, "--format", "csv", "--json", one, two))
	other := answer[importResult](t, good(t, "import", "--dir", dir, "--format", "csv", "--json", two, one))
	if again.Already != 3 || again.Lane != got.Lane || other.Lane == got.Lane || other.Already != 0 {
		t.Errorf("again %+v, in another order %+v", again, other)
	}
}

func TestALaneThatHoldsOtherContentIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	good(t, "import", "--dir", dir, "--format", "csv", "--lane", "l", write(t, "a.csv", "type,item\nlike,a\n"))
	before := good(t, "verify", "--dir", dir, "--json").stdout
	trouble(t, exitRefused, "key_reused", []string{"lane l", "--lane"},
		"import", "--dir", dir, "--format", "csv", "--lane", "l", write(t, "b.csv", "type,item\nlike,b\n"))
	if after := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json")); !strings.Contains(before, after.Digest) {
		t.Errorf("something changed: %+v, before %s", after, before)
	}
}

func TestAMalformedLineIsSkippedOrFatal(t *testing.T) {
	file := write(t, "bad.csv", "type,item,weight\nlike,a,1\nlike,a\nlike,,1\nlove,a,1\nlike,a,0\nlike,b,1\n")
	skip := answer[importResult](t, good(t, "import", "--dir", filepath.Join(t.TempDir(), "1"), "--format", "csv", "--json", file))
	want := map[string]int64{"columns": 1, "id": 1, "type": 1, "weight": 1}
	if skip.Rows != 6 || skip.Imported != 2 || skip.Skipped != 4 || fmt.Sprint(skip.SkippedBy) != fmt.Sprint(want) {
		t.Errorf("%+v", skip)
	}
	trouble(t, exitRefused, "refused", []string{file + ":3: 2 columns; the first row names 3", "--on-error skip"},
		"import", "--dir", filepath.Join(t.TempDir(), "2"), "--format", "csv", "--on-error", "fail", file)
	trouble(t, exitRefused, "refused", []string{`unknown column "price"`},
		"import", "--dir", filepath.Join(t.TempDir(), "3"), "--format", "csv", write(t, "c.csv", "type,item,price\n"))
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	dir, none := database(t), filepath.Join(t.TempDir(), "none")
	trouble(t, exitNotFound, "not_found", []string{"nobody"}, "get", "--dir", dir, "--item", "nobody", "--type", "like")
	trouble(t, exitRefused, "refused", []string{`"love"`, "has view, click, like"}, "get", "--dir", dir, "--item", "a", "--type", "love")
	trouble(t, exitNotFound, "not_found", []string{none}, "get", "--dir", none, "--item", "a", "--type", "like")
	trouble(t, exitNotFound, "not_found", []string{none}, "verify", "--dir", none)
	trouble(t, exitNotFound, "not_found", []string{none}, "import", "--dir", dir, "--format", "csv", none)
	trouble(t, exitNotFound, "not_found", []string{none}, "import", "--dir", dir, "--format", "csv", "--schema", none, none)
	empty := t.TempDir()
	for _, args := range [][]string{
		{"verify"},
		{"get", "--item", "a", "--type", "like"},
		{"top", "--type", "like"},
		{"schema"},
		{"wal", "verify"},
		{"wal", "dump"},
	} {
		trouble(t, exitNotFound, "not_found", []string{empty}, append(args, "--dir", empty)...)
	}
	if entries, err := os.ReadDir(empty); err != nil || len(entries) != 0 {
		t.Errorf("a command that reads wrote: %v %v", entries, err)
	}
}

func TestADirectoryHeldByAnotherProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	db, err := tidal.Open(dir, schema.Events(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Signal(t.Context(), tidal.Signal{Type: "like", Item: "a"}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"import", "--dir", dir, "--format", "csv", write(t, "e.csv", eventsCSV)},
		{"wal", "cut", "--accept-loss", "--dir", dir},
	} {
		var errs bytes.Buffer
		c := program(t, args...)
		c.Stderr = &errs
		if err := c.Run(); err == nil || c.ProcessState.ExitCode() != exitLocked || !strings.Contains(errs.String(), dir) {
			t.Errorf("%v: exit %d: %s", args, c.ProcessState.ExitCode(), errs.String())
		}
	}
	// Reading goes on beside it.
	for _, args := range [][]string{{"get", "--item", "a", "--type", "like"}, {"top", "--type", "like"}, {"verify"}, {"wal", "verify"}} {
		if out, err := program(t, append(args, "--dir", dir)...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
}

func TestADirectoryWithAnotherSchema(t *testing.T) {
	dir, events := database(t), write(t, "e.csv", "type,item\nlike,a\n")
	other := write(t, "other.yaml", "name: other\nsignals:\n  like:\n    half_life: 7d\n")
	trouble(t, exitFormat, "foreign", []string{dir, "other"},
		"import", "--dir", dir, "--format", "csv", "--schema", other, events)
	changed := strings.Replace(good(t, "schema", "--format", "csv").stdout, "half_lives: [1d, 7d]", "half_lives: [2d, 7d]", 1)
	trouble(t, exitFormat, "schema", []string{dir, "tidal schema --dir"},
		"import", "--dir", dir, "--format", "csv", "--schema", write(t, "changed.yaml", changed), events)
	trouble(t, exitRefused, "refused", []string{`no signal type "rating"`},
		"import", "--dir", dir, "--format", "movielens", write(t, "u.data", "1\t2\t3\t4\n"))
	broken := write(t, "broken.yaml", "name: x\nsignals:\n  like:\n    half_live: 7d\n")
	trouble(t, exitRefused, "refused", []string{broken + ":4"},
		"import", "--dir", filepath.Join(t.TempDir(), "db"), "--format", "csv", "--schema", broken, events)
}

func TestADamagedSegmentIsNamedAndNeverServed(t *testing.T) {
	dir := database(t)
	path, data := segment(t, dir)
	at := bytes.Index(data, []byte("ada")) // in the first batch of events
	if at < 0 {
		t.Fatal("the log doesn't show the user's id")
	}
	data[at] ^= 1
	put(t, path, data)
	says := []string{filepath.Base(path), "offset"}
	for _, args := range [][]string{
		{"verify"},
		{"wal", "verify"},
		{"top", "--type", "like"},
		{"get", "--item", "a", "--type", "like"},
		{"get", "--all", "--type", "like"},
		{"schema"},
		{"import", "--format", "csv", write(t, "e.csv", eventsCSV)},
	} {
		trouble(t, exitDamaged, "damaged", append(says, "tidal wal cut"), append(args, "--dir", dir)...)
	}
	o := cli(t, nil, "wal", "dump", "--dir", dir)
	if o.code != exitDamaged || !strings.Contains(o.stdout, "DAMAGED") {
		t.Errorf("dump shows what precedes the damage, and the damage: %+v", o)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, data) {
		t.Errorf("the file was changed: %v", err)
	}
	cut := answer[cutResult](t, good(t, "wal", "cut", "--dir", dir, "--accept-loss", "--json"))
	if len(cut.Damage) != 1 || !strings.Contains(cut.Damage[0], path) || cut.LastIndex == 0 {
		t.Errorf("%+v", cut)
	}
	after := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json"))
	if after.Signals != 0 {
		t.Errorf("%+v", after)
	}
	// And it is a database again: what was lost can be imported once more.
	again := answer[importResult](t, good(t, "import", "--dir", dir, "--format", "csv", "--json", write(t, "e.csv", eventsCSV)))
	if again.Signals != 3 || again.Already != 0 {
		t.Errorf("%+v", again)
	}
	for _, args := range [][]string{{"wal", "dump"}, {"wal", "dump", "--records"}} {
		o := good(t, append(args, "--dir", dir)...)
		if !regexp.MustCompile(`(?m)^wal-\S+ +segment 0:0:\d+/1$`).MatchString(o.stdout) {
			t.Errorf("%v names no segment of the new incarnation:\n%s", args, o.stdout)
		}
	}
	if o := good(t, "wal", "cut", "--dir", dir, "--accept-loss"); !strings.Contains(o.stdout, "nothing was cut") {
		t.Errorf("%s", o.stdout)
	}
}

// A log record is a header of 32 bytes, whose first four are the checksum of the rest and the payload, and its payload;
// the first payload of a segment begins with the format's version.
func TestANewerFormatIsRefusedAndLeftAlone(t *testing.T) {
	dir := database(t)
	path, data := segment(t, dir)
	length := binary.LittleEndian.Uint32(data[4:])
	binary.LittleEndian.PutUint32(data[32:], 99)
	binary.LittleEndian.PutUint32(data, crc32.Checksum(data[4:32+length], crc32.MakeTable(crc32.Castagnoli)))
	put(t, path, data)
	for _, args := range [][]string{
		{"verify"},
		{"wal", "verify"},
		{"wal", "dump"},
		{"top", "--type", "like"},
		{"import", "--format", "csv", write(t, "e.csv", eventsCSV)},
		{"wal", "cut", "--accept-loss"},
	} {
		trouble(t, exitFormat, "newer_format", []string{filepath.Base(path), "newer tidal"}, append(args, "--dir", dir)...)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, data) {
		t.Errorf("the file was changed: %v", err)
	}
}

// A checkpoint whose records mean something else by now is refused and left alone; once it is moved away, the log will do.
func TestAnOlderCheckpointIsRefusedAndLeftAlone(t *testing.T) {
	dir := database(t)
	before := good(t, "verify", "--dir", dir, "--json").stdout
	path, data := filepath.Join(dir, "store", "STORE"), []byte(`{"format": 1, "algebra": 1}`)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, path, data)
	for _, args := range [][]string{
		{"verify"},
		{"top", "--type", "like"},
		{"import", "--format", "csv", write(t, "e.csv", eventsCSV)},
		{"wal", "cut", "--accept-loss"},
	} {
		trouble(t, exitFormat, "older_format", []string{path, "algebra 1", "Move the folder store"}, append(args, "--dir", dir)...)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, data) {
		t.Errorf("the file was changed: %v", err)
	}
	if err := os.Rename(filepath.Dir(path), filepath.Join(t.TempDir(), "store")); err != nil {
		t.Fatal(err)
	}
	if after := good(t, "verify", "--dir", dir, "--json").stdout; digestOf(after) != digestOf(before) {
		t.Errorf("without it there is\n%s\nwas\n%s", after, before)
	}
}

func TestDumpShowsEveryRecord(t *testing.T) {
	dir := database(t)
	v := answer[logReport](t, good(t, "wal", "verify", "--dir", dir, "--json"))
	if dump := good(t, "wal", "dump", "--dir", dir).stdout; int64(strings.Count(dump, "crc ok")) != v.Records {
		t.Errorf("%d records:\n%s", v.Records, dump)
	}
	records := good(t, "wal", "dump", "--dir", dir, "--records").stdout
	for _, says := range []string{"ada", "bob", "origin=0:0", "batch", "segment 0:0:1\n"} {
		if !strings.Contains(records, says) {
			t.Errorf("the dump doesn't say %q:\n%s", says, records)
		}
	}
	if same := answer[logReport](t, good(t, "wal", "dump", "--dir", dir, "--json")); same != v {
		t.Errorf("%+v, verify %+v", same, v)
	}
	if o := good(t, "verify", "--dir", dir); !strings.Contains(o.stdout, "Everything is sound.") {
		t.Errorf("%s", o.stdout)
	}
	if o := good(t, "wal", "verify", "--dir", dir); !strings.Contains(o.stdout, "The log is sound.") {
		t.Errorf("%s", o.stdout)
	}
}

// Every failure that the database names has a code of its own or shares one on purpose, and the more special comes
// first where one error matches two.
func TestFailuresAreTold(t *testing.T) {
	for _, c := range []struct {
		err  error
		code string
	}{
		{&tidal.CorruptError{File: "f"}, "damaged"},
		{&tidal.InputError{Record: -1}, "refused"},
		{fmt.Errorf("x: %w: %w", tidal.ErrDisk, tidal.ErrLocked), "locked"},
		{fmt.Errorf("write: %w", tidal.ErrDisk), "disk"},
		{fmt.Errorf("x: %w", tidal.ErrClosed), "failure"},
		{fmt.Errorf("x: %w", &usageError{}), "usage"},
		{fmt.Errorf("x: %w", &rows.Error{}), "refused"},
	} {
		if f := classify(c.err); f.code != c.code {
			t.Errorf("%v: %s, want %s", c.err, f.code, c.code)
		}
	}
}
