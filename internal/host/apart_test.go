package host_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/ship"
)

// own returns the batches that a shore has stamped.
func (x *shore) own() (out []ship.Item) {
	x.t.Helper()
	o := x.base.Origin()
	for after := id.Seq(0); after < x.base.Engine.Vector().Get(o); {
		batches, err := x.base.Streams().Read(o, after, 1<<20)
		if err != nil {
			x.t.Fatal(err)
		}
		for _, data := range batches {
			_, h, err := record.Glance(data)
			if err != nil {
				x.t.Fatal(err)
			}
			out = append(out, ship.Item{Origin: o, First: h.First, Last: h.Last, Data: data})
			after = h.Last
		}
	}
	return out
}

// compacted makes a range of batches.
func (x *shore) compacted(batches []ship.Item) ship.Item {
	x.t.Helper()
	c := x.base.Engine.Compactor(hlc.Timestamp(0))
	for _, b := range batches {
		if err := c.Add(b.Data); err != nil {
			x.t.Fatal(err)
		}
	}
	r, err := c.Finish()
	if err != nil {
		x.t.Fatal(err)
	}
	return ship.Item{Range: true, Origin: r.Range.Origin, First: r.Range.First, Last: r.Range.Last, Data: r.AppendEntry(nil)}
}

// TestRangesOfTwoRegionsAreTakenApartFromWhereBothBegin: of six batches a region has the second to fourth as one range, and another
// one gives it two ranges of three.
func TestRangesOfTwoRegionsAreTakenApartFromWhereBothBegin(t *testing.T) {
	for _, name := range []string{"by a range", "by batches"} {
		t.Run(name, func(t *testing.T) {
			s := newSeas(t, 2)
			x, y := s.shores[0], s.shores[1]
			for i := range 6 {
				x.mustWrite(views(fmt.Sprintf("user %d", i%2), fmt.Sprintf("item %d", i%3), 2+i))
			}
			s.wire = nil // they are cut off
			all := x.own()
			all = all[len(all)-6:]
			// What lies before them is there: the region was added, and has its schema.
			here := y.bank()
			for _, entry := range [][]byte{all[0].Data, x.compacted(all[1:4]).Data} {
				if err := here.Take(entry); err != nil {
					t.Fatal(err)
				}
			}
			fold := func(before ...ship.Item) ship.WorkResult {
				return y.base.ShipWork(ship.Work{
					Kind: ship.WorkFold, Origin: x.base.Origin(), After: all[3].Last, Item: x.compacted(all[3:]), Before: before,
				})
			}
			var earlier *ship.Earlier
			if w := fold(); !errors.As(w.Err, &earlier) || earlier.First != all[1].First {
				t.Fatalf("the range alone: %v", w.Err)
			}
			before := []ship.Item{x.compacted(all[:3])}
			if name == "by batches" {
				before = all[1:3]
			}
			if w := fold(before[1:]...); w.Err == nil {
				t.Error("it was taken apart without what lies before")
			}
			w := fold(before...)
			if w.Err != nil {
				t.Fatal(w.Err)
			}
			if err := here.Take(w.Entry); err != nil {
				t.Fatal(err)
			}
			s.agree(0)
		})
	}
}
