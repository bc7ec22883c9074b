package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Group is what a replica knows of its group at one moment.
type Group struct {
	// Term is Raft's; Leader the leader's number, 0 if none is known; Leading reports that it's this replica.
	Term, Leader uint64
	Leading      bool
	// Commit is the last entry that is durable on a quorum, Applied the last that reads see here.
	Commit, Applied uint64
	Members         []Member
}

// Member is a replica of a group.
type Member struct {
	Number uint64
	// Role is leader, follower or learner. Self is who was asked.
	Role string
	Self bool
	// Known reports that Active, Lag and Snapshot are known, as a leader knows them: was it heard of lately, how many entries
	// does it lack, is it sent a snapshot.
	Known, Active, Snapshot bool
	Lag                     uint64
	// Skew is how far its clock is ahead of this replica's, if SkewKnown.
	Skew      time.Duration
	SkewKnown bool
	// Connected and what follows is of the connection to it, of which a replica itself has none.
	Connected                                          bool
	RoundTrip                                          time.Duration
	Sent, Received, Queued, Dropped, Connects, Refused uint64
}

// group tells how the group is when somebody scrapes.
type group struct {
	of      func() (Group, bool)
	expires func() time.Time
}

// figures of a group as a whole, and of each of its members.
var (
	groupFigures = []struct {
		name, help string
		of         func(g *Group) float64
	}{
		{"tidal_raft_term", "The term of Raft, which rises with each election.", func(g *Group) float64 { return float64(g.Term) }},
		{"tidal_raft_leader", "The number of the replica that leads, 0 if none is known to.", func(g *Group) float64 { return float64(g.Leader) }},
		{"tidal_raft_leading", "1 if this replica leads, else 0.", func(g *Group) float64 { return truth(g.Leading) }},
		{"tidal_raft_commit_index", "The last entry of the log that is known to be durable on a quorum.", func(g *Group) float64 { return float64(g.Commit) }},
		{"tidal_raft_applied_index", "The last entry of the log that reads see here.", func(g *Group) float64 { return float64(g.Applied) }},
	}
	peerFigures = []struct {
		name, help string
		kind       prometheus.ValueType
		has        func(m *Member) bool
		of         func(m *Member) float64
	}{
		{"tidal_raft_peer_lag_entries", "How many entries a replica lacks, as the leader knows it.", prometheus.GaugeValue, asLeader, func(m *Member) float64 { return float64(m.Lag) }},
		{"tidal_raft_peer_active", "1 if the leader heard of a replica lately, else 0.", prometheus.GaugeValue, asLeader, func(m *Member) float64 { return truth(m.Active) }},
		{"tidal_raft_peer_snapshot", "1 while a replica lacks so much that the leader sends it a snapshot, else 0.", prometheus.GaugeValue, asLeader, func(m *Member) float64 { return truth(m.Snapshot) }},
		{"tidal_raft_peer_clock_skew_seconds", "How far a replica's clock is ahead of this one's.", prometheus.GaugeValue, func(m *Member) bool { return m.SkewKnown && !m.Self }, func(m *Member) float64 { return m.Skew.Seconds() }},
		{"tidal_transport_connected", "1 if the connection to a replica stands, else 0.", prometheus.GaugeValue, linked, func(m *Member) float64 { return truth(m.Connected) }},
		{"tidal_transport_round_trip_seconds", "What a sign of life to a replica took, there and back; 0 if none was measured.", prometheus.GaugeValue, linked, func(m *Member) float64 { return m.RoundTrip.Seconds() }},
		{"tidal_transport_queued_bytes", "What waits to be sent to a replica.", prometheus.GaugeValue, linked, func(m *Member) float64 { return float64(m.Queued) }},
		{"tidal_transport_sent_bytes_total", "What was sent to a replica.", prometheus.CounterValue, linked, func(m *Member) float64 { return float64(m.Sent) }},
		{"tidal_transport_received_bytes_total", "What came from a replica.", prometheus.CounterValue, linked, func(m *Member) float64 { return float64(m.Received) }},
		{"tidal_transport_dropped_frames_total", "Frames to a replica that weren't sent, for want of room or of a connection.", prometheus.CounterValue, linked, func(m *Member) float64 { return float64(m.Dropped) }},
		{"tidal_transport_connects_total", "How often the connection to a replica was made.", prometheus.CounterValue, linked, func(m *Member) float64 { return float64(m.Connects) }},
		{"tidal_transport_refused_total", "How often either side refused the connection.", prometheus.CounterValue, linked, func(m *Member) float64 { return float64(m.Refused) }},
	}
	membersDesc = prometheus.NewDesc("tidal_raft_members", "Replicas of the group, by what they are.", []string{"role"}, nil)
	expiryDesc  = prometheus.NewDesc("tidal_certificate_expiry_timestamp_seconds",
		"When the first of the certificates that replicas show each other ends, in Unix seconds.", nil, nil)
)

func asLeader(m *Member) bool { return m.Known && !m.Self }
func linked(m *Member) bool   { return !m.Self }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func peerDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"peer"}, nil)
}

// Describe implements prometheus.Collector.
func (c *group) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range groupFigures {
		ch <- prometheus.NewDesc(f.name, f.help, nil, nil)
	}
	for _, f := range peerFigures {
		ch <- peerDesc(f.name, f.help)
	}
	ch <- membersDesc
	ch <- expiryDesc
}

// Collect implements prometheus.Collector.
func (c *group) Collect(ch chan<- prometheus.Metric) {
	if c.expires != nil {
		if at := c.expires(); !at.IsZero() {
			ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(at.Unix()))
		}
	}
	g, ok := c.of()
	if !ok {
		return
	}
	for _, f := range groupFigures {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(f.name, f.help, nil, nil), prometheus.GaugeValue, f.of(&g))
	}
	roles := map[string]int{"leader": 0, "follower": 0, "learner": 0}
	for i := range g.Members {
		m := &g.Members[i]
		roles[m.Role]++
		for _, f := range peerFigures {
			if f.has(m) {
				ch <- prometheus.MustNewConstMetric(peerDesc(f.name, f.help), f.kind, f.of(m), strconv.FormatUint(m.Number, 10))
			}
		}
	}
	for role, n := range roles {
		ch <- prometheus.MustNewConstMetric(membersDesc, prometheus.GaugeValue, float64(n), role)
	}
}
