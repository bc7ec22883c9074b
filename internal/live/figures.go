package live

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// The server's metrics that are shown. What each means is in docs/metrics.md.
const (
	buildInfo       = "tidal_build_info"
	ready           = "tidal_ready"
	writable        = "tidal_writable"
	signals         = "tidal_signals_total"
	duplicates      = "tidal_duplicates_total"
	written         = "tidal_signal_write_seconds"
	durable         = "tidal_signal_durable_seconds"
	visible         = "tidal_signal_visible_seconds"
	reaction        = "tidal_reaction_seconds"
	queries         = "tidal_query_seconds"
	degraded        = "tidal_query_degraded_total"
	overload        = "tidal_overload_total"
	requests        = "tidal_http_requests_total"
	underWay        = "tidal_http_requests_under_way"
	connections     = "tidal_http_connections"
	hiddenServed    = "tidal_hidden_served_total"
	items           = "tidal_items"
	creators        = "tidal_creators"
	users           = "tidal_users"
	cells           = "tidal_cells"
	stateBytes      = "tidal_state_bytes"
	viewBytes       = "tidal_view_bytes"
	userBytes       = "tidal_user_bytes"
	logBytes        = "tidal_wal_bytes"
	checkpointBytes = "tidal_checkpoint_lag_bytes"
	resident        = "process_resident_memory_bytes"
)

// Names are the metrics that are shown, by name.
func Names() []string {
	return append(regionNames(), []string{
		buildInfo, ready, writable, signals, duplicates, written, durable, visible, reaction, queries, degraded, overload, requests,
		underWay, connections, hiddenServed, items, creators, users, cells, stateBytes, viewBytes, userBytes, logBytes,
		checkpointBytes, resident,
	}...)
}

// Figures are what a server does. Rates are per second, between the last two samples; latencies are of the last ten.
type Figures struct {
	Server  string    `json:"server"`
	Version string    `json:"version"`
	At      time.Time `json:"at"`
	// Seconds is how far the last two samples lie apart; 0 with one sample, and then there are no rates.
	Seconds float64 `json:"seconds"`
	// Ready is what the server says of itself, Writable whether its disk takes writes.
	Ready    bool `json:"ready"`
	Writable bool `json:"writable"`

	Signals  Signals  `json:"signals"`
	Lists    float64  `json:"lists_per_second"`
	Profiles []Rate   `json:"profiles"`
	Reaction Latency  `json:"reaction"`
	Holds    Holds    `json:"holds"`
	Memory   Memory   `json:"memory_bytes"`
	Log      LogSize  `json:"log_bytes"`
	HTTP     HTTP     `json:"http"`
	Troubles Troubles `json:"troubles"`
	// Regions are of a replica of a database in several of them.
	Regions *Regions `json:"regions,omitempty"`
}

// Signals are what is written.
type Signals struct {
	PerSecond float64 `json:"per_second"`
	// Types are those with the highest rates first; those that rest are left out.
	Types []Rate `json:"types"`
	// Duplicates are requests that had been accepted before.
	Duplicates float64 `json:"duplicates_per_second"`
	// Write, Durable and Visible are from the acceptance of a request until it was answered, safe and seen.
	Write   Latency `json:"write"`
	Durable Latency `json:"durable"`
	Visible Latency `json:"visible"`
}

// Rate is how often something with a name happens, and what it takes.
type Rate struct {
	Name      string   `json:"name"`
	PerSecond float64  `json:"per_second"`
	Took      *Latency `json:"took,omitempty"`
}

// Latency has quantiles in seconds; they are null where nothing was measured.
type Latency struct {
	P50 *float64 `json:"p50_seconds"`
	P99 *float64 `json:"p99_seconds"`
}

// Holds is how much there is.
type Holds struct {
	Items    float64 `json:"items"`
	Creators float64 `json:"creators"`
	// UsersMemory and UsersDisk are users by where they are.
	UsersMemory float64 `json:"users_in_memory"`
	UsersDisk   float64 `json:"users_on_disk"`
	Cells       float64 `json:"cells"`
}

// Memory is the process's resident size, and what parts of it are for.
type Memory struct {
	Resident float64 `json:"resident"`
	State    float64 `json:"state"`
	Views    float64 `json:"views"`
	Users    float64 `json:"users"`
}

// LogSize is the log's size, and how much of it the checkpoint hasn't.
type LogSize struct {
	Size   float64 `json:"size"`
	Behind float64 `json:"behind_checkpoint"`
}

// HTTP is what comes in.
type HTTP struct {
	PerSecond   float64 `json:"requests_per_second"`
	UnderWay    float64 `json:"under_way"`
	Connections float64 `json:"connections"`
}

// Troubles are what somebody should look at. All are best at 0.
type Troubles struct {
	// Degraded are lists for which less was done, by what was left out.
	Degraded []Rate `json:"degraded"`
	// Overloaded were turned away, Refused had a status of 4xx, Failed one of 5xx.
	Overloaded float64 `json:"overloaded_per_second"`
	Refused    float64 `json:"refused_per_second"`
	Failed     float64 `json:"failed_per_second"`
	// HiddenServed counts since the server's start.
	HiddenServed float64 `json:"hidden_served"`
}

// window is of how many samples latencies are.
const window = 10

