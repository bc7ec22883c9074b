package replica

import "github.com/tidaldb/tidal/internal/hlc"

// ClockExcess tells of stamps that were made further ahead than the bound allows, by clocks elsewhere that are wrong or
// were when they stamped. What they stamped is taken, and the own clock follows by the bound at most.
type ClockExcess struct {
	// Times is how often a stamp came that was higher than every one before and lay beyond the bound.
	Times uint64
	// Largest is by how many milliseconds one lay beyond it at most.
	Largest int64
	// highest is the stamp up to which was counted.
	highest hlc.Timestamp
}

// Excess is what is known of stamps that others made too far ahead.
func (c *Core) Excess() ClockExcess { return c.excess }

// observe lets the clock learn of what was applied.
func (c *Core) observe() {
	highest := c.engine.Highest()
	excess := c.clock.Observe(highest, c.now.millis())
	if x := &c.excess; excess > 0 && highest > x.highest {
		x.Times++
		x.Largest, x.highest = max(x.Largest, excess), highest
	}
}
