package daemon_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/server"
	"github.com/tidaldb/tidal/query"
)

// What the API tells comes out at /metrics, and what has to be known in the log, without ids of users.
func TestWhatTheAPITellsIsCountedAndLogged(t *testing.T) {
	r := start(t, options{})
	db, rec := r.api.o.DB, r.api.o.Recorder
	like := tidal.Signal{Type: "like", User: "secret-ada", Item: "jazz"}
	records := []tidal.Record{like, like, tidal.Signal{Type: "view", Item: "jazz"}, tidal.Put{Kind: tidal.Item, ID: "jazz"}}
	begun := time.Now()
	receipt, err := db.Write(t.Context(), tidal.Request{Lane: "l", Number: 1, Records: records})
	if err != nil {
		t.Fatal(err)
	}
	rec.Written(&server.Written{Begun: begun, Took: time.Since(begun), Records: records, Receipt: receipt})
	again, err := db.Write(t.Context(), tidal.Request{Lane: "l", Number: 1, Records: records})
	if err != nil {
		t.Fatal(err)
	}
	rec.Written(&server.Written{Begun: begun, Records: records, Receipt: again})
	rec.Written(&server.Written{Begun: begun, Records: records, Err: errors.New("no")})
	q := query.Rank("new").For("secret-ada").Query()
	answer, err := db.Rank(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	rec.Ranked(&server.Ranked{Begun: begun, Took: time.Since(begun), Query: q, Answer: answer})
	rec.Ranked(&server.Ranked{Begun: begun, Took: time.Since(begun), Query: q, Answer: answer})
	rec.Ranked(&server.Ranked{Begun: begun, Query: q, Err: errors.New("no")})
	rec.Finished(&server.Finished{Route: "POST /v1/signals", Status: 200, Code: "ok"})
	rec.Finished(&server.Finished{Route: "POST /v1/rank", Status: 500, Code: "internal", Err: errors.New("boom"), ID: "r7"})
	rec.Finished(&server.Finished{Route: "POST /v1/signals", Status: 429, Code: "overloaded"})
	rec.Finished(&server.Finished{Route: "POST /v1/rank", Status: 429, Code: "busy"})
	rec.Finished(&server.Finished{
		Route: "POST /v1/admin/checkpoint", Status: 200, Code: "ok", Caller: server.Caller{Role: server.Admin, Key: "k1"},
	})
	_, text := r.get("/metrics", "")
	for _, line := range []string{
		`tidal_signals_total{type="like"} 2`, `tidal_signals_total{type="view"} 1`, "tidal_duplicates_total 1",
		"tidal_signal_write_seconds_count 1", "tidal_signal_durable_seconds_count 1", `tidal_signal_visible_seconds_count{scope="local"} 1`,
		"tidal_reaction_seconds_count 1", `tidal_query_seconds_count{profile="new",stage="total"} 2`, "tidal_query_candidates_count 2",
		`tidal_http_requests_total{code="200",route="POST /v1/signals"} 1`, `tidal_http_requests_total{code="500",route="POST /v1/rank"} 1`,
		"tidal_overload_total 2", "tidal_events_applied_total 3", "tidal_items 1", `tidal_users{where="memory"} 1`, "tidal_hidden_served_total 0",
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	log := r.log.String()
	for _, want := range []string{`level=ERROR msg=request route="POST /v1/rank" status=500`, "err=boom", "request_id=r7", `msg=admin route="POST /v1/admin/checkpoint"`, "key=k1"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if strings.Contains(log, "POST /v1/signals") || strings.Contains(log+text, "secret-ada") {
		t.Errorf("the log or the metrics say too much: %s", log)
	}
}
