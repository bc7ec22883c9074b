package lifecycle

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// mark is a Transition without attributes.
func mark(m Machine, instance uint64, states ...State) []Transition {
	var out []Transition
	for _, s := range states {
		out = append(out, Transition{Machine: m, Instance: instance, State: s})
	}
	return out
}

func record(parts ...[]Transition) *Recorder {
	var r Recorder
	for _, part := range parts {
		for _, t := range part {
			r.Mark(t)
		}
	}
	return &r
}

func TestEveryDeclaredPathIsLegalAndEveryOtherMoveIsNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbered := slices.DeleteFunc(slices.Collect(Machines()), Machine.ByIndex)
		m := rapid.SampledFrom(numbered).Draw(t, "machine")
		states := slices.Collect(m.States())
		var r Recorder
		at := State(0)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			next := rapid.SampledFrom(states).Draw(t, "next")
			legal := m.Allows(at, next)
			r.Mark(Transition{Machine: m, Instance: 7, State: next})
			if err := r.Check(); (err == nil) != legal {
				t.Fatalf("%v: %v → %v is legal: %v, Check says %v", m, at, next, legal, err)
			}
			if !legal {
				return
			}
			at = next
		}
	})
}

func TestInstancesDoNotMix(t *testing.T) {
	a, b := mark(Append, 1, Start, Writing, Written, Durable), mark(Append, 2, Start, Cancelled)
	f := mark(Fsync, 1, Queued, Running, Done)
	r := record(a[:2], b[:1], f[:1], a[2:3], f[1:], b[1:], a[3:])
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	if open := r.Open(); len(open) != 0 {
		t.Fatalf("open: %v", open)
	}
}

func TestOpenListsWhatHasNotEnded(t *testing.T) {
	r := record(mark(Fsync, 2, Queued), mark(Append, 9, Start), mark(Append, 3, Start, Pending),
		mark(Append, 4, Start, Cancelled), mark(Fsync, 1, Queued, Running, Failed))
	want := []Ref{{Append, 3}, {Append, 9}, {Fsync, 2}}
	if got := r.Open(); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if err := r.Check(); err != nil {
		t.Fatalf("open instances are legal: %v", err)
	}
}

func entries(s State, term, first, last uint64) []Transition {
	return []Transition{{Machine: LogEntry, State: s, Term: term, First: first, Last: last}}
}

func TestEntriesMoveByRange(t *testing.T) {
	r := record(
		entries(Stored, 1, 1, 4), // found at start
		entries(Created, 2, 5, 9),
		entries(Early, 2, 5, 6), // a quorum without us
		entries(Stored, 2, 7, 9),
		entries(Ready, 1, 1, 4), entries(Ready, 2, 5, 6),
		entries(Applied, 1, 1, 4), entries(Applied, 2, 5, 6),
		entries(Truncated, 0, 7, 9), // a conflicting suffix goes
		entries(Created, 3, 7, 7),   // and its index gets a new life
		entries(Stored, 3, 7, 7),
		entries(Compacted, 0, 1, 6), // of mixed terms
		entries(Replaced, 0, 7, 7),
	)
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
}

func TestIllegalHistoriesAreReportedAtTheirLine(t *testing.T) {
	link := func(l Link) *Recorder {
		r := record(mark(Append, 1, Start))
		r.Relate(l)
		return r
	}
	for _, c := range []struct {
		name, want string
		history    *Recorder
	}{
		{"no start", "line 1: 0 append#1 durable: nothing begins in this state", record(mark(Append, 1, Durable))},
		{"skip", "line 2: 0 append#1 written: no way from start", record(mark(Append, 1, Start, Written))},
		{
			"after the end", "line 3: 0 fsync#5 running: it had ended in cancelled",
			record(mark(Fsync, 5, Queued, Cancelled, Running)),
		},
		{"foreign state", "fsync has no such state", record(mark(Fsync, 5, Compacted))},
		{"no machine", "no such machine", record(mark(77, 5, Start))},
		{"no number", "an instance of fsync needs a number", record(mark(Fsync, 0, Queued))},
		{"numbered entry", "named by their index", record(mark(LogEntry, 3, Created))},
		{"empty range", "not a range", record(entries(Created, 1, 0, 0))},
		{"inverted range", "not a range", record(entries(Created, 1, 3, 2))},
		{"wild range", "not a range", record(entries(Created, 1, 1, math.MaxUint64))},
		{"no term", "needs its term", record(entries(Created, 0, 1, 2))},
		{
			"other term", "index 2: 0 entry stored term=2 index=2: the entry there is of term 1",
			record(entries(Created, 1, 1, 3), entries(Stored, 2, 2, 2)),
		},
		{
			"index taken", "index 3: 0 entry created term=1 index=3..4: no way from created",
			record(entries(Created, 1, 1, 3), entries(Created, 1, 3, 4)),
		},
		{
			"committed and truncated", "index 1: 0 entry truncated index=1..2: no way from early",
			record(entries(Created, 1, 1, 2), entries(Early, 1, 1, 1), entries(Truncated, 0, 1, 2)),
		},
		{"gone entry", "nothing begins in this state", record(entries(Applied, 1, 1, 1))},
		{
			"link to nothing", "line 2: 0 append#1 served-by fsync#1: fsync#1 wasn't marked before",
			link(Link{Kind: ServedBy, From: Ref{Append, 1}, To: Ref{Fsync, 1}}),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.history.Check()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want …%s…", err, c.want)
			}
		})
	}
}

