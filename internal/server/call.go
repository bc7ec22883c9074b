package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal"
)

// call is what is known of one request of HTTP.
type call struct {
	server *Server
	w      *answer
	r      *http.Request
	body   *arriving
	route  string
	begun  time.Time
	id     string
	trace  tidal.TraceID
	caller Caller
	code   string
	err    error

	role   Role          // that is needed
	kept   *bytes.Buffer // what was read of the body, where the request may have to be passed on
	leader string        // where it has to
}

// Names of headers.
const (
	headerRequestID   = "X-Request-Id"
	headerTraceparent = "Traceparent"
	headerToken       = "Tidal-Token"
	headerKey         = "Idempotency-Key"
	headerReplayed    = "Idempotency-Replayed"
	headerAck         = "Tidal-Ack"
)

type callKey struct{}

// callOf returns the request that a context belongs to.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// newCall begins a request.
func (s *Server) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{server: s, begun: s.now(), route: "none", code: "ok"}
	c.id = r.Header.Get(headerRequestID)
	if !goodRequestID(c.id) {
		var b [12]byte
		_, _ = rand.Read(b[:]) // never fails
		c.id = hex.EncodeToString(b[:])
	}
	c.trace = traceOf(r.Header.Get(headerTraceparent))
	c.w = &answer{ResponseWriter: w, control: http.NewResponseController(w)}
	c.w.Header().Set(headerRequestID, c.id)
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	c.w.Header().Set("Cache-Control", "no-store")
	s.introduce(c.w.Header())
	s.introduceRegion(c.w.Header())
	c.body = &arriving{ReadCloser: r.Body, control: c.w.control}
	c.r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	c.r.Body = c.body
	return c
}

// failed takes note of what became of the request. The first failure counts.
func (c *call) failed(code string, err error) {
	if c.err == nil {
		c.code, c.err = code, err
	}
}

// finished tells the recorder.
func (c *call) finished() {
	if c.server.recorder == nil {
		return
	}
	f := &Finished{
		Route: c.route, Status: c.w.status, Code: c.code, Begun: c.begun, Took: c.server.now().Sub(c.begun),
		In: c.body.count, Out: c.w.count, ID: c.id, Caller: c.caller, Remote: c.r.RemoteAddr, Err: c.err,
		Forwarded: c.leader != "",
	}
	if f.Status == 0 {
		f.Status = http.StatusOK // nothing was written, which HTTP makes a 200 of
	}
	if c.trace != (tidal.TraceID{}) {
		f.Trace = hex.EncodeToString(c.trace[:])
	}
	c.server.recorder.Finished(f)
}

// goodRequestID accepts ids that can stand in logs as they are.
func goodRequestID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' || id[i] == '"' || id[i] == '\\' {
			return false
		}
	}
	return true
}

// traceOf reads the trace id of a traceparent (W3C Trace Context, version 00 and those that extend it); what isn't one is
// as if it weren't there.
func traceOf(header string) (id tidal.TraceID) {
	const size = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if len(header) < size || header[2] != '-' || header[35] != '-' || header[52] != '-' || header[:2] == "ff" {
		return id
	}
	if header[:2] == "00" && len(header) != size || len(header) > size && header[size] != '-' {
		return id
	}
	var got tidal.TraceID
	for i := range len(header[:size]) {
		if header[i] >= 'A' && header[i] <= 'F' {
			return id // capitals aren't allowed
		}
	}
	if _, err := hex.Decode(got[:], []byte(header[3:35])); err != nil {
		return id
	}
	return got
}

// answer counts what is written, and keeps a deadline for each write of a stream.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int
	count   int64
	idle    time.Duration // 0 outside of streams
	// muted is what becomes of the headers of an answer that nobody gets, because another follows.
	muted http.Header
}

// mute drops what is written until unmute.
func (a *answer) mute()   { a.muted = http.Header{} }
func (a *answer) unmute() { a.muted = nil }

