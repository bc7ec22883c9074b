package engine

import (
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
)

// Join returns the range of two that adjoin, c before next. It returns [fault.ErrGap] when they don't.
func (c *Compacted) Join(next *Compacted) (*Compacted, error) {
	if next.Range.First != c.Range.Last+1 {
		return nil, fmt.Errorf("join range %v to %v: %w", next.Range, c.Range, fault.ErrGap)
	}
	rng, err := algebra.MergeRanges(c.Range, next.Range)
	if err != nil {
		return nil, fmt.Errorf("join ranges: %w", err)
	}
	a, b := c.Counters, next.Counters
	a.Batches, a.Records, a.Signals, a.Clamped = a.Batches+b.Batches, a.Records+b.Records, a.Signals+b.Signals, a.Clamped+b.Clamped
	if b.HasNewest && (!a.HasNewest || b.Newest > a.Newest) {
		a.Newest, a.HasNewest = b.Newest, true
	}
	return &Compacted{
		Range: rng, Requests: append(slices.Clone(c.Requests), next.Requests...), Level: max(c.Level, next.Level),
		Highest: max(c.Highest, next.Highest), HighestRegister: max(c.HighestRegister, next.HighestRegister), Counters: a,
	}, nil
}
