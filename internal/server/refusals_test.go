package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// eachRoute runs f for every route of a furnished server, and holds that it left the database as it was.
func eachRoute(t *testing.T, change func(*Options), f func(t *testing.T, w *world, r *route, s sample)) {
	t.Helper()
	w := open(t, change)
	w.furnish()
	before := w.db.Digest()
	for _, r := range w.server.allRoutes() {
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			inner := *w
			inner.t = t
			f(t, &inner, r, w.sampleOf(t, r))
			if w.db.Digest() != before {
				t.Error("something was written")
				before = w.db.Digest()
			}
		})
	}
}

func TestEverySampleIsAnswered(t *testing.T) {
	w := open(t, func(o *Options) { o.Keys = &keyring{all: []Key{{ID: "k1", Name: "first", Role: Read}}} })
	w.furnish()
	for _, r := range w.server.allRoutes() {
		s := w.sampleOf(t, r)
		if got := w.send(r.method, s.path, s.body, "Content-Type", s.contentType); got.status != r.status {
			t.Errorf("%s %s: %d %s", r.method, s.path, got.status, got.body)
		}
	}
	for i, f := range w.seen.requests() {
		if r := w.server.allRoutes()[i]; f.Route != r.method+" "+r.path || f.Code != "ok" || f.Out == 0 {
			t.Errorf("the recorder was told of %+v for %s %s", f, r.method, r.path)
		}
	}
}

func TestUnknownParametersAreRefused(t *testing.T) {
	eachRoute(t, nil, func(_ *testing.T, w *world, r *route, s sample) {
		path := s.path + "?nosuch=1"
		if strings.Contains(s.path, "?") {
			path = s.path + "&nosuch=1"
		}
		if p := w.refuses(400, "refused", r.method, path, s.body, "Content-Type", s.contentType); p.Field != "nosuch" {
			w.t.Errorf("field %q", p.Field)
		}
	})
}

func TestBodiesThatCannotBeReadAreRefused(t *testing.T) {
	gzipped, zipped := compressed(t, []byte(strings.Repeat(" ", 70<<10)))
	eachRoute(t, func(o *Options) { o.Limits.Body = 64 << 10 }, func(t *testing.T, w *world, r *route, s sample) {
		if r.method == "GET" {
			return // bodies of these mean nothing to HTTP, and net/http doesn't send any
		}
		large := strings.Repeat(" ", 65<<10)
		w.refuses(413, "too_large", r.method, s.path, large, "Content-Type", s.contentType)
		w.refuses(413, "too_large", r.method, s.path, gzipped, "Content-Type", s.contentType, "Content-Encoding", "gzip")
		w.refuses(413, "too_large", r.method, s.path, zipped, "Content-Type", s.contentType, "Content-Encoding", "zstd")
		w.refuses(415, "media_type", r.method, s.path, "{}", "Content-Encoding", "br")
		w.refuses(400, "malformed", r.method, s.path, "no gzip at all", "Content-Encoding", "gzip")
		if r.body == noBody {
			w.refuses(400, "malformed", r.method, s.path, `{"a":1}`)
			return
		}
		w.refuses(415, "media_type", r.method, s.path, s.body, "Content-Type", "text/plain")
		w.refuses(415, "media_type", r.method, s.path, s.body, "Content-Type", "application/x-www-form-urlencoded")
		w.refuses(400, "malformed", r.method, s.path, "")
		for _, body := range []string{"{", `[1`, `{"a":1}}`, "\x00", "{\"\xff\":1}", strings.Repeat(`{"a":`, 3000)} {
			got := w.send(r.method, s.path, body, "Content-Type", s.contentType)
			if got.status != 400 || got.header.Get("Content-Type") != typeProblem {
				t.Errorf("%q: %d %s", body[:min(len(body), 20)], got.status, got.body)
			}
		}
	})
}

