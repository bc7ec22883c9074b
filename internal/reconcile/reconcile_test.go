package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/reconcile"
)

// A toy side: batches and ranges are texts that name their events, and what a side holds is a set of events. Taking an entry
// adds its events, which must not be there and must follow.

type toy struct {
	t       interface{ Fatalf(string, ...any) }
	vector  id.VersionVector
	events  map[id.Position]bool
	batches map[id.Origin][]stretch // what the log still has
	ranges  map[id.Origin][]stretch // what was compacted
	perCent int                     // of a range's bytes, as against its batches'
	crash   func() bool             // whether the next taking fails, with or without having had its effect
}

type stretch struct{ first, last id.Seq }

func newToy(t interface{ Fatalf(string, ...any) }) *toy {
	return &toy{
		t: t, events: map[id.Position]bool{}, batches: map[id.Origin][]stretch{}, ranges: map[id.Origin][]stretch{}, perCent: 50,
		crash: func() bool { return false },
	}
}

const eventBytes = 100

func (s stretch) entry(kind string, o id.Origin, size int) []byte {
	text := fmt.Sprintf("%s %v %d ", kind, o.At(s.first), s.last)
	return []byte(text + strings.Repeat(".", max(0, size-len(text))))
}

func place(entry []byte) (o id.Origin, first, last id.Seq, err error) {
	var kind, at string
	if _, err = fmt.Sscanf(string(entry), "%s %s %d", &kind, &at, &last); err != nil {
		return o, 0, 0, err
	}
	p, err := id.ParsePosition(at)
	return p.Origin(), p.Seq, last, err
}

func (x *toy) Vector() id.VersionVector { return x.vector }

func (x *toy) First(o id.Origin) id.Seq {
	first := x.vector.Get(o) + 1
	for _, s := range slices.Backward(x.batches[o]) {
		if s.last+1 != first {
			break
		}
		first = s.first
	}
	return first
}

func (x *toy) Bytes(o id.Origin, after id.Seq) (n int64) {
	for _, s := range x.batches[o] {
		if s.last > after {
			n += int64(s.last-max(s.first-1, after)) * eventBytes
		}
	}
	return n
}

func (x *toy) Read(o id.Origin, after id.Seq, maxBytes int) (out [][]byte, err error) {
	size := 0
	for _, s := range x.batches[o] {
		if s.first != after+1 || len(out) > 0 && size >= maxBytes {
			continue
		}
		n := int(s.last-s.first+1) * eventBytes
		out, size, after = append(out, s.entry("batch", o, n)), size+n, s.last
	}
	if len(out) == 0 && after < x.vector.Get(o) {
		return nil, fault.ErrGone
	}
	return out, nil
}

func (x *toy) Range(o id.Origin, after id.Seq, maxBytes int) ([]byte, error) {
	for _, s := range x.ranges[o] {
		if s.first <= after+1 && after < s.last {
			return s.entry("range", o, int(s.last-s.first+1)*eventBytes*x.perCent/100), nil
		}
	}
	all := stretch{after + 1, after}
	for _, s := range x.batches[o] {
		if s.first == all.last+1 && int(s.last-all.first+1)*eventBytes*x.perCent/100 <= maxBytes {
			all.last = s.last
		}
	}
	if all.last == after {
		return nil, fault.ErrGone
	}
	return all.entry("range", o, int(all.last-all.first+1)*eventBytes*x.perCent/100), nil
}

var errCrash = errors.New("crashed")

func (x *toy) Take(entry []byte) error {
	o, first, last, err := place(entry)
	if err != nil {
		return err
	}
	isRange := strings.HasPrefix(string(entry), "range")
	have := x.vector.Get(o)
	if x.crash() {
		return errCrash
	}
	switch {
	case last <= have:
		return nil
	case first > have+1:
		return fault.ErrGap
	case first <= have && !isRange:
		x.t.Fatalf("batch %v to %d overlaps %d", o.At(first), last, have)
	}
	first = have + 1 // what is here was taken out of a range
	for seq := first; seq <= last; seq++ {
		if x.events[o.At(seq)] {
			x.t.Fatalf("%v counts twice", o.At(seq))
		}
		x.events[o.At(seq)] = true
	}
	x.vector = x.vector.With(o, last)
	if isRange {
		x.ranges[o] = append(x.ranges[o], stretch{first, last})
	} else {
		x.batches[o] = append(x.batches[o], stretch{first, last})
	}
	if x.crash() {
		return errCrash // it had its effect, and nobody was told
	}
	return nil
}

// write stamps a batch.
func (x *toy) write(o id.Origin, n id.Seq) {
	have := x.vector.Get(o)
	if err := x.Take((stretch{have + 1, have + n}).entry("batch", o, int(n)*eventBytes)); err != nil {
		x.t.Fatalf("%v", err)
	}
}

// release lets the first batches of an origin go, compacted or not.
func (x *toy) release(o id.Origin, n int, compacted bool) {
	n = min(n, len(x.batches[o]))
	if n == 0 {
		return
	}
	gone := stretch{x.batches[o][0].first, x.batches[o][n-1].last}
	x.batches[o] = slices.Clone(x.batches[o][n:])
	if compacted {
		x.ranges[o] = append(x.ranges[o], gone)
	}
}

func survey(a, b *toy) (reconcile.State, reconcile.State) {
	return reconcile.Survey(a, place, a.vector, b.vector), reconcile.Survey(b, place, b.vector, a.vector)
}

