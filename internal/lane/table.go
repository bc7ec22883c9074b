package lane

import (
	"cmp"
	"container/heap"
	"fmt"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Options bound a table. They decide what is forgotten when, so all replicas of a group have the same.
type Options struct {
	// Horizon is for how long requests and keys are remembered, in milliseconds. 0 means 24 hours.
	Horizon int64
	// Window is how far below the highest accepted request another may still come first, 1 to 64. 0 means 64.
	Window uint64
	// MaxLanes is the number of lanes from which on a new producer is refused, and lanes idle beyond the horizon are
	// forgotten whole. 0 means 1,048,576.
	MaxLanes int
	// MaxRuns is the number of runs kept, over all lanes; above it the oldest are dropped before their horizon, and
	// their retries are refused as too old, never counted again. 0 means 4,194,304.
	MaxRuns int
	// MaxHashes is the number of content hashes and stamps kept per lane; for older requests a retry is recognised, but
	// its content isn't compared, and of two copies it can't be told which falls. At most 1,048,576; 0 means 4,096.
	MaxHashes int
	// MaxKeys is the number of keys from which on a new key is refused until old ones expire. 0 means 4,194,304.
	MaxKeys int
}

const windowBits = 64

func (o Options) withDefaults() Options {
	if o.Horizon == 0 {
		o.Horizon = 24 * 60 * 60 * 1000
	}
	if o.Window == 0 {
		o.Window = windowBits
	}
	if o.MaxLanes == 0 {
		o.MaxLanes = 1 << 20
	}
	if o.MaxRuns == 0 {
		o.MaxRuns = 1 << 22
	}
	if o.MaxHashes == 0 {
		o.MaxHashes = 1 << 12
	}
	if o.MaxKeys == 0 {
		o.MaxKeys = 1 << 22
	}
	if o.Horizon < 0 || o.Window > windowBits || o.MaxLanes < 0 || o.MaxRuns < 0 || o.MaxKeys < 0 ||
		o.MaxHashes < 0 || o.MaxHashes > 1<<20 {
		panic(fmt.Sprintf("lane: options out of range: %+v", o))
	}
	return o
}

// Accepted is how a request, or a key, entered the log.
type Accepted struct {
	// Position is that of the first record; the others follow it without a gap.
	Position id.Position
	// Count is the number of records, at least 1.
	Count uint32
	// Content is the hash of what was asked for.
	Content uint64
	// HLC is the stamp of the first record.
	HLC hlc.Timestamp
}

// last is the position of the last record.
func (a *Accepted) last() id.Position {
	p := a.Position
	p.Seq += id.Seq(a.Count) - 1
	return p
}

// before orders the copies of one request: the first of them stands. By stamp, then by origin; one origin never gives a
// stamp twice.
func (a *Accepted) before(b *Accepted) bool {
	return cmp.Or(cmp.Compare(a.HLC, b.HLC), a.Position.Compare(b.Position)) < 0
}

func (a *Accepted) check() {
	if a.Position.IsZero() || a.Count == 0 || a.last().Seq < a.Position.Seq {
		panic(fmt.Sprintf("lane: accepted %d records at %v", a.Count, a.Position))
	}
}

// Meeting says what became of two copies of one request.
type Meeting struct {
	// Twice says that the request was there already, at another position.
	Twice bool
	// Falls is the first position of the copy that must be compensated, which is the one with the higher (stamp, origin),
	// and Count the number of its records. It is zero when nobody can tell: the stamp of the copy that was here is
	// forgotten, or its place; and when they aren't copies.
	Falls id.Position
	Count uint32
	// Reused says that the two have different contents: somebody used a number or a key twice, in groups that didn't
	// know of each other. Both count.
	Reused bool
}

// Verdict answers a check.
type Verdict struct {
	// Duplicate says that the request was accepted before; false means that it's fresh.
	Duplicate bool
	// Position and Count are where its records stand, if it's a duplicate.
	Position id.Position
	Count    uint32
}

// Table is what one group remembers.
type Table struct {
	opts  Options
	lanes map[string]*lane
	keys  map[string]*key
	// byAge and keysByAge hold the same lanes and keys with the next to expire in front. Besides, they are how the
	// table walks through all of them: a map is never ranged over.
	byAge     laneHeap
	keysByAge keyHeap
	runs      int
	tracker   *tracker // nil unless changes are tracked
}

// New returns an empty table.
func New(opts Options) *Table {
	return &Table{opts: opts.withDefaults(), lanes: make(map[string]*lane), keys: make(map[string]*key)}
}

// Check tells whether a request may be stamped. It returns [fault.ErrKeyReused] if the request was accepted with other
// content, [fault.ErrRetryTooOld] if nobody can tell any more, and [fault.ErrOverloaded] for a new producer in a full
// table.
func (t *Table) Check(producer string, request, content uint64) (Verdict, error) {
	if request == 0 {
		return Verdict{}, fault.Refuse("request", "is 0; requests are numbered from 1")
	}
	l, ok := t.lanes[producer]
	if !ok {
		if len(t.lanes) >= t.opts.MaxLanes {
			return Verdict{}, fmt.Errorf("open lane %q beside %d others: %w", producer, len(t.lanes), fault.ErrOverloaded)
		}
		l = &lane{}
	}
	if r, ok := l.find(request); ok {
		run := &l.runs[r]
		if hash, ok := run.hash(request); ok && hash != content {
			return Verdict{}, fmt.Errorf("check request %d of lane %q: %w", request, producer, fault.ErrKeyReused)
		}
		return Verdict{Duplicate: true, Position: run.position(request), Count: run.count}, nil
	}
	if high := l.high; request <= high && (high-request >= t.opts.Window || l.accepted(request)) {
		return Verdict{}, fmt.Errorf("check request %d of lane %q, which is at %d: %w",
			request, producer, high, fault.ErrRetryTooOld)
	}
	return Verdict{}, nil
}

// Accept enters a request when it is applied, whichever group stamped it. If the request is there already, at another
// position, the same event stands in the log twice, and the meeting says which copy falls. The table keeps the other, so
// that of any number of copies, in any order, all but the first are named once at least.
func (t *Table) Accept(producer string, request uint64, a Accepted) Meeting {
	a.check()
	if request == 0 {
		panic("lane: accepted request 0")
	}
	l := t.lane(producer)
	before := len(l.runs)
	meeting := Meeting{}
	if r, ok := l.find(request); ok {
		run := &l.runs[r]
		here := Accepted{Position: run.position(request), Count: run.count}
		if here.Position == a.Position {
			return Meeting{} // the same record again
		}
		if k := run.recall(request); k != nil {
			here.HLC, here.Content = k.stamp, k.content
		}
		var stays bool
		if meeting, stays = meet(&here, &a); stays {
			return meeting
		}
		l.cut(r, request)
	} else if l.accepted(request) {
		meeting.Twice = true // it was in a run that is forgotten
	}
	t.changed(l)
	l.insert(request, a)
	l.drop(t.opts.MaxHashes)
	t.runs += len(l.runs) - before
	t.byAge.moved(l)
	for t.runs > t.opts.MaxRuns {
		t.dropOldest()
	}
	return meeting
}

// meet says which of two copies falls, the one that is here or the one that comes, and whether the table goes on with the
// one that is here.
func meet(here, comes *Accepted) (m Meeting, stays bool) {
	m.Twice = true
	stays = here.HLC == 0 || here.before(comes)
	switch {
	case here.HLC == 0: // it was stamped nobody knows when
	case here.Content != comes.Content:
		m.Reused = true
	case stays:
		m.Falls, m.Count = comes.Position, comes.Count
	default:
		m.Falls, m.Count = here.Position, here.Count
	}
	return m, stays
}

// lane returns the lane of a producer and opens it if it is new. The name is cloned: what comes in may point into a
// batch.
func (t *Table) lane(producer string) *lane {
	if l, ok := t.lanes[producer]; ok {
		return l
	}
	l := &lane{producer: strings.Clone(producer)}
	if t.tracker != nil {
		l.trail = &trail{}
	}
	t.lanes[l.producer] = l
	heap.Push(&t.byAge, l)
	return l
}

// Horizon is for how long requests and keys are remembered, in milliseconds.
func (t *Table) Horizon() int64 { return t.opts.Horizon }

// HighWater returns the highest accepted request of a producer.
func (t *Table) HighWater(producer string) (uint64, bool) {
	l, ok := t.lanes[producer]
	if !ok {
		return 0, false
	}
	return l.high, true
}

// Len returns how many lanes, runs and keys there are.
func (t *Table) Len() (lanes, runs, keys int) { return len(t.lanes), t.runs, len(t.keys) }
