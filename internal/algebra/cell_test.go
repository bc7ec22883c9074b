package algebra_test

import (
	"bytes"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
)

// partial is what a schedule moves about: a cell, or a wrong one.
type partial[T any] interface {
	apply(e event)
	merge(o T)
}

type cell struct{ algebra.SignalState }

func (c *cell) apply(e event) { e.apply(&c.SignalState) }
func (c *cell) merge(o *cell) { c.Merge(&o.SignalState) }

// runSchedule gives the events in random order to random partial cells, which merge at random moments, and in the end
// all into one, as a random tree. It returns that one and the number of operations.
func runSchedule[T partial[T]](r *rand.Rand, events []event, empty func() T, pass func(T) T) (T, int) {
	parts := []T{empty()}
	for range r.IntN(8) {
		parts = append(parts, empty())
	}
	ops := 0
	for _, i := range r.Perm(len(events)) {
		parts[r.IntN(len(parts))].apply(events[i])
		ops++
		if r.IntN(10) == 0 && len(parts) > 1 {
			to, from := r.IntN(len(parts)), r.IntN(len(parts))
			if to != from {
				parts[to].merge(parts[from])
				parts[from] = empty()
				ops++
			}
		}
		if r.IntN(10) == 0 {
			at := r.IntN(len(parts))
			parts[at] = pass(parts[at])
		}
	}
	for len(parts) > 1 {
		to := r.IntN(len(parts))
		from := r.IntN(len(parts))
		if to == from {
			continue
		}
		parts[to].merge(parts[from])
		parts = slices.Delete(parts, from, from+1)
		ops++
	}
	return parts[0], ops
}

// throughBytes encodes a cell, decodes it into a used one, and checks that nothing got lost.
func throughBytes(t *testing.T) func(*cell) *cell {
	used := new(cell)
	return func(c *cell) *cell {
		b := c.AppendBinary(nil)
		if err := algebra.DecodeSignalState(b, &used.SignalState); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if again := used.AppendBinary(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x comes back as %x", b, again)
		}
		c, used = used, c
		return c
	}
}

// TestStateIsAFunctionOfTheSetOfEvents is the promise that everything replicated rests on: five nodes fold the same
// events and compensations in different orders, groups and merge trees; all end with the same bytes, and those are what
// the definition says of the set.
func TestStateIsAFunctionOfTheSetOfEvents(t *testing.T) {
	const nodes, atLeast = 5, 1_000_000
	r := newRand(t)
	pass := throughBytes(t)
	ops, runs := 0, 0
	for ; ops < atLeast; runs++ {
		events := randomEvents(r, 1+r.IntN(1+r.IntN(200)))
		want := newModel(events).encode()
		for node := range nodes {
			c, n := runSchedule(r, events, func() *cell { return new(cell) }, pass)
			ops += n
			if got := c.AppendBinary(nil); !bytes.Equal(got, want) {
				t.Fatalf("run %d, node %d: %x, the set of events says %x\n%v", runs, node, got, want, events)
			}
		}
	}
	t.Logf("%d runs, %d operations", runs, ops)
}

// wrongCell keeps "the five newest epochs present" of one half-life, a rule that looks right.
type wrongCell struct{ sums map[int64]int64 }

const wrongHalfLife = 6 * hour

func (c *wrongCell) apply(e event) {
	if !slices.Contains(e.shape.HalfLives, wrongHalfLife) {
		return
	}
	epoch, elapsed := bigDiv(e.t, 8*wrongHalfLife)
	c.put(epoch, e.sign*fixed.Grow(e.w, elapsed, wrongHalfLife))
}

func (c *wrongCell) merge(o *wrongCell) {
	for epoch, sum := range o.sums {
		c.put(epoch, sum)
	}
}

func (c *wrongCell) put(epoch, sum int64) {
	if c.sums[epoch] += sum; c.sums[epoch] == 0 {
		delete(c.sums, epoch)
	}
	for len(c.sums) > 5 {
		oldest := int64(math.MaxInt64)
		for e := range c.sums {
			oldest = min(oldest, e)
		}
		delete(c.sums, oldest)
	}
}

// TestKeepingTheNewestEpochsPresentIsCaught is the negative control: the same schedules must tell a wrong rule.
func TestKeepingTheNewestEpochsPresentIsCaught(t *testing.T) {
	r := newRand(t)
	caught, runs := 0, 500
	for range runs {
		events := randomEvents(r, 1+r.IntN(100))
		empty := func() *wrongCell { return &wrongCell{map[int64]int64{}} }
		same := func(c *wrongCell) *wrongCell { return c }
		a, _ := runSchedule(r, events, empty, same)
		b, _ := runSchedule(r, events, empty, same)
		equal := len(a.sums) == len(b.sums)
		for epoch, sum := range a.sums {
			equal = equal && b.sums[epoch] == sum
		}
		if !equal {
			caught++
		}
	}
	t.Logf("the wrong rule showed in %d of %d runs", caught, runs)
	if caught == 0 {
		t.Fatal("schedules that don't tell a wrong rule prove nothing of the right one")
	}
}

