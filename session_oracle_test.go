package tidal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// sessionModel is what should be known of one session, in plain numbers.
type sessionModel struct {
	user, id, policy      string
	opened, until, closed time.Time
	last                  time.Time
	idle                  time.Duration
	ended, auto           bool
	types                 map[string]int64
	others, notes         int64
	searches, refused     int64
	high                  uint64 // highest number accepted
	sent                  map[uint64][]tidal.Record
	at                    map[uint64]tidal.Position
	unsure                int64 // refusals that a crash may have taken
}

// due is when it ends by itself, zero for never.
func (m *sessionModel) due() time.Time {
	due := m.until
	if m.idle > 0 {
		from := m.opened
		if m.last.After(from) {
			from = m.last
		}
		if idle := from.Add(m.idle); due.IsZero() || idle.Before(due) {
			due = idle
		}
	}
	return due
}

// sessionWriter writes in sessions at random, and to the model.
type sessionWriter struct {
	t     *testing.T
	rng   *rand.Rand
	dir   string
	clock *clock
	opts  *tidal.Options
	db    *tidal.DB
	all   []*sessionModel
	begun int
}

// TestSessionsAreWhatAModelSays writes in many sessions of few users: in order and out of it, again, with what policies
// refuse, too fast and too late, with erasures, restarts, checkpoints and crashes in between; few users are in memory.
// Every summary is compared with the model, and the state with itself behind a restart.
func TestSessionsAreWhatAModelSays(t *testing.T) {
	s := seed(t)
	for run := range uint64(4) {
		w := &sessionWriter{t: t, rng: rand.New(rand.NewPCG(s+run, 2)), dir: t.TempDir(), clock: newClock()}
		w.opts = w.clock.options()
		w.opts.UserMemory, w.opts.CheckpointBytes = []int64{0, 1, 3000}[run%3], []int64{-1, 1, 2000}[run%3]
		w.db = open(t, w.dir, sessionSchema(), w.opts)
		for step := range 300 {
			switch n := w.rng.IntN(100); {
			case n < 8 || len(w.all) == 0:
				w.start()
			case n < 12:
				w.close()
			case n < 13:
				w.erase()
			case n < 16:
				// Where nothing but the log is written, files can be copied as a power loss would leave them.
				w.reopen(w.opts.CheckpointBytes < 0 && w.rng.IntN(2) == 0)
			case n < 19:
				if err := tidal.Sweep(ctx, w.db); err != nil {
					t.Fatal(err)
				}
				for _, m := range w.all {
					m.unsure = 0
				}
			default:
				w.write()
			}
			w.clock.ms.Add([]int64{1, 100, 2000, 200_000}[w.rng.IntN(4)])
			if step%25 == 24 {
				w.compare()
			}
		}
		w.reopen(false)
		w.compare()
		if t.Failed() {
			t.Fatalf("seed %d", s+run)
		}
	}
}

func (w *sessionWriter) start() {
	w.t.Helper()
	w.begun++
	x := tidal.SessionStart{User: fmt.Sprint("u", w.rng.IntN(3)), ID: fmt.Sprint("s", w.begun), Agent: "helper"}
	m := &sessionModel{
		user: x.User, id: x.ID, opened: w.clock.now(), types: map[string]int64{}, sent: map[uint64][]tidal.Record{},
		at: map[uint64]tidal.Position{},
	}
	switch w.rng.IntN(4) {
	case 0:
		x.Policy, m.idle, m.until = "careful", 10*time.Minute, m.opened.Add(time.Hour)
	case 1:
		x.Policy, m.until = "brief", m.opened.Add(20*time.Second)
	case 2:
		x.TTL = time.Duration(1+w.rng.IntN(600)) * time.Second
		m.until = m.opened.Add(x.TTL)
	default:
		m.idle = 24 * time.Hour
	}
	m.policy = x.Policy
	s, err := w.db.StartSession(ctx, x)
	if err != nil {
		w.t.Fatalf("%+v: %v", x, err)
	}
	if m.opened = s.Opened(); !m.until.IsZero() && !m.until.Equal(s.Until()) { // a user who was erased just now
		m.until = s.Until()
	}
	w.all = append(w.all, m)
}

