package bench

import (
	"context"
	"fmt"
	"math"
	"time"

	tidalclient "github.com/tidaldb/tidal/client"
)

// figures sums up what the connections measured.
func (s *serving) figures(took time.Duration) {
	r, late := s.result, newHistogram()
	sums := [tasks]interface {
		ValueAtQuantile(float64) int64
	}{}
	for t := range tasks {
		h := newHistogram()
		for _, w := range s.workers {
			h.Merge(w.took[t])
		}
		sums[t] = h
		if t == reacts {
			r.Reactions = int(h.TotalCount())
		}
	}
	var lists, items, candidates, signals int
	var inServer time.Duration
	for _, w := range s.workers {
		late.Merge(w.late)
		lists, items, candidates = lists+w.lists, items+w.items, candidates+w.candidates
		signals, inServer = signals+w.signals, inServer+w.inServer
		r.Degraded += w.degraded
		r.Errors += w.errors
		r.Complaints = append(r.Complaints, w.complaints...)
	}
	r.Complaints = r.Complaints[:min(5, len(r.Complaints))]
	millis := func(t task, q float64) float64 { return round2(float64(sums[t].ValueAtQuantile(q)) / 1e6) }
	r.RankP50, r.RankP99 = millis(asksList, 50), millis(asksList, 99)
	r.SignalP50, r.SignalP99 = millis(sendsSignals, 50), millis(sendsSignals, 99)
	r.ReactionP50, r.ReactionP99 = millis(reacts, 50), millis(reacts, 99)
	r.LateP99 = round2(float64(late.ValueAtQuantile(99)) / 1e6)
	r.RanksPerSecond = round2(float64(lists) / took.Seconds())
	r.SignalsPerSecond = round2(float64(signals) / took.Seconds())
	n := float64(max(1, lists))
	r.InServer = round2(inServer.Seconds() * 1000 / n)
	r.Candidates, r.Length = round2(float64(candidates)/n), round2(float64(items)/n)
}

func round2(x float64) float64 { return math.Round(100*x) / 100 }

// judge looks whether everything that was acknowledged is there, once, and nothing hidden was shown.
func (s *serving) judge(ctx context.Context, before tidalclient.Stats) error {
	r := s.result
	after, err := s.workers[0].c.Stats(ctx)
	if err != nil {
		return err
	}
	unknown := 0
	for _, w := range s.workers {
		r.Written += w.acked
		unknown += w.unknown
		s.history.add(w.shown)
		if w.writes == 0 {
			continue
		}
		_, number, err := w.c.Lane(ctx)
		if err != nil {
			return err
		}
		// A failed write leaves its number unused; those are complained about already.
		if number != w.writes && w.errors == 0 {
			r.LanesBehind++
		}
	}
	counted := int(after.Signals - before.Signals)
	r.Lost, r.Double = max(0, r.Written-counted), max(0, counted-r.Written-unknown)
	found := s.history.check()
	r.HiddenServed, r.Hides = max(int(after.HiddenServed), len(found)), s.history.hidden()
	for _, x := range []struct {
		n    int
		says string
	}{
		{int(after.HiddenServed), "hidden items were in finished lists, by the server's count"},
		{len(found), "hidden items were shown"},
		{r.Lost, "acknowledged signals aren't counted"},
		{r.Double, "signals are counted that weren't sent"},
		{r.LanesBehind, "lanes aren't where their clients are"},
	} {
		if x.n > 0 {
			r.Problems = append(r.Problems, fmt.Sprintf("%d %s", x.n, x.says))
		}
	}
	r.Problems = append(r.Problems, found[:min(20, len(found))]...)
	return nil
}