func TestUnknownAndWrongFieldsAreRefusedByName(t *testing.T) {
	w := open(t, func(o *Options) { o.Keys = &keyring{} })
	w.furnish()
	before := w.db.Digest()
	for _, c := range []struct{ method, path, body, field string }{
		{"POST", "/v1/signals", `{"type":"view","item":"a","usr":"b"}`, "usr"},
		{"POST", "/v1/signals", `{"type":"view","item":5}`, "item"},
		{"POST", "/v1/signals", `{"type":"view","item":"a","weight":"heavy"}`, "weight"},
		{"POST", "/v1/signals", `{"type":"view","item":"a","item":"b"}`, "item"},
		{"POST", "/v1/signals", `{"type":"none","item":"a"}`, "type"},
		{"POST", "/v1/signals", `{"type":"view"}`, "item"},
		{"POST", "/v1/signals", `{"type":"view","item":"a","weight":-1}`, "weight"},
		{"POST", "/v1/signals", `{"type":"view","item":"a","time":"2026-03-01T00:00:00Z","time_ms":1}`, "time_ms"},
		{"POST", "/v1/signals", `{"type":"view","item":"a","time_ms":1e300}`, "time_ms"},
		{"POST", "/v1/signals", `{"type":"view","item":"base64:!!"}`, "item"},
		{"POST", "/v1/signals", `{"type":"view","item":"` + strings.Repeat("x", 513) + `"}`, "item"},
		{"POST", "/v1/signals", `{"signals":[{"type":"view","item":"a"},{"type":"view","item":"a","weight":-1}]}`, "weight"},
		{"POST", "/v1/signals", `{"signals":[{"type":"view","item":"a"}],"numbr":1}`, "numbr"},
		{"POST", "/v1/signals", `{"signals":[{"type":"view","item":"a"}],"number":-1,"lane":"l"}`, "number"},
		{"POST", "/v1/signals", `{"signals":[]}`, "records"},
		{"POST", "/v1/signals:undo", `{"pos":"0:0:1"}`, "pos"},
		{"POST", "/v1/signals:undo", `{"position":"here"}`, "position"},
		{"POST", "/v1/signals:undo", `{}`, ""},
		{"PUT", "/v1/items/a", `{"titel":"x"}`, "fields.titel"},
		{"PUT", "/v1/items/a", `{"plays":"many"}`, "fields.plays"},
		{"PUT", "/v1/items/a", `{"content":[1,2]}`, "embeddings.content"},
		{"PUT", "/v1/items/a", `{"place":{"lat":91,"lon":0}}`, "fields.place"},
		{"PUT", "/v1/items/a", `{"title":"a","title":"b"}`, "fields.title"},
		{"PUT", "/v1/items/a", `[]`, "fields"},
		{"PUT", "/v1/users/ada/marks/adored/jazz-1", ``, "mark"},
		{"POST", "/v1/rank", `{"rank":"items","limt":3}`, "limt"},
		{"POST", "/v1/rank", `{"rank":"items","limit":"many"}`, "limit"},
		{"POST", "/v1/rank", `{"rank":"items","filter":"categry = \"jazz\""}`, "filter.field"},
		{"POST", "/v1/rank", `{"rank":"items","profile":"nobody"}`, "profile"},
		{"GET", "/v1/rank?q=RANK%20nothing", ``, ""},
		{"GET", "/v1/rank", ``, "q"},
		{"GET", "/v1/rank" + rankText + "&with_cursor=perhaps", ``, "with_cursor"},
		{"GET", "/v1/items?limit=many", ``, "limit"},
		{"GET", "/v1/items?limit=10001", ``, "limit"},
		{"GET", "/v1/items?limit=1&limit=2", ``, "limit"},
		{"GET", "/v1/items?after=base64:!!", ``, "after"},
		{"GET", "/v1/users/ada/state?after=nonsense", ``, "after"},
		{"GET", "/v1/top/view?at=yesterday", ``, "at"},
		{"GET", "/v1/top/view?half_life=soon", ``, "half_life"},
		{"GET", "/v1/top/view?half_life=3d", ``, "half_life"},
		{"GET", "/v1/suggest?field=title", ``, "field"},
		{"GET", "/v1/suggest", ``, "field"},
		{"POST", "/v1/admin/keys", `{"name":"a","role":"god"}`, "role"},
		{"POST", "/v1/admin/keys", `{"role":"read"}`, "name"},
	} {
		got := w.send(c.method, c.path, c.body)
		if got.status != 400 || !strings.Contains(got.body, `"code":"refused"`) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, got.status, got.body)
			continue
		}
		if c.field != "" && !strings.Contains(got.body, `"field":"`+c.field) {
			t.Errorf("%s %s %s: field isn't %s: %s", c.method, c.path, c.body, c.field, got.body)
		}
	}
	if w.db.Digest() != before {
		t.Error("something was written")
	}
}

func TestKeysAndRoles(t *testing.T) {
	eachRoute(t, func(o *Options) { o.Authorize = byName }, func(t *testing.T, w *world, r *route, s sample) {
		e := r.endpoint()
		if e.role == NoRole {
			w.want(r.status, r.method, s.path, s.body, nil)
			return
		}
		w.refuses(401, "no_key", r.method, s.path, s.body, "Content-Type", s.contentType)
		got := w.send(r.method, s.path, s.body, "Authorization", "Bearer nobody")
		if got.status != 401 || got.header.Get("WWW-Authenticate") == "" || !strings.Contains(got.body, `"bad_key"`) {
			t.Errorf("%d %v %s", got.status, got.header, got.body)
		}
		for _, role := range []Role{Read, Write} {
			if role < e.role {
				p := w.refuses(403, "forbidden", r.method, s.path, s.body, "Authorization", "Bearer "+role.String())
				if !strings.Contains(p.Detail, e.role.String()) {
					t.Errorf("the detail doesn't name the role: %s", p.Detail)
				}
			}
		}
	})
}