// open returns one of the sessions and its handle; nil if it has ended, as it should have.
func (w *sessionWriter) open() (*sessionModel, *tidal.Session) {
	w.t.Helper()
	m := w.all[w.rng.IntN(len(w.all))]
	s, err := w.db.Session(ctx, m.user, m.id)
	if due := m.due(); !m.ended && !due.IsZero() && !due.After(w.clock.now()) {
		m.ended, m.auto, m.closed = true, true, due
		m.unsure = 0
	}
	if m.ended {
		if !errors.Is(err, tidal.ErrSessionClosed) {
			w.t.Fatalf("session %s, which has ended: %v", m.id, err)
		}
		return m, nil
	}
	if err != nil {
		w.t.Fatalf("session %s: %v", m.id, err)
	}
	return m, s
}

func (w *sessionWriter) close() {
	m, s := w.open()
	if s == nil {
		return
	}
	if _, err := s.Close(ctx); err != nil {
		w.t.Fatal(err)
	}
	m.ended, m.closed, m.unsure = true, w.clock.now(), 0
}

func (w *sessionWriter) erase() {
	user := fmt.Sprint("u", w.rng.IntN(3))
	write(w.t, w.db, tidal.Erase{User: user})
	w.all = slices.DeleteFunc(w.all, func(m *sessionModel) bool { return m.user == user })
	w.clock.ms.Add(1)
}

// reopen opens the database again: behind a close, or on what a power loss would have left.
func (w *sessionWriter) reopen(crash bool) {
	w.t.Helper()
	digest := w.db.Digest()
	if crash {
		// Nothing is under way, so everything acknowledged is in the files.
		copied := w.t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(w.dir)); err != nil {
			w.t.Fatal(err)
		}
		if err := w.db.Close(); err != nil {
			w.t.Fatal(err)
		}
		w.dir = copied
	} else if err := w.db.Close(); err != nil {
		w.t.Fatal(err)
	} else {
		digest = tidal.Digest{} // closing wrote refusals down
		for _, m := range w.all {
			m.unsure = 0
		}
	}
	w.db = open(w.t, w.dir, nil, w.opts)
	if crash && w.db.Digest() != digest {
		w.t.Fatal("the state is another one behind a crash")
	}
	if !crash {
		return
	}
	for _, m := range w.all {
		if x, err := w.db.SessionSummary(ctx, m.user, m.id); err == nil && x.Rejections < m.refused {
			if lost := m.refused - x.Rejections; lost > m.unsure {
				w.t.Fatalf("session %s lost %d refusals, of which %d weren't written down", m.id, lost, m.unsure)
			}
			m.refused = x.Rejections
		}
		m.unsure = 0
	}
}

func (w *sessionWriter) records() (out []tidal.Record) {
	for range 1 + w.rng.IntN(3) {
		item := fmt.Sprint("i", w.rng.IntN(5))
		switch w.rng.IntN(9) {
		case 0:
			out = append(out, tidal.SetMark{Item: item, Mark: schema.Liked})
		case 1:
			out = append(out, tidal.Note{Name: "mood", Text: item})
		case 2:
			out = append(out, tidal.Search{Query: "calm", Results: []string{item}})
		default:
			out = append(out, tidal.Signal{Type: []string{"view", "like", "skip"}[w.rng.IntN(3)], Item: item})
		}
	}
	return out
}

// write sends a request: a new one, one out of order, one far ahead, or one that was sent before.
func (w *sessionWriter) write() {
	w.t.Helper()
	m, s := w.open()
	if s == nil {
		return
	}
	records := w.records()
	seq := uint64(0)
	switch w.rng.IntN(8) {
	case 0:
		w.again(m, s)
		return
	case 1:
		seq = m.high + 1 + w.rng.Uint64N(90)
	case 2:
		seq = m.high + 1 + w.rng.Uint64N(3)
	}
	r, err := s.Write(ctx, seq, records...)
	var slow *tidal.RateLimitError
	switch {
	case err == nil:
	case seq > m.high+64:
		if !errors.Is(err, tidal.ErrSessionGap) && !errors.Is(err, tidal.ErrInput) {
			w.t.Fatalf("number %d behind %d: %v", seq, m.high, err)
		}
		m.refused, m.unsure = m.refused+1, m.unsure+1
		return
	case errors.As(err, &slow) && m.policy == "careful", errors.Is(err, tidal.ErrInput) && m.policy == "careful" && skips(records):
		m.refused, m.unsure = m.refused+1, m.unsure+1
		return
	default:
		w.t.Fatalf("%v in session %+v: %v", records, m, err)
	}
	if r.Duplicate || seq != 0 && r.Number != seq || seq > m.high+64 || m.policy == "careful" && skips(records) {
		w.t.Fatalf("%v as number %d of session %+v: %+v", records, seq, m, r)
	}
	m.high = max(m.high, r.Number)
	m.sent[r.Number], m.at[r.Number] = records, r.Position
	m.last, m.unsure = w.clock.now(), 0
	for _, rec := range records {
		switch x := rec.(type) {
		case tidal.Signal:
			m.types[x.Type]++
		case tidal.SetMark:
			m.others++
		case tidal.Note:
			m.notes++
		case tidal.Search:
			m.searches++
		}
	}
}

