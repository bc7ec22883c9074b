package ship

import (
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/id"
)

// A region may be older than it knows: its disk was put back, or it is restored from a backup, to before it heard of another
// region. That one still knows of it, and subscribes. It is a guest then: of the same database, and not in the table. A guest
// is served and asked like a region of the table, and so it is by its streams, through the own group's log, that the table
// comes to have it. Who a guest is, is kept in memory alone, and for no longer than it speaks.
// See docs/decisions/0053-a-region-learns-of-others-from-who-asks.md.

// maxGuests bounds the regions that aren't in the table and are listened to.
const maxGuests = 16

// welcome makes a region of the same database a guest that isn't in the table. It returns nil if there are too many.
func (c *Core) welcome(p *Packet) *region {
	if len(c.Guests()) >= maxGuests {
		return nil
	}
	r := &region{Region: Region{Number: p.From.Region}, guest: true, heard: true, heardAt: c.tick}
	i, _ := slices.BinarySearchFunc(c.table, r.Number, byNumber)
	c.table = slices.Insert(c.table, i, r)
	return r
}

func byNumber(r *region, n id.Region) int { return int(r.Number) - int(n) }

// Guests are the regions that subscribed here and aren't in the table, as long as they are heard of.
func (c *Core) Guests() (out []id.Region) {
	for _, r := range c.table {
		if r.guest {
			out = append(out, r.Number)
		}
	}
	return out
}

// partWith forgets guests that have fallen silent. They are guests again when they subscribe again.
func (c *Core) partWith() {
	c.table = slices.DeleteFunc(c.table, func(r *region) bool {
		if !r.guest || c.alive(r) {
			return false
		}
		c.leave(r)
		return true
	})
}

// twice says what is wrong if a packet is of a region that is called otherwise in the table: a number that was given to two
// regions, the second time by a home that had forgotten the first. Names never change, so nothing else explains it. What the two
// stamped has the same positions, and must never meet.
func (c *Core) twice(r *region, p *Packet) string {
	if p.Name == "" || r.Name == "" || p.Name == r.Name {
		return ""
	}
	return fmt.Sprintf("number %d was given twice: to region %q, which says so, and to %q, as the table here has it; keep one of them, "+
		"and begin the other one anew, with an empty directory and under another name", r.Number, p.Name, r.Name)
}

// refuseTwice refuses a packet of a region whose number the table has under another name, and reports whether it did.
func (c *Core) refuseTwice(r *region, p *Packet) bool {
	text := c.twice(r, p)
	if text == "" || p.Kind == PacketSubscribe && !c.sameDatabase(p.Subscribe) {
		return false
	}
	c.refuse(r, p.From, CauseTwice, text)
	switch {
	case p.Kind == PacketSubscribe:
		c.unsubscribe(p.From)
		c.send(p.From, Packet{Kind: PacketRefuse, Session: p.Session, Reason: ReasonTwice, Text: text}, false)
	case r.source != nil && r.source.session == p.Session && r.source.peer == p.From && r.source.state != waiting:
		r.source.turn++
		c.later(r)
	}
	return true
}
