package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidaldb/tidal"
)

// database tells how much there is when somebody scrapes. Nothing of it is kept up to date meanwhile.
type database struct {
	db   Database
	free func() (uint64, error)
	lost func() uint64
	// grouped says that it's the database of a replica of a group, which has more to tell.
	grouped bool
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
	{"tidal_wal_lacked_bytes", "How much of the log stays because a region lacks it, as of the last look at it.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Log.Lacking) }},
	{"tidal_wal_limit_bytes", "The limit of the log's size; 0 if there is none.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Log.Limit) }},
	{"tidal_wal_over_limit_bytes", "By how much the log is larger than its limit, as of the last look at it.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Log.Over) }},
	{"tidal_pieces", "Files that are kept beside the log for regions that lack what was in it, as of the last look at it.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Log.PieceFiles) }},
	{"tidal_piece_bytes", "Their size.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Log.Pieces) }},
	{"tidal_sessions_held", "Open sessions that this server has in memory.", prometheus.GaugeValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Sessions.Held) }},
	{"tidal_sessions_total", "Sessions that this server began and ended, by what happened.", prometheus.CounterValue, "event", "begun", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Sessions.Begun) }},
	{"tidal_sessions_total", "Sessions that this server began and ended, by what happened.", prometheus.CounterValue, "event", "closed", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Sessions.Closed) }},
	{"tidal_sessions_total", "Sessions that this server began and ended, by what happened.", prometheus.CounterValue, "event", "expired", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Sessions.Expired) }},
	{"tidal_session_requests_refused_total", "Requests in sessions that were refused.", prometheus.CounterValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Sessions.Refused) }},
	{"tidal_tokens_total", "Tokens of requests, by what became of them.", prometheus.CounterValue, "result", "here", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Tokens.Here) }},
	{"tidal_tokens_total", "Tokens of requests, by what became of them.", prometheus.CounterValue, "result", "came", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Tokens.Came) }},
	{"tidal_tokens_total", "Tokens of requests, by what became of them.", prometheus.CounterValue, "result", "not_yet", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Tokens.NotYet - s.Tokens.Ahead) }},
	{"tidal_tokens_total", "Tokens of requests, by what became of them.", prometheus.CounterValue, "result", "ahead", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Tokens.Ahead) }},
	{"tidal_tokens_total", "Tokens of requests, by what became of them.", prometheus.CounterValue, "result", "refused", func(s *tidal.Stats, _ *tidal.Health) float64 { return float64(s.Tokens.Refused) }},
	{"tidal_token_wait_seconds_total", "How long requests waited for what their tokens name and what came.", prometheus.CounterValue, "", "", func(s *tidal.Stats, _ *tidal.Health) float64 { return s.Tokens.Waited.Seconds() }},
	{"tidal_checkpoint_lag_bytes", "How much of the log isn't in the checkpoint yet.", prometheus.GaugeValue, "", "", func(_ *tidal.Stats, h *tidal.Health) float64 { return float64(h.Behind) }},
	{"tidal_lists_under_way", "Lists that are being made.", prometheus.GaugeValue, "", "", func(_ *tidal.Stats, h *tidal.Health) float64 { return float64(h.Lists) }},
	{"tidal_writable", "1 if the database takes writes, 0 once its disk failed.", prometheus.GaugeValue, "", "", func(_ *tidal.Stats, h *tidal.Health) float64 {
		if h.Failed != nil {
			return 0
		}
		return 1
	}},
}

// groupReadings are the figures of a replica that its database knows.
var groupReadings = []reading{
	{"tidal_group_incarnation", "The group's incarnation, which rises when it begins anew after a recovery or a restore.", prometheus.GaugeValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.Incarnation) })},
	{"tidal_raft_disk_stalls_total", "How often this replica's disk was overdue while it led.", prometheus.CounterValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.Stalls) })},
	{"tidal_raft_proposals_dropped_total", "How often Raft took no proposal of this replica.", prometheus.CounterValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.DroppedProposals) })},
	{"tidal_raft_snapshots_sent_total", "Snapshots of this replica that others hold by now.", prometheus.CounterValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.SnapshotsSent) })},
	{"tidal_raft_snapshots_installed_total", "Snapshots of others that took the place of this replica's state.", prometheus.CounterValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.SnapshotsInstalled) })},
	{"tidal_region_copies_lent_total", "Copies of the database that this replica began to give to new regions.", prometheus.CounterValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.CopiesLent) })},
	{"tidal_region_copies_pulled_total", "Copies of another region's database that this replica began with.", prometheus.CounterValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.CopiesPulled) })},
	{"tidal_region_copy_bytes_total", "Bytes of copies of the database that were given to new regions, or that this replica began with.", prometheus.CounterValue, "direction", "lent", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.LentBytes) })},
	{"tidal_region_copy_bytes_total", "Bytes of copies of the database that were given to new regions, or that this replica began with.", prometheus.CounterValue, "direction", "pulled", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.PulledBytes) })},
	{"tidal_region_forked", "1 if this replica leads and takes no writes because others have events of its region that it has lost, or stamped anew, else 0.", prometheus.GaugeValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return truth(g.Forked != nil) })},
	{"tidal_compensations_pending", "Events that this region has stamped and is to take back.", prometheus.GaugeValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.Pending) })},
	{"tidal_compensations_lost", "Events that are to be taken back and that the log doesn't hold any more: they go on being counted.", prometheus.GaugeValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.Lost) })},
	{"tidal_undos_pending", "Undone events that no region has taken back yet.", prometheus.GaugeValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.Undos) })},
	{"tidal_stamps_ahead_total", "Stamps that came from clocks further ahead than the schema's bound.", prometheus.CounterValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return float64(g.AheadStamps) })},
	{"tidal_stamps_ahead_max_seconds", "By how much a stamp lay further ahead than the schema's bound, at most.", prometheus.GaugeValue, "", "", ofGroup(func(g *tidal.GroupStats) float64 { return g.MostAhead.Seconds() })},
}

func ofGroup(f func(g *tidal.GroupStats) float64) func(*tidal.Stats, *tidal.Health) float64 {
	return func(s *tidal.Stats, _ *tidal.Health) float64 { return f(&s.Group) }
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

// readings are the figures that it tells.
func (d *database) readings() []reading {
	if !d.grouped {
		return readings
	}
	return slices.Concat(readings, groupReadings)
}

// Describe implements prometheus.Collector.
func (d *database) Describe(ch chan<- *prometheus.Desc) {
	last := ""
	for _, r := range d.readings() {
		if r.name != last {
			ch <- r.desc()
		}
		last = r.name
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
	for _, r := range d.readings() {
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
