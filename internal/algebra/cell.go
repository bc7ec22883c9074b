package algebra

import (
	"cmp"
	"slices"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/planted"
)

// Shape is what one version of the schema makes of a signal type: which numbers an event of that type changes. An event
// has the effects of the shape it was stamped under, for ever, so a cell may hold more than any one shape names.
type Shape struct {
	// HalfLives of the decayed sums, in milliseconds, each in 1..[fixed.MaxHalfLife], rising, at most three.
	HalfLives []int64
	// Permanent keeps the plain sum of weights.
	Permanent bool
	// Buckets keeps counts by minute, hour and day, which windows are read from.
	Buckets bool
	// Unique says that the caller counts different users, by [SignalState.AddUnique].
	Unique bool
}

// SignalState is a cell: what is kept of all signals of one type for one item (or one cohort and item, or one user and
// creator). The zero value is a cell without events.
//
// It is a pair of a mark and sums. The mark is the latest event time of all events and compensations, a join. The sums
// are integers: the number of events, the plain sum of weights, per half-life one grown sum per epoch of 8 half-lives,
// and counts per minute, hour or day. Which of them are kept, and at which resolution, follows from the mark alone:
//
//	epoch e of a half-life   kept iff e > epoch(mark) − 5
//	an event at t counts     in its minute iff ⌊t/minute⌋ > ⌊mark/minute⌋ − 60,
//	                         else in its hour iff ⌊t/hour⌋ > ⌊mark/hour⌋ − 168,
//	                         else in its day iff ⌊t/day⌋ > ⌊mark/day⌋ − 30,
//	                         else in the total only
//
// Each condition, once false, stays false as the mark rises, and a coarser bucket is found from a finer one. So what a
// cell finally holds is a function of the set of its events: every kept event was kept by every partial cell it passed
// through, because those had a lower mark. A rule over what is present, such as "the five newest epochs that have
// events", is not order-free: an epoch that a compensation empties would make room for an older one, which a replica
// that met the three in another order has let go.
//
// Sums wrap (64 bits for counts, 128 for weights), and are signed, so [SignalState.Subtract] restores exactly, also
// before the event that it compensates. Unique users are an [HLL], a join that nothing is subtracted from.
//
// Methods work in place. A cell holds no entry that is zero, so equal values have equal bytes.
type SignalState struct {
	marked    bool // without a mark there are no sums
	mark      int64
	total     int64
	permanent fixed.Int128
	decays    []decay // by rising half-life, none zero
	levels    [levelCount][]bucket
	unique    HLL
}

// decay holds the sums of one half-life.
type decay struct {
	halfLife int64
	epoch    int64                    // of the mark
	sums     [keptEpochs]fixed.Int128 // sums[k] is that of epoch − k
}

// bucket counts the events of one minute, hour or day, numbered from 1970.
type bucket struct {
	index int64
	count int64
}

func (b bucket) compare(index int64) int { return cmp.Compare(b.index, index) }

const (
	// keptEpochs is how many epochs a half-life keeps: what is older weighs less than 2⁻³² of an event now.
	keptEpochs = 5
	// epochHalfLives is the length of an epoch in half-lives. Within it a weight grows by at most 2⁸.
	epochHalfLives = 8
)

// The resolutions of buckets, finest first.
const (
	byMinute = iota
	byHour
	byDay
	levelCount
)

const (
	minuteMillis   = 60_000
	minutesPerHour = 60
	hoursPerDay    = 24
)

var (
	// levelKeep is how many buckets of a level, up to the mark's own, take events.
	levelKeep = [levelCount]int64{60, 168, 30}
	// levelRatio is how many buckets of a level make one of the next.
	levelRatio = [levelCount]int64{minutesPerHour, hoursPerDay, 1}
	// levelMost is how many buckets of a level can be held. An event is in an hour only when its minute is too old,
	// which the mark's own hour never is, and in a day only when it is at least seven days before the mark's.
	levelMost = [levelCount]int64{60, 167, 23}
)

// Add counts an event of weight w at time t, in Unix milliseconds. It panics for a weight or a half-life out of range:
// both are validated before an event is stamped.
func (s *SignalState) Add(shape Shape, t int64, w fixed.Weight) { s.apply(shape, t, w, 1) }

