package metrics_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/metrics"
)

// held is a database of which everything is known.
type held struct{}

func (held) Stats() tidal.Stats {
	return tidal.Stats{
		Items: 1, Creators: 2, Cells: 3, Signals: 4, Clamped: 5, Parked: 6, LogBytes: 7, StateBytes: 8, ViewBytes: 9, HiddenServed: 10,
		Log: tidal.LogHeld{Lacking: 60, Limit: 61, Over: 62, PieceFiles: 63, Pieces: 64},
		Group: tidal.GroupStats{
			Incarnation: 70, Stalls: 71, DroppedProposals: 72, SnapshotsSent: 73, SnapshotsInstalled: 74, CopiesLent: 75, CopiesPulled: 76,
			LentBytes: 82, PulledBytes: 83,
			Forked: tidal.ErrForked, Pending: 77, Lost: 78, Undos: 79, AheadStamps: 80, MostAhead: 81 * time.Second,
		},
		Sessions:   tidal.SessionStats{Held: 90, Begun: 91, Closed: 92, Expired: 93, Refused: 94},
		Tokens:     tidal.TokenStats{Here: 100, Came: 101, Waited: 102 * time.Second, NotYet: 207, Ahead: 104, Refused: 105},
		Exports:    tidal.ExportStats{Named: 22, Stale: []string{"a"}, HeldBytes: 19, GivenUpBytes: 20},
		Syncs:      tidal.SyncTimes{Count: 3, Total: 6 * time.Millisecond, Within: map[time.Duration]uint64{time.Millisecond: 1, time.Second: 3}},
		UserMemory: tidal.UserMemory{Resident: 11, Cold: 12, Bytes: 13, Queued: 14, Evicted: 15, Warmed: 16},
	}
}

func (held) Health() tidal.Health { return tidal.Health{Behind: 17, Lists: 18} }

// used makes metrics of which every one was used.
func used() *metrics.Metrics {
	m := metrics.New(metrics.Options{
		DB: held{}, DiskFree: func() (uint64, error) { return 23, nil }, Version: "v1", Commit: "c", Go: "go1",
		Group: func() (metrics.Group, bool) { return three(), true }, Expires: func() time.Time { return time.Unix(2000, 0) },
		Regions: func() []tidal.RegionStatus { return worldwide() },
	})
	m.Forwarded()
	m.Led()
	m.Signals("like", 3)
	m.Duplicate()
	m.Overloaded()
	m.Wrote(4*time.Millisecond, 2*time.Millisecond, 3*time.Millisecond)
	m.Wrote(4*time.Millisecond, 0, 0)
	at := time.Unix(1000, 0)
	m.Accepted("ada", at, tidal.Position{Seq: 7})
	stats := tidal.RankStats{Candidates: 500, Hidden: 21, User: 1e5, Find: 2e5, First: 3e5, Second: 4e5, Mix: 5e5, Degradation: "coarse_counts"}
	m.Listed("for_you", "ada", &stats, tidal.VersionVector{}.With(tidal.Position{}.Origin(), 7), time.Millisecond, at.Add(20*time.Millisecond))
	m.Request("GET /v1/items/{id}", 200, time.Millisecond)
	m.Request("none", 404, time.Millisecond)
	m.UnderWay(1)
	m.Connections(1)
	m.Ready(true)
	return m
}

// worldwide are regions of which one lags, and one was taken out.
func worldwide() []tidal.RegionStatus {
	return []tidal.RegionStatus{
		{Name: "us-east", Role: tidal.RegionHome, Own: true},
		{
			Name: "eu-west", Role: tidal.RegionActive, Known: true, Heard: 2 * time.Second, Done: 51, Total: 52,
			WeLack: tidal.Lag{Batches: 41, Events: 42, Time: 43 * time.Second}, TheyLack: tidal.Lag{Batches: 44, Events: 45, Time: 46 * time.Second},
			Refused: map[string]uint64{"gap": 53}, Held: 54, TooFarBehind: true, Forked: make([]tidal.Position, 1),
			Sent: tidal.Flow{Batches: 55, Ranges: 56, Bytes: 57, RangeBytes: 58}, Taken: tidal.Flow{Batches: 65, Ranges: 66, Bytes: 67, RangeBytes: 68},
		},
		{Name: "ap-south", Role: tidal.RegionRemoved, WeLack: tidal.Lag{Events: 99}},
	}
}

