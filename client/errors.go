package client

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
)

// Errors that a caller can act upon; ask with errors.Is. Those that package tidal has, too, are the same values.
var (
	ErrInput        = fault.ErrInput        // refused, see InputError; nothing was written
	ErrNotFound     = fault.ErrNotFound     // no such item, user or position
	ErrUnknown      = fault.ErrUnknown      // the write may or may not have been accepted; what can be done about it, see Client.Write
	ErrKeyReused    = fault.ErrKeyReused    // same lane number or key, other content
	ErrRetryTooOld  = fault.ErrRetryTooOld  // a retry so old that nobody can tell whether it counted
	ErrUndone       = fault.ErrUndone       // the event was undone before
	ErrSchemaChange = fault.ErrSchema       // the schema differs in more than additions
	ErrForeign      = fault.ErrForeign      // it belongs to another database
	ErrSessionGap   = fault.ErrSessionGap   // a session's request skips numbers
	ErrOverloaded   = fault.ErrOverloaded   // too much is under way there; nothing was written
	ErrCorrupt      = fault.ErrCorrupt      // data on the server's disk is damaged
	ErrOutOfStep    = fault.ErrOutOfStep    // the server's checkpoint and log are out of step
	ErrDisk         = fault.ErrDisk         // the server's disk failed
	ErrClock        = fault.ErrClock        // the server's clock is wrong
	ErrClosed       = fault.ErrClosed       // the server is shutting down; nothing was written
	ErrNotLeader    = fault.ErrNotLeader    // no server was found that takes writes; nothing was written
	ErrNoSuccessor  = fault.ErrNoSuccessor  // leadership was to be handed over, and nobody took it
	ErrChanging     = fault.ErrChanging     // another change of the group's members is under way
	ErrLocked       = fault.ErrLocked       // another process holds the server's database
	ErrFormat       = fault.ErrFormatTooNew // a newer tidal wrote the server's data
	ErrFormatOld    = fault.ErrFormatTooOld // an older tidal wrote the server's data

	ErrReadOnly   = fault.ErrReadOnly   // the region follows, and where others write isn't known, see ReadOnlyError; nothing was written
	ErrGeoPending = fault.ErrGeoPending // written, and no other region has it yet, see GeoPendingError
	ErrForked     = fault.ErrForked     // the region lost what others have of it; nothing was written
	ErrNotYet     = fault.ErrNotYet     // what a token names isn't there yet, see NotYetError

	ErrUnavailable     = errors.New("the server can't be reached")              // nothing was written
	ErrUnauthenticated = errors.New("the API key is missing, wrong or expired") // nothing was written
	ErrForbidden       = errors.New("the API key's role may not do this")       // nothing was written
	ErrUnsupported     = errors.New("the server doesn't offer this")            // nothing was written
	ErrServer          = errors.New("the server made a mistake")                // its log has the request's id
)

// InputError says which record and field of a write was refused, and why. Reach it with errors.As.
type InputError = fault.Input

// GeoPendingError names a write that is durable in its region, and that no other region was heard to have in time. It counts.
// Reach it with errors.As.
type GeoPendingError = fault.GeoPending

// ReadOnlyError says which region takes writes instead of one that doesn't. Reach it with errors.As.
type ReadOnlyError = fault.ReadOnly

// NotYetError names what wasn't visible in time where a read with its token was sent. Reach it with errors.As.
type NotYetError = fault.NotYet

// Error is what every call fails with that has spoken to a server, or tried to. Reach it with errors.As; what to do about
// it is better asked with errors.Is.
type Error struct {
	// Op is what was called: "write", "rank", ….
	Op string
	// Code is the stable word of the server's problem, as docs/errors.md lists them; "unreachable" if no server answered.
	Code string
	// Detail is for people.
	Detail string
	// RequestID is what the server's log calls the request.
	RequestID string
	// RetryAfter is when the server thinks that it's worth another try; 0 is never.
	RetryAfter time.Duration
	// Tries is how often the call was sent.
	Tries int

	causes []error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Op, e.Detail)
	if e.Tries > 1 {
		fmt.Fprintf(&b, " (tried %d times)", e.Tries)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " [%s, request %s]", e.Code, e.RequestID)
	}
	return b.String()
}

// Unwrap returns what errors.Is and errors.As look through.
func (e *Error) Unwrap() []error { return e.causes }

