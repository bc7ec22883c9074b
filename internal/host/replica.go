package host

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/internal/ship"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/token"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
	"github.com/tidaldb/tidal/lifecycle"
)

// Options describe a replica's process. The zero value of all but Dir is right for an embedded database.
type Options struct {
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// Dir is the directory. It is made when it doesn't exist, unless MustExist is set.
	Dir       string
	MustExist bool
	// ReadOnly changes nothing and takes no lock; writes are refused.
	ReadOnly bool
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
	// Random is where a new directory's cluster id and keys are drawn from; nil is the operating system.
	Random io.Reader
	// Tracer receives every transition, from one goroutine; nil is off.
	Tracer lifecycle.Tracer
	// SegmentBytes is the size of a log file; 0 is the log's default.
	SegmentBytes int64
	// MaxWaiting bounds the requests that wait to be stamped; 0 is 4,096.
	MaxWaiting int
	// SkewBound is how far a stamp may lie ahead of the wall clock; 0 is 2 s.
	SkewBound time.Duration

	// Ticks are Raft's times; what is zero is that of a group of one. Founder is where a new directory's replica is
	// reached, which founds a group, unless Joining is set: then it waits for the leader of the one that it joins.
	Ticks   Ticks
	Founder consensus.Member
	Joining bool

	// Store opens the checkpoint; nil is Pebble in the directory's folder "store".
	Store OpenStore
	// RangeBytes is how much of the log gathers before the checkpoint follows; 0 is 64 MiB, and below 0 it follows only
	// when Checkpoint is called. While writes keep the loop
	// busy it waits, until LagBytes have gathered; 0 is 512 MiB. What a restart replays is at most about that and a range.
	RangeBytes, LagBytes int64
	// KeepBytes is up to how much of the log stays for members of the group who are given a snapshot, until they have what
	// lies behind that; beyond it they begin anew. 0 is 1 GiB.
	KeepBytes int64
	// UserMemory is how many bytes users may take in memory, beyond which those that nobody touches are left in the
	// checkpoint; 0 is 1 GiB, less than 0 is no bound. When an eighth of it is what the checkpoint lacks, that follows
	// early.
	UserMemory int64
	// FinalBytes is how much of the log behind the checkpoint makes a last one at Close worth its time; 0 is 1 MiB. Above
	// RangeBytes, Close doesn't take the time.
	FinalBytes int64
	// Retention says how long the log is kept behind the checkpoint; the zero value is seven days.
	Retention retention.Policy
	// RangesAlone makes compacted ranges of a log that is too large, also where the batches would take fewer bytes. It's for tests.
	RangesAlone bool

	// Views makes what follows what is applied about items, guarded as the engine is, for a new engine; nil is nobody.
	// [engine.Engine.Views] returns it.
	Views func() engine.Views

	// SessionDue is engine.Config's: it is told when sessions end by themselves. nil is nobody.
	SessionDue func(user, session string, due int64)

	// Regions has the replica ship to other regions, and take what they ship. ShipTicks are its times, and ShipWindow is how many
	// bytes may be on their way from each region, and ShipKeep how many of those applied last stay in memory for others; what is
	// zero is as in [ship.Config].
	Regions    bool
	ShipTicks  ship.Ticks
	ShipWindow int64
	ShipKeep   int64

	// Joined makes a new directory a member's of a group that others founded; nil founds one, or asks Group.Join.
	Joined *Joined
	// Group makes the replica a member that others can reach; nil is a group of one for good.
	Group *Group
	// Leads is told when the replica begins to lead a Group and when it ceases to, in order, by one goroutine, and before
	// Group.Leads is; nil is nobody. It may write.
	Leads func(bool)

	// both does two halves at the same time; nil does one after the other, as the simulator wants it.
	both func(a, b func())
	// join is asked who a new directory is, and known told it; nil is nobody.
	join  func() (*Joined, error)
	begin func(*Options) (identity, error) // of a new region's first member; nil for others
	known func(identity)
	// recovering opens a directory that is being recovered.
	recovering bool
}

// tick is how long a tick of Raft's clock is.
func (o *Options) tick() time.Duration {
	if o.Group == nil {
		return tickInterval
	}
	return o.Group.Tick
}

// random is where what nobody may guess is drawn from.
func (o *Options) random() io.Reader {
	if o.Random == nil {
		return rand.Reader
	}
	return o.Random
}

// skewBound is the bound unless another is given.
const skewBound = 2 * time.Second

