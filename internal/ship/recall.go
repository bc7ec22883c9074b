package ship

import "github.com/tidaldb/tidal/internal/id"

// A replica that is started knows from before what other regions had. That may be long ago, so it is shown, and says from where on a
// region lacks something; nothing that was promised is taken to be there by it, nobody else is told, and whatever is heard since
// takes its place.

// late is the age, in milliseconds, from which on what the own region's leader tells of a region isn't what that says now.
const late = 2000

// Recall brings what a region had reported before this replica was started. It is called before the first tick.
func (c *Core) Recall(now Now, r Report) {
	c.now = now
	if len(c.recalls) < maxReports {
		c.recalls = append(c.recalls, r)
		c.recalledAt = now.Mono
	}
}

// recall gives a region that comes into the table what is known of it from before.
func (c *Core) recall(n id.Region, r *region) {
	for i := range c.recalls {
		if x := &c.recalls[i]; x.Region == n {
			r.known, r.recalled, r.vector = true, true, x.Vector
			r.asOf = c.recalledAt - int64(min(x.Age, uint64(1)<<40))*1e6
		}
	}
}

// greet notes what a region has, if that was heard for the first time.
func (r *region) greet() {
	if !r.greeted {
		r.greeted, r.greeting = true, r.vector
	}
}

// CaughtUp reports whether a region was heard of since this replica was started, and everything is here that those that were had when
// they were heard of first.
func (c *Core) CaughtUp() bool {
	some := false
	for _, r := range c.table {
		if r.Removed || !r.greeted {
			continue
		}
		if !c.vector.Includes(r.greeting) {
			return false
		}
		some = true
	}
	return some
}
