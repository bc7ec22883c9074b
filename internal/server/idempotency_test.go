package server

import (
	"testing"
	"time"
)

type receiptDoc struct {
	Position  string
	Count     int
	Duplicate bool
	Clamped   int
	Token     string
	DurableUs int64 `json:"durable_us"`
	VisibleUs int64 `json:"visible_us"`
	Forgotten string
}

// TestARepeatedRequestIsAnsweredAsTheFirstOne sends every write twice under one key, also across a restart, and then
// another one under the same key.
func TestARepeatedRequestIsAnsweredAsTheFirstOne(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	type sent struct {
		r     *route
		s     sample
		key   string
		first receiptDoc
	}
	var all []sent
	for _, r := range w.server.allRoutes() {
		if r.procedure != writeProcedure {
			continue
		}
		x := sent{r: r, s: w.sampleOf(t, r), key: "key of " + r.method + " " + r.path}
		got := w.want(200, r.method, x.s.path, x.s.body, &x.first, "Idempotency-Key", x.key)
		if x.first.Duplicate || got.header.Get("Idempotency-Replayed") != "" || x.first.VisibleUs == 0 {
			t.Errorf("%s: the first one: %s", x.key, got.body)
		}
		all = append(all, x)
	}
	if len(all) < 20 {
		t.Fatalf("%d routes write", len(all))
	}
	again := func(w *world) {
		before := w.db.Digest()
		for _, x := range all {
			var second receiptDoc
			got := w.want(200, x.r.method, x.s.path, x.s.body, &second, "Idempotency-Key", x.key)
			if !second.Duplicate || second.Position != x.first.Position || second.Count != 1 ||
				got.header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("%s: again: %s, first %+v", x.key, got.body, x.first)
			}
			if x.s.other != "" {
				w.refuses(422, "key_reused", x.r.method, x.s.path, x.s.other, "Idempotency-Key", x.key)
			} else if x.r.method == "DELETE" {
				w.refuses(422, "key_reused", x.r.method, x.s.path+"x", "", "Idempotency-Key", x.key)
			}
		}
		if w.db.Digest() != before {
			t.Error("a repetition was written")
		}
	}
	again(w)
	w.db.Restart()
	again(w.reopened())
}

func TestABatchCountsOnceUnderAKeyOrALane(t *testing.T) {
	w := open(t, nil)
	total := func() int64 {
		c, err := w.db.Cell(t.Context(), "a", "view", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return c.Total
	}
	batch := `{"signals":[{"type":"view","item":"a","user":"u1"},{"type":"view","item":"a","user":"u2"}]`
	for _, end := range []string{`,"key":"k"}`, `,"lane":"l","number":1}`, `,"number":"2","lane":"l"}`} {
		before := int64(0)
		if end != `,"key":"k"}` {
			before = total()
		}
		var first, second receiptDoc
		w.want(200, "POST", "/v1/signals", batch+end, &first)
		w.want(200, "POST", "/v1/signals", batch+end, &second)
		if first.Count != 2 || first.Duplicate || !second.Duplicate || second.Position != first.Position {
			t.Errorf("%s: %+v, then %+v", end, first, second)
		}
		if got := total(); got != before+2 {
			t.Errorf("%s: %d views, want %d", end, got, before+2)
		}
	}
	w.refuses(400, "refused", "POST", "/v1/signals", batch+`,"lane":"l","number":3}`, "Idempotency-Key", "k")
	w.refuses(400, "refused", "POST", "/v1/signals", batch+`,"key":"k"}`, "Idempotency-Key", "other")
	long := make([]byte, 129)
	for i := range long {
		long[i] = 'k'
	}
	w.refuses(400, "refused", "POST", "/v1/signals", batch+`}`, "Idempotency-Key", string(long))
	w.refuses(400, "refused", "POST", "/v1/signals", `{"signals":[{"type":"view","item":"a","key":"x"},{"type":"view","item":"b"}]}`)
	var lane struct {
		Known  bool
		Number int64
	}
	w.want(200, "GET", "/v1/lanes/l", "", &lane)
	if !lane.Known || lane.Number != 2 {
		t.Errorf("the lane: %+v", lane)
	}
	w.want(200, "GET", "/v1/lanes/never", "", &lane)
	if lane.Known || lane.Number != 0 {
		t.Errorf("another lane: %+v", lane)
	}
}

func TestAnEventIsUndoneByEachOfItsNames(t *testing.T) {
	w := open(t, nil)
	var r receiptDoc
	w.want(200, "POST", "/v1/signals", `{"type":"like","item":"a","user":"u"}`, &r)
	w.want(200, "POST", "/v1/signals", `{"type":"like","item":"a","user":"u"}`, nil, "Idempotency-Key", "k")
	w.want(200, "POST", "/v1/signals", `{"signals":[{"type":"view","item":"b"},{"type":"like","item":"a","user":"u"}],"lane":"l","number":1}`, nil)
	for i, body := range []string{`{"position":"` + r.Position + `"}`, `{"key":"k"}`, `{"lane":"l","number":1,"index":1}`} {
		w.want(200, "POST", "/v1/signals:undo", body, nil)
		c, err := w.db.Cell(t.Context(), "a", "like", time.Time{})
		if err != nil || c.Total != int64(2-i) {
			t.Errorf("%s: %d likes are left: %v", body, c.Total, err)
		}
		w.refuses(409, "undone", "POST", "/v1/signals:undo", body)
	}
	w.refuses(404, "not_found", "POST", "/v1/signals:undo", `{"key":"never"}`)
	w.refuses(400, "refused", "POST", "/v1/signals:undo", `{"key":"k","lane":"l","number":1}`)
}
