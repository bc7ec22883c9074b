package workload

import (
	"math/rand/v2"
	"time"
)

// EachCell yields requests of up to batch events that put exactly perCell events into each cell of the items' ten
// types. Events come in the order of time, to within span/perCell: each cell gets one in each of perCell equal parts
// of the span that ends at end (Unix milliseconds). The slice is lent; an error of yield ends the walk.
func (w *Workload) EachCell(perCell, batch int, end int64, span time.Duration, yield func([]Event) error) error {
	rng := rand.New(rand.NewPCG(w.config.Seed, 1<<63))
	cells := w.config.Items * Types
	order := newScatter(cells)
	part := span.Milliseconds() / int64(max(1, perCell))
	events := make([]Event, 0, batch)
	for round := range perCell {
		begin := end - int64(perCell-round)*part
		for n := range cells {
			cell := order.of(uint32(n))
			events = append(events, Event{
				Time: begin + int64(below(rng, uint64(max(1, part)))), Item: cell / uint32(Types),
				Type: uint8(cell % uint32(Types)),
			})
			if len(events) == batch {
				if err := yield(events); err != nil {
					return err
				}
				events = events[:0]
			}
		}
	}
	if len(events) == 0 {
		return nil
	}
	return yield(events)
}