func (o *Options) complete() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxWaiting == 0 {
		o.MaxWaiting = 4096
	}
	if o.RangeBytes == 0 {
		o.RangeBytes = 64 << 20
	}
	if o.LagBytes == 0 {
		o.LagBytes = 512 << 20
	}
	if o.UserMemory == 0 {
		o.UserMemory = 1 << 30
	}
	if o.KeepBytes == 0 {
		o.KeepBytes = 1 << 30
	}
	if o.FinalBytes == 0 {
		o.FinalBytes = 1 << 20
	}
	if o.SkewBound == 0 {
		o.SkewBound = skewBound
	}
}

// Replica is one open replica. Its methods may be called from anywhere.
type Replica struct {
	base    *Base
	hands   *hands
	loop    *loop  // nil when read only
	links   *links // nil outside of a group
	tends   *tending
	copies  copies
	lends   lender
	closing sync.Once
	closed  error
	handed  atomic.Bool // leadership was given away already, or was to stay

	keys struct {
		sync.Mutex
		own token.Keys // of a reader that found none; nil before it asks
	}
	tending sync.Mutex // held while keys are drawn and entered
	naming  sync.Mutex // held while a leader changes the region table
}

// Open opens a directory. When it returns, everything that was acknowledged before is visible, and the replica
// stamps. In a group everything is visible that this member knows to be committed, and it may or may not lead.
func Open(ctx context.Context, opts Options) (*Replica, error) {
	hands := startHands()
	if hands != nil {
		opts.both = hands.both
	}
	r := &Replica{hands: hands}
	err := r.open(ctx, opts)
	if err != nil {
		r.abandon()
		return nil, err
	}
	return r, nil
}

func (r *Replica) open(ctx context.Context, opts Options) (err error) {
	if opts.Group != nil {
		if err := r.connect(ctx, &opts); err != nil {
			return err
		}
	}
	if r.base, err = OpenBase(opts); err != nil || opts.ReadOnly {
		return err
	}
	if r.links == nil {
		if err := r.base.alone(); err != nil {
			return err
		}
	}
	if r.links != nil {
		if err := r.checkRegion(); err != nil {
			return err
		}
		if err := r.links.known(ctx, r.base.opts.Now()); err != nil {
			return err
		}
		r.links.know(r.base.known(), 0)
	}
	if r.loop, err = startLoop(r.base, r.links); err != nil {
		return err
	}
	if r.links != nil {
		r.startTending()
		r.links.group.replica = r
		r.links.asked.Store(r)
		return nil
	}
	return r.loop.awaitLead(ctx)
}

// connect opens the way to the others of a group, so that they can be asked who this one is.
func (r *Replica) connect(ctx context.Context, opts *Options) (err error) {
	if opts.ReadOnly {
		return fault.Refuse("group", "stands beside ReadOnly; who only reads is no member")
	}
	if err = opts.Group.complete(); err != nil {
		return err
	}
	if r.links, err = connect(opts.Group); err != nil {
		return err
	}
	g := opts.Group
	opts.Ticks = Ticks{Election: g.ElectionTicks, Heartbeat: g.HeartbeatTicks, Stall: g.StallTicks}
	opts.Founder = consensus.Member{Address: r.links.address(), URL: g.URL}
	opts.Regions = true
	opts.known = func(i identity) { r.links.who.Store(&i) }
	c := clock{opts.Now, opts.SkewBound}
	if c.now == nil {
		c.now = time.Now
	}
	if c.bound == 0 {
		c.bound = skewBound
	}
	switch {
	case len(g.Join) > 0:
		opts.join = func() (*Joined, error) { return r.links.join(ctx, c) }
	case g.Region != nil && len(g.Region.Join) > 0:
		opts.begin = func(o *Options) (identity, error) { return r.links.begin(ctx, o, c) }
	}
	return nil
}

// Recovery says what the log held at open, and what was cut of it as a torn tail.
func (r *Replica) Recovery() wal.Recovery { return r.base.Recovery }

// Loaded is how many signals the checkpoint held at open; what came behind them was applied from the log.
func (r *Replica) Loaded() uint64 { return r.base.loaded }

// Origin is the group that this replica stamps for.
func (r *Replica) Origin() id.Origin { return r.base.Origin() }

