package client

import (
	"context"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// how says what a call does to the database, which decides whether it may be sent twice.
type how uint8

const (
	again how = iota // a read
	once             // a write that the server recognises: by lane and number, by key, or by a name of its own
	bare             // a write that counts as often as it arrives
)

// invoke calls a method until it answers, and turns what goes wrong into an [Error].
func invoke[Req, Res any](ctx context.Context, c *Client, op string, h how, req *Req,
	method func(tidalpbconnect.TidalClient, context.Context, *Req) (*Res, error),
) (*Res, error) {
	ctx, cancel := c.limit(ctx)
	defer cancel()
	c.learn(ctx)
	unclear := false     // an earlier try may have arrived
	hops := 0            // how often somebody else was named since the last pause
	var pending *verdict // an earlier try has written
	for try := 1; ; try++ {
		peer := c.peers.pick(h, c.opts.Reads)
		attempt, cancel := context.WithTimeout(ctx, c.opts.Attempt)
		res, err := method(peer.api, attempt, req)
		cancel()
		if err == nil {
			c.peers.served(peer, h)
			return res, nil
		}
		v := judge(err)
		unclear = unclear || v.unclear
		if v.written {
			pending = &v
		}
		if c.turn(peer, h, &v) && hops < maxHops {
			hops++
			continue
		}
		hops = 0
		if h == bare && (v.unclear || v.written) || !v.retry || !wait(ctx, max(c.pauseOf(&v, try), v.after)) {
			if pending != nil && !v.settled {
				v = *pending
			}
			return nil, v.failure(ctx, op, try, h != again && unclear)
		}
	}
}

// maxHops is how often a call goes straight on to the server that another one names; then it pauses, as they may name each
// other while they haven't agreed.
const maxHops = 2

// turn decides who is asked next, after a try that failed. It reports whether that is somebody who was named, and can be
// asked at once.
func (c *Client) turn(peer *peer, h how, v *verdict) bool {
	switch {
	case v.code == codeNotLeader:
		c.peers.reached(peer)
		c.peers.lead(peer, v.problem.GetLeader())
		if c.peers.led(peer) {
			return true
		}
		c.peers.elsewhere(peer, h)
	case v.code == codeReadOnly:
		c.peers.reached(peer)
		return c.peers.writesAt(peer, v.problem.GetLeader())
	case v.elsewhere && v.problem == nil:
		c.peers.unreachable(peer, h)
	case v.elsewhere:
		c.peers.elsewhere(peer, h)
	}
	return false
}

// While a group has no leader, calls are tried again after short pauses: it elects one within half a second, mostly.
const (
	electionPause = 80 * time.Millisecond
	electionTries = 40
)

func (c *Client) pauseOf(v *verdict, try int) time.Duration {
	d := c.pause.before(try)
	if v.elsewhere && try <= electionTries && c.peers.several() {
		// Half of it is drawn, as in all pauses.
		d = min(d, electionPause/2+d%(electionPause/2))
	}
	return d
}

// limit ends a context after the client's timeout.
func (c *Client) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.opts.Timeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, c.opts.Timeout, errTimeout)
}

// errTimeout is the end of the client's own timeout.
var errTimeout = fmt.Errorf("the client's timeout is over: %w", context.DeadlineExceeded)
