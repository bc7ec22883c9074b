package algebra_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/testseed"
)

var updateCells = flag.Bool("update", false, "rewrite the golden files of the cell")

// newRand returns a generator whose seed is logged; TIDAL_SEED repeats a run.
func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := testseed.Of(t)
	return rand.New(rand.NewPCG(seed, 1))
}

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// event is a signal (sign 1) or the compensation of one (sign −1).
type event struct {
	t     int64
	w     fixed.Weight
	shape algebra.Shape
	sign  int64
	user  uint64 // hash, 0 for none
}

func (e event) String() string {
	return fmt.Sprintf("{t %d w %d sign %d half-lives %v}", e.t, e.w, e.sign, e.shape.HalfLives)
}

func (e event) apply(s *algebra.SignalState) {
	if e.sign > 0 {
		s.Add(e.shape, e.t, e.w)
	} else {
		s.Subtract(e.shape, e.t, e.w)
	}
	if e.user != 0 {
		s.AddUnique(e.user)
	}
}

func fold(events []event) *algebra.SignalState {
	s := new(algebra.SignalState)
	for _, e := range events {
		e.apply(s)
	}
	return s
}

// shapes are versions of one signal type, and some that no schema would hold beside them.
func shapes() []algebra.Shape {
	return []algebra.Shape{
		{HalfLives: []int64{day}, Buckets: true},
		{HalfLives: []int64{6 * hour, day}, Buckets: true, Unique: true},
		{HalfLives: []int64{hour, 6 * hour, 7 * day}, Buckets: true, Permanent: true, Unique: true},
		{Permanent: true},
		{HalfLives: []int64{90*second + 7}},
		{HalfLives: []int64{1, 30 * day, fixed.MaxHalfLife}, Buckets: true},
	}
}

// randomTimes returns a source of event times: spread over 100 days and clustered around a few moments, often at the
// edges where a bucket or an epoch begins; in some runs before 1970, around it, or at the ends of time.
func randomTimes(r *rand.Rand) func() int64 {
	bases := []int64{1_767_225_600_000, -50 * day, -400 * day, 0}
	base := bases[r.IntN(len(bases))] + r.Int64N(day)
	focus := []int64{base, base + r.Int64N(100*day), base + r.Int64N(100*day)}
	widths := []int64{minute, 3 * hour, 10 * day, 45 * day, 100 * day}
	spread := widths[r.IntN(len(widths))]
	extreme := r.IntN(40) == 0
	return func() int64 {
		if extreme && r.IntN(3) == 0 {
			ends := []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, math.MaxInt64 - 1, math.MaxInt64}
			return ends[r.IntN(len(ends))]
		}
		t := base + r.Int64N(spread)
		if r.IntN(3) == 0 {
			t = focus[r.IntN(len(focus))] + r.Int64N(3*minute)
		}
		if r.IntN(3) == 0 {
			lengths := []int64{minute, hour, day, 8 * hour, 48 * hour, 8 * day, 56 * day}
			n := lengths[r.IntN(len(lengths))]
			t = t/n*n + int64(r.IntN(3)) - 1
		}
		return t
	}
}

// randomEvents returns signals and, for some of them, their compensations, in no particular order.
func randomEvents(r *rand.Rand, n int) []event {
	when, all := randomTimes(r), shapes()
	first := r.IntN(len(all))
	undone := r.IntN(3)
	var events []event
	for range n {
		e := event{t: when(), w: randomWeight(r), shape: all[first], sign: 1}
		if r.IntN(3) == 0 {
			e.shape = all[r.IntN(len(all))]
		}
		if e.shape.Unique {
			e.user = 1 + r.Uint64N(1<<20)*0x9e3779b97f4a7c15
		}
		events = append(events, e)
		if r.IntN(5) < undone {
			e.sign, e.user = -1, 0
			events = append(events, e)
		}
	}
	return events
}

func randomWeight(r *rand.Rand) fixed.Weight {
	switch r.IntN(4) {
	case 0:
		return fixed.MaxWeight
	case 1:
		return 1 + fixed.Weight(r.Int64N(int64(fixed.MaxWeight)))
	case 2:
		return 1 + fixed.Weight(r.Int64N(int64(fixed.One)))
	}
	return fixed.One
}

// model is the cell by its definition: it looks at the set of all events, once, in big integers.
type model struct {
	marked    bool
	mark      int64
	total     int64
	permanent *big.Int
	sums      map[[2]int64]*big.Int // by half-life and epoch
	buckets   [3]map[int64]int64    // by minute, hour, day
	unique    algebra.HLL
}

