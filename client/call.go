package client

import (
	"context"
	"fmt"

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
	unclear := false // an earlier try may have arrived
	for try := 1; ; try++ {
		peer, number := c.at()
		attempt, cancel := context.WithTimeout(ctx, c.opts.Attempt)
		res, err := method(peer, attempt, req)
		cancel()
		if err == nil {
			return res, nil
		}
		v := judge(err)
		unclear = unclear || v.unclear
		if v.elsewhere {
			c.unreachable(number)
		}
		if h == bare && v.unclear || !v.retry || !wait(ctx, max(c.pause.before(try), v.after)) {
			return nil, v.failure(ctx, op, try, h != again && unclear)
		}
	}
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