func TestForeignTokensAreRefused(t *testing.T) {
	eachRoute(t, nil, func(t *testing.T, w *world, r *route, s sample) {
		if r.method != "GET" && r.body != bodyQuery || r.endpoint().role != Read {
			return
		}
		if slices.Contains([]string{"/v1/schema", "/v1/profiles", "/v1/stats", "/v1/cluster"}, r.path) {
			return // these wait for nothing
		}
		for _, token := range []string{"x", "c2FtcGxl", strings.Repeat("A", 200)} {
			if p := w.refuses(400, "refused", r.method, s.path, s.body, "Tidal-Token", token); p.Field != "token" {
				t.Errorf("field %q", p.Field)
			}
		}
	})
}

func TestWrongMethodsAndPaths(t *testing.T) {
	w := open(t, nil)
	eachRoute(t, nil, func(t *testing.T, w *world, r *route, s sample) {
		got := w.send("TRACE", s.path, "")
		if got.status != 405 || !strings.Contains(got.header.Get("Allow"), r.method) {
			t.Errorf("%d, allowed %q", got.status, got.header.Get("Allow"))
		}
	})
	for _, path := range []string{
		"/", "/v1", "/v2/items", "/v1/itemz", "/v1/items/", "/v1/items//signals/view", "/v1/items/a/b/c/d/e/f/g", "/tidal.v1.Tidal/Nothing",
		"/..%2f..%2fetc/passwd",
	} {
		got := w.send("GET", path, "")
		if got.status != 404 || !strings.Contains(got.body, `"no_route"`) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestPagesOfOtherOriginsMayNotWrite(t *testing.T) {
	eachRoute(t, nil, func(_ *testing.T, w *world, r *route, s sample) {
		if r.method != "GET" {
			w.refuses(403, "cross_origin", r.method, s.path, s.body, "Origin", "https://example.com", "Content-Type", s.contentType)
			w.refuses(403, "cross_origin", r.method, s.path, s.body, "Sec-Fetch-Site", "cross-site", "Content-Type", s.contentType)
		}
	})
}

// TestSlowBodies sends the head of a request and half of its body, over a socket.
func TestSlowBodies(t *testing.T) {
	patience := func(o *Options) { o.Limits.Request, o.Limits.Idle = 50*time.Millisecond, 50*time.Millisecond }
	eachRoute(t, patience, func(t *testing.T, w *world, r *route, s sample) {
		if r.body == noBody {
			return
		}
		types := []string{s.contentType}
		if r.lines != nil {
			types = append(types, typeLines)
		}
		for _, kind := range types {
			conn, err := net.Dial("tcp", w.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n{", r.method, s.path, kind)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != http.StatusRequestTimeout || res.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %d, again after %q", kind, res.StatusCode, res.Header.Get("Retry-After"))
			}
			res.Body.Close()
		}
	})
}

func TestMistakesOfOursAreNotTold(t *testing.T) {
	const secret = "what nobody should read"
	eachRoute(t, func(o *Options) {
		o.Authorize = func(*http.Request) (Caller, error) { panic(secret) }
	}, func(t *testing.T, w *world, r *route, s sample) {
		if r.endpoint().role == NoRole {
			return
		}
		got := w.send(r.method, s.path, s.body, "Content-Type", s.contentType)
		if got.status != 500 || !strings.Contains(got.body, `"internal"`) || strings.Contains(got.body, secret) {
			t.Errorf("%d %s", got.status, got.body)
		}
		all := w.seen.requests()
		if last := all[len(all)-1]; last.Code != "internal" || !strings.Contains(last.Err.Error(), secret) {
			t.Errorf("the recorder was told of %+v", last)
		}
	})
}

// compressed returns data as gzip and as zstd.
func compressed(t *testing.T, data []byte) (string, string) {
	t.Helper()
	var g bytes.Buffer
	zw := gzip.NewWriter(&g)
	if _, err := zw.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return g.String(), string(e.EncodeAll(data, nil))
}

// TestSlowMessages does the same with procedures.
func TestSlowMessages(t *testing.T) {
	w := open(t, func(o *Options) { o.Limits.Request, o.Limits.Idle = 50*time.Millisecond, 50*time.Millisecond })
	w.furnish()
	before := w.db.Digest()
	for _, p := range procedures() {
		if patient(p.path) {
			continue // these have ten times as long, and read nothing
		}
		kind := "application/json"
		if streaming(p.path) {
			kind = "application/connect+json"
		}
		conn, err := net.Dial("tcp", w.http.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n{", p.path, kind)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", p.path, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode < 400 && !strings.Contains(string(body), `"error"`) {
			t.Errorf("%s: %d %s %v", p.path, res.StatusCode, body, err)
		}
		res.Body.Close()
	}
	if w.db.Digest() != before {
		t.Error("something was written")
	}
}
