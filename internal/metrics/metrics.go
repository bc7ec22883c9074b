package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tidaldb/tidal"
)

// Database is what is asked of a database when somebody scrapes.
type Database interface {
	Stats() tidal.Stats
	Health() tidal.Health
}

// Options say whose metrics these are.
type Options struct {
	DB Database
	// DiskFree says how much room the disk has; nil leaves the metric out, and so does an error.
	DiskFree func() (uint64, error)
	// Group says how the group is, of which the database is a replica, and whether that could be found out at all; nil leaves
	// its metrics out. Expires says when the first certificate of those that replicas show each other ends, zero if there is
	// none.
	Group   func() (Group, bool)
	Expires func() time.Time
	// Regions says how the regions of the database are, none where there never was a second one; nil leaves their metrics out.
	Regions func() []tidal.RegionStatus
	// Version and Commit name the program, as `tidal version` does.
	Version, Commit, Go string
}

// Metrics are the metrics of one server. Its methods may be called from anywhere.
type Metrics struct {
	registry  *prometheus.Registry
	reactions *Reactions

	signals   *family[string, prometheus.Counter]
	degraded  *family[string, prometheus.Counter]
	requests  *family[request, prometheus.Counter]
	took      *family[string, prometheus.Observer]
	queries   *family[string, *stages]
	duplicate prometheus.Counter
	overload  prometheus.Counter
	hidden    prometheus.Counter
	forwarded prometheus.Counter
	led       prometheus.Counter // nil without a group

	write, durable, visible, reaction, candidates prometheus.Observer
	connections, underWay, ready                  prometheus.Gauge
}

type request struct{ route, code string }

// stages are the histograms of a profile, by stage.
type stages struct{ user, find, first, second, mix, total prometheus.Observer }

// Other is the label of what there are too many of.
const Other = "other"

// times are the buckets of what takes from 50 µs to 10 s.
var times = []float64{
	50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10,
}

// New makes the metrics of a server.
func New(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), reactions: NewReactions()}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&database{db: o.DB, free: o.DiskFree, lost: m.reactions.Lost, grouped: o.Group != nil},
	)
	m.gauge("tidal_build_info", "1, with what was built as labels.", prometheus.Labels{
		"version": o.Version, "commit": o.Commit, "go": o.Go,
	}).Set(1)
	if o.Group != nil {
		m.registry.MustRegister(&group{of: o.Group, expires: o.Expires})
		m.led = m.counter("tidal_raft_elections_won_total", "How often this replica began to lead.")
		m.forwarded = m.counter("tidal_forwarded_total", "Requests that were passed on to the leader.")
	}
	if o.Regions != nil {
		m.registry.MustRegister(&regions{of: o.Regions})
	}
	m.writes()
	m.lists()
	m.http()
	return m
}

// Registry is what /metrics shows.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

func (m *Metrics) writes() {
	m.signals = m.counters("tidal_signals_total", "Signals written, by type, repeated ones apart.", "type")
	m.overload = m.counter("tidal_overload_total", "Requests turned away because too many were under way.")
	m.duplicate = m.counter("tidal_duplicates_total", "Write requests that had been accepted before.")
	m.write = m.histogram("tidal_signal_write_seconds", "From when a write request was accepted until it was answered.", times)
	m.durable = m.histogram("tidal_signal_durable_seconds", "From when a write request was handed to the log until it was durable.", times)
	visible := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tidal_signal_visible_seconds", Help: "From when a write request was handed to the log until reads saw it.", Buckets: times,
	}, []string{"scope"})
	m.registry.MustRegister(visible)
	m.visible = visible.WithLabelValues("local")
	m.reaction = m.histogram("tidal_reaction_seconds",
		"From when a user's signal was accepted until the end of that user's next list that had it.",
		append(append([]float64{}, times...), 30, 60, 300, 600))
}

func (m *Metrics) lists() {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tidal_query_seconds", Help: "What lists took, by profile and stage; \"total\" is all of it.", Buckets: times,
	}, []string{"profile", "stage"})
	m.registry.MustRegister(vec)
	m.queries = newFamily(Other, func(profile string) *stages {
		of := func(stage string) prometheus.Observer { return vec.WithLabelValues(profile, stage) }
		return &stages{of("user"), of("find"), of("first"), of("second"), of("mix"), of("total")}
	})
	m.candidates = m.histogram("tidal_query_candidates", "How many candidates lists were made from.",
		[]float64{10, 30, 100, 300, 1000, 2000, 3000, 5000, 10000, 30000})
	m.hidden = m.counter("tidal_hidden_filtered_total", "Candidates that users' hides, mutes and blocks kept out of lists.")
	m.degraded = m.counters("tidal_query_degraded_total", "Lists for which less was done because many were under way, by what was left out.", "step")
}

