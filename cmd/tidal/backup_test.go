package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/server"
	"github.com/tidaldb/tidal/schema"
)

// filled makes a database with a few thousand signals, and returns its directory.
func filled(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	db, err := tidal.Open(dir, schema.Events(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if signalsOf(t, db, uint64(i+1)); i == 30 {
			// In a directory without a checkpoint the log is all that there is.
			if err := db.Checkpoint(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// signalsOf writes request n of a lane.
func signalsOf(t *testing.T, db *tidal.DB, n uint64) {
	t.Helper()
	r := tidal.Request{Lane: "test", Number: n}
	for i := range 100 {
		r.Records = append(r.Records, tidal.Signal{
			Type: "view", User: string(rune('a' + i%26)), Item: string(rune('A'+n%26)) + string(rune('a'+i%26)),
		})
	}
	if _, err := db.Write(context.Background(), r); err != nil {
		t.Error(err)
	}
}

// TestRestoresOneAfterTheOtherAreDifferentIncarnations: an incarnation is named after a second, and a small backup takes far less. Of
// two with the same name the second would get nothing back that was written to the first.
func TestRestoresOneAfterTheOtherAreDifferentIncarnations(t *testing.T) {
	out, before := filepath.Join(t.TempDir(), "b.tidal"), ""
	good(t, "backup", "--dir", filled(t), "--out", out)
	for range 3 {
		to := filepath.Join(t.TempDir(), "restored")
		good(t, "restore", "--in", out, "--dir", to)
		good(t, "put", "--dir", to, "--kind", "item", "--id", "new")
		vector := answer[verifyResult](t, good(t, "verify", "--dir", to, "--json")).Vector
		if vector == before {
			t.Errorf("what was written to two restored databases has the same positions: %s", vector)
		}
		before = vector
	}
}

func TestABackupIsRestoredAndVerified(t *testing.T) {
	dir, out := filled(t), filepath.Join(t.TempDir(), "b.tidal")
	b := answer[backupResult](t, good(t, "backup", "--dir", dir, "--out", out, "--json"))
	info, err := os.Stat(out)
	if err != nil || info.Size() != b.Bytes || info.Mode().Perm() != 0o600 || b.Signals != 4000 || b.Entries < 40 || b.File != out {
		t.Fatalf("%v, %v: %+v", info, err, b)
	}
	to := filepath.Join(t.TempDir(), "restored")
	r := answer[backupResult](t, good(t, "restore", "--in", out, "--dir", to, "--json"))
	if r.Digest != b.Digest || r.DigestCells != b.DigestCells || r.At != b.At || r.Bytes != b.Bytes || r.Dir != to {
		t.Errorf("restored %+v of %+v", r, b)
	}
	before := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json"))
	after := answer[verifyResult](t, good(t, "verify", "--dir", to, "--json"))
	if before.Digest != b.Digest || after.Digest != b.Digest || after.Vector != before.Vector ||
		after.Batches != before.Batches || after.Signals != before.Signals {
		t.Errorf("verify says %+v of what was restored, and %+v of what it's from", after, before)
	}
	// Writes go on there.
	good(t, "put", "--dir", to, "--kind", "item", "--id", "new")
	again := answer[verifyResult](t, good(t, "verify", "--dir", to, "--json"))
	if !strings.HasPrefix(again.Vector, before.Vector+",0:0.") {
		t.Errorf("behind a write the vector is %s, was %s", again.Vector, before.Vector)
	}
	// The log may be left out, and a backup may go through a pipe.
	o := good(t, "backup", "--dir", dir, "--out", "-", "--no-log")
	if !strings.Contains(o.stderr, "digest") || int64(len(o.stdout)) >= b.Bytes {
		t.Errorf("%d bytes without the log, %d with it: %s", len(o.stdout), b.Bytes, o.stderr)
	}
	o = cli(t, strings.NewReader(o.stdout), "restore", "--in", "-", "--verify-only", "--json")
	if v := answer[backupResult](t, o); !v.Verified || v.Digest != b.Digest || v.Entries >= b.Entries || v.Dir != "" {
		t.Errorf("verified: %+v", v)
	}
}

func TestABackupOverwritesNothingAndLeavesNothingBehind(t *testing.T) {
	dir := filled(t)
	at := t.TempDir()
	out := filepath.Join(at, "b.tidal")
	if err := os.WriteFile(out, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := cli(t, nil, "backup", "--dir", dir, "--out", out); o.code != exitRefused || !strings.Contains(o.stderr, "--force") {
		t.Errorf("over a file that is there: exit %d, %s", o.code, o.stderr)
	}
	if text, err := os.ReadFile(out); err != nil || string(text) != "mine" {
		t.Errorf("the file that was there is %q, %v", text, err)
	}
	good(t, "backup", "--dir", dir, "--out", out, "--force")
	good(t, "restore", "--in", out, "--verify-only")
	if o := cli(t, nil, "backup", "--dir", dir, "--out", at, "--force"); o.code != exitRefused {
		t.Errorf("over a directory: exit %d, %s", o.code, o.stderr)
	}
	names, err := os.ReadDir(at)
	if err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
	into := t.TempDir()
	damaged, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	damaged[len(damaged)/2] ^= 4
	if err := os.WriteFile(out, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	o := cli(t, nil, "restore", "--in", out, "--dir", filepath.Join(into, "db"), "--json")
	if f := answer[failure](t, o); o.code != exitDamaged || f.Code != "damaged" || !strings.Contains(f.Error, "part") {
		t.Errorf("a wrong bit: %+v", f)
	}
	if names, err := os.ReadDir(into); err != nil || len(names) != 0 {
		t.Errorf("a restore that was refused left %v, %v", names, err)
	}
}

func TestBackupsAreAskedForInOneWay(t *testing.T) {
	dir := filled(t)
	for _, c := range []struct{ args, says string }{
		{"backup --dir " + dir, "--out is missing"},
		{"backup --out x", "--dir is missing"},
		{"backup --dir " + dir + " --server http://x --out x", "pass one of them"},
		{"backup --dir " + dir + " --key k --out x", "--key is for --server"},
		{"backup --server localhost --out x", "is no address"},
		{"backup --dir " + dir + " --out - --json", "both want standard output"},
		{"restore --dir x", "--in is missing"},
		{"restore --in x", "--verify-only"},
	} {
		if o := cli(t, nil, strings.Fields(c.args)...); o.code != exitUsage || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%s: exit %d, %s", c.args, o.code, o.stderr)
		}
	}
	if o := cli(t, nil, "restore", "--in", filepath.Join(dir, "none"), "--dir", dir+"2"); o.code != exitNotFound {
		t.Errorf("a backup that isn't there: exit %d, %s", o.code, o.stderr)
	}
}

// TestABackupOfARunningServer asks a server for backups while others write to it, as one that administers it and as one
// that doesn't; and one that goes away in the middle.
func TestABackupOfARunningServer(t *testing.T) {
	dir := filled(t)
	db, err := tidal.Open(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	cut := int64(-1) // behind so many bytes the server goes away
	inner := server.New(server.Options{DB: db, Authorize: func(r *http.Request) (server.Caller, error) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			return server.Caller{Role: server.Read}, nil
		}
		return server.Caller{Role: server.Admin}, nil
	}})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cut >= 0 {
			w = &cutOff{w, cut}
		}
		inner.ServeHTTP(w, r)
	}))
	at := t.TempDir()
	out := filepath.Join(at, "b.tidal")

	stop, written := make(chan struct{}), sync.WaitGroup{}
	written.Go(func() {
		for n := uint64(41); ; n++ {
			select {
			case <-stop:
				return
			default:
				signalsOf(t, db, n)
			}
		}
	})
	asked := func(args ...string) outcome {
		return cli(t, nil, append([]string{"backup", "--server", web.URL + "/", "--out", out, "--json"}, args...)...)
	}
	b := answer[backupResult](t, asked("--key", "secret"))
	if v := answer[backupResult](t, good(t, "restore", "--in", out, "--verify-only", "--json")); v.Digest != b.Digest || v.Signals != b.Signals {
		t.Errorf("restored %+v, backed up %+v", v, b)
	}
	t.Setenv("TIDAL_KEY", "secret")
	if s := answer[backupResult](t, asked("--force", "--no-log")); s.Entries != 0 || s.Signals < b.Signals {
		t.Errorf("without the log: %+v", s)
	}
	if o := asked("--key", "wrong", "--force"); o.code != exitFailure || !strings.Contains(o.stderr, "403") ||
		!strings.Contains(o.stderr, "admin") {
		t.Errorf("with a wrong key: exit %d, %s", o.code, o.stderr)
	}
	for _, cut = range []int64{0, 10_000, b.Bytes - 10} {
		if o := asked("--force"); o.code == exitOK {
			t.Errorf("a server that goes away behind %d bytes: %s", cut, o.stdout)
		}
	}
	close(stop)
	written.Wait()
	web.Close()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	// What was there before the failures is there, and whole.
	good(t, "restore", "--in", out, "--verify-only")
	if names, err := os.ReadDir(at); err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// cutOff passes on so many bytes of an answer, and fails then.
type cutOff struct {
	http.ResponseWriter
	left int64
}

func (c *cutOff) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b[:min(int64(len(b)), c.left)])
	if c.left -= int64(n); err == nil && n < len(b) {
		err = io.ErrClosedPipe
	}
	return n, err
}

// TestAKilledBackupLeavesTheDatabaseAsItWas kills a process in the middle of its backup: what came out can't be taken for
// one, and the database is as it was.
func TestAKilledBackupLeavesTheDatabaseAsItWas(t *testing.T) {
	dir := filled(t)
	before := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json"))
	c := program(t, "backup", "--dir", dir, "--out", "-")
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 20_000)
	if _, err := io.ReadFull(pipe, part); err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(pipe)
	if err := c.Wait(); err == nil {
		t.Fatal("the backup came to its end before it was killed")
	}
	o := cli(t, bytes.NewReader(append(part, rest...)), "restore", "--in", "-", "--verify-only")
	if o.code != exitDamaged {
		t.Errorf("what came out: exit %d, %s", o.code, o.stderr)
	}
	if after := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json")); after != before {
		t.Errorf("the database is %+v, was %+v", after, before)
	}
}

