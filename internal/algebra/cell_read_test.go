package algebra_test

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
)

// readTime returns a moment around a mark: a little before it, at bucket edges after it, or far after it.
func readTime(r *rand.Rand, mark int64) int64 {
	switch r.IntN(4) {
	case 0:
		return mark - r.Int64N(5*second)
	case 1:
		n := []int64{minute, hour, day}[r.IntN(3)]
		return mark/n*n + n*int64(r.IntN(200)) + int64(r.IntN(3)) - 1
	case 2:
		return mark + r.Int64N(45*day)
	}
	return mark + r.Int64N(2*hour)
}

func TestWindowsCountWhatTheirDefinitionSays(t *testing.T) {
	r := newRand(t)
	shape := algebra.Shape{Buckets: true}
	windows := []struct {
		w         algebra.Window
		length, n int64
	}{
		{algebra.W1h, minute, 60},
		{algebra.W24h, hour, 24},
		{algebra.W7d, hour, 168},
		{algebra.W30d, day, 30},
		{algebra.WAll, 1, math.MaxInt64},
	}
	found := [5]int64{}
	for range 2000 {
		events := randomEvents(r, 1+r.IntN(60))
		for i := range events {
			events[i].shape = shape
		}
		s := fold(events)
		mark, _ := s.Mark()
		for range 5 {
			q := readTime(r, mark)
			if mark > math.MaxInt64-400*day || mark < math.MinInt64+400*day {
				q = mark
			}
			for i, w := range windows {
				now, _ := bigDiv(max(q, mark), w.length)
				want := int64(0)
				for _, e := range events {
					if at, _ := bigDiv(e.t, w.length); w.w == algebra.WAll || at > now-w.n {
						want += e.sign
					}
				}
				want = max(want, 0)
				if got := s.Count(w.w, q); got != want {
					t.Fatalf("%v at %d (mark %d): %d, want %d\n%v", w.w, q, mark, got, want, events)
				}
				found[i] += want
			}
		}
	}
	for i, n := range found {
		if n == 0 {
			t.Errorf("no event was ever in window %v", windows[i].w)
		}
	}
}

// float is a big number with room for 10⁶⁰ and a relative 10⁻³⁰ at once.
func float() *big.Float { return new(big.Float).SetPrec(240) }

// bigPow2 returns 2^(num/den) for den > 0: whole powers exactly, the rest by repeated square roots of 2, to 2⁻⁹⁶.
func bigPow2(num, den int64) *big.Float {
	whole, rest := bigDiv(num, den)
	frac := new(big.Int).Lsh(big.NewInt(rest), 96)
	frac.Quo(frac, big.NewInt(den))
	p := float().SetInt64(1)
	for k, root := range roots() {
		if frac.Bit(95-k) == 1 {
			p.Mul(p, root)
		}
	}
	return p.SetMantExp(p, int(whole))
}

// roots returns 2^(2⁻ᵏ) for k = 1..96.
var roots = sync.OnceValue(func() []*big.Float {
	out := []*big.Float{float().Sqrt(float().SetInt64(2))}
	for len(out) < 96 {
		out = append(out, float().Sqrt(out[len(out)-1]))
	}
	return out
})

func bigScore(s fixed.Score) *big.Float {
	f := float().SetUint64(s.Mant)
	return f.SetMantExp(f, int(s.Exp))
}

// scoreOracle returns Σ w·2^(−(q−t)/h) over raw events, and how far a cell may be off: the proven rounding of each kept
// event (0.5 + 2⁻⁹ of 2⁻²⁴ at its epoch's start), all of each event whose epoch was let go, and 2⁻⁵⁹ of the whole.
func scoreOracle(events []event, halfLife, mark, q int64) (score, bound *big.Float, dropped bool) {
	score, bound = float(), float()
	newest, _ := bigDiv(mark, 8*halfLife)
	for _, e := range events {
		value := bigPow2(e.t-q, halfLife)
		value.Mul(value, float().SetMantExp(float().SetInt64(int64(e.w)), -24))
		epoch, elapsed := bigDiv(e.t, 8*halfLife)
		if epoch <= newest-5 {
			bound.Add(bound, value)
			dropped = true
		} else {
			unit := bigPow2(e.t-elapsed-q, halfLife)
			unit.Mul(unit, float().SetFloat64(0.501953125))
			bound.Add(bound, unit.SetMantExp(unit, -24))
		}
		if e.sign < 0 {
			value.Neg(value)
		}
		score.Add(score, value)
	}
	rest := float().Abs(score)
	return score, bound.Add(bound, rest.SetMantExp(rest, -59)), dropped
}