func newModel(events []event) *model {
	m := &model{permanent: new(big.Int), sums: map[[2]int64]*big.Int{}}
	for i := range m.buckets {
		m.buckets[i] = map[int64]int64{}
	}
	for _, e := range events {
		if !m.marked || e.t > m.mark {
			m.marked, m.mark = true, e.t
		}
	}
	for _, e := range events {
		m.add(e)
	}
	return m
}

func (m *model) add(e event) {
	m.total += e.sign
	if e.user != 0 {
		m.unique.Add(e.user)
	}
	if e.shape.Permanent {
		m.permanent.Add(m.permanent, big.NewInt(e.sign*int64(e.w)))
	}
	for _, h := range e.shape.HalfLives {
		epoch, elapsed := bigDiv(e.t, 8*h)
		newest, _ := bigDiv(m.mark, 8*h)
		if epoch > newest-5 {
			key := [2]int64{h, epoch}
			if m.sums[key] == nil {
				m.sums[key] = new(big.Int)
			}
			m.sums[key].Add(m.sums[key], big.NewInt(e.sign*fixed.Grow(e.w, elapsed, h)))
		}
	}
	if !e.shape.Buckets {
		return
	}
	for i, length := range []int64{minute, hour, day} {
		at, _ := bigDiv(e.t, length)
		now, _ := bigDiv(m.mark, length)
		if at > now-[]int64{60, 168, 30}[i] {
			m.buckets[i][at] += e.sign
			return
		}
	}
}

// bigDiv returns ⌊a/b⌋ and the remainder, for b > 0, by big integers.
func bigDiv(a, b int64) (quotient, rest int64) {
	q, r := new(big.Int).DivMod(big.NewInt(a), big.NewInt(b), new(big.Int))
	return q.Int64(), r.Int64()
}

// encode writes the documented layout from the maps.
func (m *model) encode() []byte {
	if !m.marked {
		return nil
	}
	decays, buckets := m.encodeDecays(), m.encodeBuckets()
	b := binary.AppendVarint([]byte{0x01}, m.mark)
	if m.total != 0 {
		b[0] |= 0x02
		b = binary.AppendVarint(b, m.total)
	}
	if m.permanent.Sign() != 0 {
		b[0] |= 0x04
		b = append(b, bigVarint(m.permanent)...)
	}
	if decays != nil {
		b[0] |= 0x08
		b = append(b, decays...)
	}
	if buckets != nil {
		b[0] |= 0x10
		b = append(b, buckets...)
	}
	if !m.unique.IsZero() {
		b[0] |= 0x20
		b = m.unique.AppendBinary(b)
	}
	return b
}

func (m *model) encodeDecays() []byte {
	byHalfLife := map[int64][]byte{}
	masks := map[int64]byte{}
	for _, h := range m.halfLives() {
		newest, _ := bigDiv(m.mark, 8*h)
		for k := range int64(5) {
			if sum := m.sums[[2]int64{h, newest - k}]; sum != nil && sum.Sign() != 0 {
				masks[h] |= 1 << k
				byHalfLife[h] = append(byHalfLife[h], bigVarint(sum)...)
			}
		}
	}
	if len(masks) == 0 {
		return nil
	}
	b := binary.AppendUvarint(nil, uint64(len(masks)))
	last := int64(0)
	for _, h := range m.halfLives() {
		if masks[h] != 0 {
			b = append(binary.AppendUvarint(b, uint64(h-last)), masks[h])
			b = append(b, byHalfLife[h]...)
			last = h
		}
	}
	return b
}

func (m *model) halfLives() []int64 {
	var all []int64
	for key := range m.sums {
		all = append(all, key[0])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (m *model) encodeBuckets() []byte {
	var b []byte
	found := false
	for i, length := range []int64{minute, hour, day} {
		now, _ := bigDiv(m.mark, length)
		var kept []int64
		for at, n := range m.buckets[i] {
			if n != 0 {
				kept = append(kept, at)
			}
		}
		slices.Sort(kept)
		b = binary.AppendUvarint(b, uint64(len(kept)))
		next := now - []int64{59, 167, 29}[i]
		for _, at := range kept {
			found = true
			b = binary.AppendUvarint(b, uint64(at-next))
			b = binary.AppendVarint(b, m.buckets[i][at])
			next = at + 1
		}
	}
	if !found {
		return nil
	}
	return b
}

// bigVarint is zigzag and groups of seven bits, over big integers.
func bigVarint(v *big.Int) []byte {
	u := new(big.Int).Lsh(v, 1)
	if v.Sign() < 0 {
		u.Not(u) // −2v − 1
	}
	var b []byte
	for u.BitLen() > 7 {
		b = append(b, byte(u.Uint64())|0x80)
		u.Rsh(u, 7)
	}
	return append(b, byte(u.Uint64()))
}
