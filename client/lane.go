package client

import (
	"context"
	"slices"
	"sync"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

const (
	maxLane = 128
	// window is how far apart the numbers of a lane under way may be: a server refuses a request that lies 64 or more below
	// the highest it has seen, because it can't tell any more whether it was accepted.
	window = 64
)

// numbers gives out the numbers of a lane, so that all which are under way lie within the window.
type numbers struct {
	mu      sync.Mutex
	next    uint64
	out     []uint64 // under way, ascending
	waiting []*waiting
}

// waiting is a call that waits for its number, in the order in which they came.
type waiting struct {
	want  uint64      // 0 is the next one
	given chan uint64 // has room for one
}

// take waits until a number may be under way: the one wanted, or for 0 the next one.
func (n *numbers) take(ctx context.Context, want uint64) (uint64, error) {
	n.mu.Lock()
	if len(n.waiting) == 0 && n.fits(want) {
		defer n.mu.Unlock()
		return n.give(want), nil
	}
	w := &waiting{want: want, given: make(chan uint64, 1)}
	n.waiting = append(n.waiting, w)
	n.mu.Unlock()
	select {
	case got := <-w.given:
		return got, nil
	case <-ctx.Done():
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.Index(n.waiting, w); i >= 0 {
		n.waiting = slices.Delete(n.waiting, i, i+1)
		n.serve() // the one behind it may fit
	} else {
		n.release(<-w.given) // it was given just now
	}
	return 0, context.Cause(ctx)
}

// done ends a number's time under way, whatever became of it.
func (n *numbers) done(number uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.release(number)
}

func (n *numbers) release(number uint64) {
	if i, ok := slices.BinarySearch(n.out, number); ok {
		n.out = slices.Delete(n.out, i, i+1)
	}
	n.serve()
}

// serve gives numbers to those who wait for them, as far as they fit.
func (n *numbers) serve() {
	for len(n.waiting) > 0 && n.fits(n.waiting[0].want) {
		w := n.waiting[0]
		n.waiting = slices.Delete(n.waiting, 0, 1)
		w.given <- n.give(w.want)
	}
}

// fits reports whether a number is close enough to those under way.
func (n *numbers) fits(want uint64) bool {
	if want == 0 {
		want = n.next
	}
	return len(n.out) == 0 || want < n.out[0]+window
}

func (n *numbers) give(want uint64) uint64 {
	if want == 0 {
		want = n.next
	}
	n.next = max(n.next, want+1)
	i, _ := slices.BinarySearch(n.out, want)
	n.out = slices.Insert(n.out, i, want)
	return want
}

// skip has the next number be behind n and whatever an earlier holder of the lane may have sent above it.
func (n *numbers) skip(accepted uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next = max(n.next, accepted+window+1)
}

// Lane returns the name of the client's lane, and the number up to which the server has accepted all its writes, 0 for
// none. A write whose number is above may have been accepted, too.
func (c *Client) Lane(ctx context.Context) (name string, accepted uint64, err error) {
	res, err := invoke(WithLatest(ctx), c, "lane", again, &tidalpb.LaneRequest{Lane: c.lane}, tidalpbconnect.TidalClient.Lane)
	if err != nil {
		return c.lane, 0, err
	}
	return c.lane, uint64(res.GetNumber()), nil
}

// goOn finds out, before the first write under a lane that was named, where its numbers go on.
func (c *Client) goOn(ctx context.Context) error {
	if c.hasBegun() {
		return nil
	}
	select {
	case c.begin <- struct{}{}:
		defer func() { <-c.begin }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if c.hasBegun() {
		return nil
	}
	// A replica that is behind would let numbers come twice.
	res, err := invoke(WithLatest(ctx), c, "lane", again, &tidalpb.LaneRequest{Lane: c.lane}, tidalpbconnect.TidalClient.Lane)
	if err != nil {
		return err
	}
	if res.GetKnown() {
		c.log.skip(uint64(res.GetNumber()))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = true
	return nil
}

func (c *Client) hasBegun() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun
}
