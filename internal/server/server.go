package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"connectrpc.com/connect"

	"github.com/tidaldb/tidal"
)

// Server answers requests. Make one with [New]; its methods may be called from any goroutine.
type Server struct {
	db        *tidal.DB
	authorize Authorizer
	recorder  Recorder
	keys      Keys
	group     Group      // nil for a database alone
	regions   Regions    // nil without any
	forward   *Forwarder // nil passes nothing on
	ready     func() bool
	now       func() time.Time
	limits    Limits

	closing context.Context // ends when the server stops
	drain   context.CancelFunc

	lists, writes chan struct{} // a place for each that may be under way
	problems      []problemKind
	origins       *http.CrossOriginProtection
	allowed       []string // origins whose pages may use the API
	routes        *router
	procedures    map[string]*endpoint // by path
	rpcErrors     *connect.ErrorWriter
	openAPI       []byte
	compressors   compressors
}

// New makes a server. It starts nothing, and so needs no end of its own: close the listener, wait for the handlers, then
// close the database.
func New(o Options) *Server {
	s := &Server{
		db: o.DB, authorize: o.Authorize, recorder: o.Recorder, keys: o.Keys, group: o.Group, forward: o.Forward, regions: o.Regions,
		ready: o.Ready, now: o.Now,
		limits: o.Limits, problems: problems(),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.authorize == nil {
		s.authorize = func(*http.Request) (Caller, error) { return Caller{Role: Admin}, nil }
	}
	if s.ready == nil {
		s.ready = func() bool { return true }
	}
	s.limits.fill()
	s.closing, s.drain = context.WithCancel(context.Background())
	s.origins, s.allowed = Guard(o.Origins), o.Origins
	s.lists, s.writes = make(chan struct{}, s.limits.Lists), make(chan struct{}, s.limits.Writes)
	s.serveProcedures()
	s.routes = newRouter(s.allRoutes())
	s.openAPI = s.document()
	return s
}

// Drain ends streams of writes, which may have no end of their own: what a stream has begun is written and acknowledged, and
// then it ends with the code "closed", which callers try again elsewhere. Other requests go on. Call it when the server is
// to stop, before waiting for the handlers.
func (s *Server) Drain() { s.drain() }

func (l *Limits) fill() {
	if l.Body == 0 {
		l.Body = 4 << 20
	}
	if l.Request == 0 {
		l.Request = 10 * time.Second
	}
	if l.Idle == 0 {
		l.Idle = time.Minute
	}
	if l.Lists == 0 {
		l.Lists = 256
	}
	if l.Writes == 0 {
		l.Writes = 1024
	}
}

// endpoint is what a request can reach.
type endpoint struct {
	name    string // as [Finished.Route] has it
	role    Role
	class   class
	stream  bool
	patient bool // it may take ten times as long
	leads   bool // only a leader does it
	serve   func(*call) error
	lines   *endpoint // instead, where the body is lines of JSON
	// explain answers with an error that serve, or what comes before it, returned.
	explain func(*call, error)
}

// class says which bound on what is under way at once holds for an endpoint.
type class uint8

const (
	free  class = iota
	list        // Limits.Lists
	write       // Limits.Writes
)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.newCall(w, r)
	defer c.finished()
	if s.cors(c) {
		return
	}
	e, err := s.find(c)
	if e == nil {
		c.explain(err)
		return
	}
	c.route = e.name
	defer c.recovered(e)
	if err := s.serve(c, e); err != nil {
		e.explain(c, err)
	}
}

// find looks the request's path up.
func (s *Server) find(c *call) (*endpoint, error) {
	if e, ok := s.procedures[c.r.URL.Path]; ok {
		return e, nil
	}
	e, segments, err := s.routes.find(c.r.Method, c.r.URL.EscapedPath())
	if err != nil {
		return nil, err
	}
	for name, value := range segments {
		c.r.SetPathValue(name, value)
	}
	if e.lines != nil && isLines(c.r) {
		return e.lines, nil
	}
	return e, nil
}

// serve does what all endpoints have in common: who calls, how much, how long.
func (s *Server) serve(c *call, e *endpoint) error {
	// A page of another origin must not write with what the browser lets through: a server on this machine may ask for no key.
	if err := s.origins.Check(c.r); err != nil {
		return &told{errOrigin, "a page of another origin may not send this"}
	}
	if s.db == nil {
		return &told{errStarting, "the server is starting; nothing was done"}
	}
	c.role = e.role
	if e.role != NoRole {
		caller, err := s.authorize(c.r)
		if err != nil {
			if !errors.Is(err, ErrNoKey) && !errors.Is(err, ErrBadKey) {
				err = fmt.Errorf("authorize: %w: %w", errInternal, err)
			}
			return err
		}
		c.caller = caller
		if caller.Role < e.role {
			text := fmt.Sprintf("this needs a key with the role %v; the role of this one is %v", e.role, caller.Role)
			return &told{errForbidden, text}
		}
	}
	patience := s.limits.Request
	if e.patient {
		patience *= 10
	}
	c.limits(e.stream, patience)
	leave, err := s.enter(e.class)
	if err != nil {
		return err
	}
	defer leave()
	if !e.stream {
		ctx, cancel := context.WithTimeout(c.r.Context(), patience)
		defer cancel()
		c.r = c.r.WithContext(ctx)
		c.r.Body = http.MaxBytesReader(c.w.ResponseWriter, c.body, s.limits.Body)
		if e.leads && s.forward != nil && s.group != nil && !s.group.Leader().Self {
			c.keepBody()
		}
	}
	err = e.serve(c)
	if c.leader != "" || e.leads && err != nil && c.elsewhere(err) {
		c.w.unmute()
		return s.pass(c, e)
	}
	return err
}

// enter takes one of the places of a class, without waiting for it.
func (s *Server) enter(of class) (leave func(), err error) {
	var places chan struct{}
	switch of {
	case list:
		places = s.lists
	case write:
		places = s.writes
	default:
		return func() {}, nil
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, errBusy
	}
}

// recovered answers a panic, which is a mistake of ours, with what callers may know of it. What it was is the recorder's
// to log. Where the answer has begun already it is broken off.
func (c *call) recovered(e *endpoint) {
	v := recover()
	switch {
	case v == nil:
		return
	case v == http.ErrAbortHandler: //nolint:errorlint // the value that net/http compares with
		panic(v)
	}
	err := fmt.Errorf("%w: panic: %v\n%s", errInternal, v, debug.Stack())
	c.failed("internal", err)
	if c.w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	e.explain(c, errInternal)
}
