package server

import (
	"net/http"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// sessionRoutes are the paths of sessions. What is written in one says its number with the parameter of that name.
func sessionRoutes(x *service) []*route {
	since := []param{{name: "since", about: "those begun then or later: RFC 3339, a date, or Unix seconds", kind: paramTime}}
	return []*route{
		{
			method: "POST", path: "/v1/sessions", procedure: tidalpbconnect.TidalStartSessionProcedure, status: http.StatusCreated,
			body: bodyMessage, message: descriptorOf(&tidalpb.StartSessionRequest{}),
			summary: "Begins a session of a user. One that is open and was begun with the same content is answered again.",
			handle: unary(func(in *input) (*tidalpb.StartSessionRequest, error) {
				m := &tidalpb.StartSessionRequest{}
				return m, in.message(m)
			}, x.StartSession),
		},
		{
			method: "GET", path: "/v1/sessions/{user}", procedure: tidalpbconnect.TidalListSessionsProcedure, query: since,
			summary: "A user's sessions, the newest first; the 64 newest are kept.",
			handle: unary(func(in *input) (*tidalpb.ListSessionsRequest, error) {
				return &tidalpb.ListSessionsRequest{User: in.id("user"), Since: in.time("since")}, nil
			}, x.ListSessions),
		},
		{
			method: "GET", path: "/v1/sessions/{user}:summary", procedure: tidalpbconnect.TidalSummariseSessionsProcedure, query: since,
			summary: "What a user's sessions amount to.",
			handle: unary(func(in *input) (*tidalpb.SummariseSessionsRequest, error) {
				return &tidalpb.SummariseSessionsRequest{User: in.id("user"), Since: in.time("since")}, nil
			}, x.SummariseSessions),
		},
		{
			method: "GET", path: "/v1/sessions/{user}/{id}", procedure: tidalpbconnect.TidalGetSessionProcedure,
			summary: "What happened in a session, open or not.",
			handle: unary(func(in *input) (*tidalpb.GetSessionRequest, error) {
				return &tidalpb.GetSessionRequest{User: in.id("user"), Id: in.id("id")}, nil
			}, x.GetSession),
		},
		{
			method: "POST", path: "/v1/sessions/{user}/{id}:close", procedure: tidalpbconnect.TidalCloseSessionProcedure,
			summary: "Ends a session, and says what happened in it.",
			handle: unary(func(in *input) (*tidalpb.CloseSessionRequest, error) {
				return &tidalpb.CloseSessionRequest{User: in.id("user"), Id: in.id("id")}, nil
			}, x.CloseSession),
		},
		inSession(x, "signals", "Writes a signal in a session; its user need not be named.", func() (proto.Message, *tidalpb.SessionRecord) {
			m := &tidalpb.Signal{}
			return m, &tidalpb.SessionRecord{Record: &tidalpb.SessionRecord_Signal{Signal: m}}
		}),
		inSession(x, "notes", "Keeps a note in a session.", func() (proto.Message, *tidalpb.SessionRecord) {
			m := &tidalpb.Note{}
			return m, &tidalpb.SessionRecord{Record: &tidalpb.SessionRecord_Note{Note: m}}
		}),
		inSession(x, "searches", "Keeps a search in a session, and what it found.", func() (proto.Message, *tidalpb.SessionRecord) {
			m := &tidalpb.Search{}
			return m, &tidalpb.SessionRecord{Record: &tidalpb.SessionRecord_Search{Search: m}}
		}),
	}
}

// inSession is a path that writes one record of a session.
func inSession(x *service, word, summary string, fresh func() (proto.Message, *tidalpb.SessionRecord)) *route {
	example, _ := fresh()
	return &route{
		method: "POST", path: "/v1/sessions/{user}/{id}/" + word, procedure: tidalpbconnect.TidalWriteSessionProcedure,
		query: []param{{
			name: "number", kind: paramInt,
			about: "counts the session's requests from 1, so that one that is sent again counts once; the next one if it is left out",
		}},
		body: bodyMessage, message: descriptorOf(example), summary: summary,
		handle: unary(func(in *input) (*tidalpb.WriteSessionRequest, error) {
			m, record := fresh()
			return &tidalpb.WriteSessionRequest{
				User: in.id("user"), Id: in.id("id"), Number: in.int("number"), Records: []*tidalpb.SessionRecord{record},
			}, in.message(m)
		}, x.WriteSession),
	}
}

func descriptorOf(m proto.Message) protoreflect.MessageDescriptor {
	return m.ProtoReflect().Descriptor()
}
