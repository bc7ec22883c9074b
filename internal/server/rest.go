package server

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tidaldb/tidal/internal/fault"
)

// Types of content.
const (
	typeJSON    = "application/json"
	typeLines   = "application/x-ndjson"
	typeProblem = "application/problem+json"
	typeYAML    = "application/yaml"
	typeBytes   = "application/octet-stream"
)

// route is one line of the table of paths: what a request of HTTP becomes, and what it is documented by.
type route struct {
	method, path string
	// procedure is the method of a service whose role and bounds the route has, and whose code it runs.
	procedure string
	status    int
	summary   string
	query     []param
	body      bodyKind
	message   protoreflect.MessageDescriptor // of the body, for bodyMessage
	handle
	server *Server
}

// bodyKind says what a route reads.
type bodyKind uint8

const (
	noBody bodyKind = iota
	bodyMessage
	bodyFields  // a JSON object of an entity's fields
	bodyQuery   // the JSON form of a query
	bodySchema  // a schema in YAML or JSON
	bodySignals // a signal, a SignalBatch, or lines of signals
)

// param is a parameter in the query of a URL.
type param struct {
	name, about string
	kind        paramKind
	required    bool
}

type paramKind uint8

const (
	paramText paramKind = iota
	paramInt
	paramBool
	paramTime
	paramList
)

// handle runs a route.
type handle struct {
	run func(s *Server, in *input) (proto.Message, error)
	// response describes what run returns; stream what is written line by line, or nil for bytes.
	response protoreflect.MessageDescriptor
	stream   func(s *Server, in *input) error
	produces string // of streams; empty is JSON
	// lines runs it where the body is lines of JSON.
	lines func(s *Server, in *input) error
}

// unary makes the handle of a method of a service from a function that reads its request out of the path and the body.
func unary[Req, Res proto.Message](read func(*input) (Req, error), method func(context.Context, Req) (Res, error)) handle {
	var none Res
	return handle{
		response: none.ProtoReflect().Descriptor(),
		run: func(_ *Server, in *input) (proto.Message, error) {
			req, err := read(in)
			if err == nil {
				err = in.err
			}
			if err != nil {
				return nil, err
			}
			return method(in.c.r.Context(), req)
		},
	}
}

func (r *route) endpoint() *endpoint {
	e := &endpoint{name: r.method + " " + r.path, stream: r.stream != nil, serve: r.serve, explain: (*call).explain}
	if p := r.server.procedures[r.procedure]; p != nil { // what isn't a procedure is for everybody
		e.role, e.class, e.patient, e.leads = p.role, p.class, p.patient, p.leads
	}
	if r.lines != nil {
		lines := *e
		lines.stream, lines.serve = true, func(c *call) error {
			in := &input{c: c, route: r}
			if err := in.checkQuery(); err != nil {
				return err
			}
			return r.lines(r.server, in)
		}
		e.lines = &lines
	}
	return e
}

func (r *route) serve(c *call) error {
	in := &input{c: c, route: r}
	if err := in.checkQuery(); err != nil {
		return err
	}
	if r.stream != nil {
		return r.stream(r.server, in)
	}
	if r.body == noBody {
		if err := in.nothing(); err != nil {
			return err
		}
	}
	m, err := r.run(r.server, in)
	if err != nil {
		return err
	}
	c.seen()
	c.reply(r.status, unwrapped(m.ProtoReflect()))
	return nil
}

// unwrapped is the only thing that a message holds, where that is a message: responses of the services are wrapped so that
// they can grow, and paths answer with the thing itself.
func unwrapped(m protoreflect.Message) protoreflect.Message {
	if f := onlyMessage(m.Descriptor()); f != nil {
		return m.Get(f).Message()
	}
	return m
}

func onlyMessage(d protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	if d.Fields().Len() != 1 {
		return nil
	}
	f := d.Fields().Get(0)
	if f.Message() == nil || f.IsList() || f.IsMap() {
		return nil
	}
	return f
}

// reply writes a message, compressed for who takes that.
func (c *call) reply(status int, m protoreflect.Message) {
	c.send(status, typeJSON, appendMessage(make([]byte, 0, 1024), m, true))
}

