package client

import "context"

// Ack says how safe a write has to be when it's answered.
type Ack uint8

const (
	// AckQuorum is durable on most replicas of the region that took the write.
	AckQuorum Ack = iota
	// AckGeo is durable in one more region, too. Where the time is over before any was heard to have it, the write ends with
	// a [GeoPendingError]: it counts, and nobody else may have it yet. A database of one region refuses it, as [ErrInput].
	AckGeo
)

// WithAck returns a context whose writes are answered at this level instead of that of [Options.Ack]. Sessions begin and end
// at AckQuorum.
func WithAck(ctx context.Context, ack Ack) context.Context {
	return context.WithValue(ctx, ackKey, ack)
}

// ackOf is the word for the level of a write.
func (c *Client) ackOf(ctx context.Context) string {
	ack := c.opts.Ack
	if own, ok := ctx.Value(ackKey).(Ack); ok {
		ack = own
	}
	if ack == AckGeo {
		return "geo"
	}
	return "" // which older servers take, too
}
