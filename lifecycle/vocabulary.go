package lifecycle

import "strconv"

// Machine is one declared state machine. Its number is written to dumps and never changes its meaning.
type Machine uint8

// The machines. Each table in tables.go is the machine's definition.
const (
	// ClientRequest is one call of the application, from its receipt to its answer.
	ClientRequest Machine = 1 + iota
	// Proposal is one stamped batch handed to consensus.
	Proposal
	// LogEntry is one index of one replica's log. It has no instance number: see [Machine.ByIndex].
	LogEntry
	// Append is one write of a range of entries to the local log.
	Append
	// Fsync is one flush of the local disk; it may serve several appends.
	Fsync
	// Truncate is one removal of a conflicting suffix of the local log.
	Truncate
	// Commit is one advance of the commit index.
	Commit
	// Apply is one call that makes a range of committed entries visible.
	Apply
)

// State is a word for where an instance stands. Machines share words; a number never changes its meaning.
type State uint8

// The states. Which machine takes which, and in what order, is in tables.go.
const (
	Received   State = 1 + iota // the request arrived
	Validated                   // the request passed every check that needs no log
	Queued                      // waiting for its turn
	Proposed                    // stamped and handed to consensus
	Visible                     // applied where the answer is computed
	Answered                    // the caller has its answer
	Refused                     // turned down with a reason; nothing was written
	Dropped                     // not taken; nothing was written
	Unknown                     // its fate can't be told here: it may or may not be durable
	Cancelled                   // withdrawn before it had an effect
	Start                       // exists
	Accepted                    // has its term and index
	Committed                   // a quorum holds it
	Done                        // all its work is finished
	Superseded                  // another term's entry took its index
	Created                     // in memory only
	Stored                      // durable here
	Early                       // committed before it is stored here: it may never be truncated
	Ready                       // committed and stored here
	Applied                     // has had its effect on the state
	Truncated                   // removed as part of a conflicting suffix
	Replaced                    // removed because a snapshot covers it
	Compacted                   // removed because a checkpoint covers it
	Pending                     // waiting for the disk
	Writing                     // being written
	Written                     // written, not yet durable
	Durable                     // flushed to the disk
	Failed                      // the disk or the state machine refused; the replica stops
	Running                     // at work
	Barrier                     // waiting until earlier writes have left the disk queue
	Located                     // the first record to remove is known
	Cut                         // the removal is written
	Removed                     // one file of the removed suffix is gone; repeats
	Synced                      // the removal is durable
	Open                        // collecting acknowledgements
	Quorum                      // the last needed acknowledgement came; Peer names its sender
	Announced                   // the commit index moved
	Abandoned                   // leadership was lost first
)

// Cause says why an instance ended as it did. 0 means that its last state says it all.
type Cause uint8

// The causes.
const (
	CauseDuplicate  Cause = 1 + iota // the same request was accepted before
	CauseInput                       // the request is wrong
	CauseClock                       // the stamp would lie beyond the skew bound
	CauseOverload                    // a bounded queue is full
	CauseLeadership                  // the replica isn't, or is no longer, the leader
	CauseDisk                        // a write or a flush failed
	CauseDeadline                    // the caller stopped waiting
	CauseClosed                      // the database is closing
	CauseSnapshot                    // a snapshot took the place of the entries
)

// LinkKind is the kind of a relation between two instances. "From" and "to" are used as in its sentence.
type LinkKind uint8

// The kinds of links.
const (
	CausedBy LinkKind = 1 + iota // from exists because of to: a proposal because of a request
	PartOf                       // from is a part of to: a request's proposal within a batch
	ServedBy                     // from was made durable by to: an append by a flush
	Acks                         // from acknowledges to: an append a commit
	CopyOf                       // from carries the same batch as to, under another entry key
	Revives                      // from is a new life of to, which had ended
	RetryOf                      // from repeats to
)

func (m Machine) String() string { return word(machineNames[:], uint8(m), "machine") }

func (s State) String() string { return word(stateNames[:], uint8(s), "state") }

func (c Cause) String() string { return word(causeNames[:], uint8(c), "cause") }

func (k LinkKind) String() string { return word(linkNames[:], uint8(k), "link") }

// word prints a number without a name too: dumps of newer programs must stay readable.
func word(names []string, n uint8, kind string) string {
	if int(n) < len(names) && names[n] != "" {
		return names[n]
	}
	return kind + "(" + strconv.Itoa(int(n)) + ")"
}

var machineNames = [...]string{
	ClientRequest: "client-request",
	Proposal:      "proposal",
	LogEntry:      "entry",
	Append:        "append",
	Fsync:         "fsync",
	Truncate:      "truncate",
	Commit:        "commit",
	Apply:         "apply",
}

var stateNames = [...]string{
	Received:   "received",
	Validated:  "validated",
	Queued:     "queued",
	Proposed:   "proposed",
	Visible:    "visible",
	Answered:   "answered",
	Refused:    "refused",
	Dropped:    "dropped",
	Unknown:    "unknown",
	Cancelled:  "cancelled",
	Start:      "start",
	Accepted:   "accepted",
	Committed:  "committed",
	Done:       "done",
	Superseded: "superseded",
	Created:    "created",
	Stored:     "stored",
	Early:      "early",
	Ready:      "ready",
	Applied:    "applied",
	Truncated:  "truncated",
	Replaced:   "replaced",
	Compacted:  "compacted",
	Pending:    "pending",
	Writing:    "writing",
	Written:    "written",
	Durable:    "durable",
	Failed:     "failed",
	Running:    "running",
	Barrier:    "barrier",
	Located:    "located",
	Cut:        "cut",
	Removed:    "removed",
	Synced:     "synced",
	Open:       "open",
	Quorum:     "quorum",
	Announced:  "announced",
	Abandoned:  "abandoned",
}

var causeNames = [...]string{
	CauseDuplicate:  "duplicate",
	CauseInput:      "input",
	CauseClock:      "clock",
	CauseOverload:   "overload",
	CauseLeadership: "leadership",
	CauseDisk:       "disk",
	CauseDeadline:   "deadline",
	CauseClosed:     "closed",
	CauseSnapshot:   "snapshot",
}

var linkNames = [...]string{
	CausedBy: "caused-by",
	PartOf:   "part-of",
	ServedBy: "served-by",
	Acks:     "acks",
	CopyOf:   "copy-of",
	Revives:  "revives",
	RetryOf:  "retry-of",
}