func TestOneMistakeIsReportedOnce(t *testing.T) {
	r := record(mark(Append, 1, Start, Written, Durable), entries(Applied, 1, 1, 50), entries(Compacted, 0, 1, 50))
	lines := strings.Split(r.Check().Error(), "\n")
	if len(lines) != 2 {
		t.Fatalf("two mistakes were made, reported:\n%s", strings.Join(lines, "\n"))
	}
}

func TestRangesAtTheEndOfTheNumbersAreWalkedOnce(t *testing.T) {
	r := record(entries(Created, 1, math.MaxUint64-1, math.MaxUint64))
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
}

// One write on a leader that shares its flush with another: the story as text.
func TestAWriteReadsAsAStory(t *testing.T) {
	var r Recorder
	h := NewHandle(&r)
	request, proposal := h.Begin(ClientRequest), h.Begin(Proposal)
	step := func(ref Ref, now int64, states ...State) {
		for _, s := range states {
			h.Mark(Transition{Machine: ref.Machine, Instance: ref.Instance, State: s, Time: now})
		}
	}
	trace := [16]byte{0: 0x4b, 15: 0x01}
	h.Mark(Transition{Machine: ClientRequest, Instance: request.Instance, State: Received, Time: 100, Trace: trace})
	step(request, 140, Validated, Queued)
	step(request, 200, Proposed)
	step(proposal, 200, Start)
	h.Relate(Link{Kind: CausedBy, Time: 200, From: proposal, To: request})
	h.Mark(Transition{Machine: Proposal, Instance: 1, State: Accepted, Time: 200, Term: 3, First: 42, Last: 42})
	h.Mark(Transition{Machine: LogEntry, State: Created, Time: 200, Term: 3, First: 41, Last: 42})
	write, flush, commit := h.Begin(Append), h.Begin(Fsync), h.Begin(Commit)
	h.Mark(Transition{Machine: Append, Instance: 1, State: Start, Time: 210, Term: 3, First: 41, Last: 42})
	step(write, 210, Writing, Written)
	step(flush, 220, Queued, Running)
	h.Relate(Link{Kind: ServedBy, Time: 220, From: write, To: flush})
	step(commit, 220, Open)
	step(flush, 900, Done)
	step(write, 900, Durable)
	h.Mark(Transition{Machine: LogEntry, State: Stored, Time: 900, Term: 3, First: 41, Last: 42})
	h.Mark(Transition{Machine: Commit, Instance: 1, State: Quorum, Time: 950, Term: 3, First: 41, Last: 42, Peer: 2})
	step(commit, 950, Announced)
	step(proposal, 950, Committed)
	h.Mark(Transition{Machine: LogEntry, State: Ready, Time: 950, Term: 3, First: 41, Last: 42})
	step(h.Begin(Apply), 960, Queued, Running, Done)
	h.Mark(Transition{Machine: LogEntry, State: Applied, Time: 960, Term: 3, First: 41, Last: 42})
	step(proposal, 960, Done)
	step(request, 960, Visible, Answered)
	late := h.Begin(ClientRequest)
	h.Mark(Transition{Machine: ClientRequest, Instance: late.Instance, State: Received, Time: 970})
	h.Mark(Transition{Machine: ClientRequest, Instance: late.Instance, State: Dropped, Cause: CauseOverload, Time: 970})

	if err := r.Check(); err != nil {
		t.Error(err)
	}
	if open := r.Open(); len(open) != 0 {
		t.Errorf("open at the end: %v", open)
	}
	golden(t, "write.golden", r.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got\n%s\nwant\n%s", path, got, want)
	}
}

func TestRecorderReturnsCopiesAndResets(t *testing.T) {
	r := record(mark(Append, 1, Start, Pending))
	r.Relate(Link{Kind: ServedBy, From: Ref{Append, 1}, To: Ref{Append, 1}})
	ts, ls := r.Transitions(), r.Links()
	if len(ts) != 2 || len(ls) != 1 {
		t.Fatalf("%d transitions and %d links, want 2 and 1", len(ts), len(ls))
	}
	ts[0].State, ls[0].Kind = Durable, Revives
	if r.Transitions()[0].State != Start || r.Links()[0].Kind != ServedBy {
		t.Fatal("the caller's copy is the recorder's own")
	}
	r.Reset()
	if r.String() != "" || len(r.Transitions()) != 0 || len(r.Links()) != 0 || r.Check() != nil {
		t.Fatal("Reset left something behind")
	}
}
