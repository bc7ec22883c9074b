package lifecycle

import (
	"slices"
	"strings"
	"testing"
)

func TestTablesAreWellFormed(t *testing.T) {
	count := 0
	for m := range Machines() {
		count++
		t.Run(m.String(), func(t *testing.T) {
			seen := map[State]bool{}
			starts, plainEnds := 0, 0
			for _, r := range m.rules() {
				if seen[r.state] {
					t.Errorf("%v is listed twice", r.state)
				}
				seen[r.state] = true
				if strings.Contains(r.state.String(), "(") {
					t.Errorf("state %d has no word", r.state)
				}
				ends, failed := m.Ends(r.state)
				if ends != (len(r.next) == 0) {
					t.Errorf("%v: final is %v, but it has %d ways out", r.state, ends, len(r.next))
				}
				if failed && !ends {
					t.Errorf("%v is a failure that goes on", r.state)
				}
				if r.traits&initial != 0 {
					starts++
				}
				if ends && !failed {
					plainEnds++
				}
				for i, next := range r.next {
					if m.rule(next) == nil {
						t.Errorf("%v leads to %v, which isn't in the table", r.state, next)
					}
					if slices.Contains(r.next[:i], next) {
						t.Errorf("%v leads to %v twice", r.state, next)
					}
				}
			}
			if starts == 0 || plainEnds == 0 {
				t.Errorf("%d ways to begin, %d ways to end well; both need one", starts, plainEnds)
			}
		})
	}
	if count != int(Apply) {
		t.Fatalf("Machines yields %d of %d machines", count, Apply)
	}
}

func TestEveryStateCanBeReachedAndCanEnd(t *testing.T) {
	for m := range Machines() {
		reached := spread(m, func(s State) bool { return m.Allows(0, s) }, m.Allows)
		ending := spread(m, func(s State) bool { ends, _ := m.Ends(s); return ends },
			func(from, to State) bool { return m.Allows(to, from) })
		for s := range m.States() {
			if !reached[s] {
				t.Errorf("%v: %v can't be reached", m, s)
			}
			if !ending[s] {
				t.Errorf("%v: from %v there is no end", m, s)
			}
		}
	}
}

// spread returns the states found from seeds by following step until nothing new comes.
func spread(m Machine, seed func(State) bool, step func(from, to State) bool) map[State]bool {
	found := map[State]bool{}
	for s := range m.States() {
		if seed(s) {
			found[s] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for from := range m.States() {
			for to := range m.States() {
				if found[from] && !found[to] && step(from, to) {
					found[to], grown = true, true
				}
			}
		}
	}
	return found
}

func TestWordsAreUniqueAndUnknownNumbersStayReadable(t *testing.T) {
	for kind, names := range map[string][]string{
		"machine": machineNames[:], "state": stateNames[:], "cause": causeNames[:], "link": linkNames[:],
	} {
		for i, name := range names {
			if i > 0 && (name == "" || slices.Contains(names[:i], name) || strings.ContainsAny(name, " #=")) {
				t.Errorf("%s %d: %q is empty, used twice, or breaks the text form", kind, i, name)
			}
		}
	}
	if int(Abandoned)+1 != len(stateNames) || int(Apply)+1 != len(machineNames) || len(tables) != len(machineNames) {
		t.Error("a number has no word or no table")
	}
	for got, want := range map[string]string{
		Machine(0).String(): "machine(0)", State(200).String(): "state(200)",
		Cause(99).String(): "cause(99)", LinkKind(0).String(): "link(0)",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestUndeclaredMachinesAndStatesAllowNothing(t *testing.T) {
	for _, m := range []Machine{0, Apply + 1, 255} {
		for s := range m.States() {
			t.Errorf("machine %d has state %v", m, s)
		}
		if m.Allows(0, Start) || m.Allows(Start, Done) {
			t.Errorf("machine %d allows moves", m)
		}
	}
	if ends, failed := Fsync.Ends(Compacted); ends || failed {
		t.Error("a state of another machine ends a flush")
	}
	if Fsync.Allows(0, 0) || Fsync.Allows(Queued, 0) {
		t.Error("state 0 is allowed")
	}
}

// The promises that must not be edited away by accident, apart from the tables themselves.
func TestTablesKeepTheirPromises(t *testing.T) {
	for _, c := range []struct {
		why      string
		machine  Machine
		from, to State
	}{
		{"a committed entry is never truncated", LogEntry, Early, Truncated},
		{"a committed entry is never truncated", LogEntry, Ready, Truncated},
		{"an applied entry is never truncated", LogEntry, Applied, Truncated},
		{"what isn't stored here is not applied", LogEntry, Early, Applied},
		{"what isn't committed is not applied", LogEntry, Stored, Applied},
		{"a request isn't answered before it is visible", ClientRequest, Proposed, Answered},
		{"a proposed request can't be withdrawn", ClientRequest, Proposed, Cancelled},
		{"an append isn't durable before it is written", Append, Writing, Durable},
		{"a failed flush is not repeated", Fsync, Failed, Running},
	} {
		if c.machine.Allows(c.from, c.to) {
			t.Errorf("%s, but %v allows %v → %v", c.why, c.machine, c.from, c.to)
		}
	}
}
