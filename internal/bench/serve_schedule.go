package bench

import (
	"math"
	"sync"
	"time"
)

// task is what falls due.
type task uint8

const (
	asksList task = iota
	sendsSignals
	reacts // hides something and asks for the next list
	tasks
)

// schedule says what falls due when, at fixed rates, whatever becomes of it: an open loop.
type schedule struct {
	began  time.Time
	length time.Duration

	mu    sync.Mutex
	every [tasks]float64 // nanoseconds between two of a kind; infinite for none
	given [tasks]int
}

// newSchedule begins now. Rates are per second, in the order of the tasks.
func newSchedule(length time.Duration, rates ...float64) *schedule {
	s := &schedule{began: time.Now(), length: length}
	for i := range s.every {
		s.every[i] = math.Inf(1)
		if rates[i] > 0 {
			s.every[i] = float64(time.Second) / rates[i]
		}
	}
	return s
}

// next returns what falls due next and when, false if nothing does within the schedule's time.
func (s *schedule) next() (t task, due time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := math.Inf(1)
	for i := range s.every {
		// The kinds are shifted against each other, so that they don't all begin at once.
		if x := (float64(s.given[i]) + float64(i+1)/float64(tasks+1)) * s.every[i]; x < at {
			t, at = task(i), x
		}
	}
	if at >= float64(s.length) {
		return t, due, false
	}
	s.given[t]++
	return t, s.began.Add(time.Duration(at)), true
}
