package host

import (
	"sync/atomic"
	"time"
)

// syncBounds are the classes of what a sync of the log takes. From memory that calls itself a disk to one that hangs.
var syncBounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond,
	2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond,
	5 * time.Second, 10 * time.Second,
}

// syncCounts counts syncs by what they took. One goroutine adds, others read.
type syncCounts struct {
	nanos  atomic.Int64
	counts [len(syncBounds) + 1]atomic.Uint64 // the last one is above all bounds
}

func (c *syncCounts) add(nanos int64) {
	at := len(syncBounds)
	for i, bound := range syncBounds {
		if nanos <= int64(bound) {
			at = i
			break
		}
	}
	c.nanos.Add(nanos)
	c.counts[at].Add(1)
}

// SyncTimes is how long syncs of the log took, since the replica was opened.
type SyncTimes struct {
	// Count is how many there were, Total what they took together.
	Count uint64
	Total time.Duration
	// Within counts, for each of some bounds, those that took no longer.
	Within map[time.Duration]uint64
}

func (c *syncCounts) times() SyncTimes {
	out := SyncTimes{Total: time.Duration(c.nanos.Load()), Within: make(map[time.Duration]uint64, len(syncBounds))}
	for i := range c.counts {
		out.Count += c.counts[i].Load()
		if i < len(syncBounds) {
			out.Within[syncBounds[i]] = out.Count
		}
	}
	return out
}

// Syncs says how long syncs of the log took; nothing for a replica that is read only.
func (r *Replica) Syncs() SyncTimes {
	if r.loop == nil {
		return SyncTimes{}
	}
	return r.loop.disk.syncs.times()
}
