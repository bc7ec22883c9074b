package bench

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/workload"
)

// reading is what a cell says at one time.
type reading struct {
	total   int64
	windows [4]int64 // 1h, 24h, 7d, 30d
	score   float64
}

// spans says how each window counts: events of the last n units, that of the time of reading among them.
func spans() [4]struct{ unit, n int64 } {
	const minute, hour, day = 60_000, 3_600_000, 86_400_000
	return [4]struct{ unit, n int64 }{{minute, 60}, {hour, 24}, {hour, 7 * 24}, {day, 30}}
}

// expectedReading is what the events, each of weight 1, make at q.
func expectedReading(events []workload.Event, halfLife time.Duration, q int64) reading {
	r := reading{total: int64(len(events))}
	for _, e := range events {
		for i, s := range spans() {
			if floorDiv(e.Time, s.unit) > floorDiv(q, s.unit)-s.n {
				r.windows[i]++
			}
		}
		r.score += math.Exp2(-float64(q-e.Time) / float64(halfLife.Milliseconds()))
	}
	return r
}

// same compares counts exactly, and scores as closely as floating point sums of them are.
func (r reading) same(o reading) bool {
	return r.total == o.total && r.windows == o.windows && math.Abs(r.score-o.score) <= 1e-6*math.Max(r.score, o.score)
}

func floorDiv(a, b int64) int64 {
	if a%b < 0 {
		return a/b - 1
	}
	return a / b
}

func latest(events []workload.Event) int64 {
	return slices.MaxFunc(events, func(a, b workload.Event) int { return cmp.Compare(a.Time, b.Time) }).Time
}
