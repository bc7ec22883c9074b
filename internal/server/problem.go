package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
)

// A kind of problem: its code, which programs rely on, and what it is to each protocol.
type problemKind struct {
	is     error // what it is recognised by
	code   string
	status int
	rpc    connect.Code
	// retry is how long to wait before the same request is worth another try; 0 is never.
	retry time.Duration
	// hide is what callers read instead of an error's own text, which may name files.
	hide string
}

// Problems of the interface itself.
var (
	errMalformed  = errors.New("the body can't be read")
	errNoRoute    = errors.New("there is nothing under this path")
	errMethod     = errors.New("this path doesn't take the method")
	errTooLarge   = errors.New("the body is too large")
	errMedia      = errors.New("the body is of a type or encoding that isn't read here")
	errOrigin     = errors.New("the request comes from a page of another origin")
	errForbidden  = errors.New("the key's role may not do this")
	errSlow       = errors.New("the body took too long to arrive")
	errBusy       = errors.New("as much as is allowed at once is under way")
	errNotOffered = errors.New("this server doesn't offer it")
	errGone       = errors.New("the log no longer reaches back to there")
	errStarting   = errors.New("the server isn't there yet")
	errInternal   = errors.New("the server made a mistake")
)

// problems maps errors to what callers are told; the first that matches rules, the last matches all. docs/errors.md is
// its page.
func problems() []problemKind {
	const soon, later = 100 * time.Millisecond, time.Second
	return []problemKind{
		{ErrNoKey, "no_key", http.StatusUnauthorized, connect.CodeUnauthenticated, 0, ""},
		{ErrBadKey, "bad_key", http.StatusUnauthorized, connect.CodeUnauthenticated, 0, ""},
		{errForbidden, "forbidden", http.StatusForbidden, connect.CodePermissionDenied, 0, ""},
		{errOrigin, "cross_origin", http.StatusForbidden, connect.CodePermissionDenied, 0, ""},
		{errNoRoute, "no_route", http.StatusNotFound, connect.CodeUnimplemented, 0, ""},
		{errMethod, "method", http.StatusMethodNotAllowed, connect.CodeUnimplemented, 0, ""},
		{errTooLarge, "too_large", http.StatusRequestEntityTooLarge, connect.CodeResourceExhausted, 0, ""},
		{errMedia, "media_type", http.StatusUnsupportedMediaType, connect.CodeInvalidArgument, 0, ""},
		{errSlow, "slow", http.StatusRequestTimeout, connect.CodeDeadlineExceeded, later, ""},
		{errMalformed, "malformed", http.StatusBadRequest, connect.CodeInvalidArgument, 0, ""},
		{errBusy, "busy", http.StatusTooManyRequests, connect.CodeResourceExhausted, soon, ""},
		{errNotOffered, "not_offered", http.StatusNotImplemented, connect.CodeUnimplemented, 0, ""},

		{tidal.ErrCorrupt, "damaged", http.StatusInternalServerError, connect.CodeDataLoss, 0, "data on the server's disk is damaged; its log says where"},
		{tidal.ErrOutOfStep, "out_of_step", http.StatusInternalServerError, connect.CodeDataLoss, 0, "the server's checkpoint and log are out of step"},
		{tidal.ErrKeyReused, "key_reused", http.StatusUnprocessableEntity, connect.CodeAlreadyExists, 0, ""},
		{tidal.ErrRetryTooOld, "retry_too_old", http.StatusConflict, connect.CodeFailedPrecondition, 0, ""},
		{tidal.ErrUndone, "undone", http.StatusConflict, connect.CodeFailedPrecondition, 0, ""},
		{tidal.ErrSchemaChange, "schema", http.StatusConflict, connect.CodeFailedPrecondition, 0, ""},
		{tidal.ErrForeign, "foreign", http.StatusConflict, connect.CodeFailedPrecondition, 0, ""},
		{fault.ErrSessionGap, "session_gap", http.StatusConflict, connect.CodeFailedPrecondition, 0, ""},
		{fault.ErrSessionClosed, "session_closed", http.StatusConflict, connect.CodeFailedPrecondition, 0, ""},
		{fault.ErrRateLimited, "rate_limited", http.StatusTooManyRequests, connect.CodeResourceExhausted, soon, ""},
		{tidal.ErrOverloaded, "overloaded", http.StatusTooManyRequests, connect.CodeResourceExhausted, soon, ""},
		{tidal.ErrDisk, "disk", http.StatusInternalServerError, connect.CodeInternal, 0, "the server's disk failed"},
		{fault.ErrGeoPending, "geo_pending", http.StatusGatewayTimeout, connect.CodeDeadlineExceeded, soon, ""},
		{fault.ErrReadOnly, "read_only", http.StatusMisdirectedRequest, connect.CodeFailedPrecondition, 0, ""},
		{fault.ErrForked, "forked", http.StatusServiceUnavailable, connect.CodeUnavailable, later, "this region has lost what other regions have of it, and takes no writes until it's recovered; nothing was written"},
		{tidal.ErrUnknown, "unknown", http.StatusGatewayTimeout, connect.CodeDeadlineExceeded, soon, "the write may or may not be durable; send it again under its lane or key"},
		{tidal.ErrClock, "clock", http.StatusServiceUnavailable, connect.CodeUnavailable, later, "the server's clock is wrong"},
		{tidal.ErrClosed, "closed", http.StatusServiceUnavailable, connect.CodeUnavailable, later, ""},
		{errStarting, "starting", http.StatusServiceUnavailable, connect.CodeUnavailable, later / 2, ""},
		{errNoLeader, "no_leader", http.StatusServiceUnavailable, connect.CodeUnavailable, soon / 2, ""},
		{fault.ErrChanging, "changing", http.StatusConflict, connect.CodeAborted, later, ""},
		{fault.ErrNoSuccessor, "no_successor", http.StatusServiceUnavailable, connect.CodeUnavailable, later, ""},
		{fault.ErrNotLeader, "not_leader", http.StatusMisdirectedRequest, connect.CodeFailedPrecondition, 0, ""},
		{fault.ErrRemoved, "removed", http.StatusServiceUnavailable, connect.CodeUnavailable, later, ""},
		{tidal.ErrLocked, "locked", http.StatusServiceUnavailable, connect.CodeUnavailable, later, "another process holds the database"},
		{tidal.ErrFormat, "newer_format", http.StatusInternalServerError, connect.CodeInternal, 0, "a newer tidal wrote this"},
		{tidal.ErrFormatOld, "older_format", http.StatusInternalServerError, connect.CodeInternal, 0, "an older tidal wrote this"},
		{tidal.ErrNotYet, "not_yet", http.StatusServiceUnavailable, connect.CodeUnavailable, soon, ""},
		{errGone, "gone", http.StatusGone, connect.CodeOutOfRange, 0, ""},
		{tidal.ErrNotFound, "not_found", http.StatusNotFound, connect.CodeNotFound, 0, ""},
		{tidal.ErrInput, "refused", http.StatusBadRequest, connect.CodeInvalidArgument, 0, ""},

		{context.DeadlineExceeded, "timeout", http.StatusGatewayTimeout, connect.CodeDeadlineExceeded, soon, "the request took longer than it may"},
		{context.Canceled, "cancelled", statusCancelled, connect.CodeCanceled, 0, "the caller went away"},
		{errInternal, "internal", http.StatusInternalServerError, connect.CodeInternal, 0, "the server made a mistake; its log has the request's id"},
	}
}

