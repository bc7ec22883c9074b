package engine

import (
	"github.com/tidaldb/tidal/internal/id"
)

// Last is the end of the last batch, 0 before the first.
func (c *Compactor) Last() id.Seq {
	if c.fold == nil {
		return 0
	}
	return c.fold.engine.vector.Get(c.out.Range.Origin)
}

// Size is about how many bytes the stretch has when it's encoded as it is now. It looks at all of it.
func (c *Compactor) Size() int {
	if c.fold == nil {
		return 0
	}
	n := compactedOverhead
	for i := range c.out.Requests {
		n += requestBytes + len(c.out.Requests[i].Producer) + len(c.out.Requests[i].Key)
	}
	c.fold.Effects(func(r Record) bool {
		n += entryOverhead + len(r.Owner) + len(r.Sub) + len(r.Value)
		return true
	})
	return n
}

// About what a range, one of its requests and one of its entries have beside their texts and values.
const (
	compactedOverhead = 128
	requestBytes      = 26
	entryOverhead     = 18
)