// three is a group as the leader knows it.
func three() metrics.Group {
	return metrics.Group{
		Term: 31, Leader: 1, Leading: true, Commit: 33, Applied: 32, Members: []metrics.Member{
			{Number: 1, Role: "leader", Self: true, Known: true},
			{
				Number: 2, Role: "follower", Known: true, Active: true, Snapshot: true, Lag: 34, SkewKnown: true, Skew: 2 * time.Second,
				Connected: true, RoundTrip: time.Second, Sent: 35, Received: 36, Queued: 37, Dropped: 38, Connects: 39, Refused: 40,
			},
		},
	}
}

// gathered are the families by name.
func gathered(t *testing.T, m *metrics.Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*dto.MetricFamily{}
	for _, f := range all {
		out[f.GetName()] = f
	}
	return out
}

func TestFiguresAreThoseOfWhatHappened(t *testing.T) {
	m := used()
	for name, want := range map[string]float64{
		"tidal_items": 1, "tidal_creators": 2, "tidal_cells": 3, "tidal_events_applied_total": 4, "tidal_late_events_total": 5,
		"tidal_parked_batches": 6, "tidal_wal_bytes": 7, "tidal_state_bytes": 8, "tidal_view_bytes": 9,
		"tidal_hidden_served_total": 10, "tidal_user_bytes": 27, "tidal_users_evicted_total": 15, "tidal_users_warmed_total": 16,
		"tidal_disk_free_bytes": 23, "tidal_hidden_filtered_total": 21, "tidal_export_held_bytes": 19, "tidal_export_given_up_bytes_total": 20,
		"tidal_checkpoint_lag_bytes": 17, "tidal_lists_under_way": 18, "tidal_writable": 1, "tidal_reactions_lost_total": 0,
		"tidal_signals_total": 3, "tidal_duplicates_total": 1, "tidal_overload_total": 1, "tidal_query_degraded_total": 1,
		"tidal_raft_term": 31, "tidal_raft_leader": 1, "tidal_raft_leading": 1, "tidal_raft_commit_index": 33, "tidal_raft_applied_index": 32,
		"tidal_raft_peer_lag_entries": 34, "tidal_raft_peer_active": 1, "tidal_raft_peer_snapshot": 1, "tidal_raft_peer_clock_skew_seconds": 2,
		"tidal_transport_connected": 1, "tidal_transport_round_trip_seconds": 1, "tidal_transport_sent_bytes_total": 35,
		"tidal_transport_received_bytes_total": 36, "tidal_transport_queued_bytes": 37, "tidal_transport_dropped_frames_total": 38,
		"tidal_transport_connects_total": 39, "tidal_transport_refused_total": 40, "tidal_raft_elections_won_total": 1,
		"tidal_forwarded_total": 1, "tidal_certificate_expiry_timestamp_seconds": 2000,
		"tidal_region_reachable": 1, "tidal_region_known": 1, "tidal_region_heard_seconds": 2, "tidal_region_reconcile_done_events": 51,
		"tidal_region_reconcile_total_events": 52, "tidal_region_refused_total": 53, "tidal_region_held_bytes": 54, "tidal_region_stranded": 1,
		"tidal_region_differs":   1,
		"tidal_wal_lacked_bytes": 60, "tidal_wal_limit_bytes": 61, "tidal_wal_over_limit_bytes": 62, "tidal_pieces": 63, "tidal_piece_bytes": 64,
		"tidal_group_incarnation": 70, "tidal_raft_disk_stalls_total": 71, "tidal_raft_proposals_dropped_total": 72,
		"tidal_raft_snapshots_sent_total": 73, "tidal_raft_snapshots_installed_total": 74, "tidal_region_copies_lent_total": 75,
		"tidal_region_copies_pulled_total": 76, "tidal_region_forked": 1, "tidal_compensations_pending": 77, "tidal_compensations_lost": 78,
		"tidal_undos_pending": 79, "tidal_stamps_ahead_total": 80, "tidal_stamps_ahead_max_seconds": 81,
		"tidal_sessions_held": 90, "tidal_session_requests_refused_total": 94, "tidal_token_wait_seconds_total": 102,
		"tidal_http_requests_under_way": 1, "tidal_http_connections": 1, "tidal_ready": 1, "tidal_build_info": 1,
	} {
		f := gathered(t, m)[name]
		if f == nil || len(f.Metric) != 1 {
			t.Errorf("%s: %v", name, f)
			continue
		}
		if got := f.Metric[0].GetCounter().GetValue() + f.Metric[0].GetGauge().GetValue(); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]struct {
		series int
		count  uint64
		sum    float64
	}{
		"tidal_signal_write_seconds":   {1, 2, 0.008},
		"tidal_signal_durable_seconds": {1, 1, 0.002},
		"tidal_signal_visible_seconds": {1, 1, 0.003},
		"tidal_reaction_seconds":       {1, 1, 0.02},
		"tidal_query_seconds":          {6, 6, 0.0025},
		"tidal_query_candidates":       {1, 1, 500},
		"tidal_http_request_seconds":   {2, 2, 0.002},
		"tidal_wal_fsync_seconds":      {1, 3, 0.006},
	} {
		f := gathered(t, m)[name]
		count, sum := uint64(0), 0.0
		for _, x := range f.GetMetric() {
			count += x.GetHistogram().GetSampleCount()
			sum += x.GetHistogram().GetSampleSum()
		}
		if len(f.GetMetric()) != want.series || count != want.count || fmt.Sprintf("%.6f", sum) != fmt.Sprintf("%.6f", want.sum) {
			t.Errorf("%s: %d series, %d, %v; want %+v", name, len(f.GetMetric()), count, sum, want)
		}
	}
	all, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(all).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// What happened to sessions, tokens and copies is told by what it was; a token that is ahead isn't one that isn't here yet.
func TestWhatHappenedIsToldByWhatItWas(t *testing.T) {
	all := gathered(t, used())
	for name, want := range map[string]map[string]float64{
		"tidal_sessions_total":          {"begun": 91, "closed": 92, "expired": 93},
		"tidal_tokens_total":            {"here": 100, "came": 101, "not_yet": 103, "ahead": 104, "refused": 105},
		"tidal_region_copy_bytes_total": {"lent": 82, "pulled": 83},
	} {
		got := map[string]float64{}
		for _, m := range all[name].GetMetric() {
			got[m.Label[0].GetValue()] = m.GetCounter().GetValue()
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// A replica that doesn't lead says nothing of what only a leader knows, and a database alone nothing of a group.
func TestWhatIsNotKnownIsNotTold(t *testing.T) {
	alone := gathered(t, metrics.New(metrics.Options{DB: held{}}))
	g := three()
	g.Leading, g.Members[1].Known, g.Members[1].SkewKnown = false, false, false
	ok := true
	m := metrics.New(metrics.Options{
		DB: held{}, Group: func() (metrics.Group, bool) { return g, ok }, Expires: func() time.Time { return time.Time{} },
	})
	follower := gathered(t, m)
	for _, name := range []string{
		"tidal_raft_peer_lag_entries", "tidal_raft_peer_active", "tidal_raft_peer_snapshot", "tidal_raft_peer_clock_skew_seconds",
		"tidal_certificate_expiry_timestamp_seconds",
	} {
		if alone[name] != nil || follower[name] != nil {
			t.Errorf("%s is told", name)
		}
	}
	if alone["tidal_compensations_pending"] != nil || follower["tidal_compensations_pending"] == nil {
		t.Error("a database alone tells of what regions owe, or a replica doesn't")
	}
	if f := follower["tidal_transport_connected"]; f == nil || len(f.Metric) != 1 || alone["tidal_raft_term"] != nil {
		t.Errorf("%v", f)
	}
	for _, x := range follower["tidal_raft_members"].Metric {
		want := map[string]float64{"leader": 1, "follower": 1, "learner": 0}[x.Label[0].GetValue()]
		if x.GetGauge().GetValue() != want {
			t.Errorf("%v", x)
		}
	}
	ok = false
	if gathered(t, m)["tidal_raft_term"] != nil {
		t.Error("a group that can't be asked has a term")
	}
}

// What is missing is told by where and what went by which way, and of a region that is gone nothing.
func TestRegionsAreToldOfInBothDirections(t *testing.T) {
	all := gathered(t, used())
	for name, want := range map[string]map[string]float64{
		"tidal_region_lag_batches": {"here": 41, "there": 44}, "tidal_region_lag_events": {"here": 42, "there": 45},
		"tidal_region_lag_seconds":           {"here": 43, "there": 46},
		"tidal_region_shipped_batches_total": {"to": 55, "from": 65}, "tidal_region_shipped_ranges_total": {"to": 56, "from": 66},
		"tidal_region_shipped_bytes_total":       {"to": 57, "from": 67},
		"tidal_region_shipped_range_bytes_total": {"to": 58, "from": 68},
	} {
		got := map[string]float64{}
		for _, m := range all[name].GetMetric() {
			for _, l := range m.Label {
				if l.GetName() == "missing" || l.GetName() == "direction" {
					got[l.GetValue()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
				} else if l.GetValue() != "eu-west" {
					t.Errorf("%s is told of %s", name, l.GetValue())
				}
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, m := range all["tidal_regions"].GetMetric() {
		if want := map[string]float64{"home": 1, "active": 1, "removed": 1}[m.Label[0].GetValue()]; m.GetGauge().GetValue() != want {
			t.Errorf("%v", m)
		}
	}
	alone := gathered(t, metrics.New(metrics.Options{DB: held{}, Regions: func() []tidal.RegionStatus { return nil }}))
	if alone["tidal_regions"] != nil {
		t.Error("one region is told of as several")
	}
}

// However many values a label is given, at once and by many, a bounded number of series comes of it, and nothing is lost.
func TestLabelsAreBounded(t *testing.T) {
	m := metrics.New(metrics.Options{DB: held{}})
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 500 {
				m.Signals(fmt.Sprintf("type-%d", i), 1)
				m.Request(fmt.Sprintf("route-%d", i), 200+g, time.Millisecond)
			}
		})
	}
	all.Wait()
	for name, most := range map[string]int{"tidal_signals_total": 130, "tidal_http_requests_total": 130, "tidal_http_request_seconds": 130} {
		f, sum := gathered(t, m)[name], 0.0
		for _, x := range f.Metric {
			sum += x.GetCounter().GetValue() + float64(x.GetHistogram().GetSampleCount())
		}
		if len(f.Metric) > most || sum != 2000 {
			t.Errorf("%s has %d series that count %v", name, len(f.Metric), sum)
		}
	}
}

func TestCountingTakesNoMemory(t *testing.T) {
	m := used()
	stats := tidal.RankStats{Candidates: 500, Degradation: "full"}
	vector := tidal.VersionVector{}.With(tidal.Position{}.Origin(), 7)
	at := time.Unix(1000, 0)
	if n := testing.AllocsPerRun(100, func() {
		m.Signals("like", 64)
		m.Wrote(time.Millisecond, time.Millisecond, time.Millisecond)
		m.Accepted("ada", at, tidal.Position{Seq: 7})
		m.Listed("for_you", "ada", &stats, vector, time.Millisecond, at)
		m.Request("GET /v1/items/{id}", 200, time.Millisecond)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var row = regexp.MustCompile("(?m)^\\| `([a-z_]+)(?:\\{([a-z_, ]+)\\})?` \\| (counter|gauge|histogram) \\|")

func TestThePageListsEveryMetric(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented, there []string
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, m[1]+"{"+m[2]+"} "+m[3])
	}
	for name, f := range gathered(t, used()) {
		if !strings.HasPrefix(name, "tidal_") {
			continue
		}
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		there = append(there, name+"{"+strings.Join(labels, ", ")+"} "+strings.ToLower(f.GetType().String()))
	}
	slices.Sort(documented)
	slices.Sort(there)
	if !slices.Equal(documented, there) {
		t.Errorf("docs/metrics.md lists\n%s\nthe registry has\n%s", strings.Join(documented, "\n"), strings.Join(there, "\n"))
	}
}

// What the dashboard and the alerts ask for exists.
func TestDashboardAndAlertsUseMetricsThatExist(t *testing.T) {
	exists := gathered(t, used())
	name := regexp.MustCompile(`\b(?:tidal|go|process)_[a-z0-9_]+`)
	check := func(file, expr string) int {
		found := name.FindAllString(expr, -1)
		for _, n := range found {
			base := n
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if b, ok := strings.CutSuffix(n, suffix); ok && exists[b] != nil {
					base = b
				}
			}
			if exists[base] == nil {
				t.Errorf("%s uses %s, which doesn't exist", file, n)
			}
		}
		return len(found)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "grafana.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	if len(board.Panels) < 8 {
		t.Errorf("%d panels", len(board.Panels))
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			if check("deploy/grafana.json", target.Expr) == 0 {
				t.Errorf("panel %q asks for nothing: %q", p.Title, target.Expr)
			}
		}
	}
	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	operations, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(filepath.Join("..", "..", "deploy", "alerts.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &alerts); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			rules++
			if r.Alert == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" || check("deploy/alerts.yaml", r.Expr) == 0 {
				t.Errorf("%+v", r)
			}
			if !strings.Contains(string(operations), "\n| `"+r.Alert+"` |") {
				t.Errorf("docs/operations.md doesn't say what to do when %s fires", r.Alert)
			}
		}
	}
	if rules < 6 {
		t.Errorf("%d alerts", rules)
	}
}

func BenchmarkWrite64(b *testing.B) {
	m := used()
	at := time.Unix(1000, 0)
	users := make([]string, 64)
	for i := range users {
		users[i] = fmt.Sprintf("user-%d", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Signals("like", 64)
		for _, u := range users {
			m.Accepted(u, at, tidal.Position{Seq: 1})
		}
		m.Wrote(time.Millisecond, time.Millisecond, time.Millisecond)
	}
}
