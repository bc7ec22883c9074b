package host

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/store"
)

// Users beyond the budget are cold: see package engine. What is done about it here is to cut the log into windows, of
// which each becomes one commit of the checkpoint, and to fetch from there whom somebody wants to read.

// memory is what is known of the windows. What isn't atomic is guarded as the engine is.
type memory struct {
	cuts  []uint64 // last entries of windows that aren't stored
	bytes int64    // of the log, since the last cut
	// urgent is the end of the last window that users' memory asked for. While full is set, nothing more is proposed;
	// relieved, which has room for one, tells that it's no longer.
	urgent   atomic.Uint64
	full     atomic.Bool
	relieved chan struct{}
}

// remember cuts the log behind an entry that was applied if it's time to, and reports whether users take so much memory
// that the checkpoint should follow.
func (b *Base) remember(e consensus.Entry) (pressed bool) {
	b.memory.bytes += int64(len(e.Data))
	limit := b.opts.RangeBytes
	if limit < 0 {
		limit = maxRange
	}
	if pressed = b.Engine.Pressed(); pressed || b.memory.bytes >= limit {
		b.cut(e.Index)
	}
	if pressed {
		b.memory.urgent.Store(e.Index)
	}
	full := b.Engine.Full()
	b.memory.full.Store(full)
	return pressed || full
}

func (b *Base) cut(index uint64) {
	b.Engine.Cut(index)
	b.memory.cuts, b.memory.bytes = append(b.memory.cuts, index), 0
}

// rangeEnd returns where the window behind the last committed entry ends, and ends it if it is open. It returns the
// entry itself if there is nothing behind it.
func (b *Base) rangeEnd(committed uint64) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.memory.cuts) == 0 {
		applied := b.applied.Load()
		if applied == committed {
			return committed
		}
		b.cut(applied)
	}
	return b.memory.cuts[0]
}

// trimSteps is how many users are looked at while nobody else comes in.
const trimSteps = 1024

// stored notes that the checkpoint has a window, and evicts whom that allows to.
func (b *Base) stored(mark uint64) {
	b.mu.Lock()
	if b.memory.cuts[0] != mark {
		panic(fmt.Sprintf("host: entry %d is stored, the window ends at %d", mark, b.memory.cuts[0]))
	}
	b.memory.cuts = b.memory.cuts[1:]
	b.Engine.Stored(mark)
	b.mu.Unlock()
	for b.trim() {
	}
}

func (b *Base) trim() (more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	more = b.Engine.Trim(trimSteps)
	b.memory.full.Store(b.Engine.Full())
	return more
}

// pressed reports whether users' memory wants a range behind the committed entry to be stored.
func (b *Base) pressed(committed uint64) bool {
	return b.memory.full.Load() || b.memory.urgent.Load() > committed
}

// relieve lets writers go on: what could be done about memory is done.
func (b *Base) relieve() {
	for b.trim() {
	}
	b.memory.full.Store(false)
	select {
	case b.memory.relieved <- struct{}{}:
	default:
	}
}

// ReadUser calls f with the engine, in which the user's records are; nothing is applied meanwhile. A user who is cold is
// fetched first, and then f is called while nobody else reads either.
func (b *Base) ReadUser(ctx context.Context, user string, f func(*engine.Engine) error) error {
	if done, err := b.readResident(user, f); done {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read user %q: %w", user, err)
		}
		mark, records, err := b.fetch(user)
		if err != nil {
			return fmt.Errorf("read user %q from the checkpoint: %w", user, err)
		}
		if done, err := b.readFetched(user, mark, records, f); done {
			return err
		}
	}
}

func (b *Base) readResident(user string, f func(*engine.Engine) error) (done bool, err error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.Engine.Cold(user) {
		return false, nil
	}
	return true, f(b.Engine)
}