// Of makes figures of samples, which come in the order of time; at least one.
func Of(server string, samples []*Sample) *Figures {
	last := samples[len(samples)-1]
	c := change{last: last}
	if len(samples) > 1 {
		c.before = samples[len(samples)-2]
		c.seconds = last.at.Sub(c.before.at).Seconds()
		c.first = samples[max(0, len(samples)-window)]
	}
	byUsers := last.by(users, "where")
	return &Figures{
		Server: server, Version: last.text(buildInfo, "version"), At: last.at.UTC(), Seconds: c.seconds,
		Ready: last.value(ready) > 0, Writable: last.value(writable) > 0,
		Signals: Signals{
			PerSecond: c.rate(signals), Types: c.rates(signals, "type"), Duplicates: c.rate(duplicates),
			Write: c.latency(written, "", ""), Durable: c.latency(durable, "", ""), Visible: c.latency(visible, "scope", "local"),
		},
		Lists: c.lists(), Profiles: c.profiles(), Reaction: c.latency(reaction, "", ""),
		Holds: Holds{
			Items: last.value(items), Creators: last.value(creators), UsersMemory: byUsers["memory"], UsersDisk: byUsers["disk"],
			Cells: last.value(cells),
		},
		Memory: Memory{last.value(resident), last.value(stateBytes), last.value(viewBytes), last.value(userBytes)},
		Log:    LogSize{last.value(logBytes), last.value(checkpointBytes)},
		HTTP:   HTTP{c.rate(requests), last.value(underWay), last.value(connections)},
		Troubles: Troubles{
			Degraded: c.rates(degraded, "step"), Overloaded: c.rate(overload), Refused: c.statuses("4"), Failed: c.statuses("5"),
			HiddenServed: last.value(hiddenServed),
		},
		Regions: c.regions(),
	}
}

// change is what lies between samples. Without an earlier one there are no rates, and latencies are of all that the server
// ever measured.
type change struct {
	first, before, last *Sample
	seconds             float64
}

// per makes a difference a rate.
func (c *change) per(difference float64) float64 {
	if !(c.seconds > 0) {
		return 0
	}
	return finite(difference / c.seconds)
}

// rose is by how much a counter rose. One that fell began anew with its server.
func rose(before, now float64) float64 {
	if now < before {
		return now
	}
	return now - before
}

// rate is how fast a counter rises, added up over its labels.
func (c *change) rate(name string) float64 {
	sum := 0.0
	for _, r := range c.rates(name, "") {
		sum += r.PerSecond
	}
	return sum
}

// rates are those of a counter by a label, the highest first, without those that rest. Each child is compared with itself, so
// that one which began anew doesn't hide what the others did.
func (c *change) rates(name, label string) []Rate {
	out := []Rate{}
	if c.before == nil {
		return out
	}
	before, sums := childrenOf(c.before, name), map[string]float64{}
	for _, m := range c.last.families[name].GetMetric() {
		sums[labelOf(m, label)] += c.per(rose(before[keyOf(m)], finite(valueOf(m))))
	}
	for name, rate := range sums {
		if rate > 0 {
			out = append(out, Rate{Name: name, PerSecond: rate})
		}
	}
	sortRates(out)
	return out
}

func sortRates(rates []Rate) {
	slices.SortFunc(rates, func(a, b Rate) int {
		return cmp.Or(cmp.Compare(b.PerSecond, a.PerSecond), strings.Compare(a.Name, b.Name))
	})
}

// statuses is the rate of answers whose status begins with a digit.
func (c *change) statuses(digit string) float64 {
	sum := 0.0
	for _, r := range c.rates(requests, "code") {
		if strings.HasPrefix(r.Name, digit) {
			sum += r.PerSecond
		}
	}
	return sum
}

// latency is of what was observed since the first sample.
func (c *change) latency(name, label, value string) Latency {
	h := c.last.histogram(name, label, value)
	if c.first != nil {
		h = h.since(c.first.histogram(name, label, value))
	}
	return latencyOf(h)
}

func latencyOf(h histogram) Latency {
	var l Latency
	if p50, ok := h.quantile(0.5); ok {
		p99, _ := h.quantile(0.99)
		l.P50, l.P99 = &p50, &p99
	}
	return l
}

// totals are the histograms of whole lists, by profile.
func totals(s *Sample) map[string]histogram {
	out := map[string]histogram{}
	if s == nil {
		return out
	}
	for _, m := range s.families[queries].GetMetric() {
		if labelOf(m, "stage") == "total" {
			profile := labelOf(m, "profile")
			out[profile] = out[profile].plus(histogramOf(m), 1)
		}
	}
	return out
}

// profiles are how often each is asked for and what its lists take, the busiest first, without those that rest.
func (c *change) profiles() []Rate {
	out := []Rate{}
	before, first := totals(c.before), totals(c.first)
	for profile, h := range totals(c.last) {
		took := latencyOf(h.since(first[profile]))
		r := Rate{Name: profile, Took: &took}
		if c.before != nil {
			r.PerSecond = c.per(h.since(before[profile]).count())
		}
		if took.P50 != nil {
			out = append(out, r)
		}
	}
	sortRates(out)
	return out
}

func (c *change) lists() float64 {
	sum := 0.0
	for _, p := range c.profiles() {
		sum += p.PerSecond
	}
	return sum
}
