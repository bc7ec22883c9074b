package heads

import "github.com/tidaldb/tidal/internal/state"

// change is a word that an item is to have in a column, or a value in a cohort's head.
type change struct {
	column *column // nil for a cohort
	cohort *cohortHead
	n      state.Ord
	word   int64
}

// Settle makes the changes that wait. It must be called after the last of them and before anything is read, such as at
// the end of each batch.
//
// Changes wait because most of the time of each is the memory's, which is slow to say what an item's word was, or whether
// it is a member and where, but says it for many of them at once: here all of them are read before the first is changed,
// one step after the other.
func (c *Columns) Settle() {
	waiting := c.changes[:c.waiting]
	var places [mostWaiting]uint16
	for i := range waiting {
		if x := &waiting[i]; x.column == nil {
			places[i] = x.cohort.slots.first(x.n)
		} else if v := x.column.word(x.n) >> x.column.shift; v > x.column.head.bar {
			places[i] = x.column.head.slots.first(x.n)
		}
	}
	sum := int64(0)
	for i := range waiting {
		if places[i] > 0 {
			sum ^= waiting[i].head().glance(int(places[i]) - 1)
		}
	}
	c.ahead = sum
	for i := range waiting {
		if x := &waiting[i]; x.column != nil {
			c.set(x.column, x.n, x.word)
		} else {
			before := x.cohort.memory()
			c.put(x.cohort, x.n, x.word)
			c.cohorts.bytes += x.cohort.memory() - before
		}
	}
	c.waiting = 0
	if c.cohorts.bytes > c.opts.CohortBytes {
		c.dropLeastUsed()
	}
}

func (x *change) head() *head {
	if x.column != nil {
		return &x.column.head
	}
	return &x.cohort.head
}

// glance reads what is known of a place, which as a rule is that of the item that is looked for.
func (h *head) glance(place int) int64 { return int64(h.ords[place]) ^ h.scores[place] }