// likeEvents returns events of one half-life within a few of them, without the ends of time.
func likeEvents(r *rand.Rand, halfLife int64, n int) []event {
	shape := algebra.Shape{HalfLives: []int64{halfLife}}
	base := r.Int64N(40_000*day) - 10_000*day
	var events []event
	for range n {
		e := event{t: base + r.Int64N(1+r.Int64N(50*halfLife)), w: randomWeight(r), shape: shape, sign: 1}
		events = append(events, e)
		if r.IntN(6) == 0 {
			e.sign = -1
			events = append(events, e)
		}
	}
	return events
}

func TestScoresAreWithinTheirProvenBoundOfTheRawEvents(t *testing.T) {
	r := newRand(t)
	halfLives := []int64{hour, 6 * hour, day, 7 * day, 90*second + 7}
	whole := 0
	for range 1500 {
		h := halfLives[r.IntN(len(halfLives))]
		events := likeEvents(r, h, 1+r.IntN(12))
		s := fold(events)
		mark, _ := s.Mark()
		q := max(mark, readTime(r, mark))
		want, bound, dropped := scoreOracle(events, h, mark, q)
		score, ok := s.Score(h, q)
		got := bigScore(score)
		if want.Sign() < 0 {
			want = float()
		}
		diff := float().Sub(got, want)
		if diff.Abs(diff).Cmp(bound) > 0 {
			t.Fatalf("half-life %d at %d: %.20g (%v), want %.20g ± %.3g\n%v", h, q, got, ok, want, bound, events)
		}
		if !dropped {
			whole++
		}
	}
	if whole < 100 {
		t.Errorf("only %d runs kept all epochs", whole)
	}
}

// TestScoresOfHeavySignalsAreWithinOneInABillion: rounding to 2⁻²⁴ is relative to the weight, 3·10⁻⁸ of a weight 1, so
// that from a weight of 32 on nine digits are sure.
func TestScoresOfHeavySignalsAreWithinOneInABillion(t *testing.T) {
	r := newRand(t)
	for range 500 {
		events := likeEvents(r, day, 1+r.IntN(12))
		base := events[0].t
		for i := range events {
			events[i].sign = 1
			events[i].t = base + r.Int64N(30*day) // spans at most 5 epochs
			events[i].w = 32*fixed.One + fixed.Weight(r.Int64N(int64(fixed.MaxWeight-32*fixed.One))>>r.IntN(20))
		}
		s := fold(events)
		mark, _ := s.Mark()
		want, _, dropped := scoreOracle(events, day, mark, mark)
		score, _ := s.Score(day, mark)
		ratio, _ := float().Quo(bigScore(score), want).Float64()
		if dropped || math.Abs(ratio-1) > 1e-9 {
			t.Fatalf("score is %.15g of what it should be", ratio)
		}
	}
}

func TestLogScoreIsTheLogarithmOfTheScore(t *testing.T) {
	r := newRand(t)
	for range 5000 {
		h := []int64{hour, 6 * hour, day, 7 * day}[r.IntN(4)]
		s := fold(likeEvents(r, h, 1+r.IntN(12)))
		mark, _ := s.Mark()
		score, ok := s.Score(h, mark)
		log, okLog := s.LogScore(h)
		if ok != okLog {
			t.Fatalf("score %v, log-score %v", ok, okLog)
		}
		if !ok {
			continue
		}
		// log₂ of the mantissa as a number in [1, 2), and the exponent apart, to keep digits.
		exact := math.Log2(float64(score.Mant)/(1<<63)) + float64(score.Exp) + 63
		got := math.Ldexp(float64(log), -32) - float64(mark)/float64(h)
		if math.Abs(got-exact) > 1e-8 {
			t.Fatalf("log-score %.12g, the score's logarithm is %.12g", got, exact)
		}
	}
}

