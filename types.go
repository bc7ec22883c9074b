package tidal

import (
	"fmt"
	"runtime"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/lifecycle"
	"github.com/tidaldb/tidal/schema"
)

// Position names one event for ever: the group that stamped it and its number there.
type Position = id.Position

// VersionVector says which events a database holds.
type VersionVector = id.VersionVector

// Stamp is a hybrid logical timestamp: when a write was ordered.
type Stamp = hlc.Timestamp

// Digest is a hash of replicated state; equal sets of events give equal digests.
type Digest = state.Digest

// InputError says which record and field of a request was refused, and why. Reach it with errors.As.
type InputError = fault.Input

// CorruptError names damage on disk: file, offset, reason. Reach it with errors.As.
type CorruptError = fault.Corrupt

// GoneError says that the log doesn't reach back any more to what was asked for, and where it begins. Reach it with
// errors.As; to errors.Is it is [ErrNotFound].
type GoneError = fault.Gone

// Errors that a caller can act upon; ask with errors.Is.
var (
	ErrInput        = fault.ErrInput        // see InputError
	ErrCorrupt      = fault.ErrCorrupt      // see CorruptError
	ErrClosed       = fault.ErrClosed       // the database was closed
	ErrClock        = fault.ErrClock        // the wall clock went back too far to stamp
	ErrRetryTooOld  = fault.ErrRetryTooOld  // a retry so old that nobody can tell whether it counted
	ErrKeyReused    = fault.ErrKeyReused    // same lane number or key, other content
	ErrFormat       = fault.ErrFormatTooNew // a newer tidal wrote this
	ErrFormatOld    = fault.ErrFormatTooOld // an older tidal wrote this, and it means something else by now; see the text
	ErrLocked       = fault.ErrLocked       // another process holds the directory
	ErrForeign      = fault.ErrForeign      // the directory belongs to another database
	ErrOverloaded   = fault.ErrOverloaded   // too many writes wait; nothing was written, try again
	ErrDisk         = fault.ErrDisk         // the disk failed; reopen once it is mended
	ErrUnknown      = fault.ErrUnknown      // the write may or may not be durable; retry it under its lane
	ErrNotFound     = fault.ErrNotFound     // no such item, user or position
	ErrUndone       = fault.ErrUndone       // the event was undone before
	ErrOutOfStep    = fault.ErrOutOfStep    // checkpoint and log are of two times or histories; see the text
	ErrSchemaChange = fault.ErrSchema       // the schema differs in more than additions
	ErrNotYet       = fault.ErrNotYet       // see NotYetError
)

// Options tune a database. The zero value is right for most.
type Options struct {
	// ReadOnly opens without the directory's lock and refuses every write but where named exports stand; it sees what was
	// durable at Open.
	ReadOnly bool
	// Now is the wall clock; nil is time.Now. It is read when a write arrives and when a read names no time.
	Now func() time.Time
	// Tracer receives every transition of every write; nil is off and costs one branch.
	Tracer lifecycle.Tracer
	// SegmentBytes is the size of a log file; 0 is 16 MiB.
	SegmentBytes int64
	// MaxWaiting bounds the requests that wait for the disk; 0 is 4,096. Beyond it writes fail with ErrOverloaded.
	MaxWaiting int
	// UserMemory is how many bytes users may take in memory; 0 is 1 GiB, less than 0 is no bound. Beyond it those who
	// weren't read or written for longest are left on disk, and reading them takes a read from there. Items and creators
	// are always in memory.
	UserMemory int64
	// Retention is how long the log is kept behind the checkpoint, at least a day; 0 is seven. An event can be undone,
	// and told from the log, while it is kept.
	Retention time.Duration
	// LogLimit is how many bytes of log may stay behind the checkpoint, whoever needs them; 0 is no limit. What is older than a day
	// goes beyond it, from the oldest on: what other regions lack of it, or what is younger than Retention, is kept in fewer
	// bytes beside the log, as [Stats].Log says. Named exports aren't given up for it.
	LogLimit int64
	// CheckpointBytes is how much of the log gathers before the checkpoint follows; 0 is 64 MiB, and below 0 it follows
	// when DB.Checkpoint is called, and at no other time. While writes keep the
	// processors busy, up to CheckpointLag gather; 0 is 512 MiB. Opening a directory after a crash applies that much
	// again.
	CheckpointBytes, CheckpointLag int64
	// Exports bound what named exports may hold of the log.
	Exports ExportLimits
	// Degrade says from how many queries at the same time on less is done for each.
	Degrade Degrade
	// Group makes the database a member of a group. Package cluster sets it, and nobody else can; nil is a database of its
	// own.
	Group *host.Group
}

// Degrade is how a database does less for each query when many are under way: from so many on, each step beside those
// before it. 0 stands for 8, 32 and 100 for each processor (GOMAXPROCS), about which as many milliseconds go by before a
// query has its turn; less than 0 is never.
type Degrade struct {
	// FewerCandidates takes 40 % of the candidates and scores half as many.
	FewerCandidates int
	// CoarseCounts takes counts within windows from decayed scores.
	CoarseCounts int
	// NoMixing leaves out diversity and exploration.
	NoMixing int
}