func (c *call) send(status int, contentType string, data []byte) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Add("Vary", "Accept-Encoding")
	if len(data) >= compressFrom {
		if encoding := acceptedEncoding(c.r.Header); encoding != "" {
			data = c.server.compressors.compress(encoding, data)
			h.Set("Content-Encoding", encoding)
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	c.w.WriteHeader(status)
	// Who went away can't be told.
	_, _ = c.w.Write(data)
}

// explain answers with a problem document (RFC 9457).
func (c *call) explain(err error) {
	kind, p := c.server.problemOf(c, err)
	c.failed(kind.code, err)
	h := c.w.Header()
	setRetryAfter(h, p.GetRetryAfterMs())
	if kind.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="tidal"`)
	}
	if kind.status == http.StatusUnsupportedMediaType {
		h.Set("Accept-Encoding", encodingGzip+", "+encodingZstd)
	}
	var method *wrongMethod
	if errors.As(err, &method) {
		h.Set("Allow", strings.Join(method.allow, ", "))
	}
	c.send(kind.status, typeProblem, appendMessage(nil, p.ProtoReflect(), false))
}

// input reads the parts of a request.
type input struct {
	c     *call
	route *route
	err   error // the first part that couldn't be read
}

// id is an id in the path, as the text that messages have.
func (in *input) id(name string) string {
	raw := in.c.r.PathValue(name)
	if strings.HasPrefix(raw, rawID) {
		return raw // it is such a text already
	}
	return idText(raw)
}

// word is a name in the path.
func (in *input) word(name string) string { return in.c.r.PathValue(name) }

func (in *input) text(name string) string { return in.c.r.Form.Get(name) }

func (in *input) list(name string) []string {
	var out []string
	for _, v := range in.c.r.Form[name] {
		out = append(out, strings.Split(v, ",")...)
	}
	return out
}

func (in *input) refuse(err error) {
	if in.err == nil {
		in.err = err
	}
}

func (in *input) int(name string) int64 {
	text := in.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		in.refuse(fault.Refuse(name, "is %q; expected a whole number", text))
	}
	return n
}

func (in *input) bool(name string) bool {
	switch text := in.text(name); text {
	case "":
		return in.c.r.Form.Has(name) // ?explain is true
	case "true", "1":
		return true
	case "false", "0":
		return false
	default:
		in.refuse(fault.Refuse(name, "is %q; expected true or false", text))
		return false
	}
}

// time reads RFC 3339, a date, or Unix seconds with up to three decimals.
func (in *input) time(name string) *timestamppb.Timestamp {
	text := in.text(name)
	if text == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return timestamppb.New(t)
		}
	}
	if s, err := strconv.ParseFloat(text, 64); err == nil && s > -1e11 && s < 1e11 {
		return timestamppb.New(time.UnixMilli(int64(s * 1000)))
	}
	in.refuse(fault.Refuse(name, "is %q; expected RFC 3339, a date, or Unix seconds", text))
	return nil
}

// checkQuery parses the query of the URL, and refuses parameters that the route doesn't have.
func (in *input) checkQuery() error {
	form, err := url.ParseQuery(in.c.r.URL.RawQuery)
	if err != nil {
		return malformed("the query of the URL can't be read: %v", err)
	}
	in.c.r.Form = form
	var known []string
	for _, p := range in.route.query {
		known = append(known, p.name)
		if p.required && in.c.r.Form.Get(p.name) == "" {
			return fault.Refuse(p.name, "is missing in the query of the URL: %s", p.about)
		}
	}
	for name, values := range in.c.r.Form {
		kind, ok := in.route.param(name)
		if !ok {
			near := fault.Nearest(name, known)
			if near != "" {
				near = " (did you mean " + near + "?)"
			}
			return fault.Refuse(name, "is no parameter of this path%s", near)
		}
		if len(values) > 1 && kind != paramList {
			return fault.Refuse(name, "appears twice")
		}
	}
	return nil
}

func (r *route) param(name string) (paramKind, bool) {
	for _, p := range r.query {
		if p.name == name {
			return p.kind, true
		}
	}
	return 0, false
}

// nothing refuses a body where none is read, so that nobody believes that it meant something.
func (in *input) nothing() error {
	data, err := in.read(typeJSON)
	if err != nil {
		return err
	}
	if text := strings.TrimSpace(string(data)); text != "" && text != "{}" {
		return malformed("this path takes no body")
	}
	return nil
}

// read reads the whole body, which must be of one of the types, or empty.
func (in *input) read(types ...string) ([]byte, error) {
	body, err := decompressed(in.c.r, in.c.server.limits.Body)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, readError(err)
	}
	if len(data) > 0 {
		if err := in.checkType(types...); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// checkType refuses bodies of other types. That also keeps pages of other origins out, which can send what forms send.
func (in *input) checkType(types ...string) error {
	given := in.c.r.Header.Get("Content-Type")
	name, _, err := mime.ParseMediaType(given)
	for _, want := range types {
		if err == nil && name == want {
			return nil
		}
	}
	return media("the Content-Type is %q; expected %s (curl --json sets it)", given, strings.Join(types, " or "))
}

// message reads the body as JSON into m.
func (in *input) message(m proto.Message) error {
	data, err := in.read(typeJSON)
	if err != nil {
		return err
	}
	return readMessage(data, m)
}
