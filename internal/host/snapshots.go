package host

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/lane"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/store"
)

// Snapshots does a core's work on snapshots: it holds instants of the store for members that need them, and stages what
// comes from another. It's one goroutine's, which may be another than the one that steps the core; package host has one for
// it, so that neither Raft's time nor a write waits for a chunk.
type Snapshots struct {
	base    *Base
	sending map[uint64]*store.Snapshot // by receiver
	staging *store.Installer           // nil while nothing is received
	ready   *loaded                    // what was staged, in memory
}

// maxSending bounds how many instants are held at a time: each keeps files of the store that were replaced since.
const maxSending = 4

// Snapshots returns the directory's one.
func (b *Base) Snapshots() *Snapshots {
	if b.snapshots == nil {
		b.snapshots = &Snapshots{base: b, sending: map[uint64]*store.Snapshot{}}
	}
	return b.snapshots
}

// Do does one piece of work. An error beside the result is the disk's: the replica can't go on.
func (x *Snapshots) Do(w replica.SnapWork) (r replica.SnapResult, err error) {
	r.SnapWork = w
	switch w.Kind {
	case replica.SnapOpen:
		r.Instant, r.Err = x.open(w.Peer)
	case replica.SnapRead:
		r.Chunk, r.Last, r.Err = x.read(&w)
	case replica.SnapClose:
		r.Err = x.drop(w.Peer)
	case replica.SnapBegin:
		r.Err = x.begin()
	case replica.SnapAdd:
		r.Progress, r.Last, r.Err = x.add(w.Chunk)
		r.Chunk = nil
	case replica.SnapPrepare:
		r.Err = x.prepare(w.Instant)
	case replica.SnapAbort:
		r.Err = x.abort()
	}
	if r.Err != nil && !excusable(w.Kind, r.Err) {
		return r, fmt.Errorf("snapshot: %w", ofDisk(r.Err))
	}
	return r, nil
}

// excusable reports whether a failure says something of the snapshot, or of the other replica, and nothing of this one: what
// is damaged when it's read is this one's.
func excusable(task replica.SnapTask, err error) bool {
	known := []error{fault.ErrNotFound, fault.ErrOutOfStep, fault.ErrOverloaded}
	if task == replica.SnapAdd || task == replica.SnapPrepare {
		known = []error{
			fault.ErrGap, fault.ErrCorrupt, fault.ErrForeign, fault.ErrFormatTooNew, fault.ErrFormatTooOld, fault.ErrOutOfStep,
		}
	}
	return !errors.Is(err, fault.ErrDisk) && slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) })
}

// open holds the newest checkpoint for a receiver, in the place of what was held for it.
func (x *Snapshots) open(peer uint64) (at replica.Instant, err error) {
	if err := x.drop(peer); err != nil {
		return at, err
	}
	if len(x.sending) >= maxSending {
		return at, fmt.Errorf("%d snapshots are being sent: %w", len(x.sending), fault.ErrOverloaded)
	}
	s := x.base.store.Load()
	if s == nil {
		return at, fmt.Errorf("no checkpoint was made yet: %w", fault.ErrNotFound)
	}
	snap, err := s.Snapshot()
	if err != nil {
		return at, err
	}
	m := snap.Meta()
	if m.Applied == 0 {
		return at, errors.Join(fmt.Errorf("the checkpoint is empty: %w", fault.ErrNotFound), snap.Close())
	}
	x.sending[peer] = snap
	return replica.Instant{Index: m.Applied, Term: m.Term, Head: snap.Head()}, nil
}

func (x *Snapshots) read(w *replica.SnapWork) (chunk []byte, last bool, err error) {
	snap := x.sending[w.Peer]
	if snap == nil || snap.Meta().Applied != w.Instant.Index || snap.Head() != w.Instant.Head {
		return nil, false, fmt.Errorf("snapshot of entry %d isn't held any more: %w", w.Instant.Index, fault.ErrNotFound)
	}
	return snap.Chunk(toStore(&w.Instant, &w.Progress))
}

// drop gives up what is held for a receiver.
func (x *Snapshots) drop(peer uint64) error {
	snap := x.sending[peer]
	if snap == nil {
		return nil
	}
	delete(x.sending, peer)
	return snap.Close()
}

// begin makes room for a snapshot, and a store if there is none.
func (x *Snapshots) begin() error {
	if err := x.abort(); err != nil {
		return err
	}
	s, err := x.base.madeStore()
	if err != nil {
		return err
	}
	x.staging, err = s.Installer()
	return err
}

func (x *Snapshots) add(chunk []byte) (p replica.SnapProgress, last bool, err error) {
	if x.staging == nil {
		return p, false, fmt.Errorf("nothing is received: %w", fault.ErrGap)
	}
	err = x.staging.Add(chunk)
	return fromStore(x.staging.Progress()), x.staging.Complete(), err
}

// prepare makes the engine of what was received.
func (x *Snapshots) prepare(at replica.Instant) error {
	if x.staging == nil {
		return fmt.Errorf("nothing is received: %w", fault.ErrGap)
	}
	s, err := x.staging.Staged()
	if err != nil {
		return err
	}
	m := s.Meta()
	if own := x.base.identity.Incarnation; m.Incarnation > own {
		return fmt.Errorf("snapshot is of incarnation %d of the group, this replica of %d: %w", m.Incarnation, own, fault.ErrForeign)
	}
	if m.Applied != at.Index || m.Term != at.Term {
		return fault.Damaged("", 0, "snapshot is of entry %d and term %d, and was offered as of %d and %d", m.Applied, m.Term,
			at.Index, at.Term)
	}
	x.ready, err = x.base.load(s, x.base.makeEngine())
	if err == nil && planted.SnapshotWithoutLanes {
		*x.ready.engine.Lanes() = *lane.New(lane.Options{})
	}
	return err
}

// abort drops what was received.
func (x *Snapshots) abort() error {
	in := x.staging
	x.staging, x.ready = nil, nil
	if in == nil {
		return nil
	}
	return in.Abort()
}

// install puts what was prepared in the place of everything; see [Base.install].
func (x *Snapshots) install(reset func(index, term uint64) error) error {
	in, ready := x.staging, x.ready
	x.staging, x.ready = nil, nil
	return x.base.install(in, ready, reset)
}

// Close gives up everything that is held.
func (x *Snapshots) Close() error {
	err := x.abort()
	for peer := range x.sending {
		err = errors.Join(err, x.drop(peer))
	}
	return err
}

func toStore(at *replica.Instant, p *replica.SnapProgress) store.Progress {
	out := store.Progress{Chunks: p.Chunks, Records: p.Records, After: p.After, Chain: p.Chain}
	if p.Chunks > 0 {
		out.Head = at.Head
	}
	return out
}

func fromStore(p store.Progress) replica.SnapProgress {
	return replica.SnapProgress{Chunks: p.Chunks, Records: p.Records, After: p.After, Chain: p.Chain}
}