func (d Degrade) levels() [3]int {
	out := [3]int{d.FewerCandidates, d.CoarseCounts, d.NoMixing}
	for i, standard := range [3]int{8, 32, 100} {
		if out[i] == 0 {
			out[i] = standard * runtime.GOMAXPROCS(0)
		}
	}
	return out
}

// Signal is one event: a user did something with an item.
type Signal struct {
	// Type is the name of a signal type of the schema.
	Type string
	// Item is the item's id, 1–512 bytes. It need not exist yet.
	Item string
	// User is the user's id; empty for an event without a known user, which then counts for the item alone.
	User string
	// Creator is the item's creator; empty takes the one that the item's "creator" field names, if it has one.
	Creator string
	// Weight is in (0, 1,000,000]; 0 stands for 1. Whether a type counts for or against an item is the type's business.
	Weight float64
	// Time is when it happened, to the millisecond; zero is now. What lies further ahead than the schema's bound is clamped to it.
	Time time.Time
	// Cohorts are up to 8 groups that the event also counts for. Those of the schema that the user is in come behind them
	// by themselves, as far as 8 have room.
	Cohorts []string
	// Key makes the event count once for 24 hours, however often it is sent: the same key with other content is
	// ErrKeyReused. Up to 128 bytes; empty for none.
	Key string
	// Ref echoes the reference that a list gave the item; up to 256 bytes.
	Ref []byte
}

// Request is a set of records that is written whole or not at all, at most 1 MiB.
type Request struct {
	// Lane names the producer's lane, up to 128 bytes, not beginning with "session/", and Number counts its requests from 1. A request that is sent
	// again under the same number counts once. Up to 64 numbers may be under way out of order. An empty lane
	// promises nothing about retries.
	Lane   string
	Number uint64
	// Records are applied in order.
	Records []Record
	// Ack says what must be so before the request is acknowledged; zero is AckQuorum.
	Ack Ack
	// Trace is the id under which the request's way is followed, such as that of a traceparent header. Zero derives
	// one from lane and number, from the key, or from the position.
	Trace TraceID
}

// Ack is what must be so before a request is acknowledged.
type Ack uint8

const (
	// AckQuorum says that the request is durable on a majority of the group's members, and visible where it was written.
	AckQuorum Ack = iota
	// AckGeo says that it also is durable on a majority of the members of one more region. When the time ends first, the error is
	// [GeoPendingError], and the request is written all the same. It is refused for a database of one region.
	AckGeo
)

// TraceID is a 128-bit trace id, as in W3C Trace Context.
type TraceID = [16]byte

// Record is one record of a [Request]: a [Signal], [Put], [Patch], [Delete], [Erase], [Relate], [Collect], [SetMark] or
// [Undo]; in a [Session] also a [Note] or [Search].
type Record interface{ record() }

// EntityKind is the kind of an entity.
type EntityKind = id.Kind

// The kinds of entities.
const (
	Item    = id.KindItem
	User    = id.KindUser
	Creator = id.KindCreator
)

// Fields are an entity's fields and embeddings by name.
type Fields map[string]schema.Value

// Put sets an entity: fields that are not named are gone. The item field "creator" (a keyword) names its creator.
type Put struct {
	Kind   EntityKind
	ID     string
	Fields Fields
}

// Patch changes the fields named, and makes the entity if there is none. A zero Value clears a field.
type Patch struct {
	Kind   EntityKind
	ID     string
	Fields Fields
}

// Delete removes an entity with everything that was counted for it. Put makes it anew, from zero.
type Delete struct {
	Kind EntityKind
	ID   string
}

// Erase removes everything that is known of a user. What they contributed to items' counts stays; what the log holds of
// them stays for as long as [Receipt] says.
type Erase struct{ User string }

// Relation is what a user decides about an item or a creator.
type Relation uint8

// The relations.
const (
	Hides   Relation = 1 // an item
	Mutes   Relation = 2 // a creator
	Blocks  Relation = 3 // a creator
	Follows Relation = 4 // a creator
)

func (r Relation) String() string {
	switch r {
	case Hides:
		return "hides"
	case Mutes:
		return "mutes"
	case Blocks:
		return "blocks"
	case Follows:
		return "follows"
	}
	return fmt.Sprintf("relation(%d)", uint8(r))
}

// Relate begins a relation, or ends it with Off.
type Relate struct {
	User   string
	What   Relation
	Target string
	Off    bool
}

// Collect puts an item into one of the user's collections, lists with a name of their own such as "later", or takes it
// out with Off. A collection begins with its first item and is gone with its last. An item that is put where it is
// already becomes the one put there last.
type Collect struct {
	User string
	// Collection is the name, 1 to 64 bytes of UTF-8 without control characters.
	Collection string
	// Item is the item's id; name and id have at most 511 bytes together. It need not exist, and it stays if the item is
	// deleted: then no query serves it.
	Item string
	Off  bool
}

