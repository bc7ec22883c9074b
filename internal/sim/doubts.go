package sim

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/replica"
)

// doubt is a request to undo an event that the process lacks which takes itself for the leader. As the library does, it asks its group
// first: another member may lead by now, and have written it.
type doubt struct {
	client *writer
	op     *op
	event  id.Position
	ticket uint64
	known  bool   // the group said which entry has to be applied
	index  uint64 // that entry
}

// doubts finds out whether a process lacks an event that was acknowledged.
func (p *resident) doubts(c *writer, o *op, event id.Position) {
	f := p.m.f
	f.readers.number++
	d := &doubt{client: c, op: o, event: event, ticket: f.readers.number}
	p.doubted = append(p.doubted, d)
	o.asked, o.trying = f.now, true
	f.tell(p.m, "doubt", o.number, uint64(event.Seq), "")
	p.step.Core.ReadIndex(p.m.clock(), d.ticket)
}

// resolved takes the group's word, and reports whether it's about a doubt.
func (p *resident) resolved(r replica.ReadReply) bool {
	for i, d := range p.doubted {
		if d.ticket != r.Ticket {
			continue
		}
		if r.Err == nil {
			d.known, d.index, p.answers = true, r.Index, true
			return true
		}
		p.doubted = append(p.doubted[:i], p.doubted[i+1:]...)
		d.op.trying = false
		d.client.follow(p)
		return true
	}
	return false
}

// certain has what was in doubt sent, once everything is here that was acknowledged before the group was asked.
func (p *resident) certain() error {
	keep := p.doubted[:0]
	for _, d := range p.doubted {
		if !d.known || p.base.Applied() < d.index {
			keep = append(keep, d)
			continue
		}
		d.op.trying = false
		_, err := p.base.Original(d.event)
		if errors.Is(err, fault.ErrNotFound) && !p.letGo(d.event) {
			return fmt.Errorf("%v takes back %v, and whoever leads lacks it: %w", d.op, d.event, err)
		}
	}
	p.doubted = keep
	return nil
}

// letGo reports whether the log may lack an event that there was.
func (p *resident) letGo(event id.Position) bool {
	return p.base.Log.FirstIndex() > 1 || event.Origin() != p.m.f.origin
}
