package engine

import (
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
)

// Fold applies a range of entries onto nothing. What it then holds is the range's effect: merged into the state
// before the range, record by record, it gives the state after it. That is so because no effect reads what it changes;
// and it is how a checkpoint follows its log, and how a stretch of log is compacted.
//
// It is an engine, with the same door. What an engine remembers beside its records goes on from range to range: the
// vector, the schema versions, lanes and keys, what is parked.
type Fold struct {
	engine *Engine
	stored map[string]bool // parked batches that the locals of an earlier range told of
}

// NewFold returns a fold that begins before the first entry, or, after [Fold.Load], [Fold.LoadLocal] and
// [Fold.Loaded], behind a checkpoint.
func NewFold(cfg Config) *Fold {
	cfg.UserMemory = 0 // of a range everything is here
	cfg.Views = nil    // they follow the whole
	cfg.SessionDue = nil
	f := &Fold{engine: New(cfg), stored: map[string]bool{}}
	f.engine.folding = true
	f.engine.fallen.changed = map[id.Position]bool{}
	f.engine.lanes.Track()
	return f
}

// Load is [Engine.Load]. It looks at those records alone that belong to no entity; the others may be left out.
func (f *Fold) Load(r Record) error {
	if r.Kind != algebra.KindSchemaVersion && r.Kind != algebra.KindFormatLevel {
		return nil
	}
	return f.engine.Load(r)
}

// LoadLocal is [Engine.LoadLocal]. All of them are needed.
func (f *Fold) LoadLocal(key, value []byte) error {
	if len(key) > 0 && key[0] == localParked {
		f.stored[string(key)] = true
	}
	return f.engine.LoadLocal(key, value)
}

// Loaded is [Engine.Loaded].
func (f *Fold) Loaded(v id.VersionVector) {
	f.engine.Loaded(v)
	f.engine.lanes.Changes(func(_, _ []byte) bool { return true })
	f.Reset()
}

// Apply is [Engine.Apply].
func (f *Fold) Apply(data []byte) (Result, error) { return f.engine.Apply(data) }

// Vector returns the set of events of all ranges so far.
func (f *Fold) Vector() id.VersionVector { return f.engine.vector }

// Parked says how many batches wait.
func (f *Fold) Parked() int { return f.engine.Parked() }

// Deleted calls yield with the entities that the range deleted, and their generations: what is filed under lower ones
// may be swept.
func (f *Fold) Deleted(yield func(kind id.Kind, owner string, gen hlc.Timestamp)) {
	t := f.engine.table
	for _, h := range f.halves() {
		for _, d := range h.deleted {
			yield(d.kind, t.Name(d.kind, d.ord), t.Generation(d.kind, d.ord))
		}
	}
}

// Effects calls yield with the range's effect on each record, an owner's together, its generation first and as a record
// of its own. Values are valid until yield returns.
func (f *Fold) Effects(yield func(Record) bool) {
	t := f.engine.table
	for kind := state.KindGlobal; kind <= id.Kinds; kind++ {
		for n := range t.Owners(kind) {
			r := Record{OwnerKind: kind, Owner: t.Name(kind, n), Gen: t.Generation(kind, n)}
			if r.Gen != 0 {
				r.Kind = algebra.KindGeneration
				if !yield(r) {
					return
				}
			}
			for key, value := range t.All(kind, n) {
				r.Kind, r.Sub, r.Value = key.Kind, key.Sub, value
				if !yield(r) {
					return
				}
			}
		}
	}
}

// Locals calls yield with every group-local record that the range changed; a nil value removes it. Both are valid until
// yield returns. It goes through once per range.
func (f *Fold) Locals(yield func(key, value []byte)) {
	e := f.engine
	yield([]byte{localStamps}, e.appendStamps(nil))
	e.lanes.Changes(func(key, value []byte) bool {
		yield(key, value)
		return true
	})
	for _, origin := range e.recentOrigins() {
		yield(recentKey(origin), e.recent[origin].append(nil))
	}
	e.fallen.fallenChanges(yield)
	now := map[string]bool{}
	for _, origin := range e.parkedOrigins() {
		p := e.parked[origin]
		first := e.vector.Get(origin) + 1
		for _, data := range p.batches {
			key := parkedKey(origin, first)
			if now[key] = true; !f.stored[key] {
				yield([]byte(key), data)
			}
			first = lastOf(data) + 1
		}
	}
	for _, key := range sortedKeys(f.stored) {
		if !now[key] {
			yield([]byte(key), nil)
		}
	}
	f.stored = now
}

// Reset begins the next range.
func (f *Fold) Reset() {
	f.engine.table.Reset()
	for _, h := range f.halves() {
		h.deleted = h.deleted[:0]
	}
	f.engine.loading = loading{}
}

func sortedKeys(m map[string]bool) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// lastOf returns the last number of a batch that was opened before.
func lastOf(data []byte) id.Seq {
	b, err := record.Open(data)
	if err != nil {
		panic(fmt.Sprintf("engine: parked batch: %v", err))
	}
	return b.Header.Last
}

func (f *Fold) halves() [2]*half { return [2]*half{&f.engine.items, &f.engine.users} }
