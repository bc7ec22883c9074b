package hlc

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
)

func TestTimestampsReadBackAsPrintedAndOrderByTime(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) Timestamp {
		return rapid.OneOf(
			rapid.SampledFrom([]Timestamp{0, 1, 0xffff, 0x10000, math.MaxUint64, math.MaxUint64 - 1}),
			rapid.Map(rapid.Uint64(), func(v uint64) Timestamp { return Timestamp(v) }),
		).Draw(t, "timestamp")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if p, err := Parse(a.String()); err != nil || p != a {
			t.Fatalf("%v read back as %v, %v", a, p, err)
		}
		if m := Make(a.Millis(), a.Logical()); m != a {
			t.Fatalf("%v is made of %v", a, m)
		}
		if a.Millis() < b.Millis() && a >= b || a.Millis() == b.Millis() && (a < b) != (a.Logical() < b.Logical()) {
			t.Fatalf("%v and %v are out of order", a, b)
		}
	})
}

func TestMillisecondsAreBroughtIntoRange(t *testing.T) {
	for _, c := range []struct{ millis, want int64 }{
		{-1, 0}, {math.MinInt64, 0}, {0, 0}, {maxMillis, maxMillis}, {maxMillis + 1, maxMillis}, {math.MaxInt64, maxMillis},
	} {
		if got := Make(c.millis, 7); got.Millis() != c.want || got.Logical() != 7 {
			t.Errorf("Make(%d, 7) = %v, want %d.7", c.millis, got, c.want)
		}
	}
}

func TestOnlyPrintedFormsAreRead(t *testing.T) {
	for _, s := range []string{
		"", ".", "1", "1.", ".1", "1.2.3", "01.2", "1.02", "+1.2", "-1.2", "1.65536",
		"281474976710656.0", " 1.2", "1.2 ",
	} {
		if p, err := Parse(s); !errors.Is(err, fault.ErrInput) {
			t.Errorf("%q was read as %v, %v", s, p, err)
		}
	}
}

// history drives a clock by random stamps and observations and calls after for each.
func history(t *rapid.T, bound int64, after func(before Timestamp, c *Clock, got Timestamp, now int64, err error)) {
	now := rapid.Int64Range(0, 1<<40).Draw(t, "start")
	c := NewClock(Make(now, 0), bound)
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		now = max(0, now+rapid.SampledFrom([]int64{0, 0, 1, 5, bound, bound + 1, -1, -bound, -3 * bound}).Draw(t, "jump"))
		before := c.Last()
		if rapid.Bool().Draw(t, "observe") {
			ahead := rapid.Int64Range(-2*bound, 3*bound).Draw(t, "ahead")
			c.Observe(Make(now+ahead, uint16(rapid.SampledFrom([]int{0, 1, 65535}).Draw(t, "logical"))), now)
			continue
		}
		var floor Timestamp
		if rapid.Bool().Draw(t, "floored") {
			floor = Make(now+rapid.Int64Range(-bound, 2*bound).Draw(t, "floor"), 3)
		}
		got, err := c.Stamp(now, floor)
		if err == nil && got < floor {
			t.Fatalf("stamp %v is below its floor %v", got, floor)
		}
		after(before, &c, got, now, err)
	}
}

func TestStampsRiseStrictlyWithinTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.Int64Range(1, 5000).Draw(t, "bound")
		history(t, bound, func(before Timestamp, c *Clock, got Timestamp, now int64, err error) {
			if err != nil {
				if !errors.Is(err, fault.ErrClock) || got != 0 || c.Last() != before {
					t.Fatalf("a refused stamp returned %v, moved the clock from %v to %v, %v", got, before, c.Last(), err)
				}
				return
			}
			if got <= before || c.Last() != got {
				t.Fatalf("stamp %v after %v, clock at %v", got, before, c.Last())
			}
			if got.Millis() > now+bound {
				t.Fatalf("stamp %v lies beyond %d + %d", got, now, bound)
			}
			if got.Millis() < now {
				t.Fatalf("stamp %v lies behind the wall clock %d", got, now)
			}
		})
	})
}

