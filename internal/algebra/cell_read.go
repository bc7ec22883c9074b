package algebra

import (
	"math/bits"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
)

// Reads never go back before the mark: what the cell let go of can't be told any more. A read at time q is answered for
// max(q, mark), and [SignalState.AsOfMark] says when that differs noticeably. All of it is integer arithmetic.

// Window is a span of time up to now that events are counted over, a whole number of minutes, hours or days of UTC.
type Window uint8

// The windows, from the shortest. Their numbers may be stored.
const (
	W1h  Window = iota // 60 minutes
	W24h               // 24 hours
	W7d                // 168 hours
	W30d               // 30 days
	WAll               // since the first event
	windowCount
)

// windows says what each window is made of; WAll has no buckets.
var windows = [windowCount]struct {
	name  string
	level int
	n     int64
}{
	W1h:  {"1h", byMinute, 60},
	W24h: {"24h", byHour, 24},
	W7d:  {"7d", byHour, 168},
	W30d: {"30d", byDay, 30},
	WAll: {"all", 0, 0},
}

// levelMillis is the length of a bucket.
var levelMillis = [levelCount]int64{
	minuteMillis, minuteMillis * minutesPerHour, minuteMillis * minutesPerHour * hoursPerDay,
}

// asOfMarkSlack is how far a read may lie before the mark, in milliseconds, without being called as of the mark: events
// may be stamped so far ahead of a reader's clock.
const asOfMarkSlack = 2000

// Valid reports whether w is a known window.
func (w Window) Valid() bool { return w < windowCount }

// String returns the window's name: 1h, 24h, 7d, 30d or all.
func (w Window) String() string {
	if !w.Valid() {
		return "window(?)"
	}
	return windows[w].name
}

// ParseWindow reads what [Window.String] writes.
func ParseWindow(s string) (Window, error) {
	for w := range windowCount {
		if windows[w].name == s {
			return w, nil
		}
	}
	return 0, fault.Refuse("window", "%q is not one of 1h, 24h, 7d, 30d, all", s)
}

// Millis returns the window's length in milliseconds, 0 for [WAll], which has none.
func (w Window) Millis() int64 {
	if !w.Valid() {
		panic("algebra: unknown window")
	}
	return windows[w].n * levelMillis[windows[w].level]
}

// AsOfMark reports whether a read at q is answered for a time more than two seconds later, the mark.
func (s *SignalState) AsOfMark(q int64) bool {
	return s.marked && q < s.mark && uint64(s.mark)-uint64(q) > asOfMarkSlack
}

// Count returns the number of events in a window that ends at q: those with ⌊t/r⌋ > ⌊q/r⌋ − n for a window of n buckets
// of length r. So the current bucket counts as far as it has come. It is never below 0.
func (s *SignalState) Count(w Window, q int64) int64 {
	switch {
	case !w.Valid():
		panic("algebra: unknown window")
	case w == WAll:
		return max(s.total, 0)
	case !s.marked:
		return 0
	}
	level := windows[w].level
	first := indexes(max(q, s.mark))[level] - windows[w].n + 1
	sum := int64(0)
	// Events in finer buckets belong to the coarser ones that contain them, which a window is made of.
	for {
		for i := len(s.levels[level]) - 1; i >= 0 && s.levels[level][i].index >= first; i-- {
			sum += s.levels[level][i].count
		}
		if level == byMinute {
			return max(sum, 0)
		}
		level--
		first *= levelRatio[level]
	}
}