// statusCancelled is what proxies write into their logs for a caller who went away. Nobody reads the answer.
const statusCancelled = 499

// kindOfProblem finds what err is to callers.
func (s *Server) kindOfProblem(err error) *problemKind {
	err = leaderless(err)
	for i := range s.problems {
		if errors.Is(err, s.problems[i].is) {
			return &s.problems[i]
		}
	}
	return &s.problems[len(s.problems)-1]
}

// refused is the error of one request of a stream.
type refused struct {
	error
	request int64 // of a stream, from 0
}

func (e *refused) Unwrap() error { return e.error }

// problemOf says what callers are told of an error.
func (s *Server) problemOf(c *call, err error) (*problemKind, *tidalpb.Problem) {
	err = leaderless(err)
	kind := s.kindOfProblem(err)
	p := &tidalpb.Problem{
		Type: problemType(kind.code), Title: kind.title(), Code: kind.code, Status: int32(kind.status), Detail: kind.hide,
		RetryAfterMs: kind.retry.Milliseconds(), RequestId: c.id,
	}
	if kind.hide == "" {
		p.Detail = err.Error()
	}
	var in *fault.Input
	if errors.As(err, &in) {
		p.Field = in.Field
		if in.Record >= 0 {
			p.Record = proto.Int32(int32(in.Record))
		}
	}
	var more *refused
	if errors.As(err, &more) {
		p.Request = proto.Int64(more.request)
	}
	var not *fault.NotLeader
	if errors.As(err, &not) && refusedHere(err) {
		p.Leader = not.URL
	}
	regional(p, err)
	var slow *fault.RateLimited
	if errors.As(err, &slow) {
		p.RetryAfterMs = max(1, slow.RetryAfter.Milliseconds())
	}
	var line *badLine
	if errors.As(err, &line) {
		p.Line, p.Record = proto.Int64(line.line), nil // the record is of a request that the caller didn't make
	}
	var some *partly
	if errors.As(err, &some) {
		p.Kept = proto.Int64(some.kept)
	}
	return kind, p
}

