package metrics

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidaldb/tidal"
)

// regions tells how the regions of the database are when somebody scrapes. Where there is one there is nothing to tell.
type regions struct {
	of func() []tidal.RegionStatus
}

// Directions of what is missing between this region and another one.
const (
	lackedHere  = "here"
	lackedThere = "there"
)

// Directions in which something goes between this region and another one.
const (
	shippedTo   = "to"
	shippedFrom = "from"
)

// regionFigures are those of one other region, and lagFigures and flowFigures those of what is missing and of what went, in each
// direction.
var (
	regionFigures = []struct {
		name, help string
		of         func(r *tidal.RegionStatus) float64
	}{
		{"tidal_region_reachable", "1 if another region was heard of lately and nothing old of it is missing here, else 0.", func(r *tidal.RegionStatus) float64 { return truth(!r.Unreachable) }},
		{"tidal_region_known", "1 if it is known when another region was last heard of, also from before this replica started, else 0.", func(r *tidal.RegionStatus) float64 { return truth(r.Known) }},
		{"tidal_region_heard_seconds", "How long ago another region was heard of, and told what it has; 0 if it never was.", func(r *tidal.RegionStatus) float64 { return r.Heard.Seconds() }},
		{"tidal_region_reconcile_done_events", "How many events of a gap to another region have come.", func(r *tidal.RegionStatus) float64 { return float64(r.Done) }},
		{"tidal_region_reconcile_total_events", "How many events a gap to another region has that is being closed; 0 if there is none.", func(r *tidal.RegionStatus) float64 { return float64(r.Total) }},
		{"tidal_region_held_bytes", "How much of the log, and of what is kept beside it, another region lacks, as of the last look at the log.", func(r *tidal.RegionStatus) float64 { return float64(r.Held) }},
		{"tidal_region_stranded", "1 if something that another region wrote is missing here and nobody who is reached can give it, else 0.", func(r *tidal.RegionStatus) float64 { return truth(r.TooFarBehind) }},
		{"tidal_region_differs", "1 if another region holds other events than this one under the same numbers, else 0.", func(r *tidal.RegionStatus) float64 { return truth(len(r.Forked) > 0) }},
	}
	lagFigures = []struct {
		name, help string
		of         func(l *tidal.Lag) float64
	}{
		{"tidal_region_lag_seconds", "How old the oldest event is that one region wrote and the other doesn't have, by where it is missing.", func(l *tidal.Lag) float64 { return l.Time.Seconds() }},
		{"tidal_region_lag_events", "Events that one region wrote and the other doesn't have, by where they are missing.", func(l *tidal.Lag) float64 { return float64(l.Events) }},
		{"tidal_region_lag_batches", "Batches that one region wrote and the other doesn't have, by where they are missing.", func(l *tidal.Lag) float64 { return float64(l.Batches) }},
	}
	flowFigures = []struct {
		name, help string
		of         func(f *tidal.Flow) float64
	}{
		{"tidal_region_shipped_batches_total", "Batches that went to another region, or came from it and were taken.", func(f *tidal.Flow) float64 { return float64(f.Batches) }},
		{"tidal_region_shipped_bytes_total", "Bytes of batches and ranges that went to another region, or came from it and were taken.", func(f *tidal.Flow) float64 { return float64(f.Bytes) }},
		{"tidal_region_shipped_range_bytes_total", "Those of these bytes that were compacted ranges'.", func(f *tidal.Flow) float64 { return float64(f.RangeBytes) }},
		{"tidal_region_shipped_ranges_total", "Compacted ranges that went to another region, or came from it and were taken.", func(f *tidal.Flow) float64 { return float64(f.Ranges) }},
	}
	regionsDesc = prometheus.NewDesc("tidal_regions", "Regions of the database, by what they are.", []string{"role"}, nil)
	refusedDesc = prometheus.NewDesc("tidal_region_refused_total", "What came from another region and was refused, by cause.", []string{"region", "cause"}, nil)
)

func regionDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"region"}, nil)
}

func lagDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"region", "missing"}, nil)
}

func flowDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"region", "direction"}, nil)
}

// Describe implements prometheus.Collector.
func (c *regions) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range regionFigures {
		ch <- regionDesc(f.name, f.help)
	}
	for _, f := range lagFigures {
		ch <- lagDesc(f.name, f.help)
	}
	for _, f := range flowFigures {
		ch <- flowDesc(f.name, f.help)
	}
	ch <- regionsDesc
	ch <- refusedDesc
}

// Collect implements prometheus.Collector.
func (c *regions) Collect(ch chan<- prometheus.Metric) {
	all := c.of()
	if len(all) == 0 {
		return
	}
	roles := map[tidal.RegionRole]int{tidal.RegionHome: 0, tidal.RegionActive: 0, tidal.RegionFollower: 0, tidal.RegionRemoved: 0}
	for i := range all {
		r := &all[i]
		roles[r.Role]++
		if r.Own || r.Role == tidal.RegionRemoved {
			continue
		}
		collectRegion(ch, r)
	}
	for role, n := range roles {
		ch <- prometheus.MustNewConstMetric(regionsDesc, prometheus.GaugeValue, float64(n), string(role))
	}
}

// collectRegion tells of another region.
func collectRegion(ch chan<- prometheus.Metric, r *tidal.RegionStatus) {
	for _, f := range regionFigures {
		ch <- prometheus.MustNewConstMetric(regionDesc(f.name, f.help), prometheus.GaugeValue, f.of(r), r.Name)
	}
	for _, f := range lagFigures {
		ch <- prometheus.MustNewConstMetric(lagDesc(f.name, f.help), prometheus.GaugeValue, f.of(&r.WeLack), r.Name, lackedHere)
		ch <- prometheus.MustNewConstMetric(lagDesc(f.name, f.help), prometheus.GaugeValue, f.of(&r.TheyLack), r.Name, lackedThere)
	}
	for _, f := range flowFigures {
		ch <- prometheus.MustNewConstMetric(flowDesc(f.name, f.help), prometheus.CounterValue, f.of(&r.Sent), r.Name, shippedTo)
		ch <- prometheus.MustNewConstMetric(flowDesc(f.name, f.help), prometheus.CounterValue, f.of(&r.Taken), r.Name, shippedFrom)
	}
	for _, cause := range slices.Sorted(maps.Keys(r.Refused)) {
		ch <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(r.Refused[cause]), r.Name, cause)
	}
}
