package lifecycle

import "iter"

// rule is one state of one machine: how an instance may enter and leave it.
type rule struct {
	state  State
	traits trait
	next   []State // empty iff the state is final
}

type trait uint8

const (
	initial trait = 1 << iota // an instance may begin here
	final                     // an instance ends here
	failure                   // and not as it should have; implies final
)

// The tables are constants of the package: nothing writes to them.
//
// A state that ends an instance has no way out. A new life is a new instance, linked by [Revives].
var tables = [...][]rule{
	// A request of the application. The ways from validated and queued to answered are retries that were recognised.
	// Once proposed a request can't be taken back: a caller that stops waiting leaves it unknown.
	ClientRequest: {
		{Received, initial, []State{Validated, Refused, Dropped, Cancelled}},
		{Validated, 0, []State{Queued, Answered, Refused, Dropped, Cancelled}},
		{Queued, 0, []State{Proposed, Answered, Refused, Dropped, Cancelled}},
		{Proposed, 0, []State{Visible, Dropped, Unknown}},
		{Visible, 0, []State{Answered, Unknown}},
		{Answered, final, nil},
		{Refused, final | failure, nil},
		{Dropped, final | failure, nil},
		{Unknown, final | failure, nil},
		{Cancelled, final | failure, nil},
	},
	// A batch handed to consensus. When leadership is lost every accepted proposal moves on: superseded when another
	// term is seen at its index, unknown when the waiter goes first. Raft replaces a refused configuration change by
	// an empty entry without a word, hence accepted → refused.
	Proposal: {
		{Start, initial, []State{Accepted, Dropped}},
		{Accepted, 0, []State{Committed, Refused, Superseded, Unknown}},
		{Committed, 0, []State{Done, Unknown}},
		{Done, final, nil},
		{Dropped, final | failure, nil},
		{Refused, final | failure, nil},
		{Superseded, final | failure, nil},
		{Unknown, final | failure, nil},
	},
	// An entry of the local log. It may be committed before it is stored here (two followers can outvote a leader's
	// slow disk), and what is committed is never truncated. A replica that restarts finds its entries stored.
	LogEntry: {
		{Created, initial, []State{Stored, Early, Truncated, Replaced}},
		{Stored, initial, []State{Ready, Truncated, Replaced}},
		{Early, 0, []State{Ready, Replaced}},
		{Ready, 0, []State{Applied, Replaced}},
		{Applied, 0, []State{Compacted, Replaced}},
		{Truncated, final, nil},
		{Replaced, final, nil},
		{Compacted, final, nil},
	},
	// A write of a range of entries. It is durable when a flush that began after it was written is done.
	Append: {
		{Start, initial, []State{Pending, Writing, Cancelled}},
		{Pending, 0, []State{Writing, Cancelled}},
		{Writing, 0, []State{Written, Failed}},
		{Written, 0, []State{Durable, Failed}},
		{Durable, final, nil},
		{Failed, final | failure, nil},
		{Cancelled, final | failure, nil},
	},
	// A flush. After a failed one nothing can be said about the disk: the replica stops.
	Fsync: {
		{Queued, initial, []State{Running, Cancelled}},
		{Running, 0, []State{Done, Failed}},
		{Done, final, nil},
		{Failed, final | failure, nil},
		{Cancelled, final | failure, nil},
	},
	// A removal of a conflicting suffix. A log whose later records supersede earlier ones needs neither the barrier
	// nor removed files: there the cut is one more record.
	Truncate: {
		{Start, initial, []State{Barrier, Located, Failed}},
		{Barrier, 0, []State{Located, Failed}},
		{Located, 0, []State{Cut, Failed}},
		{Cut, 0, []State{Removed, Synced, Failed}},
		{Removed, 0, []State{Removed, Synced, Failed}},
		{Synced, 0, []State{Done, Failed}},
		{Done, final, nil},
		{Failed, final | failure, nil},
	},
	// An advance of the commit index. A follower learns it from its leader and sees no quorum.
	Commit: {
		{Open, initial, []State{Quorum, Announced, Abandoned}},
		{Quorum, 0, []State{Announced, Abandoned}},
		{Announced, final, nil},
		{Abandoned, final | failure, nil},
	},
	// A call that applies a range of entries.
	Apply: {
		{Queued, initial, []State{Running, Cancelled}},
		{Running, 0, []State{Done, Failed}},
		{Done, final, nil},
		{Failed, final | failure, nil},
		{Cancelled, final | failure, nil},
	},
}

// Machines yields every declared machine in order of number.
func Machines() iter.Seq[Machine] {
	return func(yield func(Machine) bool) {
		for m := ClientRequest; int(m) < len(tables); m++ {
			if !yield(m) {
				return
			}
		}
	}
}

// States yields the machine's states in order of its table, nothing for a machine that isn't declared.
func (m Machine) States() iter.Seq[State] {
	return func(yield func(State) bool) {
		for i := range m.rules() {
			if !yield(m.rules()[i].state) {
				return
			}
		}
	}
}

// Allows reports whether an instance may move from one state to another; from 0 means that it begins there.
func (m Machine) Allows(from, to State) bool {
	if from == 0 {
		return m.traits(to)&initial != 0
	}
	if r := m.rule(from); r != nil {
		for _, s := range r.next {
			if s == to {
				return true
			}
		}
	}
	return false
}

// Ends reports whether an instance ends in s, and whether that end is a failure.
func (m Machine) Ends(s State) (ends, failed bool) {
	f := m.traits(s)
	return f&final != 0, f&failure != 0
}

// ByIndex reports whether the machine's instances are log indexes rather than numbered ones. Such a transition moves
// every index of its range First to Last; Term is the term of all of them, or 0 when they are removed whatever
// their terms are.
func (m Machine) ByIndex() bool { return m == LogEntry }

func (m Machine) rules() []rule {
	if int(m) >= len(tables) {
		return nil
	}
	return tables[m]
}

func (m Machine) rule(s State) *rule {
	rules := m.rules()
	for i := range rules {
		if rules[i].state == s {
			return &rules[i]
		}
	}
	return nil
}

func (m Machine) traits(s State) trait {
	if r := m.rule(s); r != nil {
		return r.traits
	}
	return 0
}