func skips(records []tidal.Record) bool {
	return slices.ContainsFunc(records, func(r tidal.Record) bool {
		s, ok := r.(tidal.Signal)
		return ok && s.Type == "skip"
	})
}

// again sends a request of before once more, the same or another under its number.
func (w *sessionWriter) again(m *sessionModel, s *tidal.Session) {
	if len(m.sent) == 0 {
		return
	}
	seq := uint64(0)
	for n := range m.sent {
		seq = max(seq, n)
	}
	r, err := s.Write(ctx, seq, m.sent[seq]...)
	if err != nil || !r.Duplicate || r.Position != m.at[seq] || r.Count != len(m.sent[seq]) {
		w.t.Fatalf("number %d of session %s again: %+v, %v", seq, m.id, r, err)
	}
	other := tidal.Note{Name: "another content", Text: "for number " + fmt.Sprint(seq)}
	if _, err := s.Write(ctx, seq, other); !errors.Is(err, tidal.ErrKeyReused) {
		w.t.Fatalf("number %d of session %s with another content: %v", seq, m.id, err)
	}
	m.refused, m.unsure = m.refused+1, m.unsure+1
}

// compare compares all summaries that are kept with the model.
func (w *sessionWriter) compare() {
	w.t.Helper()
	now := w.clock.now()
	for _, user := range []string{"u0", "u1", "u2"} {
		all, err := w.db.Sessions(ctx, tidal.SessionQuery{User: user})
		if err != nil {
			w.t.Fatal(err)
		}
		got := map[string]tidal.SessionSummary{}
		for _, x := range all {
			got[x.ID] = x
		}
		mine := slices.DeleteFunc(slices.Clone(w.all), func(m *sessionModel) bool { return m.user != user })
		if len(all) != min(64, len(mine)) {
			w.t.Fatalf("%s has %d sessions, want %d", user, len(all), len(mine))
		}
		for _, m := range mine[max(0, len(mine)-64):] {
			x, ok := got[m.id]
			if !ok {
				w.t.Fatalf("session %s of %s is gone", m.id, user)
			}
			w.same(m, &x, now)
		}
	}
}

func (w *sessionWriter) same(m *sessionModel, x *tidal.SessionSummary, now time.Time) {
	w.t.Helper()
	want := tidal.SessionSummary{
		ID: m.id, User: m.user, Agent: "helper", Policy: m.policy, Opened: m.opened, Until: m.until, Last: m.last,
		Ended: m.ended, Closed: m.closed, AutoClosed: m.auto, Others: m.others, Notes: m.notes, Searches: m.searches,
		Rejections: m.refused,
	}
	if due := m.due(); !m.ended && !due.IsZero() && !due.After(now) {
		want.Ended, want.AutoClosed, want.Closed = true, true, due
	}
	end := now
	if want.Ended {
		end = want.Closed
	}
	want.Duration = end.Sub(m.opened)
	for _, name := range []string{"like", "skip", "view"} {
		if n := m.types[name]; n > 0 {
			want.Types = append(want.Types, tidal.TypeCount{Type: name, N: n})
			want.Signals += n
		}
	}
	slices.SortFunc(want.Types, func(a, b tidal.TypeCount) int {
		if a.N != b.N {
			return int(b.N - a.N)
		}
		return strings.Compare(a.Type, b.Type)
	})
	if !reflect.DeepEqual(*x, want) {
		w.t.Fatalf("session %s is\n%+v, want\n%+v", m.id, *x, want)
	}
}
