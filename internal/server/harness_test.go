package server

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
	"github.com/tidaldb/tidal/tidaltest"
)

// records is the schema of this package's tests.
const recordsYAML = `
name: records

signals:
  view: {half_lives: [6h, 7d], windows: [1h, 24h, 7d], meaning: positive, seen: true, unique_users: true, velocity: true}
  like: {half_life: 30d, windows: [7d, 30d], meaning: positive, sets: [liked], permanent: true}
  hide: {meaning: hard_negative}

items:
  fields:
    title: text
    creator: keyword
    category: keyword
    tags: tags
    plays: int
    price: float
    free: bool
    published: time
    place: geo
  embeddings:
    content: 3

users:
  fields: {region: keyword, age: int}

creators:
  fields: {name: text}

cohorts:
  us: region = "US"

session_policies:
  short: {types: [view], max_duration: 1h, rate: 1, burst: 2}
`

// world is a database behind a real socket.
type world struct {
	t      *testing.T
	db     *tidaltest.DB
	server *Server
	http   *httptest.Server
	seen   *recording
	cursor string // of an event that is in the database
	doc    *described
}

// open starts a server with the options that change makes.
func open(t *testing.T, change func(*Options)) *world {
	t.Helper()
	s, err := schema.ParseYAML("records.yaml", []byte(recordsYAML))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: tidaltest.New(t, s), seen: &recording{}}
	o := Options{DB: w.db.DB, Recorder: w.seen, Group: &members{leader: Leader{Number: 1, Self: true}}, Regions: &regions{}}
	if change != nil {
		change(&o)
	}
	w.serve(o)
	return w
}

// serve listens.
func (w *world) serve(o Options) {
	w.server = New(o)
	w.http = httptest.NewUnstartedServer(w.server)
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	w.http.Config.Protocols = p
	w.http.Start()
	w.t.Cleanup(w.http.Close)
	w.doc = w.described()
}

// reopened serves the database again after it was restarted.
func (w *world) reopened() *world {
	w.t.Helper()
	out := &world{t: w.t, db: w.db, seen: &recording{}}
	out.serve(Options{DB: w.db.DB, Recorder: out.seen})
	return out
}

// reply is an answer that was read.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a request. Headers are pairs.
func (w *world) send(method, path, body string, headers ...string) reply {
	w.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.http.URL+path, in)
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", typeJSON)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.http.Client().Do(r)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	got := reply{res.StatusCode, res.Header, string(data)}
	w.describes(method, path, got)
	return got
}

// describes holds an answer against the document, if it came from a path that is in it.
func (w *world) describes(method, path string, got reply) {
	w.t.Helper()
	path, _, _ = strings.Cut(path, "?")
	e, _, err := w.server.routes.find(method, path)
	if err != nil || method == "HEAD" || got.header.Get("Content-Encoding") != "" {
		return
	}
	_, pattern, _ := strings.Cut(e.name, " ")
	w.doc.check(w.t, method, pattern, got)
}

// want sends a request, which must be answered with the status, and reads the answer into out unless that is nil.
func (w *world) want(status int, method, path, body string, out any, headers ...string) reply {
	w.t.Helper()
	got := w.send(method, path, body, headers...)
	if got.status != status {
		w.t.Fatalf("%s %s: status %d, want %d: %s", method, path, got.status, status, got.body)
	}
	if out != nil {
		dec := json.NewDecoder(bytes.NewReader([]byte(got.body)))
		if err := dec.Decode(out); err != nil {
			w.t.Fatalf("%s %s: %v: %s", method, path, err, got.body)
		}
	}
	return got
}

// problem is a problem document.
type problemDoc struct {
	Type, Title, Code, Detail, Field string
	Status                           int
	Record                           *int
	Line, Kept                       *int64
	RequestID                        string `json:"request_id"`
	RetryAfterMs                     int64  `json:"retry_after_ms"`
}

// refuses sends a request that must be refused with status and code.
func (w *world) refuses(status int, code, method, path, body string, headers ...string) problemDoc {
	w.t.Helper()
	var p problemDoc
	got := w.want(status, method, path, body, &p, headers...)
	if p.Code != code || p.Status != status || p.Title == "" || p.RequestID == "" {
		w.t.Fatalf("%s %s: want code %s: %s", method, path, code, got.body)
	}
	if got.header.Get("Content-Type") != typeProblem {
		w.t.Fatalf("%s %s: content type %q", method, path, got.header.Get("Content-Type"))
	}
	if p.RequestID != got.header.Get("X-Request-Id") {
		w.t.Fatalf("%s %s: request ids %q and %q", method, path, p.RequestID, got.header.Get("X-Request-Id"))
	}
	return p
}

func (w *world) put(kind tidal.EntityKind, id string, fields tidal.Fields) {
	w.t.Helper()
	w.db.Must(tidal.Put{Kind: kind, ID: id, Fields: fields})
}

// client is one of HTTP/1.1, or of HTTP/2 without TLS.
func (w *world) client(h2 bool) *http.Client {
	p := &http.Protocols{}
	p.SetHTTP1(!h2)
	p.SetUnencryptedHTTP2(h2)
	transport := &http.Transport{Protocols: p}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