// Subtract takes back an event that was or will be added with the same arguments. The sums are as if neither had
// happened; the mark remembers the time of both.
func (s *SignalState) Subtract(shape Shape, t int64, w fixed.Weight) { s.apply(shape, t, w, -1) }

// AddUnique counts a user by hash. See [HLL.Add].
func (s *SignalState) AddUnique(hash uint64) { s.unique.Add(hash) }

// Merge adds another cell: afterwards s holds the events of both. o is left as it was and must not be s.
func (s *SignalState) Merge(o *SignalState) { s.combine(o, 1) }

// Minus takes another cell's events out: sums are subtracted, the mark and the unique users joined. That is what a
// receiver does with the part of a compacted range that it holds already. o is left as it was and must not be s.
func (s *SignalState) Minus(o *SignalState) { s.combine(o, -1) }

// IsZero reports whether s is the zero value: no event, no compensation, no user. A cell whose sums are all zero isn't,
// if it has a mark.
func (s *SignalState) IsZero() bool { return !s.marked && s.unique.IsZero() }

// Mark returns the latest event time of all events and compensations, and false if there was none.
func (s *SignalState) Mark() (int64, bool) { return s.mark, s.marked }

// Total returns the number of events less that of compensations. It is negative while compensations are ahead of their
// events.
func (s *SignalState) Total() int64 { return s.total }

// Clone returns a copy that shares nothing with s.
func (s *SignalState) Clone() *SignalState {
	c := *s
	c.decays = slices.Clone(s.decays)
	for level := range c.levels {
		c.levels[level] = slices.Clone(s.levels[level])
	}
	c.unique = s.unique.Clone()
	return &c
}

// Reset makes s the zero value and keeps its memory for the next use.
func (s *SignalState) Reset() {
	*s = SignalState{
		decays: s.decays[:0],
		levels: [levelCount][]bucket{s.levels[byMinute][:0], s.levels[byHour][:0], s.levels[byDay][:0]},
	}
}

// apply adds an event, sign times.
func (s *SignalState) apply(shape Shape, t int64, w fixed.Weight, sign int64) {
	if !w.Valid() {
		panic("algebra: weight out of range")
	}
	s.raise(t)
	s.total += sign
	if shape.Permanent {
		s.permanent = s.permanent.Add(fixed.FromInt64(sign * int64(w)))
	}
	for _, halfLife := range shape.HalfLives {
		epoch, elapsed := epochOf(t, halfLife)
		d := s.decay(halfLife)
		if back := d.epoch - epoch; back < keptEpochs {
			d.sums[back] = d.sums[back].Add(fixed.FromInt64(sign * fixed.Grow(w, elapsed, halfLife)))
		}
	}
	s.trim()
	if shape.Buckets {
		s.count(byMinute, indexes(t)[byMinute], sign, indexes(s.mark))
	}
}

// combine adds another cell, sign times.
func (s *SignalState) combine(o *SignalState, sign int64) {
	if s == o {
		panic("algebra: a cell can't be combined with itself")
	}
	if !o.unique.IsZero() {
		s.unique = s.unique.Merge(o.unique)
	}
	if !o.marked {
		return
	}
	s.raise(o.mark)
	s.total += sign * o.total
	s.permanent = plus(s.permanent, o.permanent, sign)
	for i := range o.decays {
		from := &o.decays[i]
		to := s.decay(from.halfLife)
		// Our mark is at least theirs, so their epochs are as old here or older.
		for back := to.epoch - from.epoch; back < keptEpochs; back++ {
			k := back - (to.epoch - from.epoch)
			to.sums[back] = plus(to.sums[back], from.sums[k], sign)
		}
	}
	s.trim()
	now := indexes(s.mark)
	for level := range o.levels {
		for _, b := range o.levels[level] {
			s.count(level, b.index, sign*b.count, now)
		}
	}
}

func plus(a, b fixed.Int128, sign int64) fixed.Int128 {
	if sign < 0 {
		return a.Sub(b)
	}
	return a.Add(b)
}

// raise joins the mark with t and lets go of what it leaves behind.
func (s *SignalState) raise(t int64) {
	if !s.marked {
		s.marked, s.mark = true, t
		return
	}
	if t <= s.mark {
		return
	}
	s.mark = t
	for i := range s.decays {
		s.decays[i].advance(t)
	}
	s.trim()
	s.fold()
}