func TestCompensationLeavesTheMarkAlone(t *testing.T) {
	r := newRand(t)
	for range 2000 {
		e := randomEvents(r, 1)[0]
		e.user = 0
		undo := e
		undo.sign = -1
		after, before := fold([]event{e, undo}), fold([]event{undo, e})
		a, b := after.AppendBinary(nil), before.AppendBinary(nil)
		want := (&model{marked: true, mark: e.t, permanent: new(big.Int)}).encode()
		if !bytes.Equal(a, want) || !bytes.Equal(b, want) {
			t.Fatalf("%v: %x after, %x before, want %x", e, a, b, want)
		}
		mark, ok := after.Mark()
		if !ok || mark != e.t || after.IsZero() || after.Total() != 0 || !after.PermanentSum().IsZero() {
			t.Fatalf("%v: mark %d, %v, total %d", e, mark, ok, after.Total())
		}
		for _, h := range e.shape.HalfLives {
			if s, ok := after.Score(h, e.t); ok || !s.IsZero() {
				t.Fatalf("%v: score %+v", e, s)
			}
		}
	}
}

func TestACompensationAheadOfItsEventReadsAsZero(t *testing.T) {
	shape := algebra.Shape{HalfLives: []int64{day}, Permanent: true, Buckets: true}
	var s algebra.SignalState
	s.Subtract(shape, 1000*day, fixed.One)
	if s.Total() != -1 || s.PermanentSum().Sign() != -1 {
		t.Errorf("total %d, permanent %v", s.Total(), s.PermanentSum())
	}
	for w := algebra.W1h; w.Valid(); w++ {
		if n := s.Count(w, 1000*day); n != 0 {
			t.Errorf("%v counts %d", w, n)
		}
	}
	if score, ok := s.Score(day, 1000*day); ok || !score.IsZero() {
		t.Errorf("score %+v, %v", score, ok)
	}
	if log, ok := s.LogScore(day); ok {
		t.Errorf("log-score %d", log)
	}
}

func TestSumsPassInt64AndComeBack(t *testing.T) {
	r := newRand(t)
	shape := algebra.Shape{HalfLives: []int64{day}, Permanent: true, Buckets: true}
	end := int64(3000)*8*day - 1 // the last millisecond of an epoch
	older := slices.DeleteFunc(randomEvents(r, 30), func(e event) bool { return e.t > end })
	start := fold(older)
	start.Merge(fold([]event{{t: end, w: fixed.One, shape: shape, sign: 1}}))
	want := start.AppendBinary(nil)

	const events = 5000
	most := big.NewInt(math.MaxInt64)
	sum := new(big.Int)
	s, others := start.Clone(), new(algebra.SignalState)
	for i := range events {
		into := s
		if i%3 == 0 {
			into = others
		}
		into.Add(shape, end, fixed.MaxWeight)
		sum.Add(sum, big.NewInt(fixed.Grow(fixed.MaxWeight, 8*day-1, day)))
	}
	s.Merge(others)
	if sum.Cmp(most) <= 0 {
		t.Fatalf("%v events sum up to %v only", events, sum)
	}
	score, _ := s.Score(day, end)
	if got := score.Float(); math.Abs(got/(events*1e6)-1) > 1e-6 {
		t.Errorf("score of %d events of weight 10⁶ is %v", events, got)
	}
	if err := algebra.DecodeSignalState(s.AppendBinary(nil), s); err != nil {
		t.Fatal(err)
	}
	for range events {
		s.Subtract(shape, end, fixed.MaxWeight)
	}
	if got := s.AppendBinary(nil); !bytes.Equal(got, want) {
		t.Fatalf("%x, before it was %x", got, want)
	}
}

func TestSumsWrapAndComeBack(t *testing.T) {
	r := newRand(t)
	for range 50 {
		events := randomEvents(r, 20)
		s := fold(events)
		want := s.AppendBinary(nil)
		grown := s.Clone()
		for range 40 + r.IntN(90) { // sums wrap; in some runs all have become 0
			grown.Merge(grown.Clone())
		}
		multiple := grown.Clone()
		grown.Merge(s)
		grown.Minus(multiple)
		if got := grown.AppendBinary(nil); !bytes.Equal(got, want) {
			t.Fatalf("%x, want %x", got, want)
		}
	}
}

