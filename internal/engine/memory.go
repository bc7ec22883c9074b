package engine

// ArenaBytes returns the bytes that the records hold, a part of what [Engine.Memory] counts.
func (e *Engine) ArenaBytes() int64 {
	arena, _, _ := e.table.Memory()
	return arena
}