func TestOrderByLogScoreIsOrderByScoreAtAnyTime(t *testing.T) {
	r := newRand(t)
	const h = 6 * hour
	base := r.Int64N(20_000 * day)
	compared := 0
	for range 20_000 {
		at := func() *algebra.SignalState {
			var s algebra.SignalState
			for range 1 + r.IntN(5) {
				s.Add(algebra.Shape{HalfLives: []int64{h}}, base+r.Int64N(40*h), randomWeight(r))
			}
			return &s
		}
		a, b := at(), at()
		markA, _ := a.Mark()
		markB, _ := b.Mark()
		q := max(markA, markB) + r.Int64N(1+r.Int64N(4000*h)) // far beyond where a float64 is 0
		scoreA, _ := a.Score(h, q)
		scoreB, _ := b.Score(h, q)
		logA, _ := a.LogScore(h)
		logB, _ := b.LogScore(h)
		if diff := logA - logB; diff >= -2 && diff <= 2 {
			continue // equal but for rounding
		}
		compared++
		if (logA > logB) != (scoreA.Cmp(scoreB) > 0) {
			t.Fatalf("log-scores %d and %d, scores %+v and %+v", logA, logB, scoreA, scoreB)
		}
	}
	if compared < 15_000 {
		t.Errorf("only %d pairs differed", compared)
	}
}

func TestReadsBeforeTheMarkAreAsOfTheMark(t *testing.T) {
	const mark = 20_000*day + 12345
	shape := algebra.Shape{HalfLives: []int64{day}, Buckets: true}
	s := fold([]event{{t: mark, w: fixed.One, shape: shape, sign: 1}})
	for _, c := range []struct {
		q    int64
		asOf bool
	}{
		{mark + 1, false},
		{mark, false},
		{mark - 1, false},
		{mark - 2000, false},
		{mark - 2001, true},
		{math.MinInt64, true},
	} {
		if got := s.AsOfMark(c.q); got != c.asOf {
			t.Errorf("as of mark at mark%+d: %v", c.q-mark, got)
		}
		if c.q > mark {
			continue
		}
		at, _ := s.Score(day, c.q)
		now, _ := s.Score(day, mark)
		if at != now || s.Count(algebra.W1h, c.q) != 1 {
			t.Errorf("a read at mark%+d differs from one at the mark", c.q-mark)
		}
	}
	if new(algebra.SignalState).AsOfMark(math.MinInt64) {
		t.Error("a cell without events has no mark to be read as of")
	}
	if first := fold([]event{{t: math.MinInt64, w: 1, sign: 1}}); first.AsOfMark(math.MinInt64) || first.AsOfMark(0) {
		t.Error("nothing lies before the first moment")
	}
}

func TestReadsAtTheEndsOfTimeAreSane(t *testing.T) {
	ends := []int64{math.MinInt64, -1, 0, math.MaxInt64}
	for _, h := range []int64{1, day, fixed.MaxHalfLife} {
		shape := algebra.Shape{HalfLives: []int64{h}, Buckets: true}
		for _, at := range ends {
			s := fold([]event{{t: at, w: fixed.One, shape: shape, sign: 1}})
			for _, q := range ends {
				score, ok := s.Score(h, q)
				if f := score.Float(); !ok || f < 0 || f > 1+1e-7 {
					t.Errorf("event at %d with half-life %d scores %v at %d", at, h, f, q)
				}
				for w := algebra.W1h; w.Valid(); w++ {
					if n := s.Count(w, q); n < 0 || n > 1 || w == algebra.WAll && n != 1 {
						t.Errorf("event at %d: %v counts %d at %d", at, w, n, q)
					}
				}
			}
			if _, ok := s.LogScore(h); !ok {
				t.Errorf("event at %d with half-life %d has no log-score", at, h)
			}
		}
	}
}

func TestLogScoreStaysAtTheEndOfItsRange(t *testing.T) {
	shape := algebra.Shape{HalfLives: []int64{1}}
	log := func(at int64) int64 {
		s := fold([]event{{t: at, w: fixed.One, shape: shape, sign: 1}})
		v, ok := s.LogScore(1)
		if !ok {
			t.Fatalf("no log-score at %d", at)
		}
		return v
	}
	times := []int64{-1 << 31, -1<<31 + 300, -1, 0, 1, 1<<31 - 300, 1 << 31}
	for i := 1; i < len(times); i++ {
		if a, b := log(times[i-1]), log(times[i]); a >= b {
			t.Errorf("log-scores at %d and %d are %d and %d", times[i-1], times[i], a, b)
		}
	}
	if log(math.MaxInt64) != math.MaxInt64 || log(math.MinInt64) != math.MinInt64 {
		t.Error("the ends of time are not the ends of the range")
	}
}