func TestStampIsTheLeastThatFits(t *testing.T) {
	c := NewClock(Make(100, 5), 10)
	for _, step := range []struct {
		now   int64
		floor Timestamp
		want  Timestamp
	}{
		{100, 0, Make(100, 6)},            // the same millisecond counts up
		{90, 0, Make(100, 7)},             // the wall clock fell back within the bound
		{105, 0, Make(105, 0)},            // time went on
		{105, Make(106, 9), Make(106, 9)}, // a floor is met exactly
		{106, Make(90, 0), Make(106, 10)}, // a floor below changes nothing
	} {
		if got, err := c.Stamp(step.now, step.floor); err != nil || got != step.want {
			t.Fatalf("at %d above %v: %v, %v, want %v", step.now, step.floor, got, err, step.want)
		}
	}
}

func TestCounterOverflowsIntoTheNextMillisecond(t *testing.T) {
	c := NewClock(Make(100, 65535), 1)
	if got, err := c.Stamp(100, 0); err != nil || got != Make(101, 0) {
		t.Errorf("got %v, %v", got, err)
	}
	c = NewClock(Make(100, 65535), 0)
	if got, err := c.Stamp(100, 0); !errors.Is(err, fault.ErrClock) || c.Last() != Make(100, 65535) {
		t.Errorf("got %v, %v; the clock is at %v", got, err, c.Last())
	}
}

func TestClockThatFellBehindTheBoundRefuses(t *testing.T) {
	c := NewClock(Make(1000, 0), 10)
	for now, ok := range map[int64]bool{989: false, 990: true, 1000: true} {
		copied := c // a clock is rolled back by copying it
		if _, err := copied.Stamp(now, 0); (err == nil) != ok {
			t.Errorf("at %d: %v", now, err)
		}
	}
	if c.Last() != Make(1000, 0) {
		t.Error("stamping a copy moved the clock")
	}
}

func TestObservedStampsNeverDragTheClockBeyondTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.Int64Range(0, 5000).Draw(t, "bound")
		now := rapid.Int64Range(0, 1<<40).Draw(t, "now")
		last := Make(now+rapid.Int64Range(-bound, bound).Draw(t, "last"), 9)
		seen := Make(now+rapid.Int64Range(-9000, 9000).Draw(t, "ahead"), rapid.Uint16().Draw(t, "logical"))
		c := NewClock(last, bound)
		excess := c.Observe(seen, now)
		switch {
		case c.Last() < last:
			t.Fatalf("observing moved the clock back from %v to %v", last, c.Last())
		case c.Last().Millis() > max(last.Millis(), now+bound):
			t.Fatalf("the clock was dragged to %v, now is %d, bound %d", c.Last(), now, bound)
		case excess != max(0, seen.Millis()-now-bound):
			t.Fatalf("excess %d of %v at %d with bound %d", excess, seen, now, bound)
		case excess == 0 && c.Last() < seen:
			t.Fatalf("%v within the bound was not learned: %v", seen, c.Last())
		}
	})
}

// Whatever was observed, stamping must stay possible: a wild clock elsewhere can't stall this one, even if each of its
// stamps is observed right before one is made here.
func TestAWildClockElsewhereStallsNobody(t *testing.T) {
	for _, bound := range []int64{0, 1, 500} {
		c := NewClock(0, bound)
		for i := range 1000 {
			c.Observe(math.MaxUint64, 1000)
			if _, err := c.Stamp(1000, 0); err != nil {
				t.Fatalf("bound %d: stamp %d: %v", bound, i, err)
			}
		}
	}
}

func TestTimeNearTheEndsOfItsRangeDoesNotWrap(t *testing.T) {
	c := NewClock(math.MaxUint64, 1000)
	if got, err := c.Stamp(maxMillis, 0); err == nil {
		t.Errorf("a stamp above the last one was made: %v", got)
	}
	if c.Last() != math.MaxUint64 {
		t.Errorf("the clock moved to %v", c.Last())
	}
	c = NewClock(0, 1000)
	if got, err := c.Stamp(math.MaxInt64, 0); err == nil && got.Millis() != maxMillis {
		t.Errorf("got %v", got)
	}
	c = NewClock(5, math.MaxInt64)
	if excess := c.Observe(Make(100, 0), 50); excess != 0 || c.Last() != Make(100, 0) {
		t.Errorf("a bound without end: excess %d, clock at %v", excess, c.Last())
	}
	if got, err := c.Stamp(-5, 0); err != nil || got != Make(100, 1) {
		t.Errorf("before 1970: %v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0.0")
	f.Add("281474976710655.65535")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := Parse(s); err == nil && p.String() != s {
			t.Errorf("%q prints as %q", s, p)
		}
	})
}
