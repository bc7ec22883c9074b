package host

import (
	"sync"

	"github.com/tidaldb/tidal/internal/ship"
)

// shipper is the goroutine that reads the log for other regions, so that no write waits for it. What there is to do at a
// time is bounded by who asks for it, the stepper's core.
type shipper struct {
	do    func(ship.Work) ship.WorkResult
	out   chan ship.WorkResult
	quit  chan struct{}
	ended chan struct{}

	mu   sync.Mutex
	todo []ship.Work
	wake chan struct{}
}

func startShipper(do func(ship.Work) ship.WorkResult) *shipper {
	s := &shipper{
		do: do, out: make(chan ship.WorkResult), quit: make(chan struct{}), ended: make(chan struct{}),
		wake: make(chan struct{}, 1),
	}
	go s.run()
	return s
}

// add takes a piece of work, and never waits.
func (s *shipper) add(w ship.Work) {
	s.mu.Lock()
	s.todo = append(s.todo, w)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *shipper) run() {
	defer close(s.ended)
	for {
		s.mu.Lock()
		todo := s.todo
		s.todo = nil
		s.mu.Unlock()
		for _, w := range todo {
			select {
			case s.out <- s.do(w):
			case <-s.quit:
				return
			}
		}
		if len(todo) > 0 {
			continue
		}
		select {
		case <-s.wake:
		case <-s.quit:
			return
		}
	}
}

// close ends the goroutine and waits for it. What isn't done yet never is.
func (s *shipper) close() {
	if s == nil {
		return
	}
	close(s.quit)
	<-s.ended
}