// Header is that of the answer that is written now.
func (a *answer) Header() http.Header {
	if a.muted != nil {
		return a.muted
	}
	return a.ResponseWriter.Header()
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.muted != nil {
		return
	}
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.muted != nil {
		return len(b), nil
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.idle > 0 {
		_ = a.control.SetWriteDeadline(time.Now().Add(a.idle)) // of the wall, as sockets have it
	}
	n, err := a.ResponseWriter.Write(b)
	a.count += int64(n)
	return n, err
}

// Flush is for those who ask for an http.Flusher.
func (a *answer) Flush() {
	if a.muted == nil {
		_ = a.control.Flush()
	}
}

// arriving is a body on its way in: counted, and no slower than it may be.
type arriving struct {
	io.ReadCloser
	control *http.ResponseController
	count   int64
	idle    time.Duration // 0 outside of streams
	stopped atomic.Bool
	closing atomic.Bool // the server stops
	ended   atomic.Bool // all of it is here
}

// stop makes the read under way, and later ones, fail.
func (b *arriving) stop() {
	b.stopped.Store(true)
	_ = b.control.SetReadDeadline(time.Unix(1, 0))
}

// close makes the read under way, and later ones, fail with errClosing.
func (b *arriving) close() {
	b.closing.Store(true)
	_ = b.control.SetReadDeadline(time.Unix(1, 0))
}

func (b *arriving) Read(p []byte) (int, error) {
	if b.idle > 0 {
		_ = b.control.SetReadDeadline(time.Now().Add(b.idle))
	}
	if b.stopped.Load() { // behind the deadline, which might have undone stop's
		return 0, errStopped
	}
	if b.closing.Load() && !b.ended.Load() {
		return 0, errClosing
	}
	n, err := b.ReadCloser.Read(p)
	b.count += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		b.ended.Store(true)
	case err != nil && b.closing.Load():
		err = errClosing
	}
	return n, err
}

// answerFor is how long an answer may take to be taken, behind the time that the request has.
const answerFor = 10 * time.Second

// limits sets the deadlines of a request's connection: of the whole request, or of each step of a stream. A server for
// tests that has no connection has no deadlines.
func (c *call) limits(stream bool, patience time.Duration) {
	l := &c.server.limits
	if stream {
		c.w.idle, c.body.idle = l.Idle, l.Idle
		return
	}
	now := time.Now()
	_ = c.w.control.SetReadDeadline(now.Add(patience))
	_ = c.w.control.SetWriteDeadline(now.Add(patience + answerFor))
}

// errStopped ends reading a stream whose answer has ended.
var errStopped = errors.New("nobody reads this stream any more")

// errClosing ends a stream of writes of a server that stops. What was acknowledged stays; the rest is for another server, or
// for this one when it's back.
var errClosing = fmt.Errorf("the server stops: %w", tidal.ErrClosed)

// endsWithServer makes reading the body fail once the server stops. leave is for the end of the request.
func (c *call) endsWithServer() (leave func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(c.server.closing, func() {
		defer close(done)
		c.body.close()
	})
	return func() {
		if !stop() {
			<-done // it uses the connection, which is this request's no longer
		}
	}
}

// fullDuplex lets an answer begin while the body is still being read, which HTTP/2 does anyway. The connection isn't used
// again: net/http looks for the end of a body that wasn't read to its end, and would trip over what it let us do.
func (c *call) fullDuplex() {
	if c.r.ProtoMajor < 2 {
		_ = c.w.control.EnableFullDuplex()
		c.w.Header().Set("Connection", "close")
	}
}

// How much of a body that nobody wants is read, and for how long, behind an answer.
const (
	maxDrained = 16 << 20
	drainFor   = time.Second
)

// drain reads what is left of the body for a while: who sends all of it before they listen would otherwise find the
// connection reset, and the answer lost.
func (c *call) drain() {
	if c.r.ProtoMajor >= 2 || c.body.ended.Load() {
		return
	}
	c.body.idle = 0
	c.body.closing.Store(false)
	_ = c.w.control.SetReadDeadline(time.Now().Add(drainFor))
	_, _ = io.CopyN(io.Discard, c.body, maxDrained)
}

// readError says what the failure to read a body is.
func readError(err error) error {
	var large *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.Is(err, errClosing):
		return errClosing
	case errors.As(err, &large):
		return tooLarge(large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errSlow
	case errors.Is(err, errTooLarge), errors.Is(err, errMalformed), errors.Is(err, errMedia):
		return err
	}
	return malformed("the body breaks off: %v", err)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
