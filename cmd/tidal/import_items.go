package main

import (
	"context"
	"encoding/hex"

	"github.com/spf13/cobra"
	"github.com/zeebo/blake3"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/rows"
)

// itemsPerRequest is the number of items that a request makes. It is no flag, for the reason that rowsPerRequest is none.
const itemsPerRequest = 128

// itemsFlag adds --items.
func itemsFlag(c *cobra.Command, items *bool, usage string) {
	c.Flags().BoolVar(items, "items", false, usage+" (default: for movielens and ordered)")
}

// itemsAsked returns what --items says, or else what the format's rows want: those of a format that has no catalogue
// beside them are about items that nothing else would ever make.
func itemsAsked(c *cobra.Command, items bool, kind *rows.Format) bool {
	if c.Flags().Changed("items") {
		return items
	}
	return kind.Bare
}

// itemMaker makes an item, without fields, of every item that rows have signals about, so that it can be ranked. Request n
// of its lane makes the n-th 128 of them in the order in which the rows name them first: like those of rows, it means the
// same in every run. The lane is another than the rows', so that an import which was made without can be run again with it.
type itemMaker struct {
	lane   string
	high   uint64 // the last request that an earlier run brought in
	number uint64 // the last request of this run
	met    map[string]struct{}
	fresh  []string // met, and in no request yet
}

func newItemMaker(db target, lane string) *itemMaker {
	m := &itemMaker{lane: itemsLane(lane), met: map[string]struct{}{}}
	m.high, _ = db.Lane(m.lane)
	return m
}

// itemsLane names the lane of the items that an import makes.
func itemsLane(lane string) string {
	const prefix = "items-"
	if len(prefix)+len(lane) > maxLane {
		sum := blake3.Sum256([]byte(lane))
		lane = hex.EncodeToString(sum[:laneBytes])
	}
	return prefix + lane
}

// collect notes the items of a block.
func (m *itemMaker) collect(b *block) {
	for id := range b.items() {
		if _, ok := m.met[id]; !ok {
			m.met[id] = struct{}{}
			m.fresh = append(m.fresh, id)
		}
	}
}

// next returns the items of the next request, none if they aren't enough for one; at the end any number is.
func (m *itemMaker) next(end bool) []string {
	n := min(len(m.fresh), itemsPerRequest)
	if n == 0 || n < itemsPerRequest && !end {
		return nil
	}
	items := m.fresh[:n:n]
	m.fresh = m.fresh[n:]
	m.number++
	return items
}

// items yields the items that the block's signals are about.
func (b *block) items() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := range b.good {
			for _, rec := range b.good[i].Records {
				if s, ok := rec.(tidal.Signal); ok && !yield(s.Item) {
					return
				}
			}
		}
	}
}

// makeItems sends requests for the items that were met, but for those that an earlier run brought in; see pass.
func (im *importer) makeItems(ctx context.Context, end bool) error {
	m := im.items
	for items := m.next(end); items != nil; items = m.next(end) {
		if m.number <= m.high && m.number != 1 && m.number != m.high {
			continue
		}
		if len(im.waiting) == inFlight {
			if err := im.settle(); err != nil {
				return err
			}
		}
		im.waiting = append(im.waiting, im.start(ctx, &flight{items: items, number: m.number}, m.lane))
		if m.number <= m.high {
			if err := im.drain(true); err != nil {
				return err
			}
		}
	}
	if end && m.number < m.high {
		return tidalInput("lane %q holds %d requests of items, and this input makes only %d: it isn't what was imported before",
			m.lane, m.high, m.number)
	}
	return nil
}

// itemsRequest makes items without fields; those that exist stay as they are.
func itemsRequest(lane string, number uint64, items []string) tidal.Request {
	records := make([]tidal.Record, len(items))
	for i, id := range items {
		records[i] = tidal.Patch{Kind: tidal.Item, ID: id}
	}
	return tidal.Request{Lane: lane, Number: number, Records: records}
}
