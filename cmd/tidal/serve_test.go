package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/daemon"
)

// serverProcess is a tidal serve in a process of its own.
type serverProcess struct {
	t       *testing.T
	cmd     *exec.Cmd
	started daemon.Started
	stderr  *bytes.Buffer
	waited  func() error // the outcome of the process; several calls get the same
}

// cleanEnviron is the environment without what the project's tests are told, which would be settings.
func cleanEnviron(more ...string) []string {
	env := []string{asProgram + "=1"}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TIDAL_") {
			env = append(env, entry)
		}
	}
	return append(env, more...)
}

// served starts a server on dir and waits until it says that it's ready.
func served(t *testing.T, dir string, environ []string, args ...string) *serverProcess {
	t.Helper()
	p, err := launch(t, dir, environ, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.stderr)
	}
	return p
}

func launch(t *testing.T, dir string, environ []string, args ...string) (*serverProcess, error) {
	t.Helper()
	schema := filepath.Join(filepath.Dir(dir), "schema.yaml")
	if err := os.WriteFile(schema, []byte(good(t, "schema", "--format", "ndjson").stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"serve", "--data-dir", dir, "--schema", schema, "--listen", "127.0.0.1:0", "--json"}, args...)
	p := &serverProcess{t: t, cmd: program(t, args...), stderr: &bytes.Buffer{}}
	p.cmd.Env, p.cmd.Stderr = cleanEnviron(environ...), p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.waited = sync.OnceValue(p.cmd.Wait)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.waited()
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return p, fmt.Errorf("it ended: %w", p.waited())
	}
	if err := json.Unmarshal(line, &p.started); err != nil || p.started.URL == "" {
		return p, fmt.Errorf("it says %s", line)
	}
	return p, nil
}

// call sends a request, with a key unless it's empty, and returns status and body.
func (p *serverProcess) call(method, path, key, body string) (int, string) {
	p.t.Helper()
	code, text, err := callURL(method, p.started.URL+path, key, body)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, p.stderr)
	}
	return code, text
}

