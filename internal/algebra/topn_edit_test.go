package algebra

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// edited is what an edit makes of a list.
func edited(list []byte, x *ListEdit) []byte {
	return slices.Concat(list[:x.At], x.Entry, list[x.At:x.To], list[x.Again:x.End])
}

// manyInteractions invents entries of enough ids to fill every list, most of them like those that are stored.
func manyInteractions(rng *rand.Rand) Interaction {
	e := randomInteraction(rng)
	if rng.IntN(8) > 0 {
		e.ID, e.Type, e.Gen = "item-"+strconv.Itoa(rng.IntN(200)), "view", 0
	}
	if rng.IntN(4) == 0 {
		e.ID = e.ID[len("item-"):] // of less than eight bytes
	}
	return e
}

// TestEditEqualsInsertEncoded: along any sequence of insertions, with notes that are kept, lost now and then, or made
// anew, the edit makes the bytes that InsertEncoded makes, or says rightly that nothing changes.
func TestEditEqualsInsertEncoded(t *testing.T) {
	rng := dice(t)
	for name, rule := range testRules() {
		t.Run(name, func(t *testing.T) {
			var list, buf []byte
			notes := make([]byte, ListNotes)
			told := 0
			for i := range 6000 {
				e := manyInteractions(rng)
				if rng.IntN(100) > 0 { // mostly near the newest
					e.Time = 1_700_000_000_000 + int64(10*i) - int64(rng.IntN(30)*rng.IntN(30)*rng.IntN(3))
				}
				want := rule.InsertEncoded(nil, list, e)
				before := slices.Clone(list)
				x, changed, ok := rule.Edit(buf, notes, list, &e)
				if !bytes.Equal(list, before) {
					t.Fatalf("step %d: the list itself was changed", i)
				}
				switch {
				case !ok && changed:
					t.Fatalf("step %d: a change that can't be told", i)
				case !ok:
					clear(notes)
				case changed:
					told++
					if x.At > x.To || x.To > x.Again || x.Again > x.End || x.End > len(list) {
						t.Fatalf("step %d: %+v of %d bytes", i, x, len(list))
					}
					if got := edited(list, &x); !bytes.Equal(got, want) {
						t.Fatalf("step %d: %+v into %x\ngives %x\nwant  %x", i, e, list, got, want)
					}
					buf = x.Entry
				case !bytes.Equal(list, want):
					t.Fatalf("step %d: %+v changes %x to %x, which the edit doesn't say", i, e, list, want)
				}
				list = want
				again := make([]byte, ListNotes)
				if n := notes[0]; n > 0 && (takeNotes(again, list) != int(n) ||
					!bytes.Equal(again[1:][:n], notes[1:][:n]) || !bytes.Equal(again[1+MaxList:][:n], notes[1+MaxList:][:n])) {
					t.Fatalf("step %d: notes are %x, of the list as it is %x", i, notes, again)
				}
				switch rng.IntN(200) {
				case 0:
					clear(notes)
				case 1:
					list = nil
					clear(notes)
				}
			}
			if told < 1000 {
				t.Errorf("%d changes were told of", told)
			}
		})
	}
}

func TestEditDoesNotAllocate(t *testing.T) {
	for _, kind := range []Kind{KindRecents, KindEngagers} {
		rule, list, e := fullList(kind)
		buf, notes := make([]byte, 0, 256), make([]byte, ListNotes)
		if n := testing.AllocsPerRun(100, func() {
			clear(notes)
			if _, changed, ok := rule.Edit(buf, notes, list, &e); !changed || !ok {
				t.Error("the newest entry isn't put in")
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations", kind, n)
		}
	}
}
