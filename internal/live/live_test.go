package live

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// server makes up metrics as a server would have them so many seconds after its start.
type server struct {
	signals, lists, failed, hidden float64
	notReady                       bool
	regions                        string // of a replica of several regions, as text
}

// twoMore is what a replica tells of two other regions so many seconds after its start: one is heard of, one is silent.
func twoMore(seconds float64) string {
	var b strings.Builder
	kind := func(name, kind string) { fmt.Fprintf(&b, "# TYPE %s %s\n", name, kind) }
	each := func(name, extra string, eu, ap float64) {
		fmt.Fprintf(&b, "%s{region=\"eu-west\"%s} %v\n%s{region=\"ap-south\"%s} %v\n", name, extra, eu, name, extra, ap)
	}
	for _, g := range []struct {
		name   string
		eu, ap float64
	}{
		{"tidal_region_reachable", 1, 0},
		{"tidal_region_known", 1, 1},
		{"tidal_region_heard_seconds", 0.1, 12},
		{"tidal_region_held_bytes", 0, 3e7},
		{"tidal_region_stranded", 0, 0},
		{"tidal_region_differs", 0, 0},
	} {
		kind(g.name, "gauge")
		each(g.name, "", g.eu, g.ap)
	}
	kind("tidal_region_lag_seconds", "gauge")
	each("tidal_region_lag_seconds", `,missing="here"`, 0, 0)
	each("tidal_region_lag_seconds", `,missing="there"`, 0.02, 12)
	kind("tidal_region_lag_events", "gauge")
	each("tidal_region_lag_events", `,missing="here"`, 0, 0)
	each("tidal_region_lag_events", `,missing="there"`, 64, 12345)
	kind("tidal_region_shipped_bytes_total", "counter")
	each("tidal_region_shipped_bytes_total", `,direction="to"`, 2e6*seconds, 5e6)
	each("tidal_region_shipped_bytes_total", `,direction="from"`, 1e6*seconds, 3e6)
	kind("tidal_region_refused_total", "counter")
	fmt.Fprintf(&b, "tidal_region_refused_total{region=\"eu-west\",cause=\"gap\"} %v\n", seconds)
	kind("tidal_region_forked", "gauge")
	b.WriteString("tidal_region_forked 0\n")
	kind("tidal_compensations_pending", "gauge")
	b.WriteString("tidal_compensations_pending 7\n")
	kind("tidal_compensations_lost", "gauge")
	b.WriteString("tidal_compensations_lost 1\n")
	kind("tidal_wal_over_limit_bytes", "gauge")
	b.WriteString("tidal_wal_over_limit_bytes 1.5e9\n")
	return b.String()
}

// observed writes a histogram whose observations are half a bucket's each in the second and third of four buckets.
func observed(b *strings.Builder, name, labels string, n float64) {
	braces := func(le string) string { return "{" + strings.TrimPrefix(labels+`,le="`+le+`"`, ",") + "}" }
	for i, le := range []string{"0.001", "0.002", "0.004", "+Inf"} {
		fmt.Fprintf(b, "%s_bucket%s %v\n", name, braces(le), n*[]float64{0, 0.5, 1, 1}[i])
	}
	with := ""
	if labels != "" {
		with = "{" + labels + "}"
	}
	fmt.Fprintf(b, "%s_sum%s %v\n%s_count%s %v\n", name, with, 0.002*n, name, with, n)
}

func (s server) text() string {
	var b strings.Builder
	kind := func(name, kind string) { fmt.Fprintf(&b, "# HELP %s About it.\n# TYPE %s %s\n", name, name, kind) }
	gauge := func(name string, v float64) {
		kind(name, "gauge")
		fmt.Fprintf(&b, "%s %v\n", name, v)
	}
	kind("tidal_build_info", "gauge")
	b.WriteString(`tidal_build_info{version="v0.9.0",commit="abc",go="go1.26"} 1` + "\n")
	up := 1.0
	if s.notReady {
		up = 0
	}
	gauge("tidal_ready", up)
	gauge("tidal_writable", 1)
	kind("tidal_signals_total", "counter")
	fmt.Fprintf(&b, "tidal_signals_total{type=\"view\"} %v\ntidal_signals_total{type=\"like\"} %v\n", 3*s.signals/4, s.signals/4)
	kind("tidal_duplicates_total", "counter")
	b.WriteString("tidal_duplicates_total 0\n")
	kind("tidal_signal_write_seconds", "histogram")
	observed(&b, "tidal_signal_write_seconds", "", s.signals/64)
	kind("tidal_signal_durable_seconds", "histogram")
	observed(&b, "tidal_signal_durable_seconds", "", s.signals/64)
	kind("tidal_signal_visible_seconds", "histogram")
	observed(&b, "tidal_signal_visible_seconds", `scope="local"`, s.signals/64)
	kind("tidal_reaction_seconds", "histogram")
	observed(&b, "tidal_reaction_seconds", "", s.lists/2)
	kind("tidal_query_seconds", "histogram")
	observed(&b, "tidal_query_seconds", `profile="for_you",stage="find"`, 9*s.lists)
	observed(&b, "tidal_query_seconds", `profile="for_you",stage="total"`, s.lists)
	observed(&b, "tidal_query_seconds", `profile="hot",stage="total"`, s.lists/10)
	kind("tidal_query_degraded_total", "counter")
	fmt.Fprintf(&b, "tidal_query_degraded_total{step=\"second\"} %v\n", s.failed)
	kind("tidal_overload_total", "counter")
	b.WriteString("tidal_overload_total 0\n")
	kind("tidal_http_requests_total", "counter")
	for code, n := range map[string]float64{"200": s.lists, "404": s.lists / 5, "500": s.failed} {
		fmt.Fprintf(&b, "tidal_http_requests_total{route=\"POST /v1/rank\",code=%q} %v\n", code, n)
	}
	gauge("tidal_http_requests_under_way", 3)
	gauge("tidal_http_connections", 12)
	kind("tidal_hidden_served_total", "counter")
	fmt.Fprintf(&b, "tidal_hidden_served_total %v\n", s.hidden)
	gauge("tidal_items", 1_234_567)
	gauge("tidal_creators", 890)
	kind("tidal_users", "gauge")
	b.WriteString("tidal_users{where=\"memory\"} 42000\ntidal_users{where=\"disk\"} 100\n")
	gauge("tidal_cells", 9_876_543)
	gauge("tidal_state_bytes", 812e6)
	gauge("tidal_view_bytes", 3.4e8)
	gauge("tidal_user_bytes", 64e6)
	gauge("tidal_wal_bytes", 2.1e9)
	gauge("tidal_checkpoint_lag_bytes", 16_777_216)
	gauge("process_resident_memory_bytes", 1_530_000_000)
	return b.String() + s.regions
}

// noon is when samples begin.
var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func read(t testing.TB, s server, seconds float64) *Sample {
	t.Helper()
	sample, err := Read(strings.NewReader(s.text()), noon.Add(time.Duration(seconds*float64(time.Second))))
	if err != nil {
		t.Fatal(err)
	}
	return sample
}

// golden compares got with testdata/name, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (rewrite with -update)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
