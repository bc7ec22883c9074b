package ship

import (
	"testing"

	"github.com/tidaldb/tidal/internal/id"
)

// ranged is a toy range as an item.
func ranged(o id.Origin, first, last id.Seq) Item {
	return Item{Range: true, Origin: o, First: first, Last: last, Data: toyRange(o, first, last)}
}

// fold returns the work that the core wants done with a range, which is the last one.
func (x *lone) fold() Work {
	x.t.Helper()
	x.tick()
	if len(x.work) == 0 || x.work[len(x.work)-1].Kind != WorkFold {
		x.t.Fatalf("it wants %+v done", x.work)
	}
	return x.work[len(x.work)-1]
}

func (x *lone) done(r WorkResult) {
	x.core.Done(x.clock(), r)
	x.take()
}

// TestWhatLiesBeforeARangeIsAskedForToTakeItApart: events 3 to 10 are here as one range, and the source has 1 to 5 and 6 to 15.
func TestWhatLiesBeforeARangeIsAskedForToTakeItApart(t *testing.T) {
	o := id.Origin{Region: 1}
	c := newLone(t)
	c.core.Applied(c.clock(), id.VersionVector{}.With(o, 10), nil)
	c.subscribe() // from there on; what came before doesn't matter here
	c.data(ranged(o, 6, 15))
	w := c.fold()
	if w.After != 10 || len(w.Before) > 0 {
		t.Fatalf("it wants %+v done", w)
	}
	c.done(WorkResult{Work: w, Err: &Earlier{Origin: o, First: 3, Range: "3 to 10"}})
	if s := c.subscribe(); s.After.Get(o) != 2 {
		t.Fatalf("it asks for what lies behind %v", s.After)
	}
	c.data(ranged(o, 1, 5), ranged(o, 6, 15))
	w = c.fold()
	if w.After != 10 || len(w.Before) != 1 || w.Before[0].First != 1 || w.Item.First != 6 {
		t.Fatalf("it wants %+v done", w)
	}
	c.done(WorkResult{Work: w, Entry: toyRange(o, 11, 15)})
	c.tick()
	if len(c.out.Propose) != 1 || string(c.out.Propose[0].Data) != string(toyRange(o, 11, 15)) {
		t.Fatalf("it proposes %+v", c.out.Propose)
	}
	c.core.Applied(c.clock(), id.VersionVector{}.With(o, 15), nil)
	c.core.Proposed(c.clock(), Outcome{Ticket: c.out.Propose[0].Ticket, What: Taken})
	c.core.Connected(c.clock(), other)
	c.take()
	if s := c.subscribe(); s.After.Get(o) != 15 {
		t.Errorf("then it asks for what lies behind %v", s.After)
	}
}

// TestWhatLiesBeforeARangeAndIsGoneIsSaid: the region is too far behind then, and asks for no more than it lacks.
func TestWhatLiesBeforeARangeAndIsGoneIsSaid(t *testing.T) {
	o := id.Origin{Region: 1}
	c := newLone(t)
	c.core.Applied(c.clock(), id.VersionVector{}.With(o, 10), nil)
	c.subscribe()
	c.data(ranged(o, 6, 15))
	c.done(WorkResult{Work: c.fold(), Err: &Earlier{Origin: o, First: 3, Range: "3 to 10"}})
	c.subscribe()
	c.give(Packet{Kind: PacketData, Gone: []id.Origin{o}, Pulse: Pulse{Vector: id.VersionVector{}.With(o, 15)}})
	if r := c.core.Status().Regions[0]; !r.TooFarBehind || r.Refused[CauseGone] != 1 {
		t.Errorf("%+v", r)
	}
	c.core.Connected(c.clock(), other)
	c.take()
	if s := c.subscribe(); s.After.Get(o) != 10 {
		t.Errorf("it asks for what lies behind %v", s.After)
	}
}
