package heads

import (
	"math"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// Options bound the memory of heads. They change what is answered without a scan, never an answer.
type Options struct {
	// Keep is how many members a column's head is cut to, at most 4,096; it overflows at half as many more. 0 means
	// 4,096.
	Keep int
	// CohortKeep is the same for heads of cohorts. 0 means 2,048.
	CohortKeep int
	// CohortBytes is how much memory heads of cohorts take together, about. Over it the heads of the least used cohorts
	// are dropped until an eighth is free. 0 means 64 MiB.
	CohortBytes int64
}

const mostKept = 4096

func (o Options) withDefaults() Options {
	if o.Keep == 0 {
		o.Keep = mostKept
	}
	if o.CohortKeep == 0 {
		o.CohortKeep = mostKept / 2
	}
	if o.CohortBytes == 0 {
		o.CohortBytes = 64 << 20
	}
	if o.Keep < 0 || o.Keep > mostKept || o.CohortKeep < 0 || o.CohortKeep > mostKept || o.CohortBytes < 0 {
		panic("heads: options out of range")
	}
	return o
}

// Type is the number of a signal type inside one [Columns], from 0 in the order of declaration.
type Type int

// Columns are all order indexes of one shard. Create them with [New].
//
// One writer at a time, with no reader beside it; reads by themselves may run at once, as many as like to.
type Columns struct {
	opts    Options
	byName  map[string]Type
	types   []signalType
	items   state.Ord // one more than the highest ordinal seen
	cohorts cohorts
	// short are the heads that wait to be built anew, or are being built.
	short   []*rebuild
	scratch []int64 // for cutting heads
	// changes, the first of them that wait, see Settle; ahead is what Settle read, kept so that it is read.
	changes [mostWaiting]change
	waiting int
	ahead   int64
}

// signalType is what is kept of one signal type.
type signalType struct {
	name    string
	buckets bool // some version of the schema keeps windows
	scores  []*column
	// counts has the Rising statistic in the upper half of a value and the number of events in the lower one: both
	// change with each event, and so are one access to memory.
	counts *column
}

// New returns an index without types.
func New(opts Options) *Columns {
	c := &Columns{opts: opts.withDefaults(), byName: make(map[string]Type)}
	c.cohorts.init()
	return c
}

// Declare makes room for the types and half-lives of a schema that aren't there yet. What is there stays: versions may
// come in any order, and as often as they like. A half-life must be declared before the first event that counts under
// it.
func (c *Columns) Declare(s *schema.Schema) {
	for i := range s.Signals {
		declared := &s.Signals[i]
		n, ok := c.byName[declared.Name]
		if !ok {
			n = Type(len(c.types))
			c.byName[declared.Name] = n
			counts := newColumn(risingHalfLife, risingShift, risingLift, c.opts.Keep)
			c.types = append(c.types, signalType{name: declared.Name, counts: counts})
		}
		t := &c.types[n]
		t.buckets = t.buckets || len(declared.Windows) > 0
		for _, h := range declared.HalfLives {
			if t.halfLife(h.Milliseconds()) < 0 {
				t.scores = append(t.scores, newColumn(h.Milliseconds(), 0, 0, c.opts.Keep))
			}
		}
	}
}

// Type returns the number of a signal type. It is for ever the same in one Columns, and may differ in another.
func (c *Columns) Type(name string) (Type, bool) {
	t, ok := c.byName[name]
	return t, ok
}

// halfLife returns the index of a half-life, −1 if it isn't declared.
func (t *signalType) halfLife(halfLife int64) int {
	return slices.IndexFunc(t.scores, func(col *column) bool { return col.halfLife == halfLife })
}

// CellChanged takes in what an item's cell has become. It keeps nothing of the cell, and allocates only to grow. Reads
// see it after [Columns.Settle].
func (c *Columns) CellChanged(n state.Ord, typ Type, cell *algebra.SignalState) {
	c.items = max(c.items, n+1)
	t := &c.types[typ]
	if c.waiting+len(t.scores)+1 > len(c.changes) {
		c.Settle()
	}
	for _, col := range t.scores {
		c.await(col, n, logScore(cell, col.halfLife))
	}
	rising := int32(noRising)
	if t.buckets {
		rising = risingOf(cell)
	}
	total := int32(max(math.MinInt32, min(cell.Total(), math.MaxInt32)))
	c.await(t.counts, n, int64(rising)<<risingShift|int64(uint32(total)))
}

// mostWaiting is how many changes wait at most. More don't make it faster, and these are in the nearest cache.
const mostWaiting = 128

func (c *Columns) await(col *column, n state.Ord, word int64) {
	c.changes[c.waiting] = change{column: col, n: n, word: word}
	c.waiting++
}

// settled panics when a read would miss what was told.
func (c *Columns) settled() {
	if c.waiting > 0 {
		panic("heads: read without Settle")
	}
}

// logScore is a cell's value in the column of a half-life, none without a score. The least number stands for that; a
// score so small that it were the same counts as the next one.
func logScore(cell *algebra.SignalState, halfLife int64) int64 {
	v, ok := cell.LogScore(halfLife)
	if !ok {
		return none
	}
	return max(v, none+1)
}

// Dropped takes in that all cells of an item are gone, those of cohorts included: its generation rose. Cells of the new
// generation are told of afterwards.
func (c *Columns) Dropped(n state.Ord) {
	c.Settle()
	for i := range c.types {
		t := &c.types[i]
		for _, col := range t.scores {
			c.clear(col, n)
		}
		c.clear(t.counts, n)
	}
	c.dropCohorts(n)
}

func (c *Columns) clear(col *column, n state.Ord) {
	if col.has(n) {
		c.set(col, n, none)
	}
}

// Items returns one more than the highest ordinal that has or had a cell.
func (c *Columns) Items() state.Ord { return c.items }

// Column returns the order by decayed score under one half-life (milliseconds) of a type, and false if that isn't
// declared.
func (c *Columns) Column(typ Type, halfLife int64) (Column, bool) {
	c.settled()
	t := &c.types[typ]
	i := t.halfLife(halfLife)
	if i < 0 {
		return Column{}, false
	}
	return Column{t.scores[i]}, true
}

// HalfLives returns the half-lives of a type in milliseconds, in the order in which they were first declared.
func (c *Columns) HalfLives(typ Type) []int64 {
	var out []int64
	for _, col := range c.types[typ].scores {
		out = append(out, col.halfLife)
	}
	return out
}

// Total returns how many events of a type an item has, never below 0, and held at 2³¹ − 1.
func (c *Columns) Total(typ Type, n state.Ord) int64 {
	c.settled()
	v := c.types[typ].counts.word(n)
	if v == none {
		return 0
	}
	return max(int64(int32(v)), 0)
}

// Memory returns how many bytes all columns and heads hold.
func (c *Columns) Memory() int64 {
	sum := int64(cap(c.scratch)*8) + c.cohorts.memory()
	for i := range c.types {
		t := &c.types[i]
		for _, col := range t.scores {
			sum += col.memory()
		}
		sum += t.counts.memory()
	}
	for _, r := range c.short {
		sum += r.next.memory()
	}
	return sum
}
