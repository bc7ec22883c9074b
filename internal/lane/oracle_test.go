package lane

import (
	"cmp"
	"slices"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// oracle remembers every request by itself and finds runs by looking.
type oracle struct {
	opts  Options
	lanes map[string]*oracleLane
	keys  map[string]*oracleRequest
}

type oracleLane struct {
	ever     map[uint64]bool // accepted at any time
	requests map[uint64]*oracleRequest
	floor    uint64
	newest   hlc.Timestamp
}

type oracleRequest struct {
	Accepted
	hashed bool
	newest hlc.Timestamp // of the run it's in
}

func newOracle(opts Options) *oracle {
	return &oracle{opts: opts.withDefaults(), lanes: map[string]*oracleLane{}, keys: map[string]*oracleRequest{}}
}

func (l *oracleLane) high() uint64 {
	high := uint64(0)
	for r := range l.ever {
		high = max(high, r)
	}
	return high
}

// order returns the requests still known, in order.
func (l *oracleLane) order() []uint64 {
	var list []uint64
	for r := range l.requests {
		list = append(list, r)
	}
	slices.Sort(list)
	return list
}

// runs groups the requests.
func (l *oracleLane) runs() [][]uint64 {
	var runs [][]uint64
	for _, r := range l.order() {
		if n := len(runs); n > 0 {
			before := runs[n-1][len(runs[n-1])-1]
			a, b := l.requests[before], l.requests[r]
			next := a.Position
			next.Seq += id.Seq(a.Count)
			if before+1 == r && a.Count == b.Count && next == b.Position {
				runs[n-1] = append(runs[n-1], r)
				continue
			}
		}
		runs = append(runs, []uint64{r})
	}
	return runs
}

// check answers fresh, duplicate, reused, old or full.
func (o *oracle) check(producer string, request, content uint64) (string, id.Position, uint32) {
	l, ok := o.lanes[producer]
	if !ok {
		if len(o.lanes) >= o.opts.MaxLanes {
			return "full", id.Position{}, 0
		}
		return "fresh", id.Position{}, 0
	}
	if r, ok := l.requests[request]; ok {
		if r.hashed && r.Content != content {
			return "reused", id.Position{}, 0
		}
		return "duplicate", r.Position, r.Count
	}
	if high := l.high(); request <= high && (high-request >= o.opts.Window || l.ever[request]) {
		return "old", id.Position{}, 0
	}
	return "fresh", id.Position{}, 0
}

func (o *oracle) accept(producer string, request uint64, a Accepted) Meeting {
	l, ok := o.lanes[producer]
	if !ok {
		l = &oracleLane{ever: map[uint64]bool{}, requests: map[uint64]*oracleRequest{}}
		o.lanes[producer] = l
	}
	m := Meeting{}
	if r, ok := l.requests[request]; ok {
		if r.Position == a.Position {
			return m
		}
		m.Twice = true
		if !r.hashed {
			return m // of what is kept, nothing tells them apart
		}
		var stays bool
		if m, stays = oracleMeeting(r.Accepted, a); stays {
			return m
		}
	} else if high := l.high(); l.ever[request] && high-request < 64 {
		m.Twice = true
	}
	l.ever[request] = true
	l.newest = max(l.newest, a.HLC)
	l.requests[request] = &oracleRequest{Accepted: a, hashed: request >= l.floor, newest: a.HLC}
	for _, run := range l.runs() {
		newest := hlc.Timestamp(0)
		for _, r := range run {
			newest = max(newest, l.requests[r].newest)
		}
		for _, r := range run {
			l.requests[r].newest = newest
		}
	}
	l.dropHashes(o.opts.MaxHashes)
	for o.runs() > o.opts.MaxRuns {
		o.dropOldest()
	}
	return m
}

// oracleMeeting says that the later of two copies falls, and whether a is the earlier one.
func oracleMeeting(a, b Accepted) (m Meeting, stays bool) {
	copies := []Accepted{a, b}
	slices.SortFunc(copies, func(a, b Accepted) int {
		return cmp.Or(cmp.Compare(a.HLC, b.HLC), a.Position.Origin().Compare(b.Position.Origin()),
			cmp.Compare(a.Position.Seq, b.Position.Seq))
	})
	if a.Content != b.Content {
		return Meeting{Twice: true, Reused: true}, copies[0] == a
	}
	return Meeting{Twice: true, Falls: copies[1].Position, Count: copies[1].Count}, copies[0] == a
}

func (l *oracleLane) dropHashes(limit int) {
	var hashed []uint64
	for _, r := range l.order() {
		if l.requests[r].hashed {
			hashed = append(hashed, r)
		}
	}
	for ; len(hashed) > limit; hashed = hashed[1:] {
		l.requests[hashed[0]].hashed = false
		l.floor = hashed[0] + 1
	}
}

func (o *oracle) runs() int {
	n := 0
	for _, l := range o.lanes {
		n += len(l.runs())
	}
	return n
}

func (o *oracle) producers() []string {
	var list []string
	for p := range o.lanes {
		list = append(list, p)
	}
	slices.Sort(list)
	return list
}

func (o *oracle) dropOldest() {
	var first *oracleLane
	var oldest hlc.Timestamp
	for _, p := range o.producers() {
		l := o.lanes[p]
		if runs := l.runs(); len(runs) > 0 {
			if newest := l.requests[runs[0][0]].newest; first == nil || newest < oldest {
				first, oldest = l, newest
			}
		}
	}
	for _, r := range first.runs()[0] {
		delete(first.requests, r)
	}
}

func (o *oracle) expire(now hlc.Timestamp) {
	limit := cutoff(now, o.opts.Horizon)
	for _, l := range o.lanes {
		for _, run := range l.runs() {
			if l.requests[run[0]].newest >= limit {
				break
			}
			for _, r := range run {
				delete(l.requests, r)
			}
		}
	}
	for name, k := range o.keys {
		if k.HLC < limit {
			delete(o.keys, name)
		}
	}
	if len(o.lanes) < o.opts.MaxLanes {
		return
	}
	idle := o.producers()
	idle = slices.DeleteFunc(idle, func(p string) bool {
		return len(o.lanes[p].requests) > 0 || o.lanes[p].newest >= limit
	})
	slices.SortStableFunc(idle, func(a, b string) int { return cmp.Compare(o.lanes[a].newest, o.lanes[b].newest) })
	for _, p := range idle {
		if len(o.lanes) <= o.opts.MaxLanes-max(1, o.opts.MaxLanes/8) {
			return
		}
		delete(o.lanes, p)
	}
}

func (o *oracle) checkKey(name string, content uint64) (string, id.Position, uint32) {
	k, ok := o.keys[name]
	switch {
	case !ok && len(o.keys) >= o.opts.MaxKeys:
		return "full", id.Position{}, 0
	case !ok:
		return "fresh", id.Position{}, 0
	case k.Content != content:
		return "reused", id.Position{}, 0
	}
	return "duplicate", k.Position, k.Count
}

func (o *oracle) acceptKey(name string, a Accepted) Meeting {
	k, ok := o.keys[name]
	if !ok {
		o.keys[name] = &oracleRequest{Accepted: a}
		return Meeting{}
	}
	if k.Position == a.Position {
		return Meeting{}
	}
	m, stays := oracleMeeting(k.Accepted, a)
	if !stays {
		o.keys[name] = &oracleRequest{Accepted: a}
	}
	return m
}
