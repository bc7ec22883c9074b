package engine

import (
	"sync/atomic"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/lane"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// Config says whose engine it is.
type Config struct {
	// Origin is the group's own: what its batches skip or repeat is a mistake of ours, what others' do is the
	// network's.
	Origin id.Origin
	// Lanes bounds what is remembered of retries; the zero value takes the defaults.
	Lanes lane.Options
	// UserMemory is how many bytes users may take, beyond which they become cold; 0 is no bound. See [Engine.Warm].
	UserMemory int64
	// Views are told what changes about items; nil is nobody.
	Views Views
	// SessionDue is told of every session that begins here, or is found in a checkpoint, when it ends by itself unless
	// something else happens first, in Unix milliseconds. It may be told more than once, and of sessions that have ended.
	// It is called while something is applied or loaded, and must not look at the engine. nil is nobody.
	SessionDue func(user, session string, due int64)
	// Both calls two functions and returns when both have returned. It may call them at the same time, on two
	// goroutines; nil calls one after the other.
	Both func(a, b func())
}

// Engine is the state of one shard at one position of its group's log. Create it with [New].
type Engine struct {
	cfg      Config
	table    *state.Table
	cold     *cold // nil: all users are resident
	lanes    *lane.Table
	vector   id.VersionVector
	versions map[schema.Hash]*version
	current  *version
	level    uint64
	parked   map[id.Origin]*parkedOrigin
	recent   map[id.Origin]*recentBatches
	highest  hlc.Timestamp
	// highestOwn is the highest stamp of the own origin.
	highestOwn hlc.Timestamp
	// highestRegister is the highest stamp that a register was written under.
	highestRegister hlc.Timestamp
	counters        Counters
	retractions     atomic.Uint64 // see Retractions

	regions   regionTable
	takeBacks takeBacks
	fallen    fallen

	folding bool // for a Fold: deleted is kept
	loading loading

	items, users half
	pending      pending
	// reading is the record that is being applied: one memory for all of them.
	reading struct {
		rec   record.Record
		event event
	}
}

// half is one of the two sides of an effect: what hangs on items, or what hangs on users. Neither reads or changes
// what is the other's, in the table either, so both may work at the same time.
type half struct {
	table   *state.Table
	scratch scratch
	stale   uint64
	deleted []ownerRef // since the range of a Fold began
	cold    *cold      // of users, if there is a budget
	queue   bool       // the table isn't the engine's, but has effects on cold users
	views   Views      // of items
}

// half returns the side that entities of a kind are on.
func (e *Engine) half(kind id.Kind) *half {
	if kind == id.KindUser {
		return &e.users
	}
	return &e.items
}

// ownerRef names an owner of the table.
type ownerRef struct {
	kind id.Kind
	ord  state.Ord
}

// Counters count what Apply did since the database was made, but Stale, which a restart begins anew: what was stale
// behind the checkpoint alone.
type Counters struct {
	// Batches and Records were applied, Signals among the records.
	Batches, Records, Signals uint64
	// Clamped signals had a time beyond the bound.
	Clamped uint64
	// Stale effects belonged to a generation that is gone.
	Stale uint64
	// Twice counts requests that two regions accepted. Undecided counts those among them of which so little was
	// remembered here that the copy which falls can't be told, since a restart: if it was this group's, it counts twice.
	Twice, Undecided uint64
	// Reused counts those whose contents differ, since a restart: somebody used a number or a key for two requests, in
	// groups that didn't know of each other, and both count.
	Reused uint64
	// Fallen counts signals that fell since a restart: a copy that stands was accepted before them.
	Fallen uint64
	// Newest is the latest event time; HasNewest tells whether there is one.
	Newest    int64
	HasNewest bool
}

// scratch is what Apply would otherwise allocate for every record.
type scratch struct {
	cell  algebra.SignalState
	bytes []byte
}

// New returns an engine without any events.
func New(cfg Config) *Engine {
	table := state.New()
	e := &Engine{
		cfg:      cfg,
		table:    table,
		items:    half{table: table, views: cfg.Views},
		users:    half{table: table},
		lanes:    lane.New(cfg.Lanes),
		versions: map[schema.Hash]*version{},
		parked:   map[id.Origin]*parkedOrigin{},
		recent:   map[id.Origin]*recentBatches{},
	}
	e.regions.role = e.regions.roleOf(cfg.Origin.Region)
	if cfg.UserMemory > 0 {
		e.cold = newCold(cfg.UserMemory)
		e.users.cold = e.cold
	}
	return e
}

// Vector returns the set of events applied.
func (e *Engine) Vector() id.VersionVector { return e.vector }

// Highest returns the highest stamp applied, of any origin.
func (e *Engine) Highest() hlc.Timestamp { return e.highest }

// Level returns the format level that the cluster agreed on, 0 before the first.
func (e *Engine) Level() uint64 { return e.level }

// Counters returns what was counted so far.
func (e *Engine) Counters() Counters {
	c := e.counters
	c.Stale = e.items.stale + e.users.stale
	return c
}

// Lanes returns who retried what. Only Apply changes it.
func (e *Engine) Lanes() *lane.Table { return e.lanes }

// Schema returns the current schema, nil before the first version was applied, and its hash.
func (e *Engine) Schema() (*schema.Schema, schema.Hash) {
	if e.current == nil {
		return nil, schema.Hash{}
	}
	return e.current.schema, e.current.hash
}

// Digest returns the hash of all replicated records. With cold users it is [Engine.DigestWith], and panics here.
func (e *Engine) Digest() state.Digest {
	e.mustBeWhole()
	return e.table.Digest()
}

// DigestCells returns the hash of the cells alone; see [state.Table.DigestCells]. With cold users it is
// [Engine.DigestCellsWith], and panics here.
func (e *Engine) DigestCells() state.Digest {
	e.mustBeWhole()
	return e.table.DigestCells()
}

func (e *Engine) mustBeWhole() {
	if !e.AllResident() {
		panic("engine: all records are asked for while users are cold")
	}
}

// HighestOwn returns the highest stamp of the own origin: the clock must go on above it.
func (e *Engine) HighestOwn() hlc.Timestamp { return e.highestOwn }

// HighestRegister returns the highest stamp that any register was written under.
func (e *Engine) HighestRegister() hlc.Timestamp { return e.highestRegister }
