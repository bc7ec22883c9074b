package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
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
	// Tracer receives every transition, from one goroutine; nil is off.
	Tracer lifecycle.Tracer
	// SegmentBytes is the size of a log file; 0 is the log's default.
	SegmentBytes int64
	// MaxWaiting bounds the requests that wait to be stamped; 0 is 4,096.
	MaxWaiting int
	// SkewBound is how far a stamp may lie ahead of the wall clock; 0 is 2 s.
	SkewBound time.Duration
}

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
	if o.SkewBound == 0 {
		o.SkewBound = 2 * time.Second
	}
}

// Replica is one open replica. Its methods may be called from anywhere.
type Replica struct {
	opts     Options
	identity identity
	origin   id.Origin
	lock     io.Closer
	log      *wal.Log
	recovery wal.Recovery

	mu     sync.RWMutex // guards engine against the loop's applying
	engine *engine.Engine

	loop *loop // nil when read only

	closing sync.Once
	closed  error
}

// Open opens a directory. When it returns, everything that was acknowledged before is visible, and the replica
// stamps.
func Open(ctx context.Context, opts Options) (*Replica, error) {
	opts.complete()
	r := &Replica{opts: opts}
	if err := r.open(ctx); err != nil {
		r.abandon()
		return nil, err
	}
	return r, nil
}

func (r *Replica) open(ctx context.Context) error {
	if err := r.identify(); err != nil {
		return err
	}
	who, err := r.identity.wal()
	if err != nil {
		return err
	}
	r.log, r.recovery, err = wal.Open(wal.Options{
		FS: r.opts.FS, Dir: r.opts.FS.PathJoin(r.opts.Dir, logDir), Identity: who,
		SegmentBytes: r.opts.SegmentBytes, ReadOnly: r.opts.ReadOnly,
	})
	if err != nil {
		return err
	}
	r.origin = r.identity.origin()
	r.engine = engine.New(engine.Config{Origin: r.origin})
	restored, err := r.replay()
	if err != nil || r.opts.ReadOnly {
		return err
	}
	if r.loop, err = startLoop(r, restored); err != nil {
		return err
	}
	return r.loop.awaitLead(ctx)
}

// identify takes the directory's lock and learns whose it is; a new directory gets an identity.
func (r *Replica) identify() error {
	fsys, dir := r.opts.FS, r.opts.Dir
	if dir == "" {
		return fault.Refuse("dir", "is empty")
	}
	var err error
	if r.opts.ReadOnly || r.opts.MustExist {
		if r.identity, err = readIdentity(fsys, dir); err != nil || r.opts.ReadOnly {
			return err
		}
	}
	if err := vfs.MkdirAll(fsys, dir); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	if r.lock, err = vfs.Lock(fsys, dir); err != nil {
		return err
	}
	r.identity, err = readIdentity(fsys, dir)
	if errors.Is(err, fault.ErrNotFound) {
		r.identity, err = makeIdentity(fsys, dir)
	}
	return err
}

// Recovery says what the log held at open, and what was cut of it as a torn tail.
func (r *Replica) Recovery() wal.Recovery { return r.recovery }

// Origin is the group that this replica stamps for.
func (r *Replica) Origin() id.Origin { return r.origin }

// Write hands in a request, checked, and waits until it is durable and visible, or refused.
//
// When ctx ends first the request may still be written: the error then is the context's and fault.ErrUnknown.
func (r *Replica) Write(ctx context.Context, req *replica.Request) (replica.Receipt, error) {
	if r.loop == nil {
		return replica.Receipt{}, errReadOnly
	}
	return r.loop.write(ctx, req)
}

var errReadOnly = errors.New("database is open for reading only")

// Read calls f with the engine while nothing is applied. f must not keep what it is given, nor call Write.
func (r *Replica) Read(f func(*engine.Engine) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return f(r.engine)
}

// Original reads the signal at an own position back from the log, as a compensation must carry it. fault.ErrNotFound
// means that there is no such event, or that it is no signal.
func (r *Replica) Original(p id.Position) (record.Compensation, error) {
	return findOriginal(r.log, r.origin, p)
}

// Close ends what was begun, stops the goroutines and releases the directory. Requests that were not stamped yet end
// with fault.ErrClosed. It returns the disk's failure if there was one.
func (r *Replica) Close() error {
	r.closing.Do(func() {
		if r.loop != nil {
			r.closed = r.loop.stop()
		}
		if err := r.release(); r.closed == nil {
			r.closed = err
		}
	})
	return r.closed
}

// abandon gives up a half-open replica; the error that led here is the one to report.
func (r *Replica) abandon() {
	if r.loop != nil {
		_ = r.loop.stop()
	}
	_ = r.release()
}

func (r *Replica) release() error {
	var first error
	if r.log != nil {
		first = r.log.Close()
	}
	if r.lock != nil {
		if err := r.lock.Close(); first == nil && err != nil {
			first = fmt.Errorf("unlock %s: %w", r.opts.Dir, err)
		}
	}
	return first
}

// Exclusive calls f with the engine while nothing is applied and nobody reads.
func (r *Replica) Exclusive(f func(*engine.Engine) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return f(r.engine)
}

// LogBytes is the size of the log's files.
func (r *Replica) LogBytes() int64 {
	dir := r.opts.FS.PathJoin(r.opts.Dir, logDir)
	names, err := r.opts.FS.List(dir)
	if err != nil {
		return 0
	}
	total := int64(0)
	for _, name := range names {
		if info, err := r.opts.FS.Stat(r.opts.FS.PathJoin(dir, name)); err == nil {
			total += info.Size()
		}
	}
	return total
}
