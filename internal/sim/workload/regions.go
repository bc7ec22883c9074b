package workload

import (
	"strconv"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// undo takes back what some origin stamped, or may stamp next, whatever it is; now and then the author says of one of its
// own records that is no signal that there is nothing to take back.
func (a *author) undo() record.Undo {
	if n := len(a.log.Batches); n > 0 && a.rng.IntN(4) == 0 {
		b := &a.log.Batches[a.rng.IntN(n)]
		if e := &b.Events[a.rng.IntN(len(b.Events))]; e.Body.Kind != record.KindSignal {
			return record.Undo{Original: e.Position, Void: true}
		}
	}
	of := a.g.authors[a.rng.IntN(len(a.g.authors))]
	last := id.Seq(0)
	if n := len(of.log.Batches); n > 0 {
		last = of.log.Batches[n-1].Last
	}
	return record.Undo{Original: of.log.Origin.At(1 + id.Seq(a.rng.Uint64N(uint64(last)+20)))}
}

// region writes one register of the region table, of few regions, so that writes meet.
func (a *author) region() record.Proposed {
	number := id.Region(a.rng.IntN(3))
	switch a.rng.IntN(3) {
	case 0:
		r := record.RegionInfo{Number: number, Name: "r" + strconv.Itoa(a.rng.IntN(4)), Follower: a.rng.IntN(3) == 0}
		if r.Removed = a.rng.IntN(6) == 0; r.Removed {
			r.Successor = (number + 1 + id.Region(a.rng.IntN(2))) % 3
		}
		return record.Proposed{Kind: record.KindRegion, Region: r}
	case 1:
		x := record.Endpoints{Number: number}
		for i := range a.rng.IntN(3) {
			x.Members = append(x.Members, record.Endpoint{
				Replica: uint64(1 + i), Address: "h" + strconv.Itoa(a.rng.IntN(9)), URL: []string{"", "http://h"}[a.rng.IntN(2)],
			})
		}
		return record.Proposed{Kind: record.KindEndpoints, Endpoints: x}
	}
	return record.Proposed{Kind: record.KindHome, Home: record.Home{Number: number}}
}
