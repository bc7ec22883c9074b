package client_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/schema"
)

// A session over a network that cuts and repeats has each request once, in its order, and says what happened.
func TestASessionOverABadNetwork(t *testing.T) {
	s := serve(t, schema.Events())
	p := newProxy(t, s.addr, testseed.Of(t), faults{cut: 0.6, replay: 0.5, refuse: 0.2})
	c := connect(t, client.Options{Addr: p.addr(), Timeout: time.Minute, Attempt: time.Second})
	ctx := t.Context()
	x, err := c.StartSession(ctx, client.SessionStart{User: "ada", Agent: "tests", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	const writes = 100
	for n := range writes {
		r, err := x.Write(ctx, client.Signal{Type: "like", Item: fmt.Sprint("i", n)})
		if err != nil || r.Number != uint64(n+1) || r.Token == "" {
			t.Fatalf("write %d: %+v, %v", n, r, err)
		}
	}
	if _, err := x.Write(ctx, client.Note{Name: "goal", Text: "something for tonight"}, client.Search{Query: "jazz", Results: []string{"i1"}}); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]client.Record{
		"type":      client.Signal{Type: "nonsense", Item: "i"},
		"other":     client.Signal{Type: "like", User: "bo", Item: "i"},
		"key":       client.Signal{Type: "like", Item: "i", Key: "k"},
		"put":       client.Put{Kind: client.Item, ID: "i"},
		"nothing":   nil,
		"long note": client.Note{},
	} {
		if _, err := x.Write(ctx, r); !errors.Is(err, client.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := x.Write(ctx, client.Relate{User: "ada", What: client.Hides, Target: "i7"}); err != nil || r.Number != writes+2 {
		t.Errorf("what was refused took a number: %+v, %v", r, err)
	}
	for n := range writes {
		if got := s.total(t, fmt.Sprint("i", n), "like"); got != 1 {
			t.Errorf("signal %d counts %d times", n, got)
		}
	}
	again, err := c.StartSession(ctx, client.SessionStart{User: "ada", ID: x.ID(), Agent: "tests", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	direct := connect(t, client.Options{Addr: s.addr})
	if got, err := direct.Session(ctx, "ada", x.ID()); err != nil || got.Signals != writes || got.Notes != 1 || got.Searches != 1 || got.Ended || got.Others != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := again.Rank(ctx, client.Query{Profile: "new"}); err != nil {
		t.Error(err)
	}
	end, err := again.Close(ctx)
	if err != nil || !end.Ended || end.AutoClosed || end.Signals != writes || len(end.Types) != 1 || end.Rejections == 0 {
		t.Errorf("%+v, %v", end, err)
	}
	if _, err := x.Write(ctx, client.Signal{Type: "like", Item: "late"}); !errors.Is(err, client.ErrSessionClosed) {
		t.Errorf("%v", err)
	}
	if got, err := direct.Sessions(ctx, "ada", time.Time{}); err != nil || len(got) != 1 || got[0].ID != x.ID() {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := direct.UserSessions(ctx, "ada", time.Time{}); err != nil || got.Sessions != 1 || got.Open != 0 || got.Signals != writes {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := direct.Do(ctx, client.Note{Name: "n"}); !errors.Is(err, client.ErrInput) {
		t.Errorf("a note outside of a session: %v", err)
	}
}

// Who takes up a session that others have written in goes on behind them.
func TestASessionThatIsGoneOnWith(t *testing.T) {
	s := serve(t, schema.Events())
	ctx := t.Context()
	begin := client.SessionStart{User: "ada", ID: "evening"}
	first, err := connect(t, client.Options{Addr: s.addr}).StartSession(ctx, begin)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := first.Write(ctx, client.Signal{Type: "like", Item: "i"}); err != nil {
			t.Fatal(err)
		}
	}
	second, err := connect(t, client.Options{Addr: s.addr}).StartSession(ctx, begin)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		if r, err := second.Write(ctx, client.Signal{Type: "like", Item: "i"}); err != nil || r.Number != uint64(4+n) {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if got := s.total(t, "i", "like"); got != 5 {
		t.Errorf("%d signals", got)
	}
}
