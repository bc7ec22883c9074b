package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// fuzzed is a server for fuzz targets: a database that many inputs share, and no socket.
func fuzzed(f *testing.F) *Server {
	f.Helper()
	s, err := schema.ParseYAML("records.yaml", []byte(recordsYAML))
	if err != nil {
		f.Fatal(err)
	}
	db, err := tidal.Open(filepath.Join(f.TempDir(), "db"), s, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := db.Close(); err != nil {
			f.Error(err)
		}
	})
	return New(Options{DB: db})
}

// fuzzing sends bytes to a path: whatever they are, the answer is a status that has a meaning, JSON, and never a mistake of
// ours; and what is refused leaves nothing behind.
func fuzzing(f *testing.F, path, contentType string, check func(t *testing.T, s *Server, before int, got *httptest.ResponseRecorder)) {
	s := fuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := int(s.db.Stats().Signals)
		r := httptest.NewRequestWithContext(t.Context(), "POST", path, bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusGatewayTimeout || w.Code < 200 {
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
		check(t, s, before, w)
	})
}

func isJSON(t *testing.T, text string) {
	t.Helper()
	if !json.Valid([]byte(text)) {
		t.Fatalf("no JSON: %q", text)
	}
}

func FuzzRESTSignal(f *testing.F) {
	for _, seed := range []string{
		`{"type":"view","item":"a","user":"b"}`, `{"signals":[{"type":"like","item":"a"},{"type":"view","item":"base64:_w"}]}`,
		`{"signals":[],"lane":"l","number":"1"}`, `{"type":"view","item":"a","time":"2026-03-01T12:00:00Z","ref":"AAAA","cohorts":["us"]}`,
		`{"type":"view","item":"a","weight":1e308}`, `{"key":{"a":[`, `{"type":"view","item":"a","time_ms":-9223372036854775808}`,
	} {
		f.Add([]byte(seed))
	}
	fuzzing(f, "/v1/signals", typeJSON, func(t *testing.T, s *Server, before int, w *httptest.ResponseRecorder) {
		isJSON(t, w.Body.String())
		if after := int(s.db.Stats().Signals); w.Code >= 400 && after != before {
			t.Fatalf("%d signals were refused and written: %s", after-before, w.Body)
		}
	})
}

func FuzzNDJSON(f *testing.F) {
	for _, seed := range []string{
		"{\"type\":\"view\",\"item\":\"a\"}\n{\"type\":\"view\",\"item\":\"b\"}\n", "\n\n{\"type\":\"view\",\"item\":\"a\"}\r\n\nx",
		"{\"type\":\"view\",\"item\":\"a\",\"key\":\"k\"}", strings.Repeat("{\"type\":\"view\",\"item\":\"a\"}\n", 250) + "{",
	} {
		f.Add([]byte(seed))
	}
	fuzzing(f, "/v1/signals", typeLines, func(t *testing.T, s *Server, before int, w *httptest.ResponseRecorder) {
		kept := int64(0)
		for line := range strings.Lines(w.Body.String()) {
			isJSON(t, line)
			var d struct{ Kept int64 }
			if err := json.Unmarshal([]byte(line), &d); err != nil {
				t.Fatal(err)
			}
			kept = d.Kept
		}
		if after := int(s.db.Stats().Signals); int64(after-before) > kept {
			t.Fatalf("%d signals were written, and %d acknowledged: %s", after-before, kept, w.Body)
		}
	})
}

func FuzzRankJSON(f *testing.F) {
	for _, seed := range []string{
		rankBody, `{"rank":"items","filter":{"and":["unseen","category = \"jazz\""]},"limit":500}`, `{"rank":"items","seed":"7","cursor":"AAAA"}`,
		`{"rank":"items","pins":[{"item":{"base64":"/w=="},"rank":1}]}`, `{"rank":"items","profile":"most","signal":"view","window":"7d"}`,
	} {
		f.Add([]byte(seed))
	}
	fuzzing(f, "/v1/rank", typeJSON, func(t *testing.T, _ *Server, _ int, w *httptest.ResponseRecorder) {
		isJSON(t, w.Body.String())
	})
}

func FuzzPutJSON(f *testing.F) {
	for _, seed := range []string{
		`{"title":"a","tags":["x"],"plays":5,"content":[1,2,3]}`, `{"place":{"lat":1,"lon":2},"published":{"time":5}}`, `{"price":null,"free":true}`,
	} {
		f.Add([]byte(seed))
	}
	s := fuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		put := func(body string) (int, string) {
			r := httptest.NewRequestWithContext(t.Context(), "PUT", "/v1/items/a", strings.NewReader(body))
			r.Header.Set("Content-Type", typeJSON)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w.Code, w.Body.String()
		}
		read := func() string {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/v1/items/a", nil))
			var e struct{ Fields json.RawMessage }
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
				t.Fatalf("%s: %v", w.Body, err)
			}
			if e.Fields == nil {
				return "{}"
			}
			return string(e.Fields)
		}
		status, text := put(string(body))
		isJSON(t, text)
		if status != http.StatusOK {
			if status >= 500 {
				t.Fatalf("%d %s", status, text)
			}
			return
		}
		// What is read can be put, and is then the same.
		first := read()
		if status, text := put(first); status != http.StatusOK {
			t.Fatalf("%s: %s", first, text)
		}
		if second := read(); second != first {
			t.Fatalf("%s, then %s", first, second)
		}
	})
}

func FuzzConnectFrame(f *testing.F) {
	s := fuzzed(f)
	seen := &recording{}
	s.recorder = seen
	kinds := []string{
		"application/grpc", "application/grpc+json", "application/grpc-web", "application/connect+proto", "application/connect+json",
		"application/proto", "application/json", "application/grpc-web-text",
	}
	paths := procedures()
	for i := range kinds {
		f.Add(i, i, frame([]byte{0x0a, 0}))
		f.Add(i, i+1, frame([]byte(`{"text":"RANK items"}`)))
		f.Add(i, i+2, []byte{1, 0, 0, 0, 1, 0})
		for path := range paths {
			f.Add(i, path, []byte{0, 0, 0, 0, 21, 1, 2, 3, 4, 5}) // ends within a message,
			f.Add(i, path, []byte{0, 0})                          // or within the five bytes before one,
			f.Add(i, path, []byte{2, 0, 0, 0, 0})                 // or is an end without its text,
			f.Add(i, path, []byte{4, 0, 0, 0, 1, 0})              // or has flags that nobody knows
		}
	}
	f.Fuzz(func(t *testing.T, kind, path int, body []byte) {
		p := paths[abs(path)%len(paths)]
		r := httptest.NewRequestWithContext(t.Context(), "POST", p.path, bytes.NewReader(body))
		r.ProtoMajor, r.ProtoMinor, r.Proto = 2, 0, "HTTP/2.0"
		r.Header.Set("Content-Type", kinds[abs(kind)%len(kinds)])
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusGatewayTimeout && w.Code != http.StatusNotImplemented {
			t.Fatalf("%s: %d %s", p.path, w.Code, w.Body)
		}
		if n := len(seen.requests()); n == 0 || seen.requests()[n-1].Code == "internal" {
			t.Fatalf("%s: %+v", p.path, seen.requests())
		}
		seen.forget()
	})
}

func abs(n int) int { return max(n, -(n + 1)) }
