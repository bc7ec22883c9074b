package harness

import (
	"container/heap"
	"time"
)

// event is something that is to be done at a time.
type event struct {
	at     time.Duration
	number uint64 // ties are settled by the order of entry
	do     func()
}

// events are what is to be done, the next first.
type events struct {
	list   []event
	number uint64
}

func (e *events) Len() int { return len(e.list) }

func (e *events) Less(i, j int) bool {
	a, b := &e.list[i], &e.list[j]
	return a.at < b.at || a.at == b.at && a.number < b.number
}

func (e *events) Swap(i, j int) { e.list[i], e.list[j] = e.list[j], e.list[i] }

func (e *events) Push(x any) { e.list = append(e.list, x.(event)) }

func (e *events) Pop() any {
	n := len(e.list) - 1
	x := e.list[n]
	e.list[n] = event{}
	e.list = e.list[:n]
	return x
}

// after has something done after a while.
func (c *SimulatedCluster) after(d time.Duration, do func()) {
	c.events.number++
	heap.Push(&c.events, event{c.now + d, c.events.number, do})
}

// step does what is next to be done, and moves the clock there.
func (c *SimulatedCluster) step() {
	e := heap.Pop(&c.events).(event)
	c.now = max(c.now, e.at)
	e.do()
}

// Advance lets a time pass.
func (c *SimulatedCluster) Advance(d time.Duration) error {
	return c.until(d, func() bool { return false })
}

// until lets time pass until something is so, or a limit is over.
func (c *SimulatedCluster) until(limit time.Duration, so func() bool) error {
	end := c.now + limit
	for c.failed == nil && !so() {
		if len(c.events.list) == 0 || c.events.list[0].at > end {
			c.now = end
			break
		}
		c.step()
	}
	return c.failed
}

// Elapsed is the virtual time since the cluster was built.
func (c *SimulatedCluster) Elapsed() time.Duration { return c.now }
