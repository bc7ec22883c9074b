package server

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/tidaldb/tidal"
)

func TestIDsOfAnyBytesGoIntoPathsAndComeBack(t *testing.T) {
	w := open(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		id := string(rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 1, 20), rapid.Map(rapid.StringN(1, 20, 60), func(s string) []byte { return []byte(s) }),
			rapid.Map(rapid.SampledFrom([]string{"a/b", "x:erase", "base64:x", "base64:_w", "..", ".", "a?b#c", "%2F", " ", "\xff/"}), func(s string) []byte { return []byte(s) }),
		).Draw(t, "id"))
		text := idText(id)
		if back, err := idOf("id", text); err != nil || back != id {
			t.Fatalf("%q: %q, back %q, %v", id, text, back, err)
		}
		path := "/v1/items/" + escapeSegment(id)
		inner := *w
		r, _ := http.NewRequestWithContext(inner.t.Context(), "PUT", w.http.URL+path, strings.NewReader(`{"title":"x"}`))
		r.Header.Set("Content-Type", typeJSON)
		res, err := w.http.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		want := id
		if strings.HasPrefix(id, rawID) {
			// In a path such a text means the id that it is the text of.
			if want, err = idOf("id", id); err != nil {
				if res.StatusCode != http.StatusBadRequest {
					t.Fatalf("%q: %d %s", id, res.StatusCode, body)
				}
				return
			}
		}
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%q: %s: %d %s", id, path, res.StatusCode, body)
		}
		if _, err := w.db.Entity(inner.t.Context(), tidal.Item, want); err != nil {
			t.Fatalf("%q: %v", id, err)
		}
	})
}

// escapeSegment escapes everything but letters and digits, so that nothing between here and there means anything by it.
func escapeSegment(id string) string {
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func TestAnswersAreCompressedForWhoTakesIt(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	plain := w.want(200, "GET", "/openapi.json", "", nil, "Accept-Encoding", "identity")
	for accept, want := range map[string]string{
		"gzip": "gzip", "zstd": "zstd", "gzip, zstd": "zstd", "zstd;q=0.5, gzip": "gzip", "br": "", "gzip;q=0": "", "gzip;q=x, *": "",
	} {
		got := w.want(200, "GET", "/openapi.json", "", nil, "Accept-Encoding", accept)
		if got.header.Get("Content-Encoding") != want || got.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v", accept, got.header)
		}
		if text := inflate(t, want, got.body); text != plain.body {
			t.Errorf("%s: %d bytes, want %d", accept, len(text), len(plain.body))
		}
		small := w.want(200, "GET", "/v1/lanes/none", "", nil, "Accept-Encoding", accept)
		if small.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d bytes were compressed", accept, len(small.body))
		}
		lines := w.want(200, "GET", "/v1/export?from=2026-01-01", "", nil, "Accept-Encoding", accept)
		if text := inflate(t, want, lines.body); strings.Count(text, "\n") != 2 {
			t.Errorf("%s: %q", accept, text)
		}
	}
	gzipped, zipped := compressed(t, []byte(`{"type":"view","item":"jazz-1"}`))
	w.want(200, "POST", "/v1/signals", gzipped, nil, "Content-Encoding", "gzip")
	w.want(200, "POST", "/v1/signals", zipped, nil, "Content-Encoding", "zstd")
}

func inflate(t *testing.T, encoding, body string) string {
	t.Helper()
	var in io.Reader = strings.NewReader(body)
	switch encoding {
	case "gzip":
		g, err := gzip.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		in = g
	case "zstd":
		z, err := zstd.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		in = z
	}
	out, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestRequestIDsAndTracesAreTakenOn(t *testing.T) {
	w := open(t, nil)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	good := "00-" + trace + "-b7ad6b7169203331-01"
	for _, c := range []struct{ id, traceparent, wantID, wantTrace string }{
		{"", "", "", ""},
		{"abc-1", good, "abc-1", trace},
		{strings.Repeat("x", 129), strings.ToUpper(good), "", ""},
		{"a b", "01-" + trace + "-b7ad6b7169203331-01-more", "", trace},
		{`a"b`, "00-" + trace + "-b7ad6b7169203331-01-more", "", ""},
		{"é", "ff-" + trace + "-b7ad6b7169203331-01", "", ""},
		{"ok", "nonsense", "ok", ""},
	} {
		got := w.want(200, "POST", "/v1/signals", `{"type":"view","item":"a"}`, nil, "X-Request-Id", c.id, "Traceparent", c.traceparent)
		id := got.header.Get("X-Request-Id")
		if c.wantID != "" && id != c.wantID || c.wantID == "" && (id == c.id || len(id) != 24) {
			t.Errorf("%q became %q", c.id, id)
		}
		all := w.seen.requests()
		if last := all[len(all)-1]; last.ID != id || last.Trace != c.wantTrace {
			t.Errorf("%+v: the recorder was told of %+v", c, last)
		}
	}
	// The log has the trace of the event.
	n := 0
	for x, err := range w.db.Export(t.Context(), tidal.ExportQuery{From: time.Unix(0, 0)}) {
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%x", x.Trace) == trace {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d events have the trace", n)
	}
}

