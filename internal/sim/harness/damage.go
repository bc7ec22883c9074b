package harness

import (
	"slices"

	"github.com/tidaldb/tidal/internal/ship"
)

// Damage flips a bit in every batch that goes from one region to another one, until it is released.
type Damage struct {
	from, to *region
	released bool
	count    uint64
}

// Damage begins one. Regions that there aren't damage nothing.
func (c *SimulatedCluster) Damage(from, to string) *Damage {
	d := &Damage{}
	d.from, _ = c.named(from)
	d.to, _ = c.named(to)
	c.damages = append(c.damages, d)
	return d
}

// Release ends it.
func (d *Damage) Release() { d.released = true }

// Count is how many batches it has damaged.
func (d *Damage) Count() uint64 { return d.count }

// damaged is a packet as it arrives.
func (c *SimulatedCluster) damaged(p *ship.Packet, from, to *region) *ship.Packet {
	for _, d := range c.damages {
		if d.released || d.from != from || d.to != to || len(p.Items) == 0 {
			continue
		}
		out := *p
		out.Items = slices.Clone(p.Items)
		for i := range out.Items {
			data := slices.Clone(out.Items[i].Data)
			data[len(data)-1] ^= 4
			out.Items[i].Data = data
			d.count++
		}
		p = &out
	}
	return p
}
