package engine

import (
	"container/heap"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// Scored is one item of a list.
type Scored struct {
	Item  string
	Score float64
	// order is the logarithm of the score without its time-dependent part, or the plain sum: it orders as the score
	// does, also where the score is too small for a float.
	order fixed.Int128
}

// Top returns the items with the highest scores under one half-life of a type at time q, ties by id. A half-life of 0
// ranks by the plain sum. Items without a positive score are left out.
//
// It looks at every item. Where there are views, who asks for a half-life asks their heads first ([Engine.ScoresOf]).
func (e *Engine) Top(typeName string, halfLife, q int64, limit int) ([]Scored, error) {
	t, err := e.ordersBy(typeName, halfLife)
	if err != nil {
		return nil, err
	}
	best := topHeap{}
	cell := &algebra.SignalState{}
	for n := range e.table.Owners(id.KindItem) {
		v, ok := e.table.Get(cellKey(n, t.Name))
		if !ok {
			continue
		}
		if err := algebra.ViewSignalState(v, cell); err != nil {
			return nil, fmt.Errorf("cell %s of item %q: %w", t.Name, e.table.Name(id.KindItem, n), err)
		}
		s, ok := scoreOf(cell, halfLife, q)
		if !ok || len(best) == limit && s.order.Cmp(best[0].order) < 0 {
			continue
		}
		s.Item = e.table.Name(id.KindItem, n)
		heap.Push(&best, s)
		if len(best) > limit {
			heap.Pop(&best)
		}
	}
	slices.SortFunc(best, func(a, b Scored) int { return better(b, a) })
	return best, nil
}

// ordersBy returns a signal type, if it can be ordered by a half-life; 0 is the plain sum.
func (e *Engine) ordersBy(typeName string, halfLife int64) (*schema.SignalType, error) {
	t, err := e.signalType(typeName)
	switch {
	case err != nil:
		return nil, err
	case halfLife == 0 && !t.Permanent:
		return nil, fault.Refuse("half_life", "signal type %q keeps no plain sum; name one of its half-lives", t.Name)
	case halfLife != 0 && !hasHalfLife(t.HalfLives, halfLife):
		return nil, fault.Refuse("half_life", "signal type %q has half-lives %v", t.Name, t.HalfLives)
	}
	return t, nil
}

// ScoresOf is [Engine.Top] among the given items.
func (e *Engine) ScoresOf(typeName string, halfLife, q int64, items []state.Ord, limit int) ([]Scored, error) {
	t, err := e.ordersBy(typeName, halfLife)
	if err != nil {
		return nil, err
	}
	out := make([]Scored, 0, len(items))
	cell := &algebra.SignalState{}
	for _, n := range items {
		if err := e.ItemCell(n, "", t.Name, cell); err != nil {
			return nil, fmt.Errorf("cell %s of item %q: %w", t.Name, e.table.Name(id.KindItem, n), err)
		}
		if s, ok := scoreOf(cell, halfLife, q); ok {
			s.Item = e.table.Name(id.KindItem, n)
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Scored) int { return better(b, a) })
	return out[:min(limit, len(out))], nil
}

func scoreOf(cell *algebra.SignalState, halfLife, q int64) (Scored, bool) {
	if halfLife == 0 {
		sum := cell.PermanentSum()
		return Scored{order: sum, Score: PlainSum(sum)}, sum.Sign() > 0
	}
	log, ok := cell.LogScore(halfLife)
	if !ok {
		return Scored{}, false
	}
	score, _ := cell.Score(halfLife, q)
	return Scored{order: fixed.FromInt64(log), Score: score.Float()}, true
}

// PlainSum is a sum of weights as a number.
func PlainSum(sum fixed.Int128) float64 {
	return math.Ldexp(math.Ldexp(float64(sum.Hi), 64)+float64(sum.Lo), -24)
}

// better orders by score, then by id the other way round: it is positive when a is the better one.
func better(a, b Scored) int {
	if c := a.order.Cmp(b.order); c != 0 {
		return c
	}
	return strings.Compare(b.Item, a.Item)
}

// topHeap has the worst of the best at its root.
type topHeap []Scored

func (h topHeap) Len() int           { return len(h) }
func (h topHeap) Less(i, j int) bool { return better(h[i], h[j]) < 0 }
func (h topHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *topHeap) Push(x any)        { *h = append(*h, x.(Scored)) }
func (h *topHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
