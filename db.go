package tidal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/internal/shard"
	"github.com/tidaldb/tidal/schema"
)

// DB is an open database. Its methods may be called from any goroutine.
type DB struct {
	host   *host.Replica
	now    func() time.Time
	closed atomic.Bool

	// router says which shard a record is filed in: there is one for now, and every database is it.
	router shard.Router

	closing  sync.Once
	closeErr error // of the one Close

	growing sync.Mutex // held while a schema version is made and entered

	sessions sessions
	tokens   tokenCounts

	// Of queries: how many are under way, and from how many on less is done for each; hidden items that a finished list held.
	ranking  atomic.Int64
	turns    chan struct{} // a list holds a place in it while it's made
	degrade  [3]int
	hidden   atomic.Uint64
	programs programs
	cohorts  cohorts
	rankers  sync.Pool
	opened   time.Time
	// staleAfter is how long a named export may stand still.
	staleAfter time.Duration
	// reign is what is done while this member of a group leads; nil outside of groups.
	reign *reign
}

// Open opens the database in a directory. A directory without one gets one, with the schema s; s nil is refused then
// with [ErrNotFound]. An existing database goes on with its own schema: s must be nil, be equal to it, or differ by
// additions, which are then entered; otherwise the error is [ErrSchemaChange] and names the differences, or
// [ErrForeign] for a schema of another name.
//
// Open returns once everything that was acknowledged before is visible. Other errors: [ErrLocked], [CorruptError],
// [ErrFormat], [ErrFormatOld], [ErrDisk]. Options nil means all defaults.
func Open(dir string, s *schema.Schema, opts *Options) (*DB, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if s != nil {
		s = s.Clone()
		if err := s.Validate(); err != nil {
			return nil, fmt.Errorf("open %s: %w", dir, err)
		}
	}
	if err := o.Exports.check(); err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	db := &DB{
		now: o.Now, degrade: o.Degrade.levels(), opened: time.Now(), staleAfter: o.Exports.StaleAfter,
		turns: make(chan struct{}, listsAtOnce*runtime.GOMAXPROCS(0)),
	}
	var leads func(bool)
	newcomer, ctx := false, context.Background()
	if o.Group != nil {
		ctx = o.Group.Opening()
		db.reign, leads, newcomer = newReign(s), db.leads, o.Group.Joins()
	}
	r, err := host.Open(ctx, host.Options{
		Group: o.Group, Leads: leads,
		Dir: dir, MustExist: s == nil && !newcomer, ReadOnly: o.ReadOnly, Now: o.Now, Tracer: o.Tracer,
		SegmentBytes: o.SegmentBytes, MaxWaiting: o.MaxWaiting, UserMemory: o.UserMemory,
		Retention: retention.Policy{
			Retention: o.Retention.Milliseconds(), SizeLimit: o.LogLimit, PinAlarm: o.Exports.AlarmBytes, PinLimit: o.Exports.MaxBytes,
		},
		RangeBytes: o.CheckpointBytes, LagBytes: o.CheckpointLag, Views: newViews, SessionDue: db.sessions.remember,
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	db.host = r
	if err := db.start(&o, s); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", dir, err), db.Close())
	}
	return db, nil
}

// start brings the schema and the keys to where they should be, and whatever else a database does by itself.
func (db *DB) start(o *Options, s *schema.Schema) error {
	if o.Group != nil {
		close(db.reign.opened)
		if err := db.settle(o.Group, s); err != nil {
			return err
		}
		db.startSweeping()
		return nil
	}
	if err := db.adopt(context.Background(), s); err != nil || o.ReadOnly {
		return err
	}
	// Whoever writes sees to the keys, so that what one reader gives out another can read.
	if err := db.upgrade(context.Background()); err != nil {
		return err
	}
	db.startSweeping()
	return nil
}

// Extend enters what s adds to the database's schema: signal types, fields and embeddings behind those that are there,
// half-lives, windows and unique users of the types that are there. What is added counts from then on; nothing is
// computed anew. A schema that adds nothing changes nothing. Other writes go on meanwhile.
//
// The errors are those of [Open]: [ErrSchemaChange] names each difference that is no addition, [ErrForeign] means a
// schema of another name; and those of [DB.Signal].
func (db *DB) Extend(ctx context.Context, s *schema.Schema) error {
	s = s.Clone()
	if err := s.Validate(); err != nil {
		return fmt.Errorf("extend the schema: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("extend the schema: %w", err)
	}
	if db.closed.Load() {
		return fault.ErrClosed
	}
	if err := db.adopt(ctx, s); err != nil {
		return fmt.Errorf("extend the schema: %w", err)
	}
	return nil
}

// adopt brings the database's schema and the one asked for together.
func (db *DB) adopt(ctx context.Context, s *schema.Schema) error {
	db.growing.Lock() // two versions must not have one parent
	defer db.growing.Unlock()
	current := db.Schema()
	next, err := reconcileSchemas(current, s)
	if err != nil || next == nil {
		return err
	}
	if err := checkRanking(current, next); err != nil {
		return err
	}
	records := []record.Proposed{{
		Kind:   record.KindSchemaVersion,
		Schema: record.SchemaVersion{Parent: next.Parent, Encoded: next.Encode()},
	}}
	if current == nil {
		records = append([]record.Proposed{raiseLevel()}, records...)
	}
	// What is begun is waited for: while its outcome is open, no other version may be made of the same parent.
	_, err = db.host.Write(context.WithoutCancel(ctx), &replica.Request{
		Records: records, Content: record.ContentHash(records),
	})
	if err != nil {
		return fmt.Errorf("enter schema %s version %d: %w", next.Name, next.Version, err)
	}
	return nil
}

// raiseLevel makes the newest kinds of records possible.
func raiseLevel() record.Proposed {
	return record.Proposed{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level}}
}

// upgrade brings a directory that an earlier program wrote up to what this one writes: its format level, and where its
// keys are. Programs before this one can't open it then.
func (db *DB) upgrade(ctx context.Context) error {
	level := uint64(0)
	err := db.read(ctx, func(e *engine.Engine) error {
		level = e.Level()
		return nil
	})
	if err != nil {
		return err
	}
	if level < record.Level && db.host.Home() { // others learn it from home
		records := []record.Proposed{raiseLevel()}
		_, err := db.host.Write(ctx, &replica.Request{Records: records, Content: record.ContentHash(records)})
		if err != nil {
			return fmt.Errorf("raise the format level to %d: %w", record.Level, err)
		}
	}
	if !db.host.Home() {
		return nil
	}
	return db.host.TendKeys(ctx, false)
}

// reconcileSchemas returns the version to enter, nil when there is nothing to do.
func reconcileSchemas(current, asked *schema.Schema) (*schema.Schema, error) {
	switch {
	case current == nil && asked == nil:
		return nil, fmt.Errorf("the database has no schema yet, and none was given: %w", fault.ErrNotFound)
	case current == nil:
		first := asked.Clone()
		first.Version, first.Parent = 1, schema.Hash{}
		return first, first.Validate()
	case asked == nil:
		return nil, nil
	case asked.Name != current.Name:
		return nil, fmt.Errorf("the database has schema %q, not %q; choose another directory: %w",
			current.Name, asked.Name, fault.ErrForeign)
	}
	next := asked.Clone()
	next.Version, next.Parent = current.Version, current.Parent
	if next.Hash() == current.Hash() || schema.Extends(next, current) == nil {
		return nil, nil // equal, or the program knows less than the database, which is no reason to forget anything
	}
	next.Version, next.Parent = current.Version+1, current.Hash()
	if err := schema.Extends(current, next); err != nil {
		return nil, err
	}
	return next, nil
}

// Close finishes the writes under way, and gives up the directory. Later calls that can fail do so, with [ErrClosed]; a
// second Close returns what the first did.
func (db *DB) Close() error {
	db.closing.Do(func() {
		swept := db.stopSweeping()
		db.closed.Store(true)
		if db.closeErr = db.host.Close(); db.closeErr == nil {
			db.closeErr = swept
		}
		db.reign.end()
	})
	return db.closeErr
}

// Checkpoint makes durable, beside the log, what everything written so far amounts to; a program that opens the
// directory then has little of the log to apply. Checkpoints are made in any case as the log grows, and by Close where
// that is quick; call this behind an import.
func (db *DB) Checkpoint(ctx context.Context) error {
	if db.closed.Load() {
		return fault.ErrClosed
	}
	if err := db.host.Checkpoint(ctx); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// read calls f with the engine while nothing is applied, unless the database was closed or ctx has ended.
func (db *DB) read(ctx context.Context, f func(*engine.Engine) error) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	return db.host.Read(f)
}

// readUser is read with all that is known of a user in the engine.
func (db *DB) readUser(ctx context.Context, user string, f func(*engine.Engine) error) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	return db.host.ReadUser(ctx, user, f)
}

