package ship

import (
	"slices"

	"github.com/tidaldb/tidal/internal/id"
)

// hot keeps the batches that were applied last, so that who is up to date is served without a look at the log.
type hot struct {
	limit  int64
	bytes  int64
	order  []Batch // by when they were applied
	origin map[id.Origin][]Batch
	// lost is told of an origin's last batch when that goes.
	lost func(*Batch)
}

// add takes a batch. One that doesn't follow what is here of its origin makes that begin anew.
func (h *hot) add(b *Batch) {
	if h.origin == nil {
		h.origin = map[id.Origin][]Batch{}
	}
	list := h.origin[b.Origin]
	if n := len(list); n > 0 && list[n-1].Last+1 != b.First {
		if b.Last <= list[n-1].Last {
			return // it was applied before
		}
		h.drop(b.Origin)
		list = nil
	}
	h.origin[b.Origin] = append(list, *b)
	h.order = append(h.order, *b)
	h.bytes += int64(len(b.Data))
	for h.bytes > h.limit && len(h.order) > 0 {
		oldest := h.order[0]
		h.order = h.order[1:]
		list := h.origin[oldest.Origin]
		if len(list) > 0 && list[0].First == oldest.First {
			if len(list) == 1 {
				h.lost(&oldest)
			}
			h.origin[oldest.Origin] = list[1:]
			h.bytes -= int64(len(oldest.Data))
		}
	}
}

// drop forgets an origin.
func (h *hot) drop(o id.Origin) {
	for _, b := range h.origin[o] {
		h.bytes -= int64(len(b.Data))
	}
	delete(h.origin, o)
	h.order = slices.DeleteFunc(h.order, func(b Batch) bool { return b.Origin == o })
}

// after returns the batches behind a number, none if the next one isn't here.
func (h *hot) after(o id.Origin, seq id.Seq) []Batch {
	list := h.origin[o]
	i, ok := slices.BinarySearchFunc(list, seq+1, func(b Batch, seq id.Seq) int {
		switch {
		case b.First < seq:
			return -1
		case b.First > seq:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return list[i:]
}

// holding returns the batch that holds an event, if it's here.
func (h *hot) holding(o id.Origin, seq id.Seq) (Batch, bool) {
	list := h.origin[o]
	i, _ := slices.BinarySearchFunc(list, seq, func(b Batch, seq id.Seq) int {
		if b.Last < seq {
			return -1
		}
		return 1
	})
	if i == len(list) || list[i].First > seq {
		return Batch{}, false
	}
	return list[i], true
}

// count is how many batches of an origin end behind a number, as far as they are here.
func (h *hot) count(o id.Origin, seq id.Seq) int {
	list := h.origin[o]
	i, _ := slices.BinarySearchFunc(list, seq, func(b Batch, seq id.Seq) int {
		if b.Last <= seq {
			return -1
		}
		return 1
	})
	return len(list) - i
}
