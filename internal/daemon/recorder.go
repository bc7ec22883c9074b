package daemon

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"strings"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/server"
)

// recorder turns what the API tells into metrics and lines of the log.
type recorder struct{ d *daemon }

// Finished implements [server.Recorder].
func (r *recorder) Finished(f *server.Finished) {
	m := r.d.metrics
	m.Request(f.Route, f.Status, f.Took)
	if f.Forwarded {
		m.Forwarded()
	}
	overloaded := f.Code == "overloaded" || f.Code == "busy"
	if overloaded {
		m.Overloaded()
	}
	level, text := slog.LevelDebug, "request"
	switch {
	case f.Status >= 500 && !overloaded && !passing(f.Code) && f.Status != http.StatusNotImplemented:
		level = slog.LevelError
	case f.Caller.Role == server.Admin && isAdministration(f.Route):
		level, text = slog.LevelInfo, "admin"
	case r.d.dynamic.accessLog.Load():
		level = slog.LevelInfo
	}
	if !r.d.o.Log.Enabled(context.Background(), level) {
		return
	}
	// Paths and texts of queries hold ids of users; the route doesn't.
	attrs := []slog.Attr{
		slog.String("route", f.Route), slog.Int("status", f.Status), slog.Duration("took", f.Took),
		slog.String("request_id", f.ID), slog.String("remote", f.Remote), slog.String("role", f.Caller.Role.String()),
	}
	if f.Trace != "" {
		attrs = append(attrs, slog.String("trace_id", f.Trace))
	}
	if f.Caller.Key != "" {
		attrs = append(attrs, slog.String("key", f.Caller.Key))
	}
	if f.Code != "ok" {
		attrs = append(attrs, slog.String("code", f.Code))
	}
	if level == slog.LevelError && f.Err != nil {
		attrs = append(attrs, slog.String("err", f.Err.Error()))
	}
	r.d.o.Log.LogAttrs(context.Background(), level, text, attrs...)
}

// passing tells the failures that end by themselves, and that a readiness check or metric tells of: they would fill the log
// while a group elects a leader.
func passing(code string) bool { return code == "no_leader" || code == "starting" }

// isAdministration tells the routes that change the server from those that use it.
func isAdministration(route string) bool {
	return strings.HasPrefix(route, "/tidal.v1.Admin/") || strings.Contains(route, " /v1/admin/") ||
		route == "POST /v1/schema"
}

// Written implements [server.Recorder].
func (r *recorder) Written(w *server.Written) {
	m := r.d.metrics
	switch {
	case w.Err != nil:
		return // the request's code counts it
	case w.Receipt.Duplicate:
		m.Duplicate()
		return
	}
	m.Wrote(w.Took, w.Receipt.Durable, w.Receipt.Visible)
	last, n := "", 0
	for i, rec := range w.Records {
		s, ok := rec.(tidal.Signal)
		if !ok {
			continue
		}
		if s.Type != last {
			if n > 0 {
				m.Signals(last, n)
			}
			last, n = s.Type, 0
		}
		n++
		if s.User != "" {
			at := w.Receipt.Position
			at.Seq += id.Seq(i)
			m.Accepted(s.User, w.Begun, at)
		}
	}
	if n > 0 {
		m.Signals(last, n)
	}
}

// Ranked implements [server.Recorder].
func (r *recorder) Ranked(q *server.Ranked) {
	if q.Err == nil {
		r.d.metrics.Listed(q.Answer.Profile, q.Query.User, &q.Answer.Stats, q.Answer.Vector, q.Took, q.Begun.Add(q.Took))
	}
}

// quiet gives net/http a logger for what it has to say of connections, which is of interest to few.
func quiet(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