// begin refuses to read from a database that was closed, and for somebody who doesn't wait any more.
func (db *DB) begin(ctx context.Context) error {
	if db.closed.Load() {
		return fault.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// readEntity is read with an entity in the engine.
func (db *DB) readEntity(ctx context.Context, kind EntityKind, id string, f func(*engine.Engine) error) error {
	if kind == User {
		return db.readUser(ctx, id, f)
	}
	return db.read(ctx, f)
}

// Schema returns the current version of the schema. It must not be changed.
func (db *DB) Schema() *schema.Schema {
	var s *schema.Schema
	_ = db.host.Read(func(e *engine.Engine) error {
		s, _ = e.Schema()
		return nil
	})
	return s
}

// Digest returns the hash of all replicated state. Databases that hold the same events have the same digest. It is zero
// if users who aren't in memory can't be read from the disk; everything else waits while they are.
func (db *DB) Digest() Digest {
	d, _ := db.host.Digest()
	return d
}

// DigestCells returns the hash of the cells alone. It depends on the events' own ids, types, weights and times, not on when
// or in which order they were written. It is zero when [DB.Digest] is.
func (db *DB) DigestCells() Digest {
	d, _ := db.host.DigestCells()
	return d
}

// Lane returns the number n such that the requests 1 to n of a lane were all accepted; false when the lane is
// unknown. A producer that starts again goes on behind n.
func (db *DB) Lane(producer string) (n uint64, ok bool) {
	_ = db.host.Read(func(e *engine.Engine) error {
		n, ok = e.Lanes().Prefix(producer)
		return nil
	})
	return n, ok
}

// Stats says how much the database holds.
func (db *DB) Stats() Stats {
	var s Stats
	_ = db.host.Read(func(e *engine.Engine) error {
		c, m := e.Counters(), e.UserMemory()
		s = Stats{
			Items: e.Known(Item), Users: e.Known(User), Creators: e.Known(Creator), Cells: e.Cells(),
			Signals: c.Signals, Clamped: c.Clamped, Parked: e.Parked(), Vector: e.Vector(), StateBytes: e.Memory(),
			UserMemory: UserMemory{
				Resident: m.Resident, Cold: m.Cold, Bytes: m.Bytes, Queued: m.QueuedBytes, Budget: m.Budget,
				Evicted: m.Evicted, Warmed: m.Warmed,
			},
			ViewBytes: viewsOf(e).Memory(),
		}
		if c.HasNewest {
			s.Newest = time.UnixMilli(c.Newest).UTC()
		}
		return nil
	})
	s.LogBytes = db.host.LogBytes()
	s.HiddenServed = db.hidden.Load()
	s.Exports, s.Log = db.exportStats(), db.host.LogHeld()
	s.Syncs, s.Group = db.host.Syncs(), db.host.GroupStats()
	s.Sessions, s.Tokens = db.sessions.stats(), db.tokens.stats()
	return s
}
