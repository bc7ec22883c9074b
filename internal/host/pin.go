package host

import "sync"

// pins are the entries that backups under way have yet to read from the log: from each of them on, the log stays.
type pins struct {
	mu   sync.Mutex
	held map[*uint64]bool
	// going is the entry below which the log was said to go; it may not have done so yet.
	going uint64
}

// first returns the first entry that is pinned, or a later one if none is before it.
func (p *pins) first(later uint64) uint64 {
	for at := range p.held {
		later = min(later, *at)
	}
	return later
}

// pinLog keeps the log as it is from its first entry on, which it returns, until unpin is called.
func (b *Base) pinLog() (first uint64, unpin func()) {
	p := &b.pins
	p.mu.Lock()
	defer p.mu.Unlock()
	first = max(b.Log.FirstIndex(), p.going)
	if p.held == nil {
		p.held = map[*uint64]bool{}
	}
	at := &first
	p.held[at] = true
	return first, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.held, at)
	}
}