// TestAServerIsKilledWhileItIsBackedUp backs up a server process that is written to, kills it in the middle of another
// backup, and finds all that it acknowledged.
func TestAServerIsKilledWhileItIsBackedUp(t *testing.T) {
	dir, out := filled(t), filepath.Join(t.TempDir(), "b.tidal")
	p := served(t, dir, nil)
	stop, acknowledged, written := make(chan struct{}), 0, sync.WaitGroup{}
	written.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if code, _, err := callURL("POST", p.started.URL+"/v1/signals", "", like("ada", "behind")); err != nil || code != 200 {
				return // it was killed
			}
			acknowledged++
		}
	})
	b := answer[backupResult](t, good(t, "backup", "--server", p.started.URL, "--out", out, "--json"))
	r := answer[backupResult](t, good(t, "restore", "--in", out, "--dir", dir+"2", "--json"))
	if v := answer[verifyResult](t, good(t, "verify", "--dir", dir+"2", "--json")); v.Digest != b.Digest || r.Digest != b.Digest ||
		int64(v.Signals) != b.Signals {
		t.Errorf("restored %+v, verified %+v, of %+v", r, v, b)
	}
	resp, err := http.Post(p.started.URL+"/v1/admin/backup", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 1000)
	if _, err := io.ReadFull(resp.Body, part); err != nil {
		t.Fatal(err)
	}
	p.signal(os.Kill)
	rest, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	_ = p.waited()
	close(stop)
	written.Wait()
	o := cli(t, bytes.NewReader(append(part, rest...)), "restore", "--in", "-", "--verify-only")
	// The system may have had all of it when the process was killed.
	if o.code != exitOK && o.code != exitDamaged {
		t.Errorf("what came of the second backup: exit %d, %s", o.code, o.stderr)
	}
	v := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json"))
	if int(v.Signals) < 4000+acknowledged {
		t.Errorf("%d were acknowledged behind 4,000, %d are there", acknowledged, v.Signals)
	}
}