func TestTokensAreWaitedForAndGivenOut(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	var r receiptDoc
	got := w.want(200, "POST", "/v1/signals", `{"type":"like","item":"jazz-1","user":"ada"}`, &r)
	if r.Token == "" || got.header.Get("Tidal-Token") != r.Token {
		t.Fatalf("%s %v", got.body, got.header)
	}
	var answer struct{ Token string }
	got = w.want(200, "POST", "/v1/rank", rankBody, &answer, "Tidal-Token", r.Token)
	if answer.Token == "" || got.header.Get("Tidal-Token") != answer.Token {
		t.Fatalf("%s %v", got.body, got.header)
	}
	w.want(200, "GET", "/v1/users/ada/state", "", nil, "Tidal-Token", answer.Token)
	// Another database's keys didn't seal it, though it knows the same events.
	other := open(t, nil)
	other.furnish()
	if p := other.refuses(400, "refused", "POST", "/v1/rank", rankBody, "Tidal-Token", r.Token); p.Field != "token" {
		t.Errorf("%+v", p)
	}
	// What isn't here yet is waited for as long as a request may take. A token of a copy that went on is one.
	var backup bytes.Buffer
	if _, err := w.db.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	w.want(200, "POST", "/v1/signals", `{"type":"like","item":"jazz-2","user":"ada"}`, &r)
	dir := t.TempDir() + "/copy"
	if _, err := tidal.Restore(t.Context(), &backup, dir, nil); err != nil {
		t.Fatal(err)
	}
	late, err := tidal.Open(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	behind := &world{t: t, seen: &recording{}}
	behind.serve(Options{DB: late, Recorder: behind.seen, Limits: Limits{Request: 50 * time.Millisecond}})
	p := behind.refuses(503, "not_yet", "POST", "/v1/rank", rankBody, "Tidal-Token", r.Token)
	if p.RetryAfterMs == 0 {
		t.Errorf("%+v", p)
	}
}

func TestNoMoreThanAllowedIsUnderWayAtOnce(t *testing.T) {
	w := open(t, func(o *Options) { o.Limits.Writes, o.Limits.Lists = 1, 1 })
	w.furnish()
	leave, err := w.server.enter(write)
	if err != nil {
		t.Fatal(err)
	}
	got := w.send("POST", "/v1/signals", `{"type":"view","item":"a"}`)
	if got.status != 429 || got.header.Get("Retry-After") != "1" || !strings.Contains(got.body, `"busy"`) {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	w.want(200, "POST", "/v1/rank", rankBody, nil)
	leave()
	w.want(200, "POST", "/v1/signals", `{"type":"view","item":"a"}`, nil)
	if leave, err = w.server.enter(list); err != nil {
		t.Fatal(err)
	}
	w.refuses(429, "busy", "POST", "/v1/rank", rankBody)
	leave()
}

func TestHiddenItemsAreNotServed(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	list := func() []string {
		var a struct{ Items []struct{ Item, Ref string } }
		w.want(200, "GET", "/v1/rank?q="+url.QueryEscape(`RANK items FOR USER "ada" USING new`), "", &a)
		var out []string
		for _, x := range a.Items {
			out = append(out, x.Item)
		}
		return out
	}
	if got := fmt.Sprint(list()); !strings.Contains(got, "jazz-2") {
		t.Fatal(got)
	}
	w.want(200, "PUT", "/v1/users/ada/hides/jazz-2", "", nil)
	if got := fmt.Sprint(list()); strings.Contains(got, "jazz-2") {
		t.Error(got)
	}
	w.want(200, "DELETE", "/v1/users/ada/hides/jazz-2", "", nil)
	if got := fmt.Sprint(list()); !strings.Contains(got, "jazz-2") {
		t.Error(got)
	}
	w.want(200, "PUT", "/v1/users/ada/blocks/miles", "", nil)
	if got := list(); len(got) != 0 {
		t.Error(got)
	}
}

func TestAnEchoedReferenceIsInTheExport(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	var a struct {
		Feed  string
		Items []struct{ Item, Ref string }
	}
	w.want(200, "POST", "/v1/rank", rankBody, &a)
	w.want(200, "POST", "/v1/signals", `{"type":"like","item":"`+a.Items[1].Item+`","user":"ada","ref":"`+a.Items[1].Ref+`"}`, nil)
	got := w.want(200, "GET", "/v1/export?from=2026-01-01&types=like", "", nil)
	if !strings.Contains(got.body, `"place":2`) || !strings.Contains(got.body, `"profile":"new"`) {
		t.Error(got.body)
	}
}

func TestPagesAreContinued(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	var all []string
	after := ""
	for {
		var page struct {
			Entities []struct{ ID string }
			Next     string
		}
		w.want(200, "GET", "/v1/items?limit=3&after="+after, "", &page)
		for _, e := range page.Entities {
			all = append(all, e.ID)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if got := fmt.Sprint(all); got != "[jazz-1 jazz-2 jazz-3 jazz-4]" {
		t.Error(got)
	}
	w.want(200, "PUT", "/v1/users/ada/follows/miles", "", nil)
	seen := map[string]bool{}
	for after = ""; ; {
		var page struct {
			Ties []struct{ Kind, ID string }
			Next string
		}
		w.want(200, "GET", "/v1/users/ada/state?limit=1&after="+url.QueryEscape(after), "", &page)
		for _, e := range page.Ties {
			if seen[e.Kind+e.ID] {
				t.Fatalf("%s twice", e.ID)
			}
			seen[e.Kind+e.ID] = true
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(seen) != 3 {
		t.Errorf("%v", seen)
	}
}

func TestABackupOverHTTPIsOne(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	for _, query := range []string{"", "?without_log"} {
		got := w.want(200, "POST", "/v1/admin/backup"+query, "", nil)
		dir := t.TempDir() + "/copy"
		if _, err := tidal.Restore(t.Context(), strings.NewReader(got.body), dir, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	got := w.want(200, "HEAD", "/v1/items/jazz-1", "", nil)
	if got.body != "" || got.header.Get("Content-Type") != typeJSON || got.header.Get("Content-Length") == "0" {
		t.Errorf("%+v", got)
	}
	if got := w.send("HEAD", "/v1/items/none", ""); got.status != 404 {
		t.Errorf("%+v", got)
	}
}

func TestNamedExportsAreForWhoMayWrite(t *testing.T) {
	w := open(t, func(o *Options) { o.Authorize = byName })
	w.furnish()
	const from = "/v1/export?from=2026-01-01"
	w.refuses(403, "forbidden", "POST", from+"&name=nightly", "", "Authorization", "Bearer read")
	if p := w.refuses(400, "refused", "GET", from+"&name=nightly", "", "Authorization", "Bearer admin"); p.Field != "name" {
		t.Errorf("%+v", p)
	}
	got := w.want(200, "POST", from+"&name=nightly&limit=1", "", nil, "Authorization", "Bearer write")
	if strings.Count(got.body, "\n") != 1 {
		t.Error(got.body)
	}
	var all struct {
		Exports []struct {
			Name     string
			LagBytes int64 `json:"lag_bytes"`
		}
	}
	w.want(200, "GET", "/v1/admin/exports", "", &all, "Authorization", "Bearer admin")
	if len(all.Exports) != 3 || all.Exports[1].Name != "nightly" || all.Exports[1].LagBytes == 0 {
		t.Errorf("%+v", all)
	}
}

func TestAnExportSaysHowItEnded(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	for query, whole := range map[string]string{"": "true", "&limit=1": "false"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", w.http.URL+"/v1/export?from=2026-01-01"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := w.http.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		cursor := res.Trailer.Get("Tidal-Export-Cursor")
		if res.Trailer.Get("Tidal-Export-Whole") != whole || cursor == "" || res.Trailer.Get("Tidal-Export-Missing") != "false" ||
			res.Trailer.Get("Tidal-Export-Compacted") != "0" {
			t.Errorf("%v", res.Trailer)
		}
		rest := w.want(200, "GET", "/v1/export?from=2026-01-01&cursor="+cursor, "", nil)
		if (rest.body == "") != (whole == "true") {
			t.Errorf("behind %q: %q", query, rest.body)
		}
	}
	w.refuses(400, "refused", "GET", "/v1/export?from=2026-01-01&cursor=AAAA", "")
	w.refuses(400, "refused", "GET", "/v1/export", "")
}
