package lane

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/tidaldb/tidal/internal/hlc"
)

// Expire forgets the runs and keys whose newest stamp lies more than the horizon before now, which is a stamp, not the
// wall clock: the caller takes it from the log, at points that are the same on every replica.
//
// A lane's runs go in the order of their requests, so one with a younger run below it waits for that. The high-water
// and the window stay. Only in a table that is full of lanes, those without any run are forgotten whole, the longest
// idle first, until an eighth is free.
func (t *Table) Expire(now hlc.Timestamp) {
	limit := cutoff(now, t.opts.Horizon)
	for t.runs > 0 && t.oldest().age.stamp < limit {
		l := t.byAge[0]
		n := 0
		for n < len(l.runs) && l.runs[n].newest < limit {
			l.hashes -= len(l.runs[n].known)
			n++
		}
		t.removeRuns(l, n)
	}
	for len(t.keysByAge) > 0 && t.keysByAge[0].HLC < limit {
		k := heap.Pop(&t.keysByAge).(*key)
		delete(t.keys, k.name)
		t.changedKey(k)
	}
	if len(t.lanes) >= t.opts.MaxLanes {
		t.evict(limit)
	}
}

// cutoff is the stamp below which all is beyond the horizon.
func cutoff(now hlc.Timestamp, horizon int64) hlc.Timestamp {
	return hlc.Make(now.Millis()-horizon, 0)
}

// dropOldest drops the first run of the lane whose first run is the oldest of all.
func (t *Table) dropOldest() {
	l := t.oldest()
	l.hashes -= len(l.runs[0].known)
	t.removeRuns(l, 1)
}

// removeRuns removes the first n runs of a lane, whose hashes are no longer counted.
func (t *Table) removeRuns(l *lane, n int) {
	for i := range l.runs[:n] {
		l.touch(l.runs[i].first)
	}
	t.changed(l)
	clear(l.runs[:n]) // the array lives on
	l.runs = l.runs[n:]
	if len(l.runs) == 0 {
		l.runs = nil
	}
	t.runs -= n
	t.byAge.moved(l)
}

// oldest brings the lane to the front whose first run is the oldest, and returns it. The heap may have placed a lane
// by the age that its first run had before it grew; such lanes are put right as they turn up.
func (t *Table) oldest() *lane {
	for {
		l := t.byAge[0]
		if l.age == l.trueAge() {
			return l
		}
		l.age = l.trueAge()
		heap.Fix(&t.byAge, 0)
	}
}

// evict forgets lanes that hold no run and were idle beyond the horizon.
func (t *Table) evict(limit hlc.Timestamp) {
	var idle []*lane
	for _, l := range t.byAge {
		if len(l.runs) == 0 && l.newest < limit {
			idle = append(idle, l)
		}
	}
	slices.SortFunc(idle, func(a, b *lane) int {
		return cmp.Or(cmp.Compare(a.newest, b.newest), cmp.Compare(a.producer, b.producer))
	})
	room := len(t.lanes) - (t.opts.MaxLanes - max(1, t.opts.MaxLanes/8))
	for _, l := range idle[:min(room, len(idle))] {
		heap.Remove(&t.byAge, l.slot)
		delete(t.lanes, l.producer)
		t.changed(l)
	}
}

// age orders lanes by when their first run expires; lanes without runs come last.
type age struct {
	idle  bool
	stamp hlc.Timestamp
}

func (l *lane) trueAge() age {
	if len(l.runs) == 0 {
		return age{idle: true}
	}
	return age{stamp: l.runs[0].newest}
}

func (a age) compare(b age) int {
	if a.idle != b.idle {
		if a.idle {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.stamp, b.stamp)
}

// laneHeap is a heap by age and then producer, in which each lane knows its slot.
type laneHeap []*lane

// moved tells the heap that the age of a lane may have changed. When it rose, as it does with every request of a lane
// that has one run, the heap stays as it is: see oldest.
func (h *laneHeap) moved(l *lane) {
	if now := l.trueAge(); now.compare(l.age) < 0 || now.idle {
		l.age = now
		heap.Fix(h, l.slot)
	}
}

func (h laneHeap) Len() int { return len(h) }
func (h laneHeap) Less(i, j int) bool {
	if c := h[i].age.compare(h[j].age); c != 0 {
		return c < 0
	}
	return h[i].producer < h[j].producer
}

func (h laneHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i, j
}

// Push and Pop are for package heap.
func (h *laneHeap) Push(x any) {
	l := x.(*lane)
	l.slot, l.age = len(*h), l.trueAge()
	*h = append(*h, l)
}

func (h *laneHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return l
}
