package replica

// A leader that has just been started listens before it stamps. Its disk may be an older one, taken out of a snapshot or put
// back: then other regions hold events of its own origin that it doesn't know of, and what it stamped would have positions of
// theirs. So it waits until each of them has said what it has, or for a moment, since nobody else is to decide whether a region
// takes writes. Requests wait in the queue meanwhile; what others stamped is proposed all the same.
//
// A replica that takes over in a group that has been running has nothing to wait for: the moment is counted from when it first
// knew of a leader.

// listening is how far a core has come with that.
type listening struct {
	over  bool // for good, until another process begins
	ticks int  // since a leader of the group is known
}

// Heard says that every other region has said since this process began what it has. [Core.Ahead] is called before, for what
// came out of that. [Core.Flush] is due behind it.
func (c *Core) Heard(now Now) {
	c.now = now
	c.listening.over = true
}

// listen lets a tick pass.
func (c *Core) listen() {
	l := &c.listening
	if l.over || l.ticks == 0 && c.node.Role().LeaderID == 0 {
		return
	}
	l.ticks++
	l.over = l.ticks >= c.cfg.ListenTicks
}

// listens reports whether it waits for other regions' word.
func (c *Core) listens() bool {
	if c.listening.over {
		return false
	}
	for _, r := range c.engine.Regions() {
		if r.Number != c.cfg.Origin.Region && !r.Removed {
			return true
		}
	}
	c.listening.over = c.leading // its log has all that there is: there are no others
	return false
}
