package replica

import (
	"sort"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/record"
)

// Opened returns the batch in an entry that is to be applied, open, if this core proposed these very bytes: it stamped them itself,
// or compared their checksum when another region's leader sent them, and nobody has had them since. It's false for what came
// from a leader or from the log, and for what isn't a batch.
func (c *Core) Opened(e *consensus.Entry) (*record.Batch, bool) {
	flight := c.foreign.flight
	if i := sort.Search(len(flight), func(i int) bool { return flight[i].index >= e.Index }); i < len(flight) {
		if in := flight[i]; in.entryName == (entryName{e.Term, e.Index}) && same(in.Data, e.Data) {
			return in.Batch, in.Batch != nil
		}
	}
	stamped := c.stamped
	if i := sort.Search(len(stamped), func(i int) bool { return stamped[i].index >= e.Index }); i < len(stamped) {
		if p := stamped[i]; p.entryName == (entryName{e.Term, e.Index}) && same(p.data, e.Data) {
			b, err := record.OpenOwn(p.data)
			return &b, err == nil
		}
	}
	return nil, false
}

// same reports whether two slices are the same bytes of memory.
func same(a, b []byte) bool { return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] }
