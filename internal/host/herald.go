package host

import "sync"

// herald is a goroutine that says when a replica begins to lead and when it ceases to, in order, and doesn't keep the loop
// waiting while that is heard.
type herald struct {
	tell  []func(bool)
	news  chan struct{} // has room for one
	quit  chan struct{}
	ended chan struct{}

	mu    sync.Mutex
	queue []bool
}

// startHerald returns nil if nobody wants to know.
func startHerald(tell ...func(bool)) *herald {
	h := &herald{news: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{})}
	for _, f := range tell {
		if f != nil {
			h.tell = append(h.tell, f)
		}
	}
	if len(h.tell) == 0 {
		return nil
	}
	go h.run()
	return h
}

func (h *herald) run() {
	defer close(h.ended)
	for {
		select {
		case <-h.news:
		case <-h.quit:
			return
		}
		for {
			leading, ok := h.next()
			if !ok {
				break
			}
			for _, f := range h.tell {
				f(leading)
			}
		}
	}
}

func (h *herald) next() (leading, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		return false, false
	}
	leading, h.queue = h.queue[0], h.queue[1:]
	return leading, true
}

func (h *herald) say(leading bool) {
	if h == nil {
		return
	}
	h.mu.Lock()
	h.queue = append(h.queue, leading)
	h.mu.Unlock()
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// stop ends the goroutine and waits for it; what wasn't said by then isn't.
func (h *herald) stop() {
	if h != nil {
		close(h.quit)
		<-h.ended
	}
}
