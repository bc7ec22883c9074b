package store

import (
	"bytes"
	"iter"
	"slices"
	"sync"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
)

// Memory plays the disk under a store in memory: it keeps what was flushed, and can lose the rest. It does exactly
// what it is told, in the order in which it is told, so a simulated run repeats. Create it with [NewMemory].
type Memory struct {
	// Fault, if not nil, is asked before each "commit", "flush" and "install", and fails it with the error it returns.
	// Set it before the store is used.
	Fault func(what string) error

	mu     sync.Mutex
	tables []table // after each commit since the last flush; the first is durable
	epoch  int     // raised by a crash: stores from before it are dead
}

// table is every pair, by key. It never changes: a commit makes another one, and so a table is also a view.
type table []pair

// maxTables bounds the commits that a crash may choose among: beyond it the oldest counts as written, as a disk
// writes without being told.
const maxTables = 16

// NewMemory returns an empty disk.
func NewMemory() *Memory { return &Memory{tables: []table{nil}} }

// Copy returns a disk of its own that holds what was flushed. It has no [Memory.Fault].
func (m *Memory) Copy() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{tables: []table{m.tables[0]}}
}

// Crash loses power: of the commits since the last flush the oldest keep stay, at most [Memory.Unflushed]. Stores
// that were open are dead, and the disk may be opened again.
func (m *Memory) Crash(keep int) { m.restart(keep) }

func (m *Memory) restart(keep int) (epoch int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tables = []table{m.tables[min(keep, len(m.tables)-1)]}
	m.epoch++
	return m.epoch
}

// Unflushed returns how many commits a crash could lose.
func (m *Memory) Unflushed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.tables) - 1
}

// OpenMemory opens the store that a disk in memory holds, empty at first. What isn't flushed is lost when it is opened
// again, unless [Memory.Crash] kept it. The store of another group is [fault.ErrForeign].
func OpenMemory(m *Memory, identity Identity) (*Store, error) {
	return start("memory", identity, &memoryForm{disk: m, epoch: m.restart(0)})
}

// memoryForm is an opening of a disk, or a new one on the way to be it.
type memoryForm struct {
	disk  *Memory
	epoch int
	fresh *table // what begin made: not on the disk yet
}

// now returns the newest table, with the disk locked.
func (f *memoryForm) now() (table, error) {
	switch {
	case f.epoch != f.disk.epoch:
		return nil, fault.ErrClosed
	case f.fresh != nil:
		return *f.fresh, nil
	}
	return f.disk.tables[len(f.disk.tables)-1], nil
}

func (f *memoryForm) view() (view, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	t, err := f.now()
	return t, err
}

func (f *memoryForm) ask(what string) error {
	if f.disk.Fault == nil {
		return nil
	}
	return f.disk.Fault(what)
}

func (f *memoryForm) commit(b *Batch) error {
	if err := f.ask("commit"); err != nil {
		return err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	t, err := f.now()
	if err != nil {
		return err
	}
	if t, err = t.with(b); err != nil {
		return err
	}
	if f.fresh != nil {
		*f.fresh = t
		return nil
	}
	f.disk.tables = append(f.disk.tables, t)
	if len(f.disk.tables) > maxTables {
		f.disk.tables = slices.Delete(f.disk.tables, 0, 1)
	}
	return nil
}

func (f *memoryForm) flush() error {
	if err := f.ask("flush"); err != nil {
		return err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	t, err := f.now()
	if err == nil && f.fresh == nil {
		f.disk.tables = []table{t}
	}
	return err
}

func (f *memoryForm) begin() (form, error) {
	return &memoryForm{disk: f.disk, epoch: f.epoch, fresh: new(table)}, nil
}

func (f *memoryForm) adopt(next form) error {
	if err := f.ask("install"); err != nil {
		return err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if _, err := f.now(); err != nil {
		return err
	}
	n := next.(*memoryForm)
	f.disk.tables = []table{*n.fresh}
	n.fresh = nil
	return nil
}

func (f *memoryForm) close() error { return nil }

func (f *memoryForm) usage() Usage {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	t, err := f.now()
	if err != nil {
		return Usage{}
	}
	u := Usage{ReadAmplification: 1}
	for _, p := range t {
		u.MemtableBytes += uint64(len(p.key) + len(p.value))
	}
	return u
}

// with returns the table after a batch. Only keys that the batch names are looked at; the rest is copied in one pass.
func (t table) with(b *Batch) (table, error) {
	changed := map[string]change{}
	var cuts []pair // deleted ranges
	current := func(key []byte) []byte {
		if c, ok := changed[string(key)]; ok {
			return c.value
		}
		if slices.ContainsFunc(cuts, func(c pair) bool { return c.holds(key) }) {
			return nil
		}
		v, _, _ := t.get(key)
		return v
	}
	err := b.all(b.ops, func(kind opKind, key, value []byte) error {
		var v []byte
		switch kind {
		case opSet:
			v = bytes.Clone(value)
		case opMerge:
			k, err := kindOf(key)
			if err != nil {
				return err
			}
			if v, err = algebra.Merge(k, nil, current(key), value); err != nil {
				return err
			}
		case opDeleteRange:
			cut := pair{bytes.Clone(key), bytes.Clone(value)}
			cuts = append(cuts, cut)
			for _, k := range sortedKeys(changed) {
				if cut.holds([]byte(k)) {
					changed[k] = change{}
				}
			}
			return nil
		case opDelete:
		}
		changed[string(key)] = change{v}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t.apply(changed, cuts), nil
}

// change is a key's value after a batch, nil for none.
type change struct{ value []byte }

// holds reports whether a range, its end as the value, holds a key.
func (c pair) holds(key []byte) bool {
	return bytes.Compare(key, c.key) >= 0 && bytes.Compare(key, c.value) < 0
}

func (t table) apply(changed map[string]change, cuts []pair) table {
	out := make(table, 0, len(t)+len(changed))
	keys := sortedKeys(changed)
	for _, p := range t {
		for len(keys) > 0 && keys[0] < string(p.key) {
			out = out.appendChange(keys[0], changed[keys[0]])
			keys = keys[1:]
		}
		switch {
		case len(keys) > 0 && keys[0] == string(p.key):
			out = out.appendChange(keys[0], changed[keys[0]])
			keys = keys[1:]
		case !slices.ContainsFunc(cuts, func(c pair) bool { return c.holds(p.key) }):
			out = append(out, p)
		}
	}
	for _, k := range keys {
		out = out.appendChange(k, changed[k])
	}
	return out
}

func (t table) appendChange(key string, c change) table {
	if c.value == nil {
		return t
	}
	return append(t, pair{[]byte(key), c.value})
}

func sortedKeys(m map[string]change) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// find returns the place of the first key that isn't below key.
func (t table) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(t, key, func(p pair, key []byte) int { return bytes.Compare(p.key, key) })
}

func (t table) get(key []byte) ([]byte, bool, error) {
	if i, ok := t.find(key); ok {
		return bytes.Clone(t[i].value), true, nil
	}
	return nil, false, nil
}

func (t table) scan(from, to []byte) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		for i, _ := t.find(from); i < len(t) && bytes.Compare(t[i].key, to) < 0; i++ {
			if !yield(t[i], nil) {
				return
			}
		}
	}
}

func (t table) cuts(n int) [][]byte {
	all := make([]weighed, len(t))
	for i, p := range t {
		all[i] = weighed{p.key, uint64(len(p.key) + len(p.value))}
	}
	return cutsOf(all, n)
}

func (t table) close() error { return nil }
