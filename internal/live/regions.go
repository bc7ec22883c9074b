package live

import (
	"maps"
	"slices"
)

// The metrics of a replica of a database in several regions.
const (
	regionReachable = "tidal_region_reachable"
	regionKnown     = "tidal_region_known"
	regionHeard     = "tidal_region_heard_seconds"
	regionLagTime   = "tidal_region_lag_seconds"
	regionLagEvents = "tidal_region_lag_events"
	regionShipped   = "tidal_region_shipped_bytes_total"
	regionHeld      = "tidal_region_held_bytes"
	regionStranded  = "tidal_region_stranded"
	regionDiffers   = "tidal_region_differs"
	regionForked    = "tidal_region_forked"
	regionRefused   = "tidal_region_refused_total"
	pending         = "tidal_compensations_pending"
	lost            = "tidal_compensations_lost"
	overLimit       = "tidal_wal_over_limit_bytes"
)

func regionNames() []string {
	return []string{
		regionReachable, regionKnown, regionHeard, regionLagTime, regionLagEvents, regionShipped, regionHeld, regionStranded, regionForked,
		regionDiffers, regionRefused, pending, lost, overLimit,
	}
}

// Regions are the other regions of the database as the server knows them, and what the own one owes them.
type Regions struct {
	Others []Region `json:"others"`
	// Forked says that the server leads its region, and that this takes no writes until it's recovered.
	Forked bool `json:"forked"`
	// Pending events are to be taken back by the own region, of which Lost aren't in the log any more.
	Pending float64 `json:"pending"`
	Lost    float64 `json:"lost"`
	// OverLimit is by how many bytes the log is larger than its limit.
	OverLimit float64 `json:"log_over_limit_bytes"`
}

// Region is another region.
type Region struct {
	Name string `json:"name"`
	// Reachable is false of one that wasn't heard of for five seconds, or of which something older is missing here; Heard is how
	// long ago it was heard of, null if it never was.
	Reachable bool     `json:"reachable"`
	Heard     *float64 `json:"heard_seconds"`
	// LackedHere is what it has written and isn't here, LackedThere the other way round.
	LackedHere  Lacked `json:"lacked_here"`
	LackedThere Lacked `json:"lacked_there"`
	// Sent and Taken are bytes per second that went there, and came from there.
	Sent  float64 `json:"sent_bytes_per_second"`
	Taken float64 `json:"taken_bytes_per_second"`
	// Held is how much of the log it lacks, as of up to an hour ago.
	Held float64 `json:"held_bytes"`
	// Stranded says that something it has written is missing here, and that nobody can give it.
	Stranded bool `json:"stranded"`
	// Differs says that it holds other events than this region under the same numbers.
	Differs bool `json:"differs"`
	// Refused is how often per second something from there was.
	Refused float64 `json:"refused_per_second"`
}

// Lacked is how much of what one region has written another one lacks, and how old the oldest of it is.
type Lacked struct {
	Events  float64 `json:"events"`
	Seconds float64 `json:"seconds"`
}

// regions are those of the last sample, nil where there is but one.
func (c *change) regions() *Regions {
	reachable := c.last.by(regionReachable, "region")
	if len(reachable) == 0 {
		return nil
	}
	out := &Regions{
		Forked: c.last.value(regionForked) > 0, Pending: c.last.value(pending), Lost: c.last.value(lost), OverLimit: c.last.value(overLimit),
	}
	known, heard, held := c.last.by(regionKnown, "region"), c.last.by(regionHeard, "region"), c.last.by(regionHeld, "region")
	stranded, differs, refused := c.last.by(regionStranded, "region"), c.last.by(regionDiffers, "region"), map[string]float64{}
	for _, r := range c.rates(regionRefused, "region") {
		refused[r.Name] = r.PerSecond
	}
	for _, name := range slices.Sorted(maps.Keys(reachable)) {
		r := Region{
			Name: name, Reachable: reachable[name] > 0, Held: held[name], Stranded: stranded[name] > 0, Refused: refused[name],
			Differs:    differs[name] > 0,
			LackedHere: c.lacked(name, "here"), LackedThere: c.lacked(name, "there"),
			Sent: c.shipped(name, "to"), Taken: c.shipped(name, "from"),
		}
		if known[name] > 0 {
			ago := heard[name]
			r.Heard = &ago
		}
		out.Others = append(out.Others, r)
	}
	return out
}

func (c *change) lacked(region, missing string) Lacked {
	return Lacked{
		c.last.only(regionLagEvents, "region", region).by("missing")[missing],
		c.last.only(regionLagTime, "region", region).by("missing")[missing],
	}
}

// shipped is how fast bytes go in a direction.
func (c *change) shipped(region, direction string) float64 {
	if c.before == nil {
		return 0
	}
	of := func(s *Sample) float64 { return s.only(regionShipped, "region", region).by("direction")[direction] }
	return c.per(rose(of(c.before), of(c.last)))
}

// regionLines say how the regions are, a line each, the troubles of the own one behind them.
func (f *Figures) regionLines(l look) []string {
	g := f.Regions
	if g == nil {
		return nil
	}
	width := 0
	for i := range g.Others {
		width = max(width, len(g.Others[i].Name))
	}
	row := func(parts ...string) string { return l.row("region", parts...) }
	var out []string
	for i := range g.Others {
		r := &g.Others[i]
		name := r.Name + spaces(width-len(r.Name))
		parts := []string{
			name + "  " + r.reached(l), "lacked here " + r.LackedHere.text(), "there " + r.LackedThere.text(),
			"to " + f.bytesRate(r.Sent), "from " + f.bytesRate(r.Taken),
		}
		if r.Held > 0 && (!r.Reachable || r.LackedThere.Events > 0) { // else it was, an hour ago at most
			parts = append(parts, size(r.Held)+" of the log stay")
		}
		if r.Refused > 0 {
			parts = append(parts, l.bad("refused "+f.rate(r.Refused)))
		}
		out = append(out, row(parts...))
	}
	own := []string{count(g.Pending) + " to be taken back"}
	if g.Lost > 0 {
		own = append(own, l.bad(count(g.Lost)+" of them lost"))
	}
	if g.OverLimit > 0 {
		own = append(own, l.bad("log over its limit by "+size(g.OverLimit)))
	}
	if g.Forked {
		own = append(own, l.bad("forked: no writes until tidal cluster recover"))
	}
	return append(out, l.row("here", own...))
}

// reached says whether a region is heard of.
func (r *Region) reached(l look) string {
	switch {
	case r.Differs:
		return l.bad("holds other events")
	case r.Stranded:
		return l.bad("stranded")
	case r.Reachable:
		return l.good("reached")
	case r.Heard == nil:
		return l.bad("never heard of")
	}
	return l.bad("silent " + span(r.Heard))
}

func (x Lacked) text() string {
	if x.Events == 0 && x.Seconds == 0 {
		return "0"
	}
	return count(x.Events) + " (" + span(&x.Seconds) + ")"
}

// bytesRate writes bytes per second; a dash where there is no earlier sample.
func (f *Figures) bytesRate(x float64) string {
	if !(f.Seconds > 0) {
		return "–/s"
	}
	return size(x) + "/s"
}
