package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/live"
)

// metricsServer answers /metrics with what a server would have that takes 64 signals between two questions.
func metricsServer(t *testing.T, key string) *httptest.Server {
	t.Helper()
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/metrics":
			http.NotFound(w, r)
		case key != "" && r.Header.Get("Authorization") != "Bearer "+key:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			asked++
			fmt.Fprintf(w, "# TYPE tidal_signals_total counter\ntidal_signals_total{type=\"like\"} %d\ntidal_ready 1\ntidal_writable 1\ntidal_items 3\n", 64*asked)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestTopWatchesAServer(t *testing.T) {
	s := metricsServer(t, "tdl_secret")
	t.Setenv("TIDAL_KEY", "tdl_secret")
	t.Setenv("TIDAL_SERVER", s.URL)
	got := answer[live.Figures](t, good(t, "top", "--every", "1ms", "--json"))
	if got.Server != s.URL || got.Signals.PerSecond <= 0 || got.Holds.Items != 3 || !got.Ready || got.Seconds <= 0 ||
		time.Since(got.At) > time.Minute {
		t.Errorf("%+v", got)
	}
	host := strings.TrimPrefix(s.URL, "http://")
	o := good(t, "top", "--server", host, "--key", "tdl_secret", "--once", "--every", "1ms")
	if !strings.HasPrefix(o.stdout, s.URL+"    ready") || !strings.Contains(o.stdout, "\nholds    3 items · ") {
		t.Errorf("%s", o.stdout)
	}
	if again := good(t, "top", "--every", "1ms").stdout; strings.Count(again, "\n") != strings.Count(o.stdout, "\n") {
		t.Errorf("where there is no terminal it prints %s", again)
	}
}

func TestTopSaysWhatIsWrongWithAServer(t *testing.T) {
	s := metricsServer(t, "tdl_secret")
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		exit int
		says string
	}{
		{"--server " + s.URL, exitFailure, "; pass a --key"},
		{"--server " + gone.URL, exitFailure, "is tidal serve running there?"},
		{"--server " + other.URL + "/", exitFailure, "/metrics answers 404 Not Found"},
		{"--server ftp://x", exitUsage, `--server "ftp://x"`},
		{"--every 1us", exitUsage, "--every 1µs"},
		{"--type like", exitUsage, "leave out --type"},
		{"--dir " + dir + " --once", exitUsage, "--once is for watching"},
		{"--dir " + dir + " --server " + s.URL, exitUsage, "--server is for watching"},
	} {
		o := cli(t, nil, append([]string{"top"}, strings.Fields(c.args)...)...)
		if o.code != c.exit || !strings.Contains(o.stderr, c.says) {
			t.Errorf("top %s: exit %d, %q; want %d, %q", c.args, o.code, o.stderr, c.exit, c.says)
		}
	}
}

// Each metric that is shown is one that the server has: docs/metrics.md lists those, which a test of theirs holds.
func TestTopShowsMetricsThatExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range live.Names() {
		if strings.HasPrefix(name, "tidal_") && !regexp.MustCompile("(?m)^\\| `"+name+"[`{]").Match(page) {
			t.Errorf("docs/metrics.md has no %s", name)
		}
	}
}

// Of a server in a process of its own, top shows what was written, asked for and held.
func TestTopWatchesTidalServe(t *testing.T) {
	p := served(t, filepath.Join(t.TempDir(), "db"), nil)
	for _, item := range []string{"jazz-1", "jazz-2", "rock-1"} {
		if code, text := p.call("PUT", "/v1/items/"+item, "", `{}`); code >= 300 {
			t.Fatalf("%d %s", code, text)
		}
	}
	if code, text := p.call("POST", "/v1/signals", "", like("ada", "jazz-1")); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	if code, text := p.call("POST", "/v1/rank", "", `{"rank":"items","profile":"new","user":"ada"}`); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	code, text := p.call("GET", "/metrics", "", "")
	sample, err := live.Read(strings.NewReader(text), time.Now())
	if code != http.StatusOK || err != nil {
		t.Fatalf("%d, %v", code, err)
	}
	first := live.Of(p.started.URL, []*live.Sample{sample}) // of all that was measured
	if first.Signals.Write.P99 == nil || first.Signals.Durable.P99 == nil || first.Signals.Visible.P99 == nil || first.Reaction.P99 == nil ||
		len(first.Profiles) != 1 || first.Profiles[0].Name != "new" || first.Profiles[0].Took.P50 == nil {
		t.Errorf("%s", first.Table())
	}
	got := answer[live.Figures](t, good(t, "top", "--server", p.started.URL, "--every", "1ms", "--json"))
	if !got.Ready || !got.Writable || got.Holds.Items != 3 || got.Holds.UsersMemory != 1 || got.Holds.Cells < 1 || got.Memory.Resident < 1e6 ||
		got.Memory.State <= 0 || got.Log.Size <= 0 || got.HTTP.Connections < 1 || got.Troubles.HiddenServed != 0 || got.Troubles.Failed != 0 {
		t.Errorf("%+v", got)
	}
}
