package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// clocks are how far the others' clocks are from this one's, measured by asking: half of the time that an answer takes is
// the most that a measurement is wrong by.
type clocks struct {
	mu sync.Mutex
	of map[uint64]clockOf
}

// clockOf is one of them.
type clockOf struct {
	ahead, uncertain time.Duration
	at               int64 // when it was measured, of the monotonic clock
}

// clockEvery is how often the others are asked, and clockGood how long a measurement counts.
const (
	clockEvery = 2 * time.Second
	clockGood  = 30 * time.Second
)

func (c *clocks) forget(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, number)
}

// heard notes an answer: the question was sent at a time of the monotonic clock, and it is now that, and our wall clock so.
func (c *clocks) heard(number uint64, sent, now int64, theirs, ours time.Time) {
	took := time.Duration(now - sent)
	if took < 0 || took > clockGood {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[number] = clockOf{ahead: theirs.Sub(ours.Add(-took / 2)), uncertain: took / 2, at: now}
}

// get returns how far a clock is ahead, if that was measured lately.
func (c *clocks) get(number uint64, now int64) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x, ok := c.of[number]
	return x.ahead, ok && now-x.at < int64(clockGood)
}

// answered is when somebody's last answer came, of the monotonic clock, 0 for never.
func (c *clocks) answered(number uint64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[number].at
}

// wrong returns an error if this clock is to blame: more than half of the group say that it's off by more than the bound. One
// of two who disagree can't tell which of them is right, and goes on.
func (c *clocks) wrong(now int64, bound time.Duration, members int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	off, far := 0, time.Duration(0)
	for _, x := range c.of {
		if now-x.at < int64(clockGood) && max(x.ahead, -x.ahead)-x.uncertain > bound {
			off++
			if far == 0 || max(x.ahead, -x.ahead) < max(far, -far) {
				far = x.ahead
			}
		}
	}
	if 2*off <= members {
		return nil
	}
	return fmt.Errorf("this machine's clock is %v away from those of %d of %d members; set it right, or have it set by NTP: %w",
		-far.Round(time.Millisecond), off, members, fault.ErrClock)
}

// hasty returns the refusal of a question that called this clock wrong as one behind which it's asked again, where the question was
// under way for so long that the clocks may agree nevertheless: theirs was read somewhere between sent and got, two readings of
// ours. What is as long under way is one that waits for an election, or for a machine that stands still.
func hasty(err error, sent, got, theirs time.Time, bound time.Duration) error {
	took := got.Sub(sent)
	most := theirs.Sub(sent) // that they are ahead, if it came at once; the less the longer it took
	least := max(most-took, -most, 0)
	if !errors.Is(err, fault.ErrClock) || least > bound {
		return err
	}
	return errors.New(err.Error() + fmt.Sprintf("; but the question was under way for up to %v, which may be why", took.Round(time.Millisecond)))
}

// askClocks asks all peers what time it is.
func (n *links) askClocks(mono int64) {
	for _, number := range n.numbers() {
		b := binary.AppendVarint(n.frame(frameClock), mono)
		_ = n.tr.Send(number, b) // it's asked again
	}
}

// clock takes a frame about clocks.
func (n *links) clock(from uint64, kind byte, body []byte) {
	r := n.asked.Load()
	sent, k := binary.Varint(body)
	if r == nil || k <= 0 {
		return
	}
	now := r.loop.now()
	if kind == frameClock {
		b := binary.AppendVarint(binary.AppendVarint(n.frame(frameClockIs), sent), now.Wall)
		_ = n.tr.Send(from, b) // it's asked again
		return
	}
	theirs, m := binary.Varint(body[k:])
	if m <= 0 {
		return
	}
	n.clocks.heard(from, sent, now.Mono, time.Unix(0, theirs), time.Unix(0, now.Wall))
}
