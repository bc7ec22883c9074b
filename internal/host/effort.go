package host

import "sync/atomic"

// effort says how busy the loop is, so that the checkpoint can give way to writes. The loop keeps it; anyone may ask.
type effort struct {
	began   int64 // when the present work began, 0 while it rests; the loop's
	since   int64 // when the present window began; the loop's
	busy    int64 // nanoseconds of work in it; the loop's
	percent atomic.Int64
}

// loadWindow is over how long work is averaged, in nanoseconds.
const loadWindow = 50e6

// works notes that the loop begins to work at a time of its monotonic clock, and rests that it waits for something.
func (e *effort) works(now int64) { e.began = now }

func (e *effort) rests(now int64) {
	if e.began != 0 {
		e.busy += now - e.began
		e.began = 0
	}
	if window := now - e.since; window >= loadWindow {
		e.percent.Store(100 * e.busy / window)
		e.since, e.busy = now, 0
	}
}
