package server

import (
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

type sessionDoc struct {
	User, ID, Agent, Policy string
	Signals, Notes          int64
	Searches, Rejections    int64
	Ended                   bool
	AutoClosed              bool `json:"auto_closed"`
	Types                   []struct {
		Type    string
		Signals int64
	}
}

func TestASessionOverHTTP(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	var s sessionDoc
	w.want(201, "POST", "/v1/sessions", `{"user":"ada","id":"walk","agent":"phone","policy":"short"}`, &s)
	if s.ID != "walk" || s.Policy != "short" || s.Ended {
		t.Errorf("%+v", s)
	}
	w.want(201, "POST", "/v1/sessions", `{"user":"ada","id":"walk","agent":"phone","policy":"short"}`, &s)
	w.refuses(422, "key_reused", "POST", "/v1/sessions", `{"user":"ada","id":"walk","agent":"watch","policy":"short"}`)
	w.refuses(400, "refused", "POST", "/v1/sessions", `{"user":"ada","policy":"none"}`)
	w.refuses(400, "refused", "POST", "/v1/sessions", `{"user":"ada","ttl_ms":-1}`)

	var drawn, same, other sessionDoc
	w.want(201, "POST", "/v1/sessions", `{"user":"ada","agent":"tv"}`, &drawn, "Idempotency-Key", "evening")
	w.want(201, "POST", "/v1/sessions", `{"user":"ada","agent":"tv"}`, &same, "Idempotency-Key", "evening")
	w.want(201, "POST", "/v1/sessions", `{"user":"bob","agent":"tv"}`, &other)
	if drawn.ID != same.ID || drawn.ID == "" || other.ID == drawn.ID {
		t.Errorf("%+v, %+v, %+v", drawn, same, other)
	}
	w.refuses(422, "key_reused", "POST", "/v1/sessions", `{"user":"ada","agent":"car"}`, "Idempotency-Key", "evening")

	type receipt struct {
		Number    int64
		Position  string
		Duplicate bool
		Token     string
	}
	var first, again receipt
	const signals = "/v1/sessions/ada/walk/signals"
	got := w.want(200, "POST", signals+"?number=1", `{"type":"view","item":"jazz-1"}`, &first)
	if first.Number != 1 || first.Token == "" || got.header.Get("Tidal-Token") != first.Token {
		t.Errorf("%s", got.body)
	}
	w.want(200, "POST", signals+"?number=1", `{"type":"view","item":"jazz-1"}`, &again)
	if !again.Duplicate || again.Position != first.Position {
		t.Errorf("%+v, then %+v", first, again)
	}
	w.refuses(422, "key_reused", "POST", signals+"?number=1", `{"type":"view","item":"jazz-2"}`)
	w.refuses(409, "session_gap", "POST", signals+"?number=70", `{"type":"view","item":"jazz-2"}`)
	w.refuses(400, "refused", "POST", signals, `{"type":"view","item":"jazz-2","user":"bob"}`)
	w.refuses(400, "refused", "POST", signals, `{"type":"like","item":"jazz-2"}`) // the policy doesn't allow it
	w.refuses(400, "refused", "POST", signals, `{"type":"view","item":"jazz-2"}`, "Idempotency-Key", "k")
	w.want(200, "POST", "/v1/sessions/ada/walk/notes", `{"name":"mood","text":"curious"}`, nil)
	w.want(200, "POST", "/v1/sessions/ada/walk/searches", `{"query":"cool","results":["jazz-1"]}`, nil)
	w.want(200, "POST", signals, `{"type":"view","item":"jazz-2"}`, nil)
	p := w.refuses(429, "rate_limited", "POST", signals, `{"type":"view","item":"jazz-3"}`)
	if p.RetryAfterMs == 0 {
		t.Errorf("%+v", p)
	}
	w.db.Clock.Advance(time.Duration(p.RetryAfterMs) * time.Millisecond)
	w.want(200, "POST", signals, `{"type":"view","item":"jazz-3"}`, nil, "Tidal-Token", first.Token)

	w.want(200, "GET", "/v1/sessions/ada/walk", "", &s)
	if s.Signals != 3 || s.Notes != 1 || s.Searches != 1 || s.Rejections == 0 || len(s.Types) != 1 {
		t.Errorf("%+v", s)
	}
	w.want(200, "POST", "/v1/sessions/ada/walk:close", "", &s)
	if !s.Ended || s.AutoClosed {
		t.Errorf("%+v", s)
	}
	w.refuses(409, "session_closed", "POST", signals, `{"type":"view","item":"jazz-1"}`)
	// Who heard no answer before it ended learns that the request counted; what is new doesn't.
	w.want(200, "POST", signals+"?number=1", `{"type":"view","item":"jazz-1"}`, &again)
	if !again.Duplicate || again.Position != first.Position {
		t.Errorf("%+v, and behind the end %+v", first, again)
	}
	w.refuses(422, "key_reused", "POST", signals+"?number=1", `{"type":"view","item":"jazz-2"}`)
	w.want(200, "POST", "/v1/sessions/ada/walk:close", "", &s)
	if !s.Ended || s.Signals != 3 {
		t.Errorf("ended once more it is %+v", s)
	}
	w.refuses(404, "not_found", "GET", "/v1/sessions/ada/never", "")
	var all struct{ Sessions []sessionDoc }
	w.want(200, "GET", "/v1/sessions/ada", "", &all)
	if len(all.Sessions) != 4 {
		t.Errorf("%+v", all)
	}
	var sum struct{ Sessions, Open, Signals int64 }
	w.want(200, "GET", "/v1/sessions/ada:summary", "", &sum)
	if sum.Sessions != 4 || sum.Open != 3 || sum.Signals != 3 {
		t.Errorf("%+v", sum)
	}
	lines := w.want(200, "GET", "/v1/export?from=2026-01-01&session=walk", "", nil)
	if strings.Count(lines.body, `"session":"walk"`) < 2 {
		t.Error(lines.body)
	}
}

func TestASessionOverEveryProtocol(t *testing.T) {
	w := open(t, nil)
	w.calling(func(t *testing.T, data tidalpbconnect.TidalClient, _ tidalpbconnect.AdminClient) {
		ctx, user := t.Context(), t.Name()
		began, err := data.StartSession(ctx, &tidalpb.StartSessionRequest{User: user, Agent: "phone", TtlMs: 60000})
		if err != nil || began.GetSession().GetId() == "" || began.GetSession().GetUntil() == nil {
			t.Fatalf("%v %v", began, err)
		}
		id := began.Session.Id
		wrote, err := data.WriteSession(ctx, &tidalpb.WriteSessionRequest{User: user, Id: id, Number: 1, Records: []*tidalpb.SessionRecord{
			{Record: &tidalpb.SessionRecord_Signal{Signal: &tidalpb.Signal{Type: "view", Item: "a"}}},
			{Record: &tidalpb.SessionRecord_SetMark{SetMark: &tidalpb.SetMark{Item: "a", Mark: tidalpb.Mark_MARK_SAVED}}},
			{Record: &tidalpb.SessionRecord_Relate{Relate: &tidalpb.Relate{Relation: tidalpb.Relation_RELATION_HIDES, Target: "b"}}},
			{Record: &tidalpb.SessionRecord_Collect{Collect: &tidalpb.Collect{Collection: "later", Item: "a"}}},
			{Record: &tidalpb.SessionRecord_Note{Note: &tidalpb.Note{Name: "n", Text: "t"}}},
			{Record: &tidalpb.SessionRecord_Search{Search: &tidalpb.Search{Query: "q", Results: []string{"a"}}}},
		}})
		if err != nil || wrote.GetReceipt().GetNumber() != 1 || wrote.GetReceipt().GetToken() == "" {
			t.Fatalf("%v %v", wrote, err)
		}
		got, err := data.GetSession(ctx, &tidalpb.GetSessionRequest{User: user, Id: id, Token: wrote.Receipt.Token})
		if s := got.GetSession(); err != nil || s.GetSignals() != 1 || s.GetOthers() != 3 || s.GetNotes() != 1 || s.GetSearches() != 1 {
			t.Errorf("%v %v", got, err)
		}
		if closed, err := data.CloseSession(ctx, &tidalpb.CloseSessionRequest{User: user, Id: id}); err != nil || !closed.GetSession().GetEnded() {
			t.Errorf("%v %v", closed, err)
		}
		_, err = data.WriteSession(ctx, &tidalpb.WriteSessionRequest{User: user, Id: id, Records: []*tidalpb.SessionRecord{{}}})
		if p := problemIn(t, err); p.Code != "refused" || *p.Record != 0 {
			t.Errorf("%v", p)
		}
		if sum, err := data.SummariseSessions(ctx, &tidalpb.SummariseSessionsRequest{User: user}); err != nil || sum.GetSessions() != 1 || sum.GetOpen() != 0 {
			t.Errorf("%v %v", sum, err)
		}
		if all, err := data.ListSessions(ctx, &tidalpb.ListSessionsRequest{User: user}); err != nil || len(all.GetSessions()) != 1 {
			t.Errorf("%v %v", all, err)
		}
	})
}