// A meaning is what a problem's code says to a caller.
type meaning struct {
	code string
	is   error
	// unclear: a write may have been accepted. settled: it can't have been by an earlier try either, because the server
	// looks for these before anything else, or would have told the first try the same.
	unclear, settled bool
	elsewhere        bool // another address may do better
	written          bool // the write is accepted, and something else was wanted, too
}

// Codes of servers that take no writes, and say who does: another one of the region, or of the home region.
const (
	codeNotLeader = "not_leader"
	codeReadOnly  = "read_only"
)

// meanings are the codes of docs/errors.md, in its order.
func meanings() []meaning {
	return []meaning{
		{code: "no_key", is: ErrUnauthenticated},
		{code: "bad_key", is: ErrUnauthenticated},
		{code: "forbidden", is: ErrForbidden},
		{code: "cross_origin", is: ErrForbidden},
		{code: "no_route", is: ErrUnsupported},
		{code: "method", is: ErrUnsupported},
		{code: "too_large", is: ErrInput, settled: true},
		{code: "media_type", is: ErrUnsupported},
		{code: "slow", is: ErrOverloaded},
		{code: "malformed", is: ErrInput, settled: true},
		{code: "busy", is: ErrOverloaded},
		{code: "not_offered", is: ErrUnsupported},
		{code: "damaged", is: ErrCorrupt, unclear: true},
		{code: "out_of_step", is: ErrOutOfStep, unclear: true},
		{code: "key_reused", is: ErrKeyReused, settled: true},
		{code: "retry_too_old", is: ErrRetryTooOld, settled: true},
		{code: "undone", is: ErrUndone, settled: true},
		{code: "schema", is: ErrSchemaChange},
		{code: "foreign", is: ErrForeign},
		{code: "session_gap", is: ErrSessionGap, settled: true},
		{code: "session_closed", is: fault.ErrSessionClosed},
		{code: "rate_limited", is: fault.ErrRateLimited},
		{code: "overloaded", is: ErrOverloaded},
		{code: "disk", is: ErrDisk, unclear: true},
		{code: "geo_pending", is: ErrGeoPending, settled: true, written: true},
		{code: codeReadOnly, is: ErrReadOnly},
		{code: "forked", is: ErrForked, elsewhere: true},
		{code: "unknown", is: ErrUnknown, unclear: true},
		{code: "clock", is: ErrClock, elsewhere: true},
		{code: "closed", is: ErrClosed, elsewhere: true},
		{code: "starting", is: ErrUnavailable, elsewhere: true},
		{code: "no_leader", is: ErrNotLeader, elsewhere: true},
		{code: "changing", is: ErrChanging},
		{code: "no_successor", is: ErrNoSuccessor},
		{code: codeNotLeader, is: ErrNotLeader, elsewhere: true},
		{code: "removed", is: ErrUnavailable, elsewhere: true},
		{code: "locked", is: ErrLocked, elsewhere: true},
		{code: "newer_format", is: ErrFormat},
		{code: "older_format", is: ErrFormatOld},
		{code: "not_yet", is: ErrNotYet, elsewhere: true},
		{code: "gone", is: ErrNotFound, settled: true},
		{code: "not_found", is: ErrNotFound, settled: true},
		{code: "refused", is: ErrInput, settled: true},
		{code: "timeout", is: ErrOverloaded, unclear: true},
		{code: "cancelled", is: ErrUnavailable, unclear: true},
		{code: "internal", is: ErrServer, unclear: true},
	}
}

// meaningOf looks a code up. One that a newer server has is a mistake of ours to callers, and unclear.
func meaningOf(code string) meaning {
	for _, m := range meanings() {
		if m.code == code {
			return m
		}
	}
	return meaning{code: code, is: ErrServer, unclear: true}
}

// inputOf makes the refusal of a record of a problem.
func inputOf(p *tidalpb.Problem) *InputError {
	in := &InputError{Record: -1, Field: p.GetField(), Reason: p.GetDetail()}
	if p.Record != nil {
		in.Record = int(p.GetRecord())
	}
	// The detail is the whole text of such an error; its reason is what comes behind the place.
	place := (&InputError{Record: in.Record, Field: in.Field}).Error()
	if _, reason, ok := strings.Cut(in.Reason, place); ok {
		in.Reason = reason
	}
	return in
}
