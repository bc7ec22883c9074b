package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/internal/ship"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
)

// Base is a replica's directory, opened: locked, its checkpoint loaded, and the log behind that replayed. Nothing drives it yet:
// a [Replica] does so with goroutines, the simulator on one thread, both by means of a [Stepper].
type Base struct {
	// Log is open, and Engine holds everything that the log says is committed. Restored is what consensus must know.
	Log      *wal.Log
	Engine   *engine.Engine
	Restored consensus.Restored
	// Recovery says what the log held at open, and what was cut of it as a torn tail.
	Recovery wal.Recovery

	opts     Options
	identity identity
	lock     io.Closer
	mu       sync.RWMutex // guards Engine: applying against reading

	// The checkpoint: what it said at open, the store if there is one by now, and what will follow the log for it.
	checkpointed consensus.Restored
	materialiser *Materialiser
	snapshots    *Snapshots
	// latest is the checkpoint that the store holds, nil for none. wanted says that some member needs a newer one, and keep is
	// the first entry that members who get a snapshot need, 0 for none.
	latest    atomic.Pointer[consensus.Restored]
	wanted    atomic.Bool
	keep      atomic.Uint64
	store     atomic.Pointer[store.Store]
	loaded    uint64 // signals that the checkpoint held
	makeStore func() (*store.Store, error)
	making    sync.Mutex   // held while the store is made
	fold      *engine.Fold // nil while there is no store
	makeFold  func() *engine.Fold
	segments  map[string]retention.Segment // what sealed files of the log hold, as far as it was looked at
	pins      pins
	streams   Streams
	reported  atomic.Pointer[noted] // what other regions said that they hold
	logHeld   atomic.Pointer[LogHeld]
	compacted uint64 // entry up to which pieces hold all that is needed; whoever lets the log go knows it
	// recalled is what other regions had reported before this replica was started, and opened the log's term then. caughtUp says
	// that everything is here that the others had when they were first heard of. What the file has, who lets the log go knows.
	recalled    []storedReport
	opened      uint64
	caughtUp    atomic.Bool
	openedAt    time.Time
	putOff      bool // the log is too large, and it's waited until the others are heard of
	keptReports []storedReport
	keptAt      time.Time
	// shipped are the batches that were applied since shipping last looked; guarded as the engine is.
	shipped []ship.Batch
	// place is where the engine is in the log: Applied, AppliedTerm and Members; guarded as the engine is.
	place consensus.Restored
	// retracted is what engines of before had for [engine.Engine.Retractions]; guarded as the engine is.
	retracted uint64
	// applied is the last entry applied. The bytes of the entries applied and of those stored count from open.
	applied atomic.Uint64
	// configured counts the changes of members that were applied.
	configured                atomic.Uint64
	appliedBytes, storedBytes atomic.Int64
	effort                    effort
	arrivals                  arrivals
	gathered                  chan struct{} // has room for one: the checkpoint should follow
	memory                    memory
	// Of named exports: held while they are changed, and what the last decision about the log said of them.
	exporting sync.Mutex
	held      atomic.Pointer[held]
}

// OpenBase opens a directory. A new one gets an identity.
func OpenBase(opts Options) (*Base, error) {
	opts.complete()
	b := &Base{opts: opts, segments: map[string]retention.Segment{}, gathered: make(chan struct{}, 1)}
	b.streams.base = b
	b.memory.relieved = make(chan struct{}, 1)
	if b.opts.Store == nil {
		b.opts.Store = b.openStore
	}
	if err := b.open(); err != nil {
		_ = b.Close() // the error that led here is the one to report
		return nil, err
	}
	return b, nil
}

func (b *Base) open() error {
	if err := b.identify(); err != nil {
		return err
	}
	who, err := b.identity.wal()
	if err != nil {
		return err
	}
	for again := lookAgain; ; again-- {
		b.streams.stretches = nil
		b.Log, b.Recovery, err = wal.Open(wal.Options{
			FS: b.opts.FS, Dir: b.opts.FS.PathJoin(b.opts.Dir, logDir), Identity: who,
			SegmentBytes: b.opts.SegmentBytes, ReadOnly: b.opts.ReadOnly, Visit: b.streams.visit,
		})
		if again == 0 || !b.opts.ReadOnly || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := b.recallReports(); err != nil {
		return err
	}
	if b.checkpointed, err = b.checkpoint(); err != nil {
		return err
	}
	if b.checkpointed.Applied > 0 {
		b.latest.Store(&b.checkpointed)
	}
	b.loaded = b.Engine.Counters().Signals
	if b.Restored, err = b.replay(); err != nil {
		return err
	}
	if err := b.streams.openPieces(); err != nil {
		return err
	}
	b.streams.opened(b.applied.Load(), b.Engine.Vector())
	return nil
}

// lookAgain is how often a reader lists the log's files anew because the writer beside it let one go before it was read.
const lookAgain = 16

// identify takes the directory's lock and learns whose it is; a new directory gets an identity.
func (b *Base) identify() error {
	fsys, dir := b.opts.FS, b.opts.Dir
	if dir == "" {
		return fault.Refuse("dir", "is empty")
	}
	var err error
	if !b.opts.recovering {
		if err := refuseRecovering(fsys, dir); err != nil {
			return err
		}
	}
	if b.opts.ReadOnly || b.opts.MustExist {
		if b.identity, err = readIdentity(fsys, dir); b.opts.ReadOnly || err != nil && !waitsToMoveUp(fsys, dir) {
			return err
		}
	}
	if err := vfs.MkdirAll(fsys, dir); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	if b.lock, err = vfs.Lock(fsys, dir); err != nil {
		return err
	}
	if _, err := moveUp(fsys, dir); err != nil {
		return err
	}
	b.identity, err = readIdentity(fsys, dir)
	if errors.Is(err, fault.ErrNotFound) {
		b.identity, err = b.newIdentity()
	}
	if err == nil && b.opts.known != nil {
		b.opts.known(b.identity)
	}
	return err
}

// newIdentity gives a new directory one: of a group that takes it in, of a new region, or of a database that it founds.
func (b *Base) newIdentity() (identity, error) {
	if b.opts.Joined == nil && b.opts.begin != nil {
		return b.opts.begin(&b.opts)
	}
	j := b.opts.Joined
	if j == nil && b.opts.join != nil {
		var err error
		if j, err = b.opts.join(); err != nil {
			return identity{}, err
		}
	}
	if j != nil {
		return makeJoined(b.opts.FS, b.opts.Dir, j)
	}
	return makeIdentity(b.opts.FS, b.opts.Dir, b.opts.random())
}

// Origin is the group that this replica stamps for.
func (b *Base) Origin() id.Origin { return b.identity.origin() }

// Original reads the signal at an own position back from the log, as a compensation must carry it. fault.ErrNotFound
// means that there is no such event, or that it is no signal.
func (b *Base) Original(p id.Position) (record.Compensation, error) {
	return b.original(p)
}

// Close releases the log and the directory, and returns the first failure.
func (b *Base) Close() error {
	var first error
	if b.snapshots != nil {
		first = b.snapshots.Close()
	}
	if s := b.store.Load(); s != nil {
		if err := s.Close(); first == nil {
			first = err
		}
	}
	if b.Log != nil {
		if err := b.Log.Close(); first == nil {
			first = err
		}
	}
	if b.lock != nil {
		if err := b.lock.Close(); first == nil && err != nil {
			first = fmt.Errorf("unlock %s: %w", b.opts.Dir, err)
		}
	}
	return first
}
