// Package hlc is the hybrid logical clock: 48 bits of Unix milliseconds and a 16-bit counter in one number, so that
// stamps of one clock rise strictly and stamps that know of each other are ordered (Kulkarni et al., "Logical
// Physical Clocks", 2014).
//
// Time is always an argument: nothing here reads a wall clock. The clock's owner is a stepped core; it copies the
// clock by value to roll it back.
package hlc

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// Timestamp is milliseconds since 1970 in the upper 48 bits and a counter in the lower 16. 0 means never.
type Timestamp uint64

const (
	maxMillis    = 1<<48 - 1 // the last millisecond that fits 48 bits: the year 10889
	maxTimestamp = Timestamp(1<<64 - 1)
)

// Make builds a timestamp. Milliseconds before 1970 or beyond 48 bits are brought to the nearest end.
func Make(millis int64, logical uint16) Timestamp {
	return Timestamp(uint64(min(max(millis, 0), maxMillis))<<16 | uint64(logical))
}

// Millis returns the wall part in Unix milliseconds.
func (t Timestamp) Millis() int64 { return int64(t >> 16) }

// Logical returns the counter.
func (t Timestamp) Logical() uint16 { return uint16(t) }

// String prints "millis.logical".
func (t Timestamp) String() string {
	return strconv.FormatInt(t.Millis(), 10) + "." + strconv.Itoa(int(t.Logical()))
}

// Parse reads what [Timestamp.String] writes.
func Parse(s string) (Timestamp, error) {
	wall, count, ok := strings.Cut(s, ".")
	ms, err1 := strconv.ParseUint(wall, 10, 48)
	n, err2 := strconv.ParseUint(count, 10, 16)
	t := Make(int64(ms), uint16(n))
	if !ok || err1 != nil || err2 != nil || t.String() != s {
		return 0, fault.Refuse("hlc", "%q is not of the form millis.logical", s)
	}
	return t, nil
}

// Clock makes stamps. The zero value with a bound of 0 allows no stamp ahead of the wall clock.
type Clock struct {
	last  Timestamp
	bound int64 // milliseconds
}

// NewClock returns a clock that continues after last and refuses to stamp further than bound milliseconds ahead
// of the wall clock.
func NewClock(last Timestamp, boundMillis int64) Clock { return Clock{last: last, bound: boundMillis} }

// Last returns the highest stamp made or observed.
func (c *Clock) Last() Timestamp { return c.last }

// Stamp returns a stamp above every earlier one and at least floor. It returns [fault.ErrClock], and leaves the
// clock as it was, when that stamp would lie more than the bound ahead of nowMillis.
func (c *Clock) Stamp(nowMillis int64, floor Timestamp) (Timestamp, error) {
	now := Make(nowMillis, 0)
	if c.last == maxTimestamp {
		return 0, fmt.Errorf("the clock is at the end of its range: %w", fault.ErrClock)
	}
	t := max(now, c.last+1, floor)
	if ahead := t.Millis() - now.Millis(); ahead > c.bound {
		return 0, fmt.Errorf("stamp %v is %d ms ahead of the wall clock, bound is %d ms: %w",
			t, ahead, c.bound, fault.ErrClock)
	}
	c.last = t
	return t, nil
}

// Observe learns a stamp made elsewhere. A committed stamp is always accepted, but the clock itself advances less than
// the bound beyond nowMillis for one that lies further ahead than the bound; the rest is returned in milliseconds, for an
// alarm. So a wild clock in one region can't drag the others along, and however often it is observed there are 65,536
// stamps left in every millisecond.
func (c *Clock) Observe(t Timestamp, nowMillis int64) (excessMillis int64) {
	// The wall clock is brought into range first, so that adding a bound of any size can't wrap.
	now := Make(nowMillis, 0).Millis()
	if limit := now + min(c.bound, maxMillis); t.Millis() > limit {
		excessMillis = t.Millis() - limit
		t = max(Make(limit, 0), 1) - 1
	}
	c.last = max(c.last, t)
	return excessMillis
}