// TestOverlapOfACompactedRangeIsTakenOut: a receiver that holds A gets the range R, of which it has O; (A + R) − O is
// the fold of the union.
func TestOverlapOfACompactedRangeIsTakenOut(t *testing.T) {
	r := newRand(t)
	asIs := 0
	const runs = 1000
	for range runs {
		events := randomEvents(r, 1+r.IntN(80))
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		from, to := r.IntN(len(events)+1), r.IntN(len(events)+1)
		from, to = min(from, to), max(from, to)
		held, rng, overlap := events[:to], events[from:], events[from:to]

		s := fold(held)
		s.Merge(fold(rng))
		want := newModel(events).encode()
		if !bytes.Equal(s.AppendBinary(nil), want) {
			asIs++
		}
		o := fold(overlap)
		before := o.AppendBinary(nil)
		s.Minus(o)
		if got := s.AppendBinary(nil); !bytes.Equal(got, want) {
			t.Fatalf("%x, want %x\n%v", got, want, events)
		}
		if !bytes.Equal(o.AppendBinary(nil), before) {
			t.Fatal("Minus changed its argument")
		}
	}
	if asIs == 0 {
		t.Error("the range applied as it is was never wrong: the test has no overlaps")
	}
	t.Logf("applied as it is, %d of %d ranges would have been wrong", asIs, runs)
}

func TestMergeLeavesItsArgumentAndClonesAreApart(t *testing.T) {
	r := newRand(t)
	for range 300 {
		a, b := fold(randomEvents(r, 20)), fold(randomEvents(r, 20))
		wasA, wasB := a.AppendBinary(nil), b.AppendBinary(nil)
		c := a.Clone()
		c.Merge(b)
		for _, e := range randomEvents(r, 20) {
			e.apply(c)
		}
		c.AddUnique(r.Uint64())
		if !bytes.Equal(a.AppendBinary(nil), wasA) || !bytes.Equal(b.AppendBinary(nil), wasB) {
			t.Fatal("a merge changed its argument, or a clone its original")
		}
	}
}

func TestAddingAHalfLifeIsOneMoreDimension(t *testing.T) {
	const at = 20_000 * day
	one := algebra.Shape{HalfLives: []int64{day}, Buckets: true}
	two := algebra.Shape{HalfLives: []int64{hour, day}, Buckets: true}
	var s algebra.SignalState
	s.Add(one, at, fixed.One)
	s.Add(two, at, fixed.One)
	for _, c := range []struct {
		half int64
		want float64
	}{{hour, 1}, {day, 2}} {
		if score, ok := s.Score(c.half, at); !ok || score.Float() != c.want {
			t.Errorf("half-life %d: %v, %v; want %v", c.half, score.Float(), ok, c.want)
		}
	}
	if _, ok := s.Score(7*day, at); ok {
		t.Error("a half-life that no event had has a score")
	}
}

func TestTheZeroCellIsTheIdentity(t *testing.T) {
	r := newRand(t)
	var zero algebra.SignalState
	if !zero.IsZero() || len(zero.AppendBinary(nil)) != 0 {
		t.Fatal("the zero cell is not empty")
	}
	if mark, ok := zero.Mark(); ok || mark != 0 {
		t.Fatal("the zero cell has a mark")
	}
	users := new(algebra.SignalState)
	users.AddUnique(r.Uint64())
	cells := []*algebra.SignalState{new(algebra.SignalState), users}
	for range 100 {
		cells = append(cells, fold(randomEvents(r, 10)))
	}
	for _, c := range cells {
		want := c.AppendBinary(nil)
		left := new(algebra.SignalState)
		left.Merge(c)
		c.Merge(&zero)
		c.Minus(&zero)
		if !bytes.Equal(left.AppendBinary(nil), want) || !bytes.Equal(c.AppendBinary(nil), want) {
			t.Fatalf("merging nothing changes %x", want)
		}
		if c.Reset(); !c.IsZero() || len(c.AppendBinary(nil)) != 0 {
			t.Fatal("a cell is not zero after Reset")
		}
	}
}

func TestMistakesPanic(t *testing.T) {
	shape := algebra.Shape{HalfLives: []int64{day}}
	var s algebra.SignalState
	for name, call := range map[string]func(){
		"weight 0":          func() { s.Add(shape, 0, 0) },
		"weight too great":  func() { s.Add(algebra.Shape{}, 0, fixed.MaxWeight+1) },
		"half-life 0":       func() { s.Add(algebra.Shape{HalfLives: []int64{0}}, 0, fixed.One) },
		"half-life too big": func() { s.Add(algebra.Shape{HalfLives: []int64{fixed.MaxHalfLife + 1}}, 0, fixed.One) },
		"merge with itself": func() { s.Merge(&s) },
		"minus itself":      func() { s.Minus(&s) },
		"unknown window":    func() { s.Count(99, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}
