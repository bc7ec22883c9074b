package server

import (
	"net/http"
	"strings"
	"testing"
)

// withKey is a server that wants a key and lets pages of some origins use the API.
func withKey(t *testing.T, origins ...string) *world {
	t.Helper()
	return open(t, func(o *Options) {
		o.Origins = origins
		o.Authorize = func(r *http.Request) (Caller, error) {
			if r.Header.Get("Authorization") != "Bearer secret" {
				return Caller{}, ErrNoKey
			}
			return Caller{Role: Write, Key: "k"}, nil
		}
	})
}

// may reports whether a browser would let a page have an answer.
func may(got reply, origin string) bool {
	allowed := got.header.Get("Access-Control-Allow-Origin")
	return len(got.header.Values("Access-Control-Allow-Origin")) == 1 && (allowed == origin || allowed == AnyOrigin)
}

// asks is what a browser asks before a page may send something, and reports whether it may.
func (w *world) asks(origin, method, path string, headers ...string) bool {
	w.t.Helper()
	got := w.send("OPTIONS", path, "", "Origin", origin, "Access-Control-Request-Method", method,
		"Access-Control-Request-Headers", strings.ToLower(strings.Join(headers, ",")), "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors")
	if got.status != http.StatusNoContent || !may(got, origin) {
		return false
	}
	if got.header.Get("Access-Control-Max-Age") == "" || got.header.Get("Access-Control-Allow-Credentials") != "" {
		w.t.Errorf("a preflight is answered with %v", got.header)
	}
	for _, m := range []struct{ want, list string }{
		{method, got.header.Get("Access-Control-Allow-Methods")}, {strings.Join(headers, ","), got.header.Get("Access-Control-Allow-Headers")},
	} {
		for want := range strings.SplitSeq(m.want, ",") {
			found := false
			for one := range strings.SplitSeq(m.list, ",") {
				found = found || strings.EqualFold(strings.TrimSpace(one), want)
			}
			if !found {
				return false
			}
		}
	}
	return true
}

// TestAPageUsesTheAPI goes through what a browser does for a page that puts an item, writes a signal with a key of its own and reads a
// list with the token that it was given.
func TestAPageUsesTheAPI(t *testing.T) {
	const shop = "https://shop.example.com"
	w := withKey(t, "http://localhost:3000", shop)
	send := func(method, path, body string, headers ...string) reply {
		t.Helper()
		names := []string{"Authorization", "Content-Type"}
		for i := 0; i < len(headers); i += 2 {
			names = append(names, headers[i])
		}
		if !w.asks(shop, method, path, names...) {
			t.Fatalf("%s %s may not be sent", method, path)
		}
		got := w.send(method, path, body, append(headers, "Origin", shop, "Sec-Fetch-Site", "cross-site", "Authorization", "Bearer secret")...)
		if got.status != http.StatusOK || !may(got, shop) {
			t.Fatalf("%s %s: %d %s %v", method, path, got.status, got.body, got.header)
		}
		if vary := strings.Join(got.header.Values("Vary"), ", "); !strings.Contains(vary, "Origin") {
			t.Errorf("%s %s varies by %q", method, path, vary)
		}
		return got
	}
	send("PUT", "/v1/items/jazz", `{"title":"Jazz"}`)
	send("POST", "/v1/signals", `{"type":"view","item":"jazz","user":"ada"}`, "Idempotency-Key", "one")
	again := send("POST", "/v1/signals", `{"type":"view","item":"jazz","user":"ada"}`, "Idempotency-Key", "one")
	list := send("POST", "/v1/rank", `{"profile":"new"}`, "Tidal-Token", "")
	for name, got := range map[string]reply{"Idempotency-Replayed": again, "Tidal-Token": list, "X-Request-Id": list} {
		if got.header.Get(name) == "" || !strings.Contains(got.header.Get("Access-Control-Expose-Headers"), name) {
			t.Errorf("the page can't read %s: %v", name, got.header)
		}
	}
	send("POST", "/tidal.v1.Tidal/Rank", `{"typed":{"profile":"new"}}`, "Connect-Protocol-Version", "1")
	// What is refused the page may read as well.
	if got := w.send("GET", "/v1/items/none", "", "Origin", shop, "Authorization", "Bearer secret"); got.status != 404 || !may(got, shop) {
		t.Errorf("%d %v", got.status, got.header)
	}
	if got := w.send("GET", "/v1/items/jazz", "", "Origin", shop); got.status != 401 || !may(got, shop) {
		t.Errorf("%d %v", got.status, got.header)
	}
	for _, f := range w.seen.requests() {
		if f.Route == "none" {
			t.Errorf("%+v", f)
		}
	}
}

// Pages of other origins may send and read nothing, nor may any where no origin is named; programs aren't asked for theirs.
func TestOtherPagesAreKeptOut(t *testing.T) {
	for _, origins := range [][]string{nil, {"https://shop.example.com"}} {
		w := withKey(t, origins...)
		for _, other := range []string{
			"https://evil.example", "https://shop.example.com.evil.example", "http://shop.example.com", "https://shop.example.com:8443",
			"https://xshop.example.com", "null",
		} {
			if w.asks(other, "POST", "/v1/signals", "Authorization", "Content-Type") {
				t.Errorf("with %q, a page of %s may write", origins, other)
			}
			w.refuses(403, "cross_origin", "POST", "/v1/signals", `{"type":"view","item":"jazz"}`, "Origin", other, "Authorization", "Bearer secret")
			if got := w.send("GET", "/v1/schema", "", "Origin", other, "Authorization", "Bearer secret"); got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("with %q, a page of %s may read: %d %v", origins, other, got.status, got.header)
			}
		}
		if got := w.send("PUT", "/v1/items/jazz", `{"title":"Jazz"}`, "Authorization", "Bearer secret"); got.status != 200 {
			t.Errorf("a program may not write: %d %s", got.status, got.body)
		}
	}
}

func TestEveryPageMayUseIt(t *testing.T) {
	w := withKey(t, AnyOrigin)
	for _, origin := range []string{"https://shop.example.com", "null"} {
		if !w.asks(origin, "PUT", "/v1/items/jazz", "Authorization", "Content-Type") {
			t.Errorf("a page of %s may not write", origin)
		}
		got := w.send("PUT", "/v1/items/jazz", `{"title":"Jazz"}`, "Origin", origin, "Sec-Fetch-Site", "cross-site", "Authorization", "Bearer secret")
		if got.status != 200 || !may(got, origin) {
			t.Errorf("%d %v", got.status, got.header)
		}
	}
}