func callURL(method, url, key, body string) (int, string, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("X-Api-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// signal sends a signal to the process.
func (p *serverProcess) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func like(user, item string) string {
	return fmt.Sprintf(`{"type":"like","user":%q,"item":%q}`, user, item)
}

// What a user did is in that user's next list, over the network as well; and the reaction is measured.
func TestServeAnswersAndStopsInOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	p := served(t, dir, nil)
	if !p.started.Open || p.started.Keys != 0 || !strings.HasPrefix(p.started.Address, "127.0.0.1:") {
		t.Errorf("%+v", p.started)
	}
	for _, item := range []string{"jazz-1", "jazz-2", "rock-1"} {
		if code, text := p.call("PUT", "/v1/items/"+item, "", `{}`); code >= 300 {
			t.Fatalf("%d %s", code, text)
		}
	}
	if code, text := p.call("POST", "/v1/signals", "", like("ada", "jazz-1")); code != 200 || !strings.Contains(text, `"position"`) {
		t.Fatalf("%d %s", code, text)
	}
	if code, text := p.call("POST", "/v1/rank", "", `{"rank":"items","profile":"new","user":"ada"}`); code != 200 || !strings.Contains(text, "jazz-2") {
		t.Fatalf("%d %s", code, text)
	}
	_, text := p.call("GET", "/metrics", "", "")
	for _, line := range []string{
		`tidal_signals_total{type="like"} 1`, "tidal_reaction_seconds_count 1", `tidal_query_seconds_count{profile="new",stage="total"} 1`,
		"tidal_items 3", "tidal_hidden_served_total 0", `tidal_http_requests_total{code="200",route="POST /v1/rank"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	if code, text := p.call("GET", "/readyz?verbose", "", ""); code != 200 || !strings.Contains(text, "[+]schema ok\n") {
		t.Errorf("%d %s", code, text)
	}
	// The directory is the server's as long as it runs.
	if o := cli(t, nil, "schema", "--dir", dir, "--set", filepath.Join(filepath.Dir(dir), "schema.yaml")); o.code != exitLocked {
		t.Errorf("%+v", o)
	}
	p.signal(syscall.SIGTERM)
	if err := p.waited(); err != nil {
		t.Errorf("%v\n%s", err, p.stderr)
	}
	db, err := tidal.Open(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if s := db.Stats(); s.Items != 3 || s.Signals != 1 {
		t.Errorf("%+v", s)
	}
}

// A request that is being sent when the server is told to stop is answered, with what it wrote being durable.
func TestServeLetsRequestsUnderWayEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	p := served(t, dir, nil)
	conn, err := net.Dial("tcp", p.started.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := like("ada", "jazz")
	fmt.Fprintf(conn, "POST /v1/signals HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q %v", line, err)
	}
	// The server reads the body now, so the request is under way.
	p.signal(syscall.SIGTERM)
	for {
		if c, err := net.Dial("tcp", p.started.Address); err != nil {
			break // it accepts nobody any more
		} else if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(rest), "HTTP/1.1 200") || !strings.Contains(string(rest), `"position"`) {
		t.Errorf("%q %v\n%s", rest, err, p.stderr)
	}
	if err := p.waited(); err != nil {
		t.Errorf("%v\n%s", err, p.stderr)
	}
	db, err := tidal.Open(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if s := db.Stats(); s.Signals != 1 {
		t.Errorf("%d signals", s.Signals)
	}
}

// A producer that streams for ever doesn't keep the server from stopping.
func TestServeEndsStreams(t *testing.T) {
	p := served(t, filepath.Join(t.TempDir(), "db"), nil, "--drain-timeout", "1h")
	in, out := io.Pipe()
	defer out.Close()
	req, err := http.NewRequest("POST", p.started.URL+"/v1/signals?batch=1", in)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	go func() { _, _ = io.WriteString(out, like("ada", "jazz")+"\n") }()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"kept":1`) {
		t.Fatalf("%q %v", lines.Text(), lines.Err())
	}
	p.signal(syscall.SIGTERM)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"closed"`) {
		t.Errorf("%q %v", lines.Text(), lines.Err())
	}
	if err := p.waited(); err != nil {
		t.Errorf("%v\n%s", err, p.stderr)
	}
}

// What was acknowledged over the network is there after a kill, and what's retried under its key counts once.
func TestServeThatIsKilledLosesNothingAcknowledged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	p := served(t, dir, nil)
	var mu sync.Mutex
	acknowledged := 0
	enough := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := 0; ; n++ {
				body := fmt.Sprintf(`{"type":"like","user":"u%d","item":"i%d","key":"k-%d-%d"}`, w, n%10, w, n)
				code, _, err := callURL("POST", p.started.URL+"/v1/signals", "", body)
				if err != nil {
					return // killed
				}
				if code != 200 {
					t.Errorf("%d", code)
					return
				}
				mu.Lock()
				if acknowledged++; acknowledged == 200 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	p.signal(syscall.SIGKILL)
	writers.Wait()
	_ = p.waited()
	again := served(t, dir, nil)
	for w := range 4 {
		if code, text := again.call("POST", "/v1/signals", "", fmt.Sprintf(`{"type":"like","user":"u%d","item":"i0","key":"k-%d-0"}`, w, w)); code != 200 || !strings.Contains(text, `"duplicate":true`) {
			t.Errorf("%d %s", code, text)
		}
	}
	again.signal(syscall.SIGTERM)
	if err := again.waited(); err != nil {
		t.Errorf("%v\n%s", err, again.stderr)
	}
	db, err := tidal.Open(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// One more per writer may have been written without its answer having arrived.
	if got := int(db.Stats().Signals); got < acknowledged || got > acknowledged+4 {
		t.Errorf("%d signals, %d acknowledged", got, acknowledged)
	}
}

func TestServeBeyondThisMachineNeedsAKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	p, err := launch(t, dir, nil, "--listen", "0.0.0.0:0")
	if _, serr := os.Stat(dir); serr == nil {
		t.Error("what was refused made a database")
	}
	if merr := os.MkdirAll(dir, 0o755); merr != nil {
		t.Fatal(merr)
	}
	_ = p.waited()
	if err == nil || p.cmd.ProcessState.ExitCode() != exitRefused || !strings.Contains(p.stderr.String(), "tidal keys create") {
		t.Errorf("%v\n%s", err, p.stderr)
	}
	made := answer[keyResult](t, good(t, "keys", "create", "--dir", dir, "--role", "read", "--name", "x", "--json"))
	p = served(t, dir, nil, "--listen", "0.0.0.0:0")
	if p.started.Open || p.started.Keys != 1 {
		t.Errorf("%+v", p.started)
	}
	if code, text := p.call("GET", "/v1/stats", made.Key, ""); code != 200 {
		t.Errorf("%d %s", code, text)
	}
}

// Roles are asked for on each route, a revoked key is good for nothing, and no secret gets into the log.
func TestServeAsksForKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	keys := map[string]keyResult{}
	for _, role := range []string{"read", "write", "admin"} {
		keys[role] = answer[keyResult](t, good(t, "keys", "create", "--dir", dir, "--role", role, "--name", role, "--json"))
	}
	p := served(t, dir, nil, "--access-log")
	for _, c := range []struct {
		method, path, body string
		needs              string
	}{
		{"GET", "/v1/stats", "", "read"},
		{"POST", "/v1/signals", like("ada", "jazz"), "write"},
		{"POST", "/v1/admin/checkpoint", "{}", "admin"},
	} {
		allowed := false
		if code, text := p.call(c.method, c.path, "", c.body); code != 401 {
			t.Errorf("%s without a key: %d %s", c.path, code, text)
		}
		for _, role := range []string{"read", "write", "admin"} {
			allowed = allowed || role == c.needs
			code, text := p.call(c.method, c.path, keys[role].Key, c.body)
			if want := map[bool]int{true: 200, false: 403}[allowed]; code != want {
				t.Errorf("%s as %s: %d, want %d: %s", c.path, role, code, want, text)
			}
		}
	}
	good(t, "keys", "revoke", "--dir", dir, keys["write"].ID)
	p.signal(syscall.SIGHUP)
	for code := 200; code != 401; { // until the process has heard
		code, _ = p.call("GET", "/v1/stats", keys["write"].Key, "")
		if code != 200 && code != 401 {
			t.Fatalf("%d", code)
		}
	}
	p.signal(syscall.SIGTERM)
	if err := p.waited(); err != nil {
		t.Error(err)
	}
	log := p.stderr.String()
	if !strings.Contains(log, `msg=admin route="POST /v1/admin/checkpoint"`) || !strings.Contains(log, "key="+keys["admin"].ID) {
		t.Errorf("no audit line: %s", log)
	}
	for _, k := range keys {
		if strings.Contains(log, k.Key[20:]) {
			t.Errorf("the log holds a secret")
		}
	}
}

func TestServeTellsTheServiceManager(t *testing.T) {
	top := t.TempDir()
	socket := filepath.Join(top, "n")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	p := served(t, filepath.Join(top, "db"), []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=2000"})
	hear := func() string {
		b := make([]byte, 300)
		n, err := manager.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	if got := hear(); !strings.HasPrefix(got, "READY=1\nSTATUS=serving http://127.0.0.1:") {
		t.Errorf("%q", got)
	}
	if got := hear(); got != "WATCHDOG=1" {
		t.Errorf("%q", got)
	}
	p.signal(syscall.SIGTERM)
	for got := hear(); !strings.HasPrefix(got, "STOPPING=1"); got = hear() {
		if got != "WATCHDOG=1" {
			t.Fatalf("%q", got)
		}
	}
	if err := p.waited(); err != nil {
		t.Error(err)
	}
}

// A second SIGTERM doesn't wait for anybody.
func TestServeEndsAtOnceWhenToldTwice(t *testing.T) {
	p := served(t, filepath.Join(t.TempDir(), "db"), nil, "--drain-delay", "10m")
	p.signal(syscall.SIGTERM)
	for code := 200; code != 503; {
		code, _ = p.call("GET", "/readyz", "", "")
	}
	begun := time.Now()
	p.signal(syscall.SIGTERM)
	if err := p.waited(); err == nil || time.Since(begun) > time.Minute {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
}

func TestServeForPeopleSaysWhereItIs(t *testing.T) {
	top := t.TempDir()
	schema := write(t, "schema.yaml", good(t, "schema", "--format", "ndjson").stdout)
	c := program(t, "serve")
	c.Env = cleanEnviron("TIDAL_DATA_DIR="+filepath.Join(top, "db"), "TIDAL_SCHEMA="+schema, "TIDAL_LISTEN=127.0.0.1:0", "TIDAL_LOG_FORMAT=json")
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "tidal serves http://127.0.0.1:") {
		t.Errorf("%q %v", line, err)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("%v\n%s", err, errs.String())
	}
	for text := range strings.Lines(errs.String()) {
		var entry struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(text), &entry); err != nil || entry.Msg == "" {
			t.Errorf("%q is no line of JSON: %v", text, err)
		}
	}
}