// regional adds what a caller needs who writes in one region and reads in another.
func regional(p *tidalpb.Problem, err error) {
	var elsewhere *fault.ReadOnly
	if errors.As(err, &elsewhere) {
		p.Home, p.Leader = elsewhere.Home, elsewhere.URL
	}
	var pending *fault.GeoPending
	var missing *fault.NotYet
	switch {
	case errors.As(err, &pending):
		p.Position = pending.Position
	case errors.As(err, &missing):
		p.Position = missing.Position
	}
}

// rpcError is err for the protocols of Connect.
func (s *Server) rpcError(c *call, err error) error {
	var ready *connect.Error
	if errors.As(err, &ready) && misread(ready) {
		err = malformed("%s", ready.Message())
	} else if ready != nil {
		c.failed(connectWord(ready.Code()), err)
		return err // by the library itself
	}
	kind, p := s.problemOf(c, err)
	c.failed(kind.code, err)
	out := connect.NewError(kind.rpc, errors.New(p.Detail))
	if d, err := connect.NewErrorDetail(p); err == nil {
		out.AddDetail(d)
	}
	setRetryAfter(out.Meta(), p.GetRetryAfterMs())
	return out
}

// misread reports whether the library ran into a frame that it can't read. It calls that an internal error, as gRPC does; but
// it's the caller's mistake, and nobody should be woken by it. What else it calls so is about answers that can't be written.
func misread(e *connect.Error) bool {
	if e.Code() != connect.CodeInternal {
		return false
	}
	for _, ours := range []string{"marshal", "compress", "recycle", "format"} {
		if strings.HasPrefix(e.Message(), ours) {
			return false
		}
	}
	return true
}

// connectWord is the code of a problem that the library found by itself.
func connectWord(code connect.Code) string {
	switch code {
	case connect.CodeInvalidArgument:
		return "malformed"
	case connect.CodeResourceExhausted:
		return "too_large"
	case connect.CodeDeadlineExceeded:
		return "timeout"
	case connect.CodeCanceled:
		return "cancelled"
	case connect.CodeUnimplemented:
		return "no_route"
	}
	return "internal"
}

func setRetryAfter(h http.Header, ms int64) {
	if ms > 0 {
		// The header counts whole seconds; retry_after_ms is exact.
		h.Set("Retry-After", itoa((ms+999)/1000))
	}
}

// title says in a few words what kind of problem it is; always the same for a code.
func (k *problemKind) title() string { return k.is.Error() }