// advance moves the sums back by as many epochs as the mark went forward.
func (d *decay) advance(mark int64) {
	epoch, _ := epochOf(mark, d.halfLife)
	by := epoch - d.epoch
	if by == 0 {
		return
	}
	if planted.EpochsPresent {
		by = 1
	}
	d.epoch = epoch
	for k := int64(keptEpochs - 1); k >= 0; k-- {
		if k >= by {
			d.sums[k] = d.sums[k-by]
		} else {
			d.sums[k] = fixed.Int128{}
		}
	}
}

// fold moves the buckets that the mark has left behind to the next coarser level, or out.
func (s *SignalState) fold() {
	now := indexes(s.mark)
	for level := range s.levels {
		buckets := s.levels[level]
		old := 0
		for old < len(buckets) && buckets[old].index <= now[level]-levelKeep[level] {
			s.count(level, buckets[old].index, buckets[old].count, now)
			old++
		}
		if old > 0 {
			s.levels[level] = append(buckets[:0], buckets[old:]...)
		}
	}
}

// count adds n to the bucket of a level, or of the first coarser one that still takes events so old.
func (s *SignalState) count(level int, index, n int64, now [levelCount]int64) {
	for index <= now[level]-levelKeep[level] {
		index = floorDiv(index, levelRatio[level])
		if level++; level == levelCount {
			return
		}
	}
	s.levels[level] = addBucket(s.levels[level], index, n)
}

// addBucket adds n to the bucket of an index in a rising list, which most events meet at its end. A bucket that comes
// to 0 goes.
func addBucket(list []bucket, index, n int64) []bucket {
	i := len(list)
	if i > 0 && list[i-1].index >= index {
		i, _ = slices.BinarySearchFunc(list, index, bucket.compare)
	}
	switch {
	case n == 0:
		return list
	case i == len(list) || list[i].index != index:
		return slices.Insert(list, i, bucket{index, n})
	case list[i].count+n == 0:
		return slices.Delete(list, i, i+1)
	}
	list[i].count += n
	return list
}

// decay returns the sums of a half-life, new ones if there are none; the caller trims. The pointer is good until the
// next call.
func (s *SignalState) decay(halfLife int64) *decay {
	i := 0
	for i < len(s.decays) && s.decays[i].halfLife < halfLife {
		i++
	}
	if i == len(s.decays) || s.decays[i].halfLife != halfLife {
		epoch, _ := epochOf(s.mark, halfLife)
		s.decays = slices.Insert(s.decays, i, decay{halfLife: halfLife, epoch: epoch})
	}
	return &s.decays[i]
}

// trim removes the half-lives whose sums are all zero.
func (s *SignalState) trim() {
	for i := range s.decays {
		if s.decays[i].isZero() {
			s.decays = slices.DeleteFunc(s.decays, func(d decay) bool { return d.isZero() })
			return
		}
	}
}

func (d *decay) isZero() bool {
	for _, sum := range d.sums {
		if !sum.IsZero() {
			return false
		}
	}
	return true
}

// epochOf returns the epoch of t under a half-life, and the milliseconds since its start.
func epochOf(t, halfLife int64) (epoch, elapsed int64) {
	if halfLife <= 0 || halfLife > fixed.MaxHalfLife {
		panic("algebra: half-life out of range")
	}
	length := halfLife * epochHalfLives
	epoch, elapsed = t/length, t%length
	if elapsed < 0 {
		epoch, elapsed = epoch-1, elapsed+length
	}
	return epoch, elapsed
}

// indexes returns the minute, hour and day of t, numbered from 1970.
func indexes(t int64) [levelCount]int64 {
	minute := floorDiv(t, minuteMillis)
	hour := floorDiv(minute, minutesPerHour)
	return [levelCount]int64{minute, hour, floorDiv(hour, hoursPerDay)}
}

// floorDiv returns ⌊a/b⌋ for b > 0.
func floorDiv(a, b int64) int64 {
	if a >= 0 {
		return int64(uint64(a) / uint64(b)) // which is less to compute for a constant b
	}
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