// TestScoresOfImmenseSumsStayNear: beyond 2⁹⁵ the epochs no longer fit one number exactly, and still add up.
func TestScoresOfImmenseSumsStayNear(t *testing.T) {
	shape := algebra.Shape{HalfLives: []int64{day}}
	start := int64(3000) * 8 * day
	var s algebra.SignalState
	for k := range int64(5) {
		s.Add(shape, start-k*8*day, fixed.One)
	}
	base, _ := s.Score(day, start)
	for n := range 102 { // 2²⁴·2¹⁰² is the greatest power of two below 2¹²⁷
		score, ok := s.Score(day, start)
		want := base
		want.Exp += int32(n)
		ratio := score.Float() / want.Float()
		if !ok || math.Abs(ratio-1) > 1e-15 {
			t.Fatalf("2^%d times as many score %v of it", n, ratio)
		}
		log, _ := s.LogScore(day)
		if exact := math.Log2(want.Float()) + 3000*8; math.Abs(math.Ldexp(float64(log), -32)-exact) > 1e-8 {
			t.Fatalf("2^%d times as many have log-score %d", n, log)
		}
		s.Merge(s.Clone())
	}
}

// TestSumsBeyondAllBoundsAreHeld: no history leads there, but bytes can say so.
func TestSumsBeyondAllBoundsAreHeld(t *testing.T) {
	most := fixed.Int128{Hi: math.MaxInt64, Lo: math.MaxUint64}
	for _, c := range []struct {
		sum  fixed.Int128
		want float64
	}{{most, math.Ldexp(1, 127-24)}, {most.Neg(), 0}} {
		b := []byte{0x09, 0x00, 0x01, 0x05, 0x03} // a mark at 0, one half-life of 5 ms, two epochs
		b = c.sum.AppendBinary(c.sum.AppendBinary(b))
		var s algebra.SignalState
		if err := algebra.DecodeSignalState(b, &s); err != nil {
			t.Fatal(err)
		}
		score, ok := s.Score(5, 0)
		if got := score.Float(); ok != (c.want > 0) || got != c.want {
			t.Errorf("sums of %v score %v, %v; want %v", c.sum, got, ok, c.want)
		}
	}
}

func TestPermanentSumAndUniqueUsers(t *testing.T) {
	shape := algebra.Shape{Permanent: true, Unique: true}
	var s algebra.SignalState
	r := rand.New(rand.NewPCG(7, 7))
	for range 1000 {
		s.Add(shape, 5, 3*fixed.One)
		s.AddUnique(r.Uint64())
	}
	if got := s.PermanentSum(); got != fixed.FromInt64(3000*int64(fixed.One)) {
		t.Errorf("sum %v", got)
	}
	if n := s.Unique(); n < 900 || n > 1100 {
		t.Errorf("%d unique users of 1000", n)
	}
	s.Subtract(shape, 5, 3*fixed.One)
	if got := fixed.Decayed(s.PermanentSum(), 0, 1, 24).Float(); got != 2997 || s.Total() != 999 {
		t.Errorf("sum %v, total %d", got, s.Total())
	}
}

func TestWindowsHaveNames(t *testing.T) {
	for w, want := range map[algebra.Window]struct {
		name   string
		millis int64
	}{
		algebra.W1h: {"1h", hour}, algebra.W24h: {"24h", day}, algebra.W7d: {"7d", 7 * day}, algebra.W30d: {"30d", 30 * day},
		algebra.WAll: {"all", 0},
	} {
		got, err := algebra.ParseWindow(w.String())
		if err != nil || got != w || w.String() != want.name || w.Millis() != want.millis {
			t.Errorf("%v: parsed %v, %v, %d ms", w, got, err, w.Millis())
		}
	}
	if _, err := algebra.ParseWindow("1H"); !errors.Is(err, fault.ErrInput) {
		t.Errorf("1H: %v", err)
	}
}