// readFetched is false if the checkpoint went on since the records were read.
func (b *Base) readFetched(user string, mark uint64, records []engine.Record, f func(*engine.Engine) error) (done bool,
	err error,
) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if done, err = b.Engine.Warm(user, mark, records); !done || err != nil {
		return err != nil, err
	}
	err = f(b.Engine)
	b.Engine.Trim(trimSteps / 16)
	if b.Engine.Pressed() || b.Engine.Full() {
		b.memory.full.Store(b.Engine.Full())
		b.memory.urgent.Store(b.applied.Load())
		b.wake()
	}
	return true, err
}

// fetch reads what the checkpoint has of a user, beside those who apply and read.
func (b *Base) fetch(user string) (mark uint64, out []engine.Record, err error) {
	v, err := b.store.Load().View()
	if err != nil {
		return 0, nil, err
	}
	defer func() {
		if cerr := v.Close(); err == nil {
			err = cerr
		}
	}()
	for r, err := range v.Owner(id.KindUser, user) {
		if err != nil {
			return 0, nil, err
		}
		rec := recordOf(&r)
		rec.Value = bytes.Clone(rec.Value)
		out = append(out, rec)
	}
	return v.Meta().Applied, out, nil
}

func recordOf(r *store.Record) engine.Record {
	return engine.Record{Kind: r.Kind, OwnerKind: r.OwnerKind, Owner: r.Owner, Gen: r.Generation, Sub: r.Sub, Value: r.Value}
}

// storeView is a view of the store as the engine wants it.
type storeView struct{ *store.View }

// Mark is the entry that it is the state after.
func (v storeView) Mark() uint64 { return v.Meta().Applied }

// Users walks users' records.
func (v storeView) Users(after string, yield func(engine.Record) bool) error {
	for r, err := range v.Owners(id.KindUser, after) {
		if err != nil {
			return err
		}
		if !yield(recordOf(&r)) {
			return nil
		}
	}
	return nil
}

// withView calls f with a view of the store, nil if nobody is cold.
func (b *Base) withView(f func(v engine.View) error) (err error) {
	if b.Engine.AllResident() {
		return f(nil)
	}
	v, err := b.store.Load().View()
	if err != nil {
		return err
	}
	defer func() {
		if cerr := v.Close(); err == nil {
			err = cerr
		}
	}()
	return f(storeView{v})
}

// Digest is the engine's, cold users included. They are read from the checkpoint, while everything else waits.
func (b *Base) Digest() (state.Digest, error) { return b.digest((*engine.Engine).DigestWith) }

// DigestCells is the engine's, cold users included; see [Base.Digest].
func (b *Base) DigestCells() (state.Digest, error) { return b.digest((*engine.Engine).DigestCellsWith) }

func (b *Base) digest(of func(*engine.Engine, engine.View) (state.Digest, error)) (d state.Digest, err error) {
	// A digest is kept per bucket, so computing one writes: no other reader may look on.
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.withView(func(v engine.View) error {
		d, err = of(b.Engine, v)
		return err
	})
	return d, err
}

// Records is the engine's, cold users included. Nothing is applied meanwhile.
func (b *Base) Records(yield func(engine.Record) bool) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.withView(func(v engine.View) error { return b.Engine.RecordsWith(v, yield) })
}

// ColdEntities returns the ids behind after, in ascending order and at most limit, of users who were put or patched and
// whom an [engine.Listing] that is through by now may have missed. Some may be resident, and some not exist.
func (b *Base) ColdEntities(after string, limit int) (ids []string, err error) {
	b.mu.RLock()
	if b.Engine.AllResident() {
		b.mu.RUnlock()
		return nil, nil
	}
	queued := b.Engine.QueuedUsers(after)
	v, err := b.store.Load().View()
	b.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := v.Close(); err == nil {
			err = cerr
		}
	}()
	err = storeView{v}.Users(after, func(r engine.Record) bool {
		if r.Kind == algebra.KindEntity {
			ids = append(ids, r.Owner)
		}
		return len(ids) < limit
	})
	ids = append(ids, queued...)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(limit, len(ids))], err
}