func (m *Metrics) http() {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidal_http_requests_total", Help: "Requests that ended, by route and status.",
	}, []string{"route", "code"})
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tidal_http_request_seconds", Help: "What requests took, by route.", Buckets: times,
	}, []string{"route"})
	m.registry.MustRegister(requests, took)
	m.requests = newFamily(request{Other, Other}, func(r request) prometheus.Counter {
		return requests.WithLabelValues(r.route, r.code)
	})
	m.took = newFamily(Other, func(route string) prometheus.Observer { return took.WithLabelValues(route) })
	m.underWay = m.gauge("tidal_http_requests_under_way", "Requests under way.", nil)
	m.connections = m.gauge("tidal_http_connections", "Open connections.", nil)
	m.ready = m.gauge("tidal_ready", "1 if the server calls itself ready, else 0.", nil)
}

func (m *Metrics) counters(name, help, label string) *family[string, prometheus.Counter] {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	m.registry.MustRegister(vec)
	return newFamily(Other, func(value string) prometheus.Counter { return vec.WithLabelValues(value) })
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Observer {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) gauge(name, help string, labels prometheus.Labels) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels})
	m.registry.MustRegister(g)
	return g
}

// Signals counts n signals of a type that the schema has.
func (m *Metrics) Signals(signalType string, n int) { m.signals.of(signalType).Add(float64(n)) }

// Duplicate counts a write request that had been accepted before.
func (m *Metrics) Duplicate() { m.duplicate.Inc() }

// Overloaded counts a request that was turned away because too many were under way.
func (m *Metrics) Overloaded() { m.overload.Inc() }

// Wrote notes what a write request took from when it was accepted: until it was answered, was durable, and visible.
// Times of 0 are unknown.
func (m *Metrics) Wrote(answered, durable, visible time.Duration) {
	m.write.Observe(answered.Seconds())
	if durable > 0 {
		m.durable.Observe(durable.Seconds())
	}
	if visible > 0 {
		m.visible.Observe(visible.Seconds())
	}
}

// Accepted notes that a user's signal was accepted at a time, and is the event at position; see [Reactions].
func (m *Metrics) Accepted(user string, at time.Time, position tidal.Position) {
	m.reactions.Accepted(user, at, position)
}

// Listed notes a list of a profile that the database has: whose it is, what it took in all, and when it was through. An
// empty user is nobody.
func (m *Metrics) Listed(profile, user string, stats *tidal.RankStats, vector tidal.VersionVector, took time.Duration, at time.Time) {
	s := m.queries.of(profile)
	s.user.Observe(stats.User.Seconds())
	s.find.Observe(stats.Find.Seconds())
	s.first.Observe(stats.First.Seconds())
	s.second.Observe(stats.Second.Seconds())
	s.mix.Observe(stats.Mix.Seconds())
	s.total.Observe(took.Seconds())
	m.candidates.Observe(float64(stats.Candidates))
	m.hidden.Add(float64(stats.Hidden))
	if stats.Degradation != "full" {
		m.degraded.of(stats.Degradation).Inc()
	}
	if took, ok := m.reactions.Listed(user, at, vector); ok {
		m.reaction.Observe(took.Seconds())
	}
}

// Request notes a request that ended. The route is one of the server's table, not a path.
func (m *Metrics) Request(route string, code int, took time.Duration) {
	m.requests.of(request{route, status(code)}).Inc()
	m.took.of(route).Observe(took.Seconds())
}

// Forwarded counts a request that was passed on to the leader.
func (m *Metrics) Forwarded() {
	if m.forwarded != nil {
		m.forwarded.Inc()
	}
}

// Led counts that this replica began to lead.
func (m *Metrics) Led() {
	if m.led != nil {
		m.led.Inc()
	}
}

// UnderWay counts a request that begins (1) or ends (-1).
func (m *Metrics) UnderWay(by float64) { m.underWay.Add(by) }

// Connections counts a connection that opens (1) or closes (-1).
func (m *Metrics) Connections(by float64) { m.connections.Add(by) }

// Ready says whether the server calls itself ready.
func (m *Metrics) Ready(ready bool) {
	if ready {
		m.ready.Set(1)
	} else {
		m.ready.Set(0)
	}
}

// status is the text of a status code without taking memory for the usual ones.
func status(code int) string {
	switch code {
	case 200:
		return "200"
	case 204:
		return "204"
	case 400:
		return "400"
	case 429:
		return "429"
	}
	return strconv.Itoa(code)
}
