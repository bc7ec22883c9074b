package lane

import (
	"slices"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// lane is what is remembered of one producer.
type lane struct {
	producer string
	high     uint64 // highest accepted request
	window   uint64 // bit i: request high−i was accepted
	newest   hlc.Timestamp
	floor    uint64 // requests from here on have their hashes kept
	hashes   int    // how many are kept
	runs     []run  // by request, disjoint, each maximal

	age  age // by which the heap placed the lane; never above the true one
	slot int // in the heap

	trail *trail // nil unless the table tracks changes
}

// run is a maximal sequence of requests with contiguous positions and equally many records.
type run struct {
	first  uint64 // request
	n      uint64 // requests
	count  uint32 // records per request
	pos    id.Position
	newest hlc.Timestamp
	known  []known // of the last len(known) requests
}

// known is what is kept of a single request for as long as its hash is.
type known struct {
	content uint64
	stamp   hlc.Timestamp // of its first record; 0 when a program that didn't keep stamps entered it
}

func (r *run) end() uint64 { return r.first + r.n - 1 }

// position is that of the first record of a request within the run.
func (r *run) position(request uint64) id.Position {
	p := r.pos
	p.Seq += id.Seq((request - r.first) * uint64(r.count))
	return p
}

// hash returns the content hash of a request within the run, if it is still kept.
func (r *run) hash(request uint64) (uint64, bool) {
	k := r.recall(request)
	if k == nil {
		return 0, false
	}
	return k.content, true
}

// recall returns what is kept of a request within the run, nil if nothing is any more.
func (r *run) recall(request uint64) *known {
	back := r.end() - request
	if back >= uint64(len(r.known)) {
		return nil
	}
	return &r.known[uint64(len(r.known))-1-back]
}

// follows reports whether next continues r.
func (r *run) follows(next *run) bool {
	return r.end()+1 == next.first && r.count == next.count && r.position(next.first) == next.pos
}

// find returns the index of the run that holds a request, or the index where its run would go.
func (l *lane) find(request uint64) (int, bool) {
	// Nearly always the newest run is meant, or what follows it.
	if n := len(l.runs); n == 0 || l.runs[n-1].end() < request {
		return n, false
	} else if l.runs[n-1].first <= request {
		return n - 1, true
	}
	i, _ := slices.BinarySearchFunc(l.runs, request, func(r run, request uint64) int {
		if r.end() < request {
			return -1
		}
		return 1
	})
	return i, l.runs[i].first <= request
}

// accepted tells from the window whether a request at or below high was accepted.
func (l *lane) accepted(request uint64) bool {
	back := l.high - request
	return request <= l.high && back < windowBits && l.window>>back&1 == 1
}

// insert enters a request that is in no run.
func (l *lane) insert(request uint64, a Accepted) {
	l.raise(request)
	l.newest = max(l.newest, a.HLC)
	next := run{first: request, n: 1, count: a.Count, pos: a.Position, newest: a.HLC}
	at, _ := l.find(request)
	hashed := request >= l.floor
	if hashed {
		l.hashes++
	}
	if at > 0 && l.runs[at-1].follows(&next) {
		before := &l.runs[at-1]
		l.touch(before.first)
		before.n++
		before.newest = max(before.newest, a.HLC)
		if hashed {
			before.known = append(before.known, known{a.Content, a.HLC})
		}
		at--
	} else {
		if hashed {
			next.known = []known{{a.Content, a.HLC}}
		}
		l.touch(request)
		l.runs = slices.Insert(l.runs, at, next)
	}
	l.join(at)
}

// join unites the run at i with the one behind it, if that continues it.
func (l *lane) join(i int) {
	if i+1 == len(l.runs) || !l.runs[i].follows(&l.runs[i+1]) {
		return
	}
	r, next := &l.runs[i], &l.runs[i+1]
	l.touch(r.first)
	l.touch(next.first)
	r.n += next.n
	r.newest = max(r.newest, next.newest)
	r.known = append(r.known, next.known...)
	l.runs = slices.Delete(l.runs, i+1, i+2)
}

// cut takes one request out of the run at i and leaves what is before and behind it. Both parts keep the run's newest
// stamp: that a request is remembered for longer than it must does no harm.
func (l *lane) cut(i int, request uint64) {
	whole := l.runs[i]
	before, behind := whole, whole
	before.n = request - whole.first
	behind.first, behind.n, behind.pos = request+1, whole.end()-request, whole.position(request+1)
	// The hashes lie at the end; those behind the request come first.
	behind.known = whole.known[max(0, len(whole.known)-int(min(behind.n, uint64(len(whole.known))))):]
	if kept := len(whole.known) - len(behind.known); kept > 0 {
		before.known = whole.known[: kept-1 : kept-1]
		l.hashes--
	} else {
		before.known = nil
	}
	behind.known = slices.Clone(behind.known)
	l.touch(whole.first)
	parts := make([]run, 0, 2)
	if before.n > 0 {
		parts = append(parts, before)
	}
	if behind.n > 0 {
		l.touch(behind.first)
		parts = append(parts, behind)
	}
	l.runs = slices.Replace(l.runs, i, i+1, parts...)
}

// raise marks a request in the window, and moves the window up if it lies above.
func (l *lane) raise(request uint64) {
	switch {
	case request > l.high:
		if step := request - l.high; step < windowBits {
			l.window = l.window<<step | 1
		} else {
			l.window = 1
		}
		l.high = request
	case l.high-request < windowBits:
		l.window |= 1 << (l.high - request)
	}
}

// drop forgets the hashes of the lowest requests until at most limit are kept, and raises the floor above them.
func (l *lane) drop(limit int) {
	if l.hashes <= limit {
		return
	}
	i, _ := l.find(l.floor)
	for ; l.hashes > limit; i++ {
		r := &l.runs[i]
		n := min(len(r.known), l.hashes-limit)
		if n == 0 {
			continue
		}
		l.touch(r.first)
		r.known = r.known[n:]
		if len(r.known) == 0 {
			r.known = nil
		}
		l.hashes -= n
		l.floor = r.end() - uint64(len(r.known)) + 1
	}
}
