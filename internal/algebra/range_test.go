package algebra

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// occurrence is one event with its effects on records.
type occurrence struct {
	origin  id.Origin
	seq     id.Seq
	effects []RangeEntry
}

// randomHistory makes n events of one origin, each of which touches sums and joins as a signal, a hide, a patch would.
func randomHistory(rng *rand.Rand, origin id.Origin, n int) []occurrence {
	events := make([]occurrence, n)
	for i := range events {
		seq := id.Seq(i + 1)
		at := 1_700_000_000_000 + rng.Int64N(60*24*3600_000)
		stamp := Stamp{hlc.Make(1_700_000_000_000+int64(i), 0), origin}
		order := Order{at, stamp.HLC, origin, seq}
		user, item := fmt.Sprint("user-", rng.IntN(3)), fmt.Sprint("item-", rng.IntN(4))
		e := occurrence{origin: origin, seq: seq}
		add := func(kind Kind, value []byte, parts ...any) {
			e.effects = append(e.effects, RangeEntry{fmt.Sprintf("%d/", kind) + fmt.Sprint(parts...), kind, value})
		}
		switch rng.IntN(8) {
		case 0:
			pair := MaxPair{On: stamp.HLC}
			if rng.IntN(3) == 0 {
				pair = MaxPair{Off: stamp.HLC}
			}
			add(KindRelation, pair.AppendBinary(nil), user, "/", item)
		case 1:
			patch := Entity{}.ApplyPatch(stamp, []Change{{item, randomBytes(rng, 4)}})
			add(KindEntity, patch.AppendBinary(nil), item)
		case 2:
			add(KindEntity, Entity{}.ApplyDelete(stamp).AppendBinary(nil), item)
			add(KindGeneration, appendNumber(uint64(stamp.HLC), nil), item)
		case 3: // a compensation of an event that may be anywhere
			var s SignalState
			s.Subtract(cellShape(), at, fixed.One)
			add(KindCell, s.AppendBinary(nil), item)
			add(KindUndone, []byte{1}, rng.IntN(n))
		default:
			cell := cellEffect(at, 1+fixed.Weight(rng.Int64N(int64(fixed.MaxWeight))), rng.Uint64())
			add(KindCell, cell, item)
			add(KindCohortCell, cell, "cohort/", item)
			add(KindCreatorCell, cell, user, "/creator")
			add(KindRecents, TopN{{Order: order, ID: item, Type: "view"}}.AppendBinary(nil), user)
			add(KindEngagers, TopN{{Order: order, ID: user, Type: "view"}}.AppendBinary(nil), item)
			add(KindPairMarks, PairMarks{Seen: order, Liked: Flag{stamp, true}}.AppendBinary(nil), user, "/", item)
		}
		events[i] = e
	}
	return events
}

// records is a replica's state.
type records map[string]string

func (r records) apply(t testing.TB, effects []RangeEntry) {
	t.Helper()
	for _, e := range effects {
		r[e.Key] = string(mustMerge(t, e.Kind, []byte(r[e.Key]), e.Value))
	}
}

func (r records) applyAll(t testing.TB, events []occurrence) records {
	t.Helper()
	for _, e := range events {
		r.apply(t, e.effects)
	}
	return r
}

