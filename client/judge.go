package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"github.com/tidaldb/tidal/internal/tidalpb"
)

// verdict is what a failed try means.
type verdict struct {
	err     error
	problem *tidalpb.Problem // nil if no server of ours said anything
	meaning
	// retry reports that another try may go better, not before a time.
	retry bool
	after time.Duration
}

// judge says what a failed try means.
func judge(err error) verdict {
	v := verdict{err: err}
	var rpc *connect.Error
	if !errors.As(err, &rpc) {
		v.meaning = meaning{code: "unreachable", is: ErrUnavailable, unclear: true, elsewhere: true}
		v.retry = true
		return v
	}
	if p := problemOf(rpc); p != nil {
		v.problem, v.meaning = p, meaningOf(p.GetCode())
		v.after = time.Duration(p.GetRetryAfterMs()) * time.Millisecond
		v.retry = v.after > 0 || v.code == codeNotLeader || v.code == codeReadOnly && p.GetLeader() != ""
		return v
	}
	v.meaning, v.retry = ofTransport(rpc)
	v.after = afterHeader(rpc)
	return v
}

// ofTransport judges what no server of ours has said: it didn't get that far, or something stands in between.
func ofTransport(rpc *connect.Error) (m meaning, retry bool) {
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(rpc, &cert):
		return meaning{code: "unreachable", is: ErrUnavailable, elsewhere: true}, false
	case errors.As(rpc, &op) && op.Op == "dial":
		return meaning{code: "unreachable", is: ErrUnavailable, elsewhere: true}, true // nothing was sent
	}
	switch rpc.Code() {
	case connect.CodeUnauthenticated:
		return meaning{code: "no_key", is: ErrUnauthenticated}, false
	case connect.CodePermissionDenied:
		return meaning{code: "forbidden", is: ErrForbidden}, false
	case connect.CodeUnimplemented, connect.CodeNotFound:
		return meaning{code: "no_route", is: ErrUnsupported}, false
	case connect.CodeResourceExhausted:
		return meaning{code: "too_large", is: ErrInput}, false
	}
	// A connection that broke, an answer that can't be read, a time that is over, a proxy that has no server: the write may
	// have arrived.
	return meaning{code: "unreachable", is: ErrUnavailable, unclear: true, elsewhere: true}, true
}

func problemOf(rpc *connect.Error) *tidalpb.Problem {
	for _, d := range rpc.Details() {
		m, err := d.Value()
		if err != nil {
			continue
		}
		if p, ok := m.(*tidalpb.Problem); ok {
			return p
		}
	}
	return nil
}

// afterHeader reads what a proxy asks for, in seconds; longer than a minute isn't believed.
func afterHeader(rpc *connect.Error) time.Duration {
	seconds, err := strconv.Atoi(rpc.Meta().Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Minute, time.Duration(seconds)*time.Second)
}

// causes are what a problem is to callers.
func causes(v *verdict) []error {
	p := v.problem
	switch {
	case errors.Is(v.is, ErrInput):
		return []error{inputOf(p)}
	case errors.Is(v.is, ErrGeoPending):
		return []error{&GeoPendingError{Position: p.GetPosition()}}
	case errors.Is(v.is, ErrReadOnly):
		return []error{&ReadOnlyError{Home: p.GetHome(), URL: p.GetLeader()}}
	case errors.Is(v.is, ErrNotYet):
		return []error{&NotYetError{Position: p.GetPosition()}, ErrUnavailable}
	}
	return []error{v.is}
}

// failure makes the error that a call ends with. A write that may have been accepted by one of its tries is ErrUnknown,
// and not what the last try said: that would promise that nothing was written.
func (v *verdict) failure(ctx context.Context, op string, tries int, unclear bool) *Error {
	e := &Error{Op: op, Code: v.code, Detail: v.err.Error(), Tries: tries, RetryAfter: v.after}
	var rpc *connect.Error
	if errors.As(v.err, &rpc) {
		e.Detail = rpc.Message()
	}
	if v.problem != nil {
		e.Detail, e.RequestID = v.problem.GetDetail(), v.problem.GetRequestId()
	}
	switch {
	case unclear && !v.settled:
		e.causes = append(e.causes, ErrUnknown)
	case v.problem != nil:
		e.causes = append(e.causes, causes(v)...)
	default:
		e.causes = append(e.causes, v.is)
	}
	if ctx.Err() != nil {
		e.causes = append(e.causes, context.Cause(ctx))
	}
	return e
}
