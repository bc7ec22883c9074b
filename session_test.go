package tidal_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// sessionSchema is the test schema with policies.
func sessionSchema() *schema.Schema {
	s := testSchema()
	s.SessionPolicies = []schema.SessionPolicy{
		{Name: "careful", Types: []string{"view", "like"}, MaxDuration: time.Hour, Idle: 10 * time.Minute, Rate: 2, Burst: 4},
		{Name: "brief", MaxDuration: 20 * time.Second},
	}
	return s
}

func withSessions(t testing.TB) (*tidal.DB, *clock) {
	t.Helper()
	c := newClock()
	return open(t, t.TempDir(), sessionSchema(), c.options()), c
}

func start(t testing.TB, db *tidal.DB, x tidal.SessionStart) *tidal.Session {
	t.Helper()
	s, err := db.StartSession(ctx, x)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func summaryOf(t testing.TB, db *tidal.DB, user, id string) tidal.SessionSummary {
	t.Helper()
	x, err := db.SessionSummary(ctx, user, id)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func wrote(t testing.TB, s *tidal.Session, seq uint64, records ...tidal.Record) tidal.Receipt {
	t.Helper()
	r, err := s.Write(ctx, seq, records...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestASessionIsSummedUp(t *testing.T) {
	db, c := withSessions(t)
	s := start(t, db, tidal.SessionStart{ID: "s1", User: "ada", Agent: "helper", Policy: "careful"})
	if s.ID() != "s1" || s.User() != "ada" || !s.Opened().Equal(c.now()) || !s.Until().Equal(c.now().Add(time.Hour)) {
		t.Errorf("session %s of %s, %v until %v", s.ID(), s.User(), s.Opened(), s.Until())
	}
	c.ms.Add(2000)
	first := wrote(t, s, 0, tidal.Signal{Type: "view", Item: "a"}, tidal.Signal{Type: "view", Item: "b", User: "ada"},
		tidal.Signal{Type: "like", Item: "a"}, tidal.SetMark{Item: "a", Mark: schema.Saved},
		tidal.Relate{What: tidal.Follows, Target: "studio"}, tidal.Collect{Collection: "later", Item: "b"})
	if first.Number != 1 || first.Count != 6 || first.Duplicate {
		t.Errorf("receipt %+v", first)
	}
	if again := wrote(t, s, 1, tidal.Signal{Type: "view", Item: "a"}, tidal.Signal{Type: "view", Item: "b", User: "ada"},
		tidal.Signal{Type: "like", Item: "a"}, tidal.SetMark{Item: "a", Mark: schema.Saved},
		tidal.Relate{What: tidal.Follows, Target: "studio"}, tidal.Collect{Collection: "later", Item: "b"}); !again.Duplicate ||
		again.Position != first.Position || again.Count != 6 {
		t.Errorf("the same again: %+v", again)
	}
	if _, err := s.Annotate(ctx, "mood", "something calm"); err != nil {
		t.Fatal(err)
	}
	c.ms.Add(1000)
	if r, err := s.Searched(ctx, "slow jazz", "a", "b"); err != nil || r.Number != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := s.Signal(ctx, tidal.Signal{Type: "skip", Item: "a"}); err == nil {
		t.Fatal("a type that the policy doesn't name was let through")
	}
	c.ms.Add(4000)
	want := tidal.SessionSummary{
		ID: "s1", User: "ada", Agent: "helper", Policy: "careful", Opened: c.ago(7 * time.Second),
		Until: c.ago(7 * time.Second).Add(time.Hour), Last: c.ago(4 * time.Second), Duration: 7 * time.Second,
		Signals: 3, Others: 3, Notes: 1, Searches: 1, Rejections: 1,
	}
	types := fmt.Sprint([]tidal.TypeCount{{"view", 2}, {"like", 1}})
	same := func(what string, got tidal.SessionSummary) {
		t.Helper()
		if fmt.Sprint(got.Types) != types {
			t.Errorf("%s: types %v", what, got.Types)
		}
		if got.Types = nil; fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s is\n%+v, want\n%+v", what, got, want)
		}
	}
	same("the open one", summaryOf(t, db, "ada", "s1"))
	closed, err := s.Close(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want.Ended, want.Closed = true, c.now()
	same("the closed one", closed)
	c.ms.Add(5000)
	if again, err := s.Close(ctx); err != nil {
		t.Error(err)
	} else {
		same("closed again", again)
	}
	if _, err := s.Signal(ctx, like("", "a")); !errors.Is(err, tidal.ErrSessionClosed) {
		t.Errorf("a write behind the end: %v", err)
	}
	if again := wrote(t, s, 2, tidal.Note{Name: "mood", Text: "something calm"}); !again.Duplicate {
		t.Errorf("a retry behind the end: %+v", again)
	}
	if _, err := db.Session(ctx, "ada", "s1"); !errors.Is(err, tidal.ErrSessionClosed) {
		t.Errorf("resumed: %v", err)
	}
	if _, err := db.StartSession(ctx, tidal.SessionStart{ID: "s1", User: "ada"}); !errors.Is(err, tidal.ErrSessionClosed) {
		t.Errorf("begun again: %v", err)
	}
	if got := total(t, db, "a", "view"); got != 1 {
		t.Errorf("%d views, in spite of the retry 1", got)
	}
}

func TestBeginningAgainIsNothingNew(t *testing.T) {
	db, c := withSessions(t)
	x := tidal.SessionStart{ID: "s1", User: "ada", Agent: "helper", Policy: "careful", TTL: time.Minute}
	s := start(t, db, x)
	events := db.Stats().Vector
	c.ms.Add(1000)
	if again := start(t, db, x); again != s || !db.Stats().Vector.Equal(events) {
		t.Error("it is another one, or something was written")
	}
	for what, change := range map[string]func(*tidal.SessionStart){
		"agent": func(x *tidal.SessionStart) { x.Agent = "other" }, "policy": func(x *tidal.SessionStart) { x.Policy = "" },
		"ttl": func(x *tidal.SessionStart) { x.TTL = time.Second },
	} {
		y := x
		change(&y)
		if _, err := db.StartSession(ctx, y); !errors.Is(err, tidal.ErrKeyReused) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	other := start(t, db, tidal.SessionStart{ID: "s1", User: "bob"})
	wrote(t, s, 1, like("", "a"))
	if r := wrote(t, other, 1, like("", "b")); r.Duplicate {
		t.Error("two users' sessions of one id are one lane")
	}
	if drawn := start(t, db, tidal.SessionStart{User: "ada"}); len(drawn.ID()) < 20 {
		t.Errorf("drawn id %q", drawn.ID())
	}
}

func TestWhatASessionRefuses(t *testing.T) {
	db, _ := withSessions(t)
	s := start(t, db, tidal.SessionStart{ID: "s1", User: "ada", Policy: "careful"})
	refusals := int64(0)
	for _, c := range []struct {
		record tidal.Record
		field  string
	}{
		{tidal.Signal{Type: "skip", Item: "a"}, "type"},
		{tidal.Signal{Type: "views", Item: "a"}, "type"},
		{tidal.Signal{Type: "view", Item: ""}, "item"},
		{tidal.Signal{Type: "view", Item: "a", User: "bob"}, "user"},
		{tidal.Signal{Type: "view", Item: "a", Key: "k"}, "key"},
		{tidal.SetMark{Item: "a", Mark: schema.Liked, User: "bob"}, "user"},
		{tidal.Relate{What: tidal.Follows, Target: "c", User: "bob"}, "user"},
		{tidal.Collect{Collection: "later", Item: "a", User: "bob"}, "user"},
		{tidal.Put{Kind: tidal.Item, ID: "a"}, ""},
		{tidal.Erase{User: "ada"}, ""},
		{tidal.Undo{Key: "k"}, ""},
		{nil, ""},
		{tidal.Note{Text: "no name"}, "name"},
		{tidal.Note{Name: "n", Text: strings.Repeat("x", 4097)}, "text"},
		{tidal.Search{}, "query"},
		{tidal.Search{Query: "q", Results: make([]string, 101)}, "results"},
	} {
		events := db.Stats().Vector
		_, err := s.Write(ctx, 0, c.record)
		var in *tidal.InputError
		if !errors.As(err, &in) || in.Field != c.field {
			t.Errorf("%+v: %v, want field %q", c.record, err, c.field)
		}
		if !db.Stats().Vector.Equal(events) {
			t.Errorf("%+v: something was written", c.record)
		}
		refusals++
	}
	if _, err := s.Write(ctx, 0); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("no records: %v", err)
	}
	refusals++
	wrote(t, s, 1, like("", "a"))
	if _, err := s.Write(ctx, 1, like("", "b")); !errors.Is(err, tidal.ErrKeyReused) {
		t.Errorf("another content: %v", err)
	}
	refusals++
	if got := summaryOf(t, db, "ada", "s1"); got.Rejections != refusals || got.Signals != 1 {
		t.Errorf("%d rejections of %d, %d signals", got.Rejections, refusals, got.Signals)
	}
	for what, x := range map[string]tidal.SessionStart{
		"user": {ID: "x"}, "id": {ID: strings.Repeat("x", 65), User: "ada"}, "agent": {User: "ada", Agent: strings.Repeat("x", 65)},
		"policy": {User: "ada", Policy: "careless"}, "ttl": {User: "ada", TTL: -time.Second},
	} {
		_, err := db.StartSession(ctx, x)
		var in *tidal.InputError
		if !errors.As(err, &in) || in.Field != what {
			t.Errorf("%+v: %v", x, err)
		}
	}
	// What belongs to sessions stands nowhere else.
	var in *tidal.InputError
	if _, err := db.Write(ctx, tidal.Request{Lane: "session/s1", Number: 1, Records: []tidal.Record{like("u", "a")}}); !errors.As(err, &in) || in.Field != "lane" {
		t.Errorf("a lane that begins as a session's: %v", err)
	}
	for _, x := range []tidal.Record{tidal.Note{Name: "n"}, tidal.Search{Query: "q"}} {
		if _, err := db.Write(ctx, tidal.Request{Records: []tidal.Record{x}}); !errors.As(err, &in) {
			t.Errorf("%T outside of a session: %v", x, err)
		}
	}
}

func TestASessionIsKeptToItsRate(t *testing.T) {
	db, c := withSessions(t)
	s := start(t, db, tidal.SessionStart{ID: "s1", User: "ada", Agent: "helper", Policy: "careful"})
	for i := range 4 {
		wrote(t, s, 0, like("", fmt.Sprint("i", i)))
	}
	_, err := s.Signal(ctx, like("", "one too many"))
	var slow *tidal.RateLimitError
	if !errors.As(err, &slow) || !errors.Is(err, tidal.ErrRateLimited) || slow.RetryAfter != 500*time.Millisecond ||
		slow.Agent != "helper" || slow.Session != "s1" || slow.Rate != 2 {
		t.Fatalf("beyond the burst: %v", err)
	}
	wrote(t, s, 0, tidal.Note{Name: "n"}) // which is no signal
	if r := wrote(t, s, 4, like("", "i3")); !r.Duplicate {
		t.Errorf("a retry costs nothing: %+v", r)
	}
	c.ms.Add(slow.RetryAfter.Milliseconds())
	wrote(t, s, 0, like("", "one too many"))
	if _, err := s.Write(ctx, 0, like("", "a"), like("", "b"), like("", "c"), like("", "d"), like("", "e")); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("more than can ever come at once: %v", err)
	}
	if got := summaryOf(t, db, "ada", "s1"); got.Rejections != 2 || got.Signals != 5 {
		t.Errorf("%+v", got)
	}
	other := start(t, db, tidal.SessionStart{ID: "s2", User: "ada", Agent: "helper", Policy: "careful"})
	wrote(t, other, 0, like("", "another session has a rate of its own"))
}

func TestRequestsOfASessionMayComeOutOfOrder(t *testing.T) {
	db, _ := withSessions(t)
	s := start(t, db, tidal.SessionStart{ID: "s1", User: "ada"})
	if _, err := s.Write(ctx, 65, like("", "a")); !errors.Is(err, tidal.ErrSessionGap) {
		t.Errorf("number 65 first: %v", err)
	}
	wrote(t, s, 64, like("", "a"))
	for seq := uint64(63); seq > 0; seq-- {
		wrote(t, s, seq, like("", fmt.Sprint("i", seq%5)))
	}
	wrote(t, s, 128, like("", "a"))
	if _, err := s.Write(ctx, 193, like("", "a")); !errors.Is(err, tidal.ErrSessionGap) {
		t.Errorf("number 193 behind 128: %v", err)
	}
	wrote(t, s, 192, like("", "a"))
	if _, err := s.Write(ctx, 128-64, like("", "other")); !errors.Is(err, tidal.ErrKeyReused) {
		t.Errorf("number 64 again: %v", err)
	}
	if _, err := s.Write(ctx, 127, like("", "a")); !errors.Is(err, tidal.ErrRetryTooOld) {
		t.Errorf("a number that was never used, below the window: %v", err)
	}
	if got := summaryOf(t, db, "ada", "s1"); got.Signals != 66 || got.Rejections != 4 {
		t.Errorf("%+v", got)
	}
	if r := wrote(t, s, 0, like("", "a")); r.Number != 193 {
		t.Errorf("the next number is %d", r.Number)
	}
}

// TestASessionEndsWhenItsTimeIsUp looks at sessions of every limit: at the first touch behind it, and by a sweep.
func TestASessionEndsWhenItsTimeIsUp(t *testing.T) {
	for _, sweep := range []bool{false, true} {
		db, c := withSessions(t)
		begun := c.now()
		ttl := start(t, db, tidal.SessionStart{ID: "ttl", User: "ada", TTL: 30 * time.Second})
		short := start(t, db, tidal.SessionStart{ID: "policy", User: "ada", Policy: "brief", TTL: 30 * time.Second})
		idle := start(t, db, tidal.SessionStart{ID: "idle", User: "bob", Policy: "careful"})
		day := start(t, db, tidal.SessionStart{ID: "day", User: "cy"})
		ended := func(s *tidal.Session, at time.Duration) {
			t.Helper()
			if sweep {
				if err := tidal.Sweep(ctx, db); err != nil {
					t.Fatal(err)
				}
			} else if _, err := s.Signal(ctx, like("", "a")); !errors.Is(err, tidal.ErrSessionClosed) {
				t.Errorf("%s: %v", s.ID(), err)
			}
			got := summaryOf(t, db, s.User(), s.ID())
			if !got.Ended || !got.AutoClosed || !got.Closed.Equal(begun.Add(at)) || got.Duration != at {
				t.Errorf("%s: %+v, want an end at %v", s.ID(), got, at)
			}
			if sweep { // and it is written down: nobody has to look at the time
				if _, err := s.Signal(ctx, like("", "a")); !errors.Is(err, tidal.ErrSessionClosed) {
					t.Errorf("%s, behind a sweep: %v", s.ID(), err)
				}
			}
		}
		lives := func(s *tidal.Session) {
			t.Helper()
			if err := tidal.Sweep(ctx, db); err != nil {
				t.Fatal(err)
			}
			wrote(t, s, 0, tidal.Signal{Type: "view", Item: "a"})
		}
		c.ms.Add(19_000)
		lives(ttl)
		lives(short)
		c.ms.Add(2_000)
		ended(short, 20*time.Second)
		c.ms.Add(14_000) // 35 s
		ended(ttl, 30*time.Second)
		c.ms.Add(9 * time.Minute.Milliseconds())
		lives(idle)
		c.ms.Add(9 * time.Minute.Milliseconds())
		if _, err := idle.Rank(ctx, &query.Query{}); err != nil {
			t.Errorf("reading: %v", err)
		}
		if _, err := idle.Signal(ctx, tidal.Signal{Type: "skip", Item: "a"}); !errors.Is(err, tidal.ErrInput) {
			t.Errorf("a refusal: %v", err)
		}
		if err := tidal.Sweep(ctx, db); err != nil { // which writes the refusal down, and that isn't activity either
			t.Fatal(err)
		}
		c.ms.Add(2 * time.Minute.Milliseconds())
		ended(idle, 35*time.Second+19*time.Minute)
		c.ms.Add(time.Hour.Milliseconds())
		lives(day)
		c.ms.Add(25 * time.Hour.Milliseconds())
		ended(day, 35*time.Second+20*time.Minute+time.Hour+24*time.Hour)
	}
}

// TestSessionsEndBehindARestart: who ends by itself is found again, also among users who aren't in memory.
func TestSessionsEndBehindARestart(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	opts := c.options()
	opts.UserMemory, opts.CheckpointBytes = 1, 1
	db := open(t, dir, sessionSchema(), opts)
	for i := range 30 {
		s := start(t, db, tidal.SessionStart{ID: "s", User: fmt.Sprint("u", i), TTL: time.Duration(10+i) * time.Second})
		wrote(t, s, 0, like("", "a"))
	}
	for range 2 {
		if err := db.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open(t, dir, nil, opts)
	}
	c.ms.Add(25_000)
	if err := tidal.Sweep(ctx, db); err != nil {
		t.Fatal(err)
	}
	digest := db.Digest()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, nil, opts)
	if db.Digest() != digest {
		t.Error("the state is another one after a restart")
	}
	c.ms.Add(-25_000) // so that what isn't written down shows as open
	for i := range 30 {
		got := summaryOf(t, db, fmt.Sprint("u", i), "s")
		if got.Ended != (i <= 15) || got.Signals != 1 || got.Ended && got.Duration != time.Duration(10+i)*time.Second {
			t.Errorf("u%d: %+v", i, got)
		}
	}
}

func TestRejectionsAreWrittenDown(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	db := open(t, dir, sessionSchema(), c.options())
	refuse := func(n int64) {
		t.Helper()
		s, err := db.Session(ctx, "ada", "s1")
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			if _, err := s.Signal(ctx, tidal.Signal{Type: "skip", Item: "a"}); !errors.Is(err, tidal.ErrInput) {
				t.Fatal(err)
			}
		}
	}
	reopen := func(want int64) {
		t.Helper()
		if got := summaryOf(t, db, "ada", "s1").Rejections; got != want {
			t.Errorf("%d rejections, want %d", got, want)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open(t, dir, nil, c.options())
		if got := summaryOf(t, db, "ada", "s1").Rejections; got != want {
			t.Errorf("%d rejections after opening again, want %d", got, want)
		}
	}
	s := start(t, db, tidal.SessionStart{ID: "s1", User: "ada", Policy: "careful"})
	refuse(3)
	reopen(3) // by closing the database
	refuse(2)
	if s, err := db.Session(ctx, "ada", "s1"); err != nil {
		t.Fatal(err)
	} else {
		wrote(t, s, 0, like("", "a")) // with a request
	}
	reopen(5)
	refuse(1)
	if s, err := db.Session(ctx, "ada", "s1"); err != nil {
		t.Fatal(err)
	} else if _, err := s.Close(ctx); err != nil { // with the end
		t.Fatal(err)
	}
	reopen(6)
	if _, err := s.Signal(ctx, like("", "a")); !errors.Is(err, tidal.ErrClosed) {
		t.Errorf("a handle of a closed database: %v", err)
	}
}

func TestAUserHas64Places(t *testing.T) {
	db, c := withSessions(t)
	for i := range 70 {
		s := start(t, db, tidal.SessionStart{ID: fmt.Sprint("old", i), User: "ada"})
		wrote(t, s, 0, like("", "a"))
		if _, err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		c.ms.Add(1000)
	}
	all, err := db.Sessions(ctx, tidal.SessionQuery{User: "ada"})
	if err != nil || len(all) != 64 || all[0].ID != "old69" || all[63].ID != "old6" {
		t.Fatalf("%d sessions, %v", len(all), err)
	}
	page, err := db.Sessions(ctx, tidal.SessionQuery{User: "ada", After: all[9], Limit: 5, Since: all[12].Opened})
	if err != nil || len(page) != 3 || page[0].ID != all[10].ID || page[2].ID != all[12].ID {
		t.Errorf("a page is %+v, %v", page, err)
	}
	if _, err := db.SessionSummary(ctx, "ada", "old5"); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("an old one: %v", err)
	}
	for i := range 64 {
		start(t, db, tidal.SessionStart{ID: fmt.Sprint("new", i), User: "ada"})
	}
	var in *tidal.InputError
	if _, err := db.StartSession(ctx, tidal.SessionStart{ID: "one more", User: "ada"}); !errors.As(err, &in) || in.Field != "user" {
		t.Errorf("a 65th open one: %v", err)
	}
	c.ms.Add(25 * time.Hour.Milliseconds())
	start(t, db, tidal.SessionStart{ID: "one more", User: "ada"}) // for those are over, written down or not
}

func TestAnErasedUsersSessionsAreGone(t *testing.T) {
	db, _ := withSessions(t)
	s := start(t, db, tidal.SessionStart{ID: "s1", User: "ada"})
	wrote(t, s, 1, like("", "a"))
	write(t, db, tidal.Erase{User: "ada"})
	for what, err := range map[string]error{
		"a write":   errOf(s.Write(ctx, 2, like("", "a"))),
		"an end":    errOf(s.Close(ctx)),
		"a look":    errOf(db.Session(ctx, "ada", "s1")),
		"a summary": errOf(db.SessionSummary(ctx, "ada", "s1")),
	} {
		if !errors.Is(err, tidal.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	again := start(t, db, tidal.SessionStart{ID: "s1", User: "ada"})
	if r := wrote(t, again, 1, like("", "a")); r.Duplicate || r.Number != 1 {
		t.Errorf("the first request of a new session: %+v", r)
	}
	if got := summaryOf(t, db, "ada", "s1"); got.Signals != 1 {
		t.Errorf("%+v", got)
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestSeveralSessionsAreSummedUp(t *testing.T) {
	db, c := withSessions(t)
	for i, v := range [][]float32{{1, 0, 0}, {0, 1, 0}} {
		for n := range 3 {
			write(t, db, tidal.Put{Kind: tidal.Item, ID: fmt.Sprintf("i%d%d", i, n), Fields: tidal.Fields{"vec": schema.Vector(v)}})
		}
	}
	got, err := db.UserSessions(ctx, "ada", time.Time{})
	if err != nil || got.Sessions != 0 || got.DriftKnown {
		t.Errorf("nobody's: %+v, %v", got, err)
	}
	session := func(id, kind, item string) {
		t.Helper()
		s := start(t, db, tidal.SessionStart{ID: id, User: "ada", Policy: "careful"})
		for n := range 3 {
			wrote(t, s, 0, tidal.Signal{Type: kind, Item: fmt.Sprint(item, n)})
		}
		if _, err := s.Signal(ctx, tidal.Signal{Type: "skip", Item: item}); err == nil {
			t.Fatal("it was let through")
		}
		if _, err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		c.ms.Add(time.Hour.Milliseconds())
	}
	session("first", "like", "i0")
	if got, err = db.UserSessions(ctx, "ada", time.Time{}); err != nil || got.DriftKnown {
		t.Errorf("of one end alone: %+v, %v", got, err)
	}
	second := c.now()
	session("second", "like", "i1")
	for range 12 { // the new taste outweighs the old one
		write(t, db, like("ada", "i10"), like("ada", "i11"), like("ada", "i12"))
	}
	write(t, db, tidal.Signal{Type: "skip", User: "ada", Item: "i00"}, tidal.Signal{Type: "skip", User: "ada", Item: "i01"},
		tidal.Signal{Type: "skip", User: "ada", Item: "i02"})
	session("third", "view", "i1")
	got, err = db.UserSessions(ctx, "ada", time.Time{})
	if err != nil || got.Sessions != 3 || got.Open != 0 || got.Signals != 9 || got.Rejections != 3 ||
		fmt.Sprint(got.TopTypes) != "[{like 6} {view 3}]" || !got.DriftKnown || got.Drift < 0.9 || got.Drift > 1.1 {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = db.UserSessions(ctx, "ada", second)
	if err != nil || got.Sessions != 2 || got.Signals != 6 {
		t.Errorf("since the second: %+v, %v", got, err)
	}
}

func TestAListOfASessionKnowsWhatWasWritten(t *testing.T) {
	db, _ := withSessions(t)
	for i := range 5 {
		write(t, db, tidal.Put{Kind: tidal.Item, ID: fmt.Sprint("i", i)})
	}
	s := start(t, db, tidal.SessionStart{ID: "s1", User: "ada"})
	wrote(t, s, 0, tidal.Signal{Type: "hide", Item: "i3"})
	a, err := s.Rank(ctx, &query.Query{Profile: "new"})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range a.Items {
		if x.Item == "i3" {
			t.Error("it is there, and was hidden")
		}
	}
	if len(a.Items) != 4 {
		t.Errorf("%d items", len(a.Items))
	}
	var in *tidal.InputError
	if _, err := s.Rank(ctx, &query.Query{User: "bob"}); !errors.As(err, &in) || in.Field != "user" {
		t.Errorf("for somebody else: %v", err)
	}
	if err := db.Wait(ctx, s.Token()); err != nil {
		t.Errorf("its token: %v", err)
	}
}

// TestManyWriteInOneSession: numbers are drawn once each, and everything counts once.
func TestManyWriteInOneSession(t *testing.T) {
	db, _ := withSessions(t)
	s := start(t, db, tidal.SessionStart{ID: "s1", User: "ada"})
	var mu sync.Mutex
	numbers := map[uint64]bool{}
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 25 {
				r, err := s.Write(ctx, 0, like("", fmt.Sprint("i", w)), tidal.Note{Name: "n", Text: fmt.Sprint(i)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if numbers[r.Number] {
					t.Errorf("number %d twice", r.Number)
				}
				numbers[r.Number] = true
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	got, err := s.Close(ctx)
	if err != nil || got.Signals != 200 || got.Notes != 200 || len(numbers) != 200 {
		t.Errorf("%+v, %v, %d numbers", got, err, len(numbers))
	}
}

// Sessions are counted by whoever begins and ends them: one that is begun again, or closed again, is no other.
func TestSessionsAreCounted(t *testing.T) {
	db, c := withSessions(t)
	begin := tidal.SessionStart{User: "ada", ID: "s1", Policy: "careful"}
	s := start(t, db, begin)
	start(t, db, begin)
	brief := start(t, db, tidal.SessionStart{User: "ada", ID: "s2", Policy: "brief"})
	start(t, db, tidal.SessionStart{User: "bo", ID: "s1"})
	if _, err := s.Write(ctx, 1, tidal.Signal{Type: "hide", Item: "i1"}); err == nil {
		t.Error("the policy allows everything")
	}
	if n := db.Stats().Sessions; n != (tidal.SessionStats{Held: 3, Begun: 3, Refused: 1}) {
		t.Errorf("three are open: %+v", n)
	}
	for range 2 {
		if _, err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	c.ms.Add(time.Minute.Milliseconds())
	if _, err := brief.Write(ctx, 1, like("ada", "i1")); !errors.Is(err, tidal.ErrSessionClosed) {
		t.Errorf("its time is up: %v", err)
	}
	if n := db.Stats().Sessions; n != (tidal.SessionStats{Held: 1, Begun: 3, Closed: 1, Expired: 1, Refused: 1}) {
		t.Errorf("one is open: %+v", n)
	}
}
