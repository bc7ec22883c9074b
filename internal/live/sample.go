package live

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Sample is what a server's metrics were at a time.
type Sample struct {
	at       time.Time
	families map[string]*dto.MetricFamily
}

// Read reads metrics in Prometheus' text format, as they were at a time. It refuses what isn't such a text, and one
// without any metric of tidal.
func Read(r io.Reader, at time.Time) (*Sample, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	for name := range families {
		if strings.HasPrefix(name, "tidal_") {
			return &Sample{at, families}, nil
		}
	}
	return nil, fmt.Errorf("read metrics: none of the %d is one of tidal", len(families))
}

// value is a metric's, added up over its labels.
func (s *Sample) value(name string) float64 {
	sum := 0.0
	for _, m := range s.families[name].GetMetric() {
		sum += finite(valueOf(m))
	}
	return sum
}

// by is a metric by one of its labels.
func (s *Sample) by(name, label string) map[string]float64 {
	out := map[string]float64{}
	for _, m := range s.families[name].GetMetric() {
		out[labelOf(m, label)] += finite(valueOf(m))
	}
	return out
}

// family is some of a metric's children.
type family []*dto.Metric

// only are those children of a metric that have a label with a value.
func (s *Sample) only(name, label, value string) (out family) {
	for _, m := range s.families[name].GetMetric() {
		if labelOf(m, label) == value {
			out = append(out, m)
		}
	}
	return out
}

// by adds them up by one of their labels.
func (f family) by(label string) map[string]float64 {
	out := map[string]float64{}
	for _, m := range f {
		out[labelOf(m, label)] += finite(valueOf(m))
	}
	return out
}

// text is a label of a metric's first child.
func (s *Sample) text(name, label string) string {
	for _, m := range s.families[name].GetMetric() {
		return labelOf(m, label)
	}
	return ""
}

// histogram is a histogram, added up over the children that have the label with the value; an empty label is all.
func (s *Sample) histogram(name, label, value string) histogram {
	var sum histogram
	for _, m := range s.families[name].GetMetric() {
		if label == "" || labelOf(m, label) == value {
			sum = sum.plus(histogramOf(m), 1)
		}
	}
	return sum
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// valueOf is a counter's or a gauge's value; others have 0.
func valueOf(m *dto.Metric) float64 {
	return m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
}

func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}

// histogram counts observations up to bounds, which rise; the last one is +Inf.
type histogram struct {
	bounds []float64
	counts []float64 // up to each bound, smaller ones included
}

func histogramOf(m *dto.Metric) histogram {
	var h histogram
	for _, b := range m.GetHistogram().GetBucket() {
		if !math.IsNaN(b.GetUpperBound()) {
			h.bounds = append(h.bounds, b.GetUpperBound())
			h.counts = append(h.counts, max(float64(b.GetCumulativeCount()), finite(b.GetCumulativeCountFloat())))
		}
	}
	if !slices.IsSorted(h.bounds) {
		return histogram{}
	}
	return h
}

// plus adds another histogram, so many times. One with other bounds isn't of the same metric, and is left out.
func (h histogram) plus(g histogram, times float64) histogram {
	switch {
	case len(h.bounds) == 0:
		h = histogram{g.bounds, make([]float64, len(g.counts))}
	case !slices.Equal(h.bounds, g.bounds):
		return h
	}
	sum := histogram{h.bounds, slices.Clone(h.counts)}
	for i := range g.counts {
		sum.counts[i] += times * g.counts[i]
	}
	return sum
}

// since is what was observed after an earlier reading. A count that fell is one of a server that began anew: then it is
// all that was observed.
func (h histogram) since(before histogram) histogram {
	if !slices.Equal(h.bounds, before.bounds) {
		return h
	}
	for i := range h.counts {
		if h.counts[i] < before.counts[i] {
			return h
		}
	}
	return h.plus(before, -1)
}

func (h histogram) count() float64 {
	if len(h.counts) == 0 {
		return 0
	}
	return h.counts[len(h.counts)-1]
}

// quantile estimates the value below which a part of the observations is, as if those of a bucket lay evenly in it. What
// lies above the last finite bound is taken to be there. It reports false if there is nothing to tell.
func (h histogram) quantile(q float64) (float64, bool) {
	total := h.count()
	if !(total > 0) {
		return 0, false
	}
	rank := q * total
	low, below := 0.0, 0.0
	for i, bound := range h.bounds {
		if h.counts[i] < rank {
			low, below = bound, h.counts[i]
			continue
		}
		if math.IsInf(bound, 0) || h.counts[i] <= below {
			break
		}
		return finite(low + (bound-low)*(rank-below)/(h.counts[i]-below)), true
	}
	return finite(low), true
}

// childrenOf are a metric's values by all of their labels.
func childrenOf(s *Sample, name string) map[string]float64 {
	out := map[string]float64{}
	for _, m := range s.families[name].GetMetric() {
		out[keyOf(m)] = finite(valueOf(m))
	}
	return out
}

// keyOf names a child by its labels.
func keyOf(m *dto.Metric) string {
	var pairs []string
	for _, l := range m.GetLabel() {
		pairs = append(pairs, l.GetName()+"\x00"+l.GetValue())
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "\x01")
}
