package client

import (
	"context"
	"errors"
	"net/http"

	"connectrpc.com/connect"
)

type contextKey uint8

const (
	traceKey contextKey = iota
	tokenKey
	latestKey
	ackKey
)

// WithTrace returns a context whose calls are part of a trace: traceparent is sent as the header of that name of W3C Trace
// Context, such as "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01". The log keeps the trace id of writes.
func WithTrace(ctx context.Context, traceparent string) context.Context {
	return context.WithValue(ctx, traceKey, traceparent)
}

// WithToken returns a context whose reads see at least what a token says, such as that of a [Receipt] that another
// process got, and not only what this client wrote.
func WithToken(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey, token)
}

// WithLatest returns a context whose reads see everything that was acknowledged, to whomever, before they were asked, also
// where a replica answers that doesn't lead. It costs the group a round trip, and needs most of it.
func WithLatest(ctx context.Context) context.Context {
	return context.WithValue(ctx, latestKey, true)
}

// headers puts what is the same for all calls into each, and hears what answers say beside themselves.
type headers struct {
	key   string
	heard func(http.Header)
}

func (h headers) set(ctx context.Context, to http.Header) {
	if h.key != "" {
		to.Set("Authorization", "Bearer "+h.key)
	}
	if trace, ok := ctx.Value(traceKey).(string); ok {
		to.Set("Traceparent", trace)
	}
	if latest, ok := ctx.Value(latestKey).(bool); ok && latest {
		to.Set("Tidal-Read", "latest")
	}
}

func (h headers) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		h.set(ctx, r.Header())
		res, err := next(ctx, r)
		var rpc *connect.Error
		switch {
		case err == nil:
			h.heard(res.Header())
		case errors.As(err, &rpc):
			h.heard(rpc.Meta())
		}
		return res, err
	}
}

func (h headers) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		h.set(ctx, conn.RequestHeader())
		return conn
	}
}

// WrapStreamingHandler is for servers.
func (headers) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
