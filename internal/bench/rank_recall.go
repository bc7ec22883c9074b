package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tidaldb/tidal/query"
)

// recalled are the lists whose recall is measured; a constant table.
var recalled = [...]string{"trending", "hot", "rising"}

// recall is which part of the best of all items is in the lists of some profiles, now, while nothing is written. Items
// whose score ties with that of the last of the best count, too.
func (s *ranking) recall(ctx context.Context) (map[string]float64, error) {
	out := map[string]float64{}
	at := time.Now()
	for _, profile := range recalled {
		a, err := s.db.Rank(ctx, query.Rank(profile).Unmixed().Explore(0).Seed(1).At(at).Limit(listLength).Query())
		if err != nil {
			return nil, fmt.Errorf("recall of %s: %w", profile, err)
		}
		all, err := s.scoreAll(ctx, profile, at)
		if err != nil {
			return nil, fmt.Errorf("recall of %s: %w", profile, err)
		}
		hits := 0
		bar := best(all, listLength)
		for _, x := range a.Items {
			if all[x.Item] >= bar {
				hits++
			}
		}
		out[profile] = float64(hits) / listLength
	}
	return out, nil
}

// scoreAll scores every item by a profile: part by part, since a filter that leaves few items has all of them scored.
func (s *ranking) scoreAll(ctx context.Context, profile string, at time.Time) (map[string]float64, error) {
	scores := make(map[string]float64, s.w.items)
	var mu sync.Mutex // of scores
	workers := runtime.GOMAXPROCS(0)
	err := together(workers, func(n int) error {
		for b := n; b < s.w.buckets(); b += workers {
			q := query.Rank(profile).Unmixed().Explore(0).Seed(1).At(at).Limit(query.MaxLimit).
				Where(query.Eq(bucketField, bucketName(b)))
			a, err := s.db.Rank(ctx, q.Query())
			if err != nil {
				return err
			}
			mu.Lock()
			for _, x := range a.Items {
				scores[x.Item] = x.Score
			}
			mu.Unlock()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(scores) != s.w.items {
		return nil, fmt.Errorf("%d of %d items were scored", len(scores), s.w.items)
	}
	return scores, nil
}

// best returns the n-th highest score.
func best(scores map[string]float64, n int) float64 {
	all := make([]float64, 0, len(scores))
	for _, x := range scores {
		all = append(all, x)
	}
	slices.Sort(all)
	return all[max(0, len(all)-n)]
}
