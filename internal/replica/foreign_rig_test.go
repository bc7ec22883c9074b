package replica_test

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

// What a rig does about other regions.

// offer gives a core an entry of another origin and returns its ticket.
func (r *rig) offer(data []byte) uint64 {
	r.tb.Helper()
	r.tickets++
	r.foreign[r.tickets] = true
	r.core.ProposeForeign(r.now(), &replica.Foreign{Ticket: r.tickets, Data: data})
	r.take()
	return r.tickets
}

// shipped are the batches that a rig has applied, in the order of its log.
func (r *rig) shipped() [][]byte {
	applied := r.core.Status().Applied
	var out [][]byte
	for _, e := range r.disk.entries {
		if e.Index <= applied && e.Kind == consensus.Batch {
			out = append(out, e.Data)
		}
	}
	return out
}

// news are the batches of those that another rig has applied and this one has not received, in an order in which they may
// come.
func (r *rig) news(from *rig) [][]byte {
	var out [][]byte
	seen := map[id.Position]bool{}
	for _, data := range from.shipped() {
		at, last := placeOf(r.tb, data)
		if at.Origin() == r.cfg.Origin || last <= r.engine.Received(at.Origin()) || seen[at] {
			continue
		}
		seen[at] = true // a second copy came after a change of leader
		out = append(out, data)
	}
	return out
}

func placeOf(tb failer, data []byte) (id.Position, id.Seq) {
	if engine.IsRange(data) {
		c, err := engine.DecodeEntry(data)
		if err != nil {
			tb.Fatal(err)
		}
		return c.Range.Origin.At(c.Range.First), c.Range.Last
	}
	b, err := record.Open(data)
	if err != nil {
		tb.Fatal(err)
	}
	return b.Origin().At(b.Header.First), b.Header.Last
}

// originals answers what the core wants to know of its own events, from the disk.
func (r *rig) originals() {
	r.tb.Helper()
	var list []replica.Original
	for _, p := range r.wanted {
		list = append(list, r.original(p))
	}
	r.wanted = nil
	if len(list) > 0 {
		r.core.Originals(r.now(), list)
		r.flush()
	}
}

func (r *rig) original(p id.Position) replica.Original {
	for _, data := range r.batches() {
		at, last := placeOf(r.tb, data)
		if at.Origin() != p.Origin() || p.Seq < at.Seq || p.Seq > last {
			continue
		}
		if engine.IsRange(data) {
			break
		}
		b, err := record.Open(data)
		r.check(err)
		for rec, err := range b.Records() {
			r.check(err)
			if rec.Seq != p.Seq {
				continue
			}
			o := replica.Original{Position: p, Compensation: record.Compensation{
				Original: p, Time: rec.Meta.Time, Schema: b.Ext.Schema,
			}}
			if rec.Kind != record.KindSignal {
				o.Err = fault.ErrNotFound
				return o
			}
			r.check(record.DecodeSignal(rec.Body, &o.Compensation.Signal))
			return o
		}
	}
	return replica.Original{Position: p, Err: fault.ErrGone}
}

func describeForeign(x replica.ForeignReply) string {
	if x.Err != nil {
		return fmt.Sprintf("#%d: %v", x.Ticket, x.Err)
	}
	return fmt.Sprintf("#%d: %v…%d %v", x.Ticket, x.Result.Origin.At(x.Result.First), x.Result.Last, x.Result.Outcome)
}