// SetMark sets or clears a mark of a user on an item, without counting as a signal.
type SetMark struct {
	User, Item string
	Mark       schema.Mark
	Off        bool
}

// Undo takes an event's counts and scores back, once. The user's registers (liked, hidden …) stay: they change by
// the user's own writes. The number of unique users stays, too.
//
// The event is named in one of three ways: by its position; by its key; or by the lane and number of its request. Keys
// and requests are known for 24 hours; then, or if the event isn't here, the undo ends with [ErrNotFound].
type Undo struct {
	Position Position
	Key      string
	Lane     string
	Number   uint64
	// Index is the event's place among the records of the lane's request, from 0.
	Index int
}

func (Signal) record()  {}
func (Put) record()     {}
func (Patch) record()   {}
func (Delete) record()  {}
func (Erase) record()   {}
func (Relate) record()  {}
func (Collect) record() {}
func (SetMark) record() {}
func (Undo) record()    {}

// Receipt says what became of a request. It is returned once the request is durable and visible.
type Receipt struct {
	// Position is the first record's; the others follow it without gaps.
	Position Position
	// Count is the number of records.
	Count int
	// Number is the request's number in its session; 0 outside of sessions.
	Number uint64
	// Duplicate reports that the request was accepted before, at Position; nothing was written now.
	Duplicate bool
	// Clamped counts the events whose time lay too far ahead.
	Clamped int
	// Durable and Visible are how long after the request was checked and handed to the log it was on the disk, and
	// readable. Both are 0 for a duplicate.
	Durable, Visible time.Duration
	// Forgotten is, for a request that erases a user, the time by which the log's records of them are gone, too: state
	// forgets a user at once, the log when it is older than Options.Retention, a day or so later. It holds if the
	// database is open then; else that happens when it is opened. Zero for other requests.
	Forgotten time.Time

	db *DB // for the token
}

// Cell is what was counted for one item under one signal type, read at one time.
type Cell struct {
	// At is the time of the answer; AsOfMark reports that it is that of the cell's newest event, because that lies more
	// than two seconds after the time asked for.
	At       time.Time
	AsOfMark bool
	// Total is the number of events ever.
	Total int64
	// Windows are the counts of the declared windows, by name: "1h", "24h", "7d", "30d", "all".
	Windows map[string]int64
	// Velocity is count per second by window, for types that declare it.
	Velocity map[string]float64
	// Scores are the decayed sums of weights by half-life ("7d", "36h" …), "permanent" for the plain sum.
	Scores map[string]float64
	// Unique is the estimated number of users (±3 %), for types that declare it.
	Unique uint64
}

// TopQuery asks for the items with the highest decayed scores.
type TopQuery struct {
	// Type is the signal type.
	Type string
	// HalfLife is one of the type's; 0 takes its first, or the plain sum when it has none.
	HalfLife time.Duration
	// At is the time to read at; zero is now.
	At time.Time
	// Limit is 1–10,000; 0 is 10.
	Limit int
}

// Scored is one item of a list, its score as of the time asked for.
type Scored struct {
	Item  string
	Score float64
}

// Stats says how much a database holds and what it refused to count.
type Stats struct {
	Items, Users, Creators int
	// Cells counts the cells of items, of cohorts and of users' creators together, the latter of users in memory.
	Cells int
	// Signals counts the signals applied, Clamped those whose time was brought back to the bound.
	Signals, Clamped uint64
	// Newest is the latest event time seen, zero if there is none.
	Newest time.Time
	// Parked counts the batches of other origins that wait for a schema version or for a newer program.
	Parked int
	// Vector is the set of events held.
	Vector VersionVector
	// LogBytes is the size of the log's files; StateBytes the memory of the state, and ViewBytes that of what is kept beside
	// it for ranking.
	LogBytes, StateBytes, ViewBytes int64
	// HiddenServed counts hidden items that were found in lists when these were looked through once more. They were taken
	// out; that they had come so far is a mistake of ours, so it is 0.
	HiddenServed uint64
	// UserMemory says where users are.
	UserMemory UserMemory
	// Exports say what named exports hold, and Log what stays of the log.
	Exports ExportStats
	Log     LogHeld
	// Sessions and Tokens count what this process did with them.
	Sessions SessionStats
	Tokens   TokenStats
	// Syncs are those of the log.
	Syncs SyncTimes
	// Group is of a member of a group; of a database that Open opened it holds little.
	Group GroupStats
}

// SyncTimes is how long syncs of the log took, since the database was opened.
type SyncTimes = host.SyncTimes

// UserMemory says which users are in memory, and what they take there.
type UserMemory struct {
	// Resident users are in memory; Cold ones are on disk alone.
	Resident, Cold int
	// Bytes hang on resident users. Queued bytes are news of cold ones that the disk doesn't have yet. Together they stay
	// below Budget, which is 0 for none; beside it an id that was ever cold takes 11 to 22 bytes.
	Bytes, Queued, Budget int64
	// Evicted and Warmed count users that left memory and came back, since Open.
	Evicted, Warmed uint64
}
