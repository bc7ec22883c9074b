package ranker

import (
	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/heads"
	"github.com/tidaldb/tidal/internal/index"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/vector"
	"github.com/tidaldb/tidal/schema"
)

// Views are what is kept beside the engine's records so that the best of many items are found without looking at all.
// They implement [engine.Views], are made of records alone, and aren't part of any digest. Create them with [NewViews].
type Views struct {
	// Index holds items' fields, Heads what was counted for them.
	Index *index.Index
	Heads *heads.Columns

	schema  *schema.Schema
	types   map[string]int // index in the schema
	slots   []slot
	columns []heads.Type // by the schema's index
	// popular are the columns that say how popular an item is; tastes are how much a type counts to others, by the schema's index, and
	// approves says whether some type says more than that the item was met.
	popular  []heads.Type
	tastes   []float32
	approves bool
	// creators is the column of items' creators, if they have any.
	creators    index.KeywordColumn
	hasCreators bool
}

// slot is the vectors of one embedding.
type slot struct {
	name  string
	lists *vector.Lists
}

// refreshed is for how many items, and for how many more per batch, heads that ran short are built anew when something
// was applied: a bit of the time that applying takes.
const refreshed = 4096

// multiplied is how many numbers are multiplied per batch and embedding so that vectors come into their cells: a few
// hundred microseconds while that is to be done.
const multiplied = 1_000_000

// probed is how many cells of vectors a search looks at, at least: of the ten nearest items it finds more than 90 in 100,
// in a third of the time that 98 take.
const probed = 12

// NewViews returns views of nothing.
func NewViews() *Views {
	return &Views{Index: index.New(), Heads: heads.New(heads.Options{}), types: map[string]int{}}
}

// Schema implements [engine.Views].
func (v *Views) Schema(s *schema.Schema) {
	v.schema = s
	v.Index.Declare(s)
	v.Heads.Declare(s)
	v.columns = v.columns[:0]
	v.tastes, v.approves = tastesOf(s)
	for i := range s.Signals {
		v.types[s.Signals[i].Name] = i
		t, ok := v.Heads.Type(s.Signals[i].Name)
		if !ok {
			panic("ranker: type " + s.Signals[i].Name + " has no columns")
		}
		v.columns = append(v.columns, t)
	}
	v.popular = v.popularTypes()
	v.creators, v.hasCreators = v.Index.Creators()
	for _, m := range s.Items.Embeddings {
		if v.vectors(m.Name) == nil {
			lists := vector.NewLists(vector.NewSet(m.Dimensions), vector.Options{Probe: probed})
			v.slots = append(v.slots, slot{m.Name, lists})
		}
	}
}

// vectors returns those of a slot, nil if there's none of that name; the empty name is the first one.
func (v *Views) vectors(name string) *vector.Set {
	if l := v.lists(name); l != nil {
		return l.Set()
	}
	return nil
}

// lists returns what finds the vectors of a slot, as vectors does.
func (v *Views) lists(name string) *vector.Lists {
	for _, s := range v.slots {
		if s.name == name || name == "" {
			return s.lists
		}
	}
	return nil
}

func (v *Views) typeOf(name []byte) (int, bool) {
	i, ok := v.types[string(name)]
	return i, ok
}

// Entity implements [engine.Views].
func (v *Views) Entity(n state.Ord, x *algebra.Entity) {
	v.Index.Put(n, x, x.Exists())
	for _, s := range v.slots {
		value, ok := x.Field(s.name)
		if !ok || !x.Exists() {
			s.lists.Remove(n)
			continue
		}
		d, err := schema.DecodeValue(value)
		if vec, is := d.Vector(); err != nil || !is || !s.lists.Put(n, vec) {
			s.lists.Remove(n)
		}
	}
}

// Cell implements [engine.Views].
func (v *Views) Cell(n state.Ord, typeName string, cell *algebra.SignalState) {
	if t, ok := v.Heads.Type(typeName); ok {
		v.Heads.CellChanged(n, t, cell)
	}
}

// CohortCell implements [engine.Views].
func (v *Views) CohortCell(n state.Ord, cohort, typeName string, cell *algebra.SignalState) {
	if t, ok := v.Heads.Type(typeName); ok {
		v.Heads.CohortCellChanged(n, cohort, t, cell)
	}
}

// Dropped implements [engine.Views].
func (v *Views) Dropped(n state.Ord) { v.Heads.Dropped(n) }

// Applied implements [engine.Views].
func (v *Views) Applied(e *engine.Engine) error {
	for _, s := range v.slots {
		s.lists.Refresh(multiplied)
	}
	var cell algebra.SignalState
	_, err := v.Heads.Refresh(refreshed, func(n state.Ord, cohort, typ string) (*algebra.SignalState, error) {
		if err := e.ItemCell(n, cohort, typ, &cell); err != nil {
			return nil, err
		}
		return &cell, nil
	})
	return err
}

// Top returns the items with the highest scores under a half-life of a signal type, and whoever ties with the last of k; in
// no order that replicas share. It's false if no such order is kept.
func (v *Views) Top(signal string, halfLife int64, k int) (items []state.Ord, ok bool) {
	typ, ok := v.Heads.Type(signal)
	if !ok {
		return nil, false
	}
	c, ok := v.Heads.Column(typ, halfLife)
	if !ok {
		return nil, false
	}
	best, exact := c.Top(k, nil, nil)
	if !exact {
		best = c.Scan(k, nil, nil)
	}
	for i := range best {
		items = append(items, best[i].Ord)
	}
	return items, true
}

// Memory is what the views take, in bytes.
func (v *Views) Memory() int64 {
	sum := v.Index.Memory() + v.Heads.Memory()
	for _, s := range v.slots {
		sum += int64(s.lists.Memory())
	}
	return sum
}

// creatorCode returns the number of a creator of items, 0 for one that no item has.
func (v *Views) creatorCode(creator string) uint32 {
	if !v.hasCreators {
		return 0
	}
	return v.creators.Lookup(creator)
}

// creatorOf returns the number of an item's creator, 0 for none.
func (v *Views) creatorOf(n state.Ord) uint32 {
	if !v.hasCreators {
		return 0
	}
	return v.creators.Code(n)
}