// Write hands in a request, checked, and waits until it is durable and visible, or refused.
//
// When ctx ends first the request may still be written: the error then is the context's and fault.ErrUnknown.
func (r *Replica) Write(ctx context.Context, req *replica.Request) (Receipt, error) {
	if r.loop == nil {
		return Receipt{}, errReadOnly
	}
	if err := r.clockWrong(); err != nil {
		return Receipt{}, err
	}
	receipt, err := r.loop.write(ctx, req)
	return receipt, r.explain(err)
}

// explain says of an error that somebody else leads who that is. A request that was under way when leadership was lost has
// such an error, too; that nobody knows what became of it must stay.
func (r *Replica) explain(err error) error {
	var known *fault.NotLeader
	if r.links == nil || !errors.Is(err, fault.ErrNotLeader) || errors.As(err, &known) || errors.Is(err, fault.ErrUnknown) {
		return err
	}
	return r.loop.here().notLeader()
}

var errReadOnly = errors.New("database is open for reading only")

// Read calls f with the engine while nothing is applied. f must not keep what it is given, nor call Write. To read a
// user, or all records, there are [Replica.ReadUser], [Replica.Digest] and so on: users may be cold.
func (r *Replica) Read(f func(*engine.Engine) error) error {
	r.base.mu.RLock()
	defer r.base.mu.RUnlock()
	return f(r.base.Engine)
}

// Original reads the signal at an own position back from the log, as a compensation must carry it. fault.ErrNotFound
// means that there is no such event, or that it is no signal.
func (r *Replica) Original(p id.Position) (record.Compensation, error) {
	return r.base.Original(p)
}

// Close ends what was begun, stops the goroutines and releases the directory. Requests that were not stamped yet end
// with fault.ErrClosed. It returns the disk's failure if there was one.
func (r *Replica) Close() error {
	r.closing.Do(func() {
		r.lends.end()
		r.copies.end()
		if r.loop != nil {
			if r.links != nil && !r.handed.Load() {
				r.HandOver(context.Background())
			}
			r.tends.stop()
			if r.closed = r.loop.stop(); r.closed == nil {
				r.closed = r.loop.follow.finish()
			}
		}
		if r.links != nil {
			if err := r.links.close(); r.closed == nil {
				r.closed = err
			}
		}
		if err := r.base.Close(); r.closed == nil {
			r.closed = err
		}
		r.hands.stop()
	})
	return r.closed
}

// Checkpoint brings the checkpoint after everything that was written by now, durably: opening the directory is quick
// then. It is made in any case, sooner or later.
func (r *Replica) Checkpoint(ctx context.Context) error {
	if r.loop == nil {
		return errReadOnly
	}
	return r.loop.follow.checkpoint(ctx)
}

// abandon gives up a half-open replica; the error that led here is the one to report.
func (r *Replica) abandon() {
	r.tends.stop()
	if r.loop != nil {
		_ = r.loop.stop()
	}
	if r.links != nil {
		_ = r.links.close()
	}
	if r.base != nil {
		_ = r.base.Close()
	}
	r.hands.stop()
}

// LogBytes is the size of the log's files.
func (r *Replica) LogBytes() int64 {
	dir := r.base.opts.FS.PathJoin(r.base.opts.Dir, logDir)
	names, err := r.base.opts.FS.List(dir)
	if err != nil {
		return 0
	}
	total := int64(0)
	for _, name := range names {
		if info, err := r.base.opts.FS.Stat(r.base.opts.FS.PathJoin(dir, name)); err == nil {
			total += info.Size()
		}
	}
	return total
}

// ReadUser is [Base.ReadUser].
func (r *Replica) ReadUser(ctx context.Context, user string, f func(*engine.Engine) error) error {
	return r.base.ReadUser(ctx, user, f)
}

// Effort is how much of its time the goroutine of writes works, in percent; what can wait gives way to it.
func (r *Replica) Effort() int64 { return r.base.effort.percent.Load() }

// Retractions is [Base.Retractions].
func (r *Replica) Retractions() uint64 { return r.base.Retractions() }

// Digest is [Base.Digest].
func (r *Replica) Digest() (state.Digest, error) { return r.base.Digest() }

// DigestCells is [Base.DigestCells].
func (r *Replica) DigestCells() (state.Digest, error) { return r.base.DigestCells() }

// Records is [Base.Records].
func (r *Replica) Records(yield func(engine.Record) bool) error { return r.base.Records(yield) }

// ColdEntities is [Base.ColdEntities].
func (r *Replica) ColdEntities(after string, limit int) ([]string, error) {
	return r.base.ColdEntities(after, limit)
}
