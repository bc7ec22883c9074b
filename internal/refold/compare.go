package refold

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/schema"
)

// ErrGrown is wrapped by the error of [Fold.Compare] for a database in which the effects of a signal type changed: of no
// event is known under which version it was stamped.
var ErrGrown = errors.New("the schema has grown since")

// comparison is one pass over the records of a database.
type comparison struct {
	*Fold
	Result
	items, users groups
	visited      map[entity]bool
}

// Compare compares all records of a database, which come by owner, with what the events make.
func (f *Fold) Compare(records iter.Seq[engine.Record]) (Result, error) {
	c := &comparison{
		Fold: f, visited: map[entity]bool{},
		items: f.group(func(e *event) uint32 { return e.item }),
		users: f.group(func(e *event) uint32 { return e.user }),
	}
	for i := range f.events {
		if f.events[i].untimed && f.part.has(f.names.all[f.events[i].item]) {
			c.Untimed++
		}
	}
	var owner entity
	var all []engine.Record
	settle := func() {
		if owner.kind != 0 && f.part.has(owner.name) {
			c.owner(owner, all)
		}
		all = all[:0]
	}
	for r := range records {
		if r.OwnerKind == 0 {
			if err := c.global(r); err != nil {
				return Result{}, err
			}
			continue
		}
		if r.OwnerKind != owner.kind || r.Owner != owner.name {
			settle()
			owner = entity{r.OwnerKind, r.Owner}
		}
		all = append(all, r)
	}
	settle()
	c.unvisited()
	return c.Result, nil
}

// unvisited counts what is missing of owners without any record.
func (c *comparison) unvisited() {
	for n, name := range c.names.all {
		for _, o := range []struct {
			kind id.Kind
			of   *groups
		}{{id.KindItem, &c.items}, {id.KindUser, &c.users}} {
			key := entity{o.kind, name}
			if n > 0 && len(o.of.at(uint32(n))) > 0 && !c.visited[key] && c.part.has(name) {
				c.owner(key, nil)
			}
		}
	}
	var rest []entity
	for key := range c.puts {
		if !c.visited[key] {
			rest = append(rest, key)
		}
	}
	for key := range c.made {
		if !c.visited[key] && len(c.puts[key]) == 0 {
			rest = append(rest, key)
		}
	}
	slices.SortFunc(rest, func(a, b entity) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	for _, key := range rest {
		c.owner(key, nil)
	}
}

// global looks at a record without an owner: a schema version, the format level, a key that seals tokens, a register of
// the region table, or the mark of an undone event. Levels, keys and registers are no events' doing, and a copy of an event
// that was taken back as a duplicate leaves the event as it was.
func (c *comparison) global(r engine.Record) error {
	switch {
	case r.Kind == algebra.KindSchemaVersion:
		old, err := schema.Decode(r.Value)
		if err != nil {
			return fmt.Errorf("read a schema version: %w", err)
		}
		return c.sameTypes(old)
	case r.Kind == algebra.KindFormatLevel, r.Kind == algebra.KindSealingKey, r.Kind == algebra.KindRegister:
	case r.Kind == algebra.KindUndone && bytes.Equal(r.Value, algebra.UndoneDuplicate.AppendBinary(nil)):
	case c.part.number == 0: // no owner's: the first part counts them
		c.Unexpected++
		c.differ("%v: nothing accounts for it", r.Kind)
	}
	return nil
}

// sameTypes refuses a version in which a type that events have had other effects than now.
func (c *comparison) sameTypes(old *schema.Schema) error {
	used := map[uint8]bool{}
	for i := range c.events {
		used[c.events[i].kind] = true
	}
	for kind := range used {
		now := &c.schema.Signals[kind]
		if _, then, ok := old.Signal(now.Name); ok && !sameEffects(now, then) {
			return fmt.Errorf("compare signals of the type %s: %w", now.Name, ErrGrown)
		}
	}
	return nil
}

func sameEffects(a, b *schema.SignalType) bool {
	return slices.Equal(a.HalfLives, b.HalfLives) && a.Permanent == b.Permanent &&
		len(a.Windows) > 0 == (len(b.Windows) > 0) && a.UniqueUsers == b.UniqueUsers && a.Meaning == b.Meaning && a.Seen == b.Seen && slices.Equal(a.Sets, b.Sets) &&
		slices.Equal(a.Clears, b.Clears)
}

// key names a record of one owner in numbers.
type key struct {
	kind algebra.Kind
	typ  uint8  // of cells: the signal type
	name uint32 // the cohort, the creator, or the item of marks and hides
}

// keyOf returns the key of a record, false if no event has a part in its name.
func (c *comparison) keyOf(r *engine.Record) (key, bool) {
	k := key{kind: r.Kind}
	ok := r.Gen == 0
	switch r.Kind {
	case algebra.KindCell:
		k.typ, ok = c.typeOf(r.Sub, ok)
	case algebra.KindCohortCell, algebra.KindCreatorCell:
		n, width := binary.Uvarint([]byte(r.Sub))
		if width <= 0 || n > uint64(len(r.Sub)-width) {
			return k, false
		}
		rest := r.Sub[width:]
		k.typ, ok = c.typeOf(rest[n:], ok)
		if ok {
			k.name, ok = c.names.find(rest[:n])
		}
	case algebra.KindPairMarks:
		k.name, ok = c.names.find(r.Sub)
	case algebra.KindRelation:
		if len(r.Sub) == 0 || r.Sub[0] != hides {
			return k, false
		}
		k.name, ok = c.names.find(r.Sub[1:])
	case algebra.KindRecents, algebra.KindEngagers:
		ok = ok && r.Sub == ""
	default:
		return k, false
	}
	return k, ok && r.Gen == 0
}

// hides is the number of that relation.
const hides = 1

func (c *comparison) typeOf(name string, ok bool) (uint8, bool) {
	kind, known := c.types[name]
	return kind, ok && known
}

// groups are the events of each item or user, in the order in which they were added.
type groups struct {
	begin []uint32 // by name; one more than there are
	index []uint32 // of events
}

func (f *Fold) group(by func(*event) uint32) groups {
	g := groups{make([]uint32, len(f.names.all)+1), make([]uint32, len(f.events))}
	for i := range f.events {
		g.begin[by(&f.events[i])+1]++
	}
	for n := range f.names.all {
		g.begin[n+1] += g.begin[n]
	}
	next := slices.Clone(g.begin)
	for i := range f.events {
		n := by(&f.events[i])
		g.index[next[n]] = uint32(i)
		next[n]++
	}
	return g
}

func (g *groups) at(name uint32) []uint32 { return g.index[g.begin[name]:g.begin[name+1]] }
