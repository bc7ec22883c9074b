package ship

import "github.com/tidaldb/tidal/internal/id"

// lonely is how long, in units of silence, a region whose table has nobody waits until it believes that: one that was taken back
// to before it heard of others is found by them.
const lonely = 10

// Complete reports whether everything is here that any other region has of what an origin's region has stamped in any
// incarnation: each has answered a subscription of this replica. An earlier incarnation's last events may be at others
// alone, and so may be those of a region that was removed; who answers for them mustn't write for them before.
//
// It's only so if it's known who the others are. A table may be an old one: where anybody has events of a region that isn't in it,
// it lacks that region; and where it has nobody, somebody may be about to speak.
func (c *Core) Complete(of id.Origin) bool {
	switch {
	case !c.tabled || !c.namesAll(c.vector):
		return false
	case len(c.table) == 0:
		return c.tick > lonely*c.cfg.Ticks.Silence
	}
	for _, r := range c.table {
		if r.Removed {
			continue
		}
		has := r.answer.Merge(r.vector).Merge(r.inhand)
		if !r.answered || !c.namesAll(has) {
			return false
		}
		for o, seq := range has.All {
			if o.Region == of.Region && o.Shard == of.Shard && o != c.cfg.Origin && seq > c.vector.Get(o) {
				return false
			}
		}
	}
	return true
}

// namesAll reports whether the region of each origin of a vector is in the table.
func (c *Core) namesAll(v id.VersionVector) bool {
	for o := range v.All {
		if !c.inTable(o) {
			return false
		}
	}
	return true
}
