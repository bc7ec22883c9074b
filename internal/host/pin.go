package host

import "sync"

// pins are the entries that who reads the log has yet to read, backups and walks: from each of them on, the log stays.
type pins struct {
	mu   sync.Mutex
	held map[*pin]struct{}
	// going is the entry below which the log was said to go; it may not have done so yet.
	going uint64
}

// pin is one of them.
type pin struct {
	pins *pins
	at   uint64
}

// first returns the first entry that is pinned, or a later one if none is before it.
func (p *pins) first(later uint64) uint64 {
	for x := range p.held {
		later = min(later, x.at)
	}
	return later
}

// pin keeps the log as it is from its first entry on, at which the pin then is.
func (p *pins) pin(first func() uint64) *pin {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = map[*pin]struct{}{}
	}
	x := &pin{p, max(first(), p.going)}
	p.held[x] = struct{}{}
	return x
}

// move lets the log go up to an entry, as far as this pin is concerned.
func (x *pin) move(to uint64) {
	x.pins.mu.Lock()
	defer x.pins.mu.Unlock()
	x.at = max(x.at, to)
}

// unpin forgets the pin. It may be called more than once.
func (x *pin) unpin() {
	x.pins.mu.Lock()
	defer x.pins.mu.Unlock()
	delete(x.pins.held, x)
}

// pinLog keeps the log as it is from its first entry on, which it returns, until unpin is called.
func (b *Base) pinLog() (first uint64, unpin func()) {
	x := b.pins.pin(b.Log.FirstIndex)
	return x.at, x.unpin
}
