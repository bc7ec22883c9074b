package wal

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
)

const (
	defaultSegmentBytes = 16 << 20
	maxSegmentBytes     = 1 << 30
)

// Options says where a log is and whose it is.
type Options struct {
	// FS is the file system; nil stands for [vfs.Default].
	FS vfs.FS
	// Dir holds the files of this log and of no other. It is created when it doesn't exist.
	Dir string
	// Identity must be the one that the log was created with.
	Identity Identity
	// SegmentBytes is the size of a file, from 1 byte to 1 GiB; 0 stands for 16 MiB. A file grows beyond it only for
	// an entry that wouldn't fit into an empty one.
	SegmentBytes int64
	// ReadOnly opens without the lock and changes nothing, beside a process that writes if need be; the log then
	// shows what there was at open, and every call that writes returns an error.
	ReadOnly bool
	// Visit, if it isn't nil, is called at open with what each file holds, in order, while it is read anyway: so nobody who
	// must know what the entries are reads them once more. See [Visited].
	Visit func(Visited)
}

// Visited is one step of what Open reads: an entry, or, without data, that whatever was told of before at its index and
// above is void, and that the log begins anew if that lies beyond what was told. Data is valid during the call.
type Visited struct {
	Kind  Kind
	Index uint64
	Data  []byte
}

// Entry reports whether it is one.
func (v *Visited) Entry() bool { return v.Kind.entry() }

// Entry is one entry of Raft's log.
type Entry struct {
	// Kind is [KindBatch], [KindEmpty] or [KindConfiguration].
	Kind Kind
	// Term and Index are Raft's; indexes are consecutive.
	Term, Index uint64
	// Data is opaque, at most [MaxEntryBytes], and empty for [KindEmpty].
	Data []byte
}

// HardState is what Raft must remember beside its entries. Zeros mean that nothing was recorded yet.
type HardState struct {
	Term, Vote, Commit uint64
}

// Recovery says what Open found.
type Recovery struct {
	// FirstIndex and LastIndex are those of the entries; LastIndex is FirstIndex−1 when there are none.
	FirstIndex, LastIndex uint64
	// HardState is the last one recorded.
	HardState HardState
	// Segments is the number of files.
	Segments int
	// Created says that the log is new.
	Created bool
	// TornBytes were cut behind TornOffset of TornFile because no sync was ever proved to have covered them: a write
	// that a crash interrupted. 0 after a clean end.
	TornBytes  int64
	TornFile   string
	TornOffset int64
}

// Log is an open log. See the package comment for who may call what.
type Log struct {
	options  Options
	fs       vfs.FS
	lock     io.Closer
	writer   writer
	released []string // files to remove, oldest first; the writer's

	mu         sync.RWMutex
	index      index         // the writer changes it under mu, and may read it without
	durable    uint64        // last entry that was synced
	superseded uint64        // how often entries were
	failed     error         // the first failure of the disk; final
	closed     bool          // after Close
	moved      chan struct{} // closed and replaced when durable, failed or closed changes
	tails      map[*Tail]struct{}
}

// Open opens the log in a directory, or creates it.
//
// It reads and checks every file. [Recovery] says what was found, and what was cut as a torn tail. On return everything
// recovered is durable. Whether the oldest entries are all there only the caller can tell, by comparing FirstIndex with
// what it has applied: files that were released look like files that were lost.
//
// Errors: *[fault.Corrupt] for a record that was durable and is damaged, or missing; [fault.ErrFormatTooNew] for a file
// or record of a newer tidal; [fault.ErrForeign] when the log is another replica's; [fault.ErrLocked] when another
// process has it; [fault.ErrDisk] when the repair of the tail failed; [fault.ErrNotFound] when there is no log and
// ReadOnly is set.
func Open(options Options) (*Log, Recovery, error) {
	if err := options.complete(); err != nil {
		return nil, Recovery{}, err
	}
	l := &Log{
		options: options, fs: options.FS,
		moved: make(chan struct{}), tails: make(map[*Tail]struct{}),
	}
	if !options.ReadOnly {
		if err := vfs.MkdirAll(l.fs, options.Dir); err != nil {
			return nil, Recovery{}, fmt.Errorf("open log: %w: %w", fault.ErrDisk, err)
		}
		lock, err := vfs.Lock(l.fs, options.Dir)
		if err != nil {
			return nil, Recovery{}, fmt.Errorf("open log: %w", err)
		}
		l.lock = lock
	}
	found, err := l.recover()
	if err != nil {
		_ = l.release() // the error that led here is the one to report
		return nil, Recovery{}, fmt.Errorf("open log: %w%s", err, advice(err))
	}
	return l, found, nil
}

