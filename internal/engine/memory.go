package engine

import "github.com/tidaldb/tidal/internal/state"

// Memory returns the bytes that the state holds.
func (e *Engine) Memory() int64 {
	a, b, c := e.table.Memory()
	return a + b + c + e.cold.memory()
}

// memory is what is held for cold users.
func (c *cold) memory() int64 {
	if c == nil {
		return 0
	}
	tables := []*state.Table{c.buried}
	for i := range c.windows {
		if q := c.windows[i].queue; q != nil {
			tables = append(tables, q.table)
		}
	}
	sum := c.away.bytes() + int64(len(c.seats))*seatsPerPiece*8
	for _, t := range tables {
		x, y, z := t.Memory()
		sum += x + y + z
	}
	return sum
}

// ArenaBytes returns the bytes that the records hold, a part of what [Engine.Memory] counts.
func (e *Engine) ArenaBytes() int64 {
	arena, _, _ := e.table.Memory()
	return arena
}