// foldRange folds events of one origin, in any order, for that doesn't matter.
func foldRange(t testing.TB, rng *rand.Rand, events []occurrence) Range {
	t.Helper()
	var b RangeBuilder
	for _, i := range rng.Perm(len(events)) {
		for _, e := range events[i].effects {
			if err := b.Fold(e.Key, e.Kind, e.Value); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b.Finish(events[0].origin, events[0].seq, events[len(events)-1].seq)
}

// TestRangeMeetsAReceiverAnywhere is the compaction of the design: a receiver that holds the events 1 to k of an
// origin gets the range from a to b, whichever way k lies to it, takes out what it holds, and goes on with b+1.
func TestRangeMeetsAReceiverAnywhere(t *testing.T) {
	rng := dice(t)
	runs := 400
	if testing.Short() {
		runs = 60
	}
	wrongAsIs, inside := 0, 0
	for range runs {
		n := 2 + rng.IntN(24)
		events := randomHistory(rng, id.Origin{Region: 1}, n)
		foreign := randomHistory(rng, id.Origin{Region: 2}, rng.IntN(10))
		a := 1 + rng.IntN(n-1)
		b := a + 1 + rng.IntN(n-a)
		k := a - 1 + rng.IntN(b-a+1) // a−1 ≤ k < b
		want := records{}.applyAll(t, events).applyAll(t, foreign)

		receiver := records{}.applyAll(t, foreign).applyAll(t, events[:k])
		sent := foldRange(t, rng, events[a-1:b])
		asIs := maps.Clone(receiver)
		rest := sent
		if k >= a {
			inside++
			var err error
			if rest, err = SubtractOverlap(sent, foldRange(t, rng, events[a-1:k])); err != nil {
				t.Fatal(err)
			}
		}
		if rest.First != id.Seq(k+1) || rest.Last != id.Seq(b) {
			t.Fatalf("what is left is %v, want %d to %d", rest, k+1, b)
		}
		receiver.apply(t, rest.Entries)
		receiver.applyAll(t, events[b:])
		if !maps.Equal(receiver, want) {
			t.Fatalf("events 1–%d then range %d–%d, of %d: state differs from the fold of all", k, a, b, n)
		}
		asIs.apply(t, sent.Entries)
		if k >= a && !maps.Equal(asIs.applyAll(t, events[b:]), want) {
			wrongAsIs++
		}
	}
	// The negative control: overlaps of joins alone are harmless, all others count twice.
	t.Logf("%d of %d overlapping ranges applied as they are went wrong", wrongAsIs, inside)
	if wrongAsIs*2 < inside {
		t.Errorf("only %d of %d overlapping ranges applied as they are went wrong: this test sees nothing",
			wrongAsIs, inside)
	}
}

func TestAdjoiningRangesMergeToTheWhole(t *testing.T) {
	rng := dice(t)
	for range 150 {
		n := 3 + rng.IntN(20)
		events := randomHistory(rng, id.Origin{Region: 3, Incarnation: 2}, n)
		whole := foldRange(t, rng, events)
		i := 1 + rng.IntN(n-2)
		j := i + 1 + rng.IntN(n-i-1)
		x, y, z := foldRange(t, rng, events[:i]), foldRange(t, rng, events[i:j]), foldRange(t, rng, events[j:])
		for _, order := range [][3]Range{{x, y, z}, {y, x, z}, {z, y, x}, {y, z, x}} {
			first, err := MergeRanges(order[0], order[1])
			if err != nil {
				t.Fatal(err)
			}
			all, err := MergeRanges(first, order[2])
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(all.AppendBinary(nil), whole.AppendBinary(nil)) {
				t.Fatalf("%v and the merge of its parts differ", whole)
			}
		}
		back, err := DecodeRange(whole.AppendBinary(nil))
		if err != nil || !bytes.Equal(back.AppendBinary(nil), whole.AppendBinary(nil)) {
			t.Fatalf("round trip of %v: %v", whole, err)
		}
	}
}

func TestRangesThatDoNotFitAreRefused(t *testing.T) {
	o, p := id.Origin{Region: 1}, id.Origin{Region: 2}
	rng := func(origin id.Origin, first, last id.Seq) Range {
		return Range{Origin: origin, First: first, Last: last}
	}
	for _, c := range []struct{ a, b Range }{
		{rng(o, 1, 5), rng(p, 6, 9)},
		{rng(o, 1, 5), rng(o, 5, 9)},
		{rng(o, 1, 5), rng(o, 7, 9)},
		{rng(o, 1, 5), rng(o, 1, 5)},
	} {
		if _, err := MergeRanges(c.a, c.b); !errors.Is(err, fault.ErrGap) {
			t.Errorf("%v with %v: %v", c.a, c.b, err)
		}
	}
	for _, c := range []struct{ whole, overlap Range }{
		{rng(o, 1, 5), rng(p, 1, 3)},
		{rng(o, 1, 5), rng(o, 2, 3)},
		{rng(o, 1, 5), rng(o, 1, 5)},
		{rng(o, 2, 5), rng(o, 1, 6)},
	} {
		if _, err := SubtractOverlap(c.whole, c.overlap); !errors.Is(err, fault.ErrGap) {
			t.Errorf("%v without %v: %v", c.whole, c.overlap, err)
		}
	}
}

func TestFoldRefusesAndGoesOn(t *testing.T) {
	var b RangeBuilder
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(b.Fold("level", KindFormatLevel, []byte{3}))
	must(b.Fold("nothing", KindRelation, nil))
	for _, bad := range []RangeEntry{
		{"level", KindUndone, []byte{1}},
		{"level", KindFormatLevel, []byte{0}},
		{"", KindUndone, []byte{1}},
		{"new", KindUndone, []byte{7}},
		{"new", 99, []byte{7}},
	} {
		if err := b.Fold(bad.Key, bad.Kind, bad.Value); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	must(b.Fold("level", KindFormatLevel, []byte{2}))
	must(b.Fold("a", KindUndone, []byte{1}))
	got := b.Finish(id.Origin{Region: 4}, 7, 8)
	if want := "[{a undone [1]} {level format level [3]}]"; fmt.Sprint(got.Entries) != want {
		t.Errorf("entries are %v, want %v", got.Entries, want)
	}
	if got.String() != "4:0:7 to 8 (2 records)" {
		t.Errorf("range prints as %q", got)
	}
	if again := b.Finish(id.Origin{}, 1, 1); len(again.Entries) != 0 {
		t.Errorf("a finished builder holds %v", again.Entries)
	}
}

func FuzzDecodeRange(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{1, 2, 8} {
		f.Add(foldRange(f, rng, randomHistory(rng, id.Origin{Region: 1}, n)).AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRange(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("%v is no damage", err)
			}
			return
		}
		if again := r.AppendBinary(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x was accepted but encodes as %x", b, again)
		}
	})
}