// advice says what an operator can do about an error of Open.
func advice(err error) string {
	if !errors.Is(err, fault.ErrCorrupt) {
		return ""
	}
	return "; rebuild this replica from a peer or a backup, or give up what the damage hides with " +
		"`tidal wal cut --accept-loss`"
}

// complete fills in defaults and refuses what can't work.
func (o *Options) complete() error {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	switch {
	case o.Dir == "":
		return fault.Refuse("dir", "is empty")
	case o.SegmentBytes < 0 || o.SegmentBytes > maxSegmentBytes:
		return fault.Refuse("segment_bytes", "is %d; it must be from 1 to %d, or 0 for %d",
			o.SegmentBytes, maxSegmentBytes, defaultSegmentBytes)
	case len(o.Identity.Tenant) > id.MaxLen:
		return fault.Refuse("tenant", "has %d bytes; the limit is %d", len(o.Identity.Tenant), id.MaxLen)
	}
	return nil
}

// Close writes a last sync mark, makes it durable and gives up the directory. Tails end with [fault.ErrClosed]. It
// returns the failure of the disk if there was one, now or earlier. A second call returns [fault.ErrClosed].
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return fmt.Errorf("close log: %w", fault.ErrClosed)
	}
	l.mu.Unlock()
	var err error
	if !l.options.ReadOnly {
		err = l.seal()
	}
	l.mu.Lock()
	l.closed = true
	l.announce()
	l.mu.Unlock()
	if cerr := l.release(); err == nil {
		err = cerr
	}
	return err
}

// seal leaves a clean end: everything synced, and a durable mark behind it that proves so.
func (l *Log) seal() error {
	if err := l.Sync(); err != nil {
		return err
	}
	if err := l.Mark(); err != nil {
		return err
	}
	return l.Sync()
}

// release closes the file and the lock, in this order, so that whoever gets the lock finds nobody writing.
func (l *Log) release() error {
	var first error
	if l.writer.file != nil {
		if err := l.writer.file.Close(); err != nil {
			first = fmt.Errorf("close %s: %w", l.writer.segment.name, err)
		}
		l.writer.file = nil
	}
	if l.lock != nil {
		if err := l.lock.Close(); err != nil && first == nil {
			first = fmt.Errorf("unlock %s: %w", l.options.Dir, err)
		}
		l.lock = nil
	}
	return first
}

// announce wakes the tails that wait; l.mu is held.
func (l *Log) announce() {
	close(l.moved)
	l.moved = make(chan struct{})
}

// fail records the first failure of the disk and returns it. It is final: after a failed sync nobody knows what the
// kernel kept, and a second one may succeed without having written anything.
func (l *Log) fail(doing string, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = fmt.Errorf("%s: %w: %w", doing, fault.ErrDisk, err)
		l.announce()
	}
	return l.failed
}

// writable returns why nothing can be written.
func (l *Log) writable(doing string) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case l.closed:
		return fmt.Errorf("%s: %w", doing, fault.ErrClosed)
	case l.failed != nil:
		return fmt.Errorf("%s: log stopped earlier: %w", doing, l.failed)
	case l.options.ReadOnly:
		return fmt.Errorf("%s: log is open for reading only", doing)
	}
	return nil
}
