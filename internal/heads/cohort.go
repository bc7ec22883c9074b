package heads

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/state"
)

// cohorts are the heads of all cohorts. There are no columns below them: most items have no cell in most cohorts.
type cohorts struct {
	byName map[string]*cohort
	list   []*cohort // the same; what is walked, since a map isn't
	bytes  int64     // about what they hold
	// lossy says that a cohort was dropped, so that one which comes up may have cells from before.
	lossy bool
	// entered has a bit for each item that became a member of some head since it was last dropped. Most never do, and
	// dropping them needs not search all heads.
	entered []uint64
}

// cohort is what is kept of one.
type cohort struct {
	name string
	// whole says that it was there from its first event on: a head that it lacks would be empty.
	whole bool
	uses  uint64
	heads [][]*cohortHead // by type, then as the type's columns
}

type cohortHead struct {
	head
	cohort   *cohort
	typ      Type
	halfLife int64
	next     *rebuild
}

// What a cohort and a head of it take beside its members, about.
const (
	cohortBytes     = 256
	cohortHeadBytes = 224
)

// For how many items of a walk over cells a member that sank pays, and an event that met a head which nothing is known
// about. Each item costs a look-up and a decoding.
const (
	cohortDeparturePays = 512
	unknownEventPays    = 16
)

func (cs *cohorts) init() { cs.byName = make(map[string]*cohort) }

// CohortCellChanged takes in what an item's cell of a cohort has become. When heads of cohorts hold more than their
// share of memory, those of the cohorts with the fewest calls lately are dropped, by name where these are as many. Reads
// see it after [Columns.Settle].
func (c *Columns) CohortCellChanged(n state.Ord, name string, typ Type, cell *algebra.SignalState) {
	c.items = max(c.items, n+1)
	cs := &c.cohorts
	if c.waiting+len(c.types[typ].scores) > len(c.changes) {
		c.Settle()
	}
	co := cs.byName[name]
	if co == nil {
		co = &cohort{name: strings.Clone(name), whole: !cs.lossy}
		cs.byName[co.name] = co
		cs.list = append(cs.list, co)
		cs.bytes += cohortBytes
	}
	co.uses++
	for i, col := range c.types[typ].scores {
		c.changes[c.waiting] = change{cohort: co.head(c, typ, i), n: n, word: logScore(cell, col.halfLife)}
		c.waiting++
	}
	if cs.bytes > c.opts.CohortBytes {
		c.Settle()
	}
}

// head returns the head of a type and the i-th of its half-lives, a new one if there is none.
func (co *cohort) head(c *Columns, typ Type, i int) *cohortHead {
	for int(typ) >= len(co.heads) {
		co.heads = append(co.heads, nil)
	}
	for scores := c.types[typ].scores; len(co.heads[typ]) <= i; {
		h := &cohortHead{cohort: co, typ: typ, halfLife: scores[len(co.heads[typ])].halfLife}
		h.init(c.opts.CohortKeep, none)
		if !co.whole {
			h.forget()
		}
		co.heads[typ] = append(co.heads[typ], h)
		c.cohorts.bytes += cohortHeadBytes
	}
	return co.heads[typ][i]
}

// put changes an item's value, of which the old one isn't known.
func (c *Columns) put(h *cohortHead, n state.Ord, v int64) {
	if h.unknown() {
		h.credit += unknownEventPays
	} else if h.put(n, v, &c.scratch) {
		c.cohorts.mark(n)
	}
	if h.next == nil {
		if h.short(int(c.items), cohortDeparturePays) {
			c.queue(&rebuild{cohort: h})
		}
	} else if n < h.next.cursor && h.next.next.put(n, v, &c.scratch) {
		c.cohorts.mark(n)
	}
}

// put makes an item a member iff its value is above the bar, and reports whether it became one.
func (h *head) put(n state.Ord, v int64, scratch *[]int64) bool {
	i := h.slots.find(n, h.ords)
	switch {
	case v > h.bar && i >= 0:
		h.scores[i] = v
	case v > h.bar:
		h.add(n, v, scratch)
		return true
	case i >= 0:
		h.removeAt(i)
		h.credit += cohortDeparturePays
	}
	return false
}

// mark notes that an item is a member.
func (cs *cohorts) mark(n state.Ord) {
	i := int(n / 64)
	if i >= len(cs.entered) {
		cs.entered = append(cs.entered, make([]uint64, i+1-len(cs.entered))...)
	}
	cs.entered[i] |= 1 << (n % 64)
}

// dropCohorts makes an item no member of any head.
func (c *Columns) dropCohorts(n state.Ord) {
	cs := &c.cohorts
	i := int(n / 64)
	if i >= len(cs.entered) || cs.entered[i]&(1<<(n%64)) == 0 {
		return
	}
	cs.entered[i] &^= 1 << (n % 64)
	for _, co := range cs.list {
		for _, heads := range co.heads {
			for _, h := range heads {
				c.put(h, n, none)
			}
		}
	}
}

// dropLeastUsed makes room, and lets what was long ago count for less.
func (c *Columns) dropLeastUsed() {
	cs := &c.cohorts
	slices.SortFunc(cs.list, func(a, b *cohort) int {
		return cmp.Or(cmp.Compare(a.uses, b.uses), cmp.Compare(a.name, b.name))
	})
	enough := c.opts.CohortBytes - c.opts.CohortBytes/8
	gone := 0
	for ; gone < len(cs.list) && cs.bytes > enough; gone++ {
		co := cs.list[gone]
		cs.bytes -= co.memory()
		delete(cs.byName, co.name)
		c.short = slices.DeleteFunc(c.short, func(r *rebuild) bool { return r.cohort != nil && r.cohort.cohort == co })
	}
	cs.list = slices.Delete(cs.list, 0, gone)
	cs.lossy = true
	for _, co := range cs.list {
		co.uses /= 2
	}
}

func (co *cohort) memory() int64 {
	sum := int64(cohortBytes)
	for _, heads := range co.heads {
		for _, h := range heads {
			sum += cohortHeadBytes + h.memory()
		}
	}
	return sum
}

func (cs *cohorts) memory() int64 { return cs.bytes + int64(cap(cs.entered)*8) }

// CohortTop is [Column.Top] of the cells of one cohort. There is no column to scan when it isn't exact: its caller then
// reads the cells of the items that come into question. A cohort of which nothing was ever heard has no items.
func (c *Columns) CohortTop(
	name string, typ Type, halfLife int64, k int, accept func(state.Ord) bool, out []Ranked,
) (top []Ranked, exact bool) {
	c.settled()
	co := c.cohorts.byName[name]
	if co == nil {
		return out, !c.cohorts.lossy
	}
	i := c.types[typ].halfLife(halfLife)
	if i < 0 {
		return out, false
	}
	if int(typ) >= len(co.heads) || i >= len(co.heads[typ]) {
		return out, co.whole
	}
	return co.heads[typ][i].top(k, 0, accept, out)
}
