package sim

import (
	"math/rand/v2"
	"testing"
)

// TestTheAgendaIsInOrder: by time, and at one time in the order of entry, also while more is entered.
func TestTheAgendaIsInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	var a agenda
	var number uint64
	var before due
	for range 20_000 {
		if len(a) > 0 && rng.IntN(2) == 0 {
			d := a.next()
			if d.before(&before) {
				t.Fatalf("%d of %d comes behind %d of %d", d.number, d.at, before.number, before.at)
			}
			before = d
			continue
		}
		number++
		a.enter(due{at: before.at + rng.Int64N(4), number: number})
	}
	for len(a) > 0 {
		d := a.next()
		if d.before(&before) {
			t.Fatalf("%d of %d comes behind %d of %d", d.number, d.at, before.number, before.at)
		}
		before = d
	}
	if number < 9000 {
		t.Errorf("%d entries", number)
	}
}
