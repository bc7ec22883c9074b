package client

import (
	"context"

	"connectrpc.com/connect"
)

type contextKey uint8

const (
	traceKey contextKey = iota
	tokenKey
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

// headers puts what is the same for all calls into each.
type headers struct{ key string }

func (h headers) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		if h.key != "" {
			r.Header().Set("Authorization", "Bearer "+h.key)
		}
		if trace, ok := ctx.Value(traceKey).(string); ok {
			r.Header().Set("Traceparent", trace)
		}
		return next(ctx, r)
	}
}

func (h headers) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		if h.key != "" {
			conn.RequestHeader().Set("Authorization", "Bearer "+h.key)
		}
		if trace, ok := ctx.Value(traceKey).(string); ok {
			conn.RequestHeader().Set("Traceparent", trace)
		}
		return conn
	}
}

// WrapStreamingHandler is for servers.
func (headers) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