func TestWhateverWasWrittenAndLetGoBothSidesEndWithTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sides := []*toy{newToy(t), newToy(t), newToy(t)}
		for i, x := range sides {
			x.perCent = rapid.SampledFrom([]int{10, 50, 150}).Draw(t, "size of ranges")
			for range rapid.IntRange(0, 20).Draw(t, "batches") {
				x.write(id.Origin{Region: id.Region(i)}, id.Seq(rapid.IntRange(1, 400).Draw(t, "events")))
			}
		}
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			a := sides[rapid.IntRange(0, 2).Draw(t, "a")]
			b := sides[rapid.IntRange(0, 2).Draw(t, "b")]
			if a == b {
				continue
			}
			meet(t, a, b)
			for o := range a.vector.All {
				a.release(o, rapid.IntRange(0, 10).Draw(t, "gone"), true)
			}
			a.write(id.Origin{Region: id.Region(slices.Index(sides, a))}, 3)
		}
		for i := range sides {
			meet(t, sides[i], sides[(i+1)%3])
		}
		meet(t, sides[0], sides[1])
		for _, x := range sides[1:] {
			if !maps.Equal(x.events, sides[0].events) {
				t.Fatalf("sides hold %d and %d events", len(x.events), len(sides[0].events))
			}
		}
	})
}

// meet reconciles two sides that crash at any point, with plans made anew or repeated.
func meet(t *rapid.T, a, b *toy) {
	crashes := rapid.IntRange(0, 5).Draw(t, "crashes")
	crash := func() bool {
		if crashes > 0 && rapid.IntRange(0, 3).Draw(t, "crash") == 0 {
			crashes--
			return true
		}
		return false
	}
	a.crash, b.crash = crash, crash
	defer func() { a.crash, b.crash = func() bool { return false }, func() bool { return false } }()
	e := reconcile.New(a, b)
	var p reconcile.Plan
	for again := true; ; {
		if again {
			p = e.Plan(survey(a, b))
		}
		err := e.Apply(p, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, errCrash) {
			t.Fatalf("%v\nplan:\n%v", err, &p)
		}
		again = rapid.Bool().Draw(t, "plan anew")
	}
	if !a.vector.Equal(b.vector) {
		t.Fatalf("plan\n%vleft %v and %v", &p, a.vector, b.vector)
	}
	before := a.vector
	if err := e.Apply(p, nil); err != nil || !a.vector.Equal(before) || !b.vector.Equal(before) {
		t.Fatalf("applied twice: %v, %v and %v", err, a.vector, b.vector)
	}
	if p := e.Plan(survey(a, b)); len(p.ToLocal)+len(p.ToRemote) > 0 || p.Bytes() != 0 {
		t.Fatalf("there's still something to do:\n%v", &p)
	}
}

func TestPlansAreMirrorImages(t *testing.T) {
	a, b := newToy(t), newToy(t)
	a.write(id.Origin{}, 10)
	b.write(id.Origin{Region: 1}, 20)
	e := reconcile.New(a, b)
	sa, sb := survey(a, b)
	one, other := e.Plan(sa, sb), e.Plan(sb, sa)
	if fmt.Sprint(one.ToLocal, one.ToRemote) != fmt.Sprint(other.ToRemote, other.ToLocal) {
		t.Errorf("plans\n%v\n%v", &one, &other)
	}
	if again := e.Plan(sa, sb); again.String() != one.String() {
		t.Errorf("the same states give\n%vand\n%v", &one, &again)
	}
	const want = "to local: 1:0:1 to 20 as batches (2000 bytes)\nto remote: 0:0:1 to 10 as batches (1000 bytes)\n"
	if one.String() != want || one.Events() != 30 || one.Bytes() != 3000 {
		t.Errorf("plan\n%v", &one)
	}
}

func TestTheCheaperWayIsTaken(t *testing.T) {
	for _, x := range []struct {
		name    string
		perCent int
		events  id.Seq // in batches of 100
		gone    int    // batches
		kept    bool   // as a range
		want    reconcile.Mode
	}{
		{"a small gap isn't worth folding", 10, 1000, 0, false, reconcile.Batches},
		{"a large one that folds well", 10, 100_000, 0, false, reconcile.Ranges},
		{"a large one that doesn't", 150, 100_000, 0, false, reconcile.Batches},
		{"batches that were compacted", 150, 1000, 3, true, reconcile.Ranges},
		{"batches that are gone", 10, 1000, 3, false, reconcile.Impossible},
	} {
		a, b := newToy(t), newToy(t)
		a.perCent = x.perCent
		for range x.events / 100 {
			a.write(id.Origin{}, 100)
		}
		a.release(id.Origin{}, x.gone, x.kept)
		e := reconcile.New(a, b)
		p := e.Plan(survey(a, b))
		if len(p.ToRemote) != 1 || p.ToRemote[0].Mode != x.want {
			t.Errorf("%s: %v", x.name, &p)
			continue
		}
		done := uint64(0)
		err := e.Apply(p, func(g reconcile.Progress) {
			if g.Done <= done || g.Total != uint64(x.events) || g.ToLocal {
				t.Errorf("%s: progress %+v behind %d", x.name, g, done)
			}
			done = g.Done
		})
		switch {
		case x.want == reconcile.Impossible:
			if !errors.Is(err, fault.ErrGone) || b.vector.Len() != 0 {
				t.Errorf("%s: %v, and %v is there", x.name, err, b.vector)
			}
		case err != nil || done != uint64(x.events) || len(b.events) != int(x.events):
			t.Errorf("%s: %v, %d of %d events", x.name, err, done, x.events)
		}
	}
}
