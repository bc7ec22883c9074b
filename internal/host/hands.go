package host

import (
	"runtime"
	"sync/atomic"
)

// hands is a goroutine that does the half of a piece of work while the caller does the other: an apply is most of what
// a write costs, and it has two halves. See engine.Config.
type hands struct {
	offers chan *offer
	one    offer
	ended  chan struct{}
}

// offer is a half to be done. Whoever sets taken does it; so it is never waited for while nobody has begun it.
type offer struct {
	do    func()
	taken atomic.Bool
	done  chan struct{}
}

// startHands returns nil on a machine that has one processor: there halves are done one after the other.
func startHands() *hands {
	if runtime.GOMAXPROCS(0) < 2 {
		return nil
	}
	h := &hands{offers: make(chan *offer, 1), ended: make(chan struct{})}
	h.one.done = make(chan struct{}, 1)
	h.one.taken.Store(true)
	go h.run()
	return h
}

func (h *hands) run() {
	defer close(h.ended)
	for o := range h.offers {
		// An offer may come late, when it is over or the next has begun. It is the same one, so that does no harm.
		if o.taken.CompareAndSwap(false, true) {
			o.do()
			o.done <- struct{}{}
		}
	}
}

// both calls a and b and returns when both are done. It is for one caller at a time.
func (h *hands) both(a, b func()) {
	o := &h.one
	o.do = b
	o.taken.Store(false)
	select {
	case h.offers <- o:
	default: // a late one is still there
	}
	a()
	if o.taken.CompareAndSwap(false, true) {
		b()
		return
	}
	<-o.done
}

// stop ends the goroutine and waits for it. Nothing may be under way.
func (h *hands) stop() {
	if h == nil {
		return
	}
	close(h.offers)
	<-h.ended
}
