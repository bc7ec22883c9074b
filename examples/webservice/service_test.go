package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidaldb/tidal/tidaltest"
)

func TestMain(m *testing.M) {
	http.DefaultTransport.(*http.Transport).DisableKeepAlives = true // no connection outlives its test
	goleak.VerifyTestMain(m)
}

type page struct {
	Articles []entry `json:"articles"`
	Next     string  `json:"next"`
}

// ask sends a body as JSON, expects a status, and decodes what comes back.
func ask(t *testing.T, method, url string, body any, status int, into any) string {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(res.Body)
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil || res.StatusCode != status {
		t.Fatalf("%s %s: %d, %v, want %d\n%s", method, url, res.StatusCode, err, status, got)
	}
	if into != nil {
		if err := json.Unmarshal(got, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, url, err, got)
		}
	}
	return string(got)
}

func articles(p page) (out []string) {
	for _, x := range p.Articles {
		out = append(out, x.Article)
	}
	return out
}

func TestAFeedFollowsItsReader(t *testing.T) {
	db := tidaltest.New(t, nil)
	server := httptest.NewServer((&service{db: db.DB, patience: time.Minute}).handler())
	defer server.Close()
	for n := range 24 {
		kind := []string{"jazz", "bread"}[n%2]
		ask(t, "PUT", fmt.Sprintf("%s/articles/%s-%d", server.URL, kind, n),
			map[string]any{"category": kind, "published": "2026-02-28T12:00:00Z"}, http.StatusOK, nil)
	}
	feed := server.URL + "/readers/ada/feed"
	var first, second page
	ask(t, "GET", feed, nil, http.StatusOK, &first)
	if len(first.Articles) != 10 || first.Next == "" {
		t.Fatalf("the first page has %d articles, next %q", len(first.Articles), first.Next)
	}
	hidden := first.Articles[0]
	events := server.URL + "/readers/ada/events"
	hide := event{Type: "hide", Article: hidden.Article, Ref: hidden.Ref, ID: "e1"}
	var receipt struct{ Again bool }
	ask(t, "POST", events, hide, http.StatusOK, &receipt)
	if receipt.Again {
		t.Error("the first event is told to be a repetition")
	}
	ask(t, "POST", events, hide, http.StatusOK, &receipt)
	if !receipt.Again {
		t.Error("the repeated event isn't recognised")
	}
	ask(t, "GET", feed+"?after="+url.QueryEscape(first.Next), nil, http.StatusOK, &second)
	for _, x := range second.Articles {
		if slices.Contains(articles(first), x.Article) {
			t.Errorf("%s is on both pages", x.Article)
		}
	}
	ask(t, "GET", feed, nil, http.StatusOK, &first)
	if slices.Contains(articles(first), hidden.Article) {
		t.Errorf("%s was hidden and is in the feed", hidden.Article)
	}
}

func TestWrongRequestsAreTheCallersFault(t *testing.T) {
	db := tidaltest.New(t, nil)
	server := httptest.NewServer((&service{db: db.DB, patience: time.Minute}).handler())
	defer server.Close()
	before := db.Digest()
	events := server.URL + "/readers/ada/events"
	for _, c := range []struct {
		method, url string
		body        any
	}{
		{"POST", events, "no object"},
		{"POST", events, map[string]any{"type": "like", "article": "a", "colour": "red"}},
		{"POST", events, event{Type: "stare", Article: "a"}},
		{"POST", events, event{Type: "like"}},
		{"PUT", server.URL + "/articles/a", map[string]any{"no such field": 1}},
		{"PUT", server.URL + "/articles/a", map[string]any{"published": "yesterday"}},
		{"GET", server.URL + "/readers/ada/feed?after=made-up", nil},
	} {
		ask(t, c.method, c.url, c.body, http.StatusBadRequest, nil)
	}
	if db.Digest() != before {
		t.Error("a refused request has left something behind")
	}
}

func TestTheServiceStartsAndStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	at := make(chan net.Addr, 1)
	ended := make(chan error, 1)
	dir := t.TempDir()
	go func() { ended <- run(ctx, dir, "127.0.0.1:0", func(a net.Addr) { at <- a }) }()
	feed := fmt.Sprintf("http://%s/readers/ada/feed", <-at)
	var p page
	ask(t, "GET", feed, nil, http.StatusOK, &p)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