// Score returns the decayed sum of weights under a half-life at time q, Σ w·2^(−(q−t)/halfLife), and true; or false
// when there is none: no kept event under this half-life, or compensations outweigh them.
//
// Every event was rounded to 2⁻²⁴ of a weight 1 at its epoch's start, by at most 0.5 + 2⁻⁹ such units; the read adds a
// relative error below 2⁻⁶⁰. What was let go with old epochs weighed less than 2⁻³² of itself.
func (s *SignalState) Score(halfLife, q int64) (fixed.Score, bool) {
	d := s.find(halfLife)
	if d == nil {
		return fixed.Score{}, false
	}
	acc, scale := d.gather()
	if acc.Sign() <= 0 {
		return fixed.Score{}, false
	}
	_, elapsed := epochOf(s.mark, halfLife)
	if q > s.mark {
		// The difference of two int64 fits a uint64; beyond an int64, 292 million years, time stands still.
		ahead, over := bits.Add64(uint64(q)-uint64(s.mark), uint64(elapsed), 0)
		elapsed = int64(min(ahead, 1<<63-1))
		if over != 0 {
			elapsed = 1<<63 - 1
		}
	}
	return fixed.Decayed(acc, elapsed, halfLife, scale), true
}

// LogScore returns the part of the score's binary logarithm that time doesn't change, log₂ score(q) + q/halfLife, in
// Q32, and true; or false when [SignalState.Score] has none. Of two cells under one half-life, the one with the greater
// LogScore has the greater score at any time, also where scores underflow.
//
// It is right within 0.51 units of 2⁻³² while the mark lies within 2³¹ − 256 half-lives of 1970, which is 680 years for
// a half-life of ten seconds. Beyond, it stays at the end of the range.
func (s *SignalState) LogScore(halfLife int64) (int64, bool) {
	d := s.find(halfLife)
	if d == nil {
		return 0, false
	}
	acc, scale := d.gather()
	if acc.Sign() <= 0 {
		return 0, false
	}
	const most = 1<<31/epochHalfLives - 32
	switch {
	case d.epoch > most:
		return 1<<63 - 1, true
	case d.epoch < -most:
		return -1 << 63, true
	}
	return fixed.Log2(acc) + (d.epoch*epochHalfLives-int64(scale))<<32, true
}

// PermanentSum returns the plain sum of weights, in units of 2⁻²⁴. It may be negative for a while, as
// [SignalState.Total] may.
func (s *SignalState) PermanentSum() fixed.Int128 { return s.permanent }

// Unique returns the estimated number of different users ever counted. See [HLL.Estimate].
func (s *SignalState) Unique() uint64 { return s.unique.Estimate() }

func (s *SignalState) find(halfLife int64) *decay {
	for i := range s.decays {
		if s.decays[i].halfLife == halfLife {
			return &s.decays[i]
		}
	}
	return nil
}

// gather returns the sums of all epochs as one number at the start of the newest, acc·2^−scale in weights.
//
// Epochs are whole powers of 2⁸ apart, so this is exact: Σ sums[k]·2^(−8k), with the oldest epoch's unit as acc's. Only
// sums beyond 2⁹⁵, more than 2⁴³ events of the greatest weight, don't fit that; then the newest epoch's unit is used,
// by which a few of those units are lost, and what doesn't fit even so is held at the largest number.
func (d *decay) gather() (acc fixed.Int128, scale int) {
	const weightBits = 24
	const wide = epochHalfLives * (keptEpochs - 1)
	acc = d.sums[keptEpochs-1]
	fits := true
	for k := keptEpochs - 2; k >= 0 && fits; k-- {
		var sum fixed.Int128
		if sum, fits = d.sums[k].Shl(uint(wide - epochHalfLives*k)); fits {
			acc, fits = acc.AddExact(sum)
		}
	}
	if fits {
		return acc, weightBits + wide
	}
	acc = fixed.Int128{}
	for k := keptEpochs - 1; k >= 0; k-- {
		acc = addHeld(acc, d.sums[k].Shr(uint(epochHalfLives*k)))
	}
	return acc, weightBits
}

// addHeld returns a + b, or the end of the range that the sum lies beyond.
func addHeld(a, b fixed.Int128) fixed.Int128 {
	sum, ok := a.AddExact(b)
	switch {
	case ok:
		return sum
	case a.Sign() < 0:
		return fixed.Int128{Hi: -1 << 63}
	}
	return fixed.Int128{Hi: 1<<63 - 1, Lo: 1<<64 - 1}
}
