package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidaldb/tidal"
)

// database tells how much there is when somebody scrapes. Nothing of it is kept up to date meanwhile.
type database struct {
	db   Database
	free func() (uint64, error)
	lost func() uint64
}

// A reading is a figure of the database.
type reading struct {
	name, help string
	kind       prometheus.ValueType
	label      string // and the label's name, if it has one
	value      string
	of         func(s *tidal.Stats, h *tidal.Health) float64
}

// readings are the figures, those of one name together.
var readings = []reading{
	{"tidal_items", "Items that have an event or a field.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Items) }},
	{"tidal_creators", "Creators that are known.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Creators) }},
	{"tidal_users", "Users that are known, by where they are.", prometheus.GaugeValue, "where", "memory", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.UserMemory.Resident) }},
	{"tidal_users", "Users that are known, by where they are.", prometheus.GaugeValue, "where", "disk", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.UserMemory.Cold) }},
	{"tidal_users_evicted_total", "Users that left memory.", prometheus.CounterValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.UserMemory.Evicted) }},
	{"tidal_users_warmed_total", "Users that came back to memory.", prometheus.CounterValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.UserMemory.Warmed) }},
	{"tidal_cells", "Cells: counts and scores of an item under a type, and the like.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Cells) }},
	{"tidal_events_applied_total", "Signals that the database holds the effects of, those of before this process among them.", prometheus.CounterValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Signals) }},
	{"tidal_late_events_total", "Signals whose time had to be changed, by why.", prometheus.CounterValue, "reason", "clamped", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Clamped) }},
	{"tidal_parked_batches", "Batches that wait for a schema version or a newer program.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Parked) }},
	{"tidal_hidden_served_total", "Hidden items that a finished list held when it was looked through once more; they were taken out. It has to be 0.", prometheus.CounterValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.HiddenServed) }},
	{"tidal_wal_bytes", "Size of the log's files.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.LogBytes) }},
	{"tidal_state_bytes", "Memory of the state.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.StateBytes) }},
	{"tidal_view_bytes", "Memory of what is kept beside the state for ranking.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.ViewBytes) }},
	{"tidal_user_bytes", "Memory of users, which its budget bounds.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 {
		return float64(s.UserMemory.Bytes + s.UserMemory.Queued)
	}},
	{"tidal_exports", "Named exports, by how they are.", prometheus.GaugeValue, "state", "moving", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Exports.Named - len(s.Exports.Stale)) }},
	{"tidal_exports", "Named exports, by how they are.", prometheus.GaugeValue, "state", "stale", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(len(s.Exports.Stale)) }},
	{"tidal_export_held_bytes", "How much of the log stays for named exports alone.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Exports.HeldBytes) }},
	{"tidal_export_given_up_bytes_total", "How much of the log went although a named export needed it.", prometheus.CounterValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Exports.GivenUpBytes) }},
	{"tidal_checkpoint_lag_bytes", "How much of the log isn't in the checkpoint yet.", prometheus.GaugeValue, "", "", func(_ *tidal.Stats, h *tidal.Health) float64 { return float64(h.Behind) }},
	{"tidal_lists_under_way", "Lists that are being made.", prometheus.GaugeValue, "", "", func(_ *tidal.Stats, h *tidal.Health) float64 { return float64(h.Lists) }},
	{"tidal_writable", "1 if the database takes writes, 0 once its disk failed.", prometheus.GaugeValue, "", "", func(_ *tidal.Stats, h *tidal.Health) float64 {
		if h.Failed != nil {
			return 0
		}
		return 1
	}},
}

var lostReactions = prometheus.NewDesc("tidal_reactions_lost_total",
	"Signals whose reaction isn't measured because another user's took their place.", nil, nil)

var syncSeconds = prometheus.NewDesc("tidal_wal_fsync_seconds", "What syncs of the log took.", nil, nil)

var diskFree = prometheus.NewDesc("tidal_disk_free_bytes", "Room on the disk of the directory.", nil, nil)

func (r *reading) desc() *prometheus.Desc {
	var labels []string
	if r.label != "" {
		labels = []string{r.label}
	}
	return prometheus.NewDesc(r.name, r.help, labels, nil)
}

// Describe implements prometheus.Collector.
func (d *database) Describe(ch chan<- *prometheus.Desc) {
	last := ""
	for i := range readings {
		if readings[i].name != last {
			ch <- readings[i].desc()
		}
		last = readings[i].name
	}
	ch <- lostReactions
	ch <- diskFree
	ch <- syncSeconds
}

// Collect implements prometheus.Collector.
func (d *database) Collect(ch chan<- prometheus.Metric) {
	s, h := d.db.Stats(), d.db.Health()
	within := make(map[float64]uint64, len(s.Syncs.Within))
	for bound, n := range s.Syncs.Within {
		within[bound.Seconds()] = n
	}
	ch <- prometheus.MustNewConstHistogram(syncSeconds, s.Syncs.Count, s.Syncs.Total.Seconds(), within)
	for i := range readings {
		r := &readings[i]
		var labels []string
		if r.label != "" {
			labels = []string{r.value}
		}
		ch <- prometheus.MustNewConstMetric(r.desc(), r.kind, r.of(&s, &h), labels...)
	}
	ch <- prometheus.MustNewConstMetric(lostReactions, prometheus.CounterValue, float64(d.lost()))
	if d.free == nil {
		return
	}
	if free, err := d.free(); err == nil {
		ch <- prometheus.MustNewConstMetric(diskFree, prometheus.GaugeValue, float64(free))
	}
}
