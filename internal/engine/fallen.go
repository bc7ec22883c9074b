package engine

import (
	"encoding/binary"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/lane"
	"github.com/tidaldb/tidal/internal/planted"
)

// A request that was accepted in two regions stands in the log twice. Of its copies the first one stands, by stamp and
// origin, and the others fall: what their signals added must be taken out again, by whoever answers for their origin.
// The lanes notice it when the second copy arrives, in whichever order they do. Every group remembers all that fell, its
// own and others', until the position is settled: who answers for an origin may change.
type fallen struct {
	positions
	// spans are the requests of the batch at hand that met a copy.
	spans []span
	// changed are the positions that entered or left since a Fold looked; nil without one.
	changed map[id.Position]bool
	// swept is the hour of the last sweep.
	swept int64
}

// span says which records fall when those of a request arrive: the copy's or their own.
type span struct {
	arrives, falls id.Position // the first records of the request that is here, and of the copy that falls
	count          uint32
	stamp          hlc.Timestamp
}

// met notes that a request of some records met a copy of it.
func (f *fallen) met(arrives id.Position, count uint32, stamp hlc.Timestamp, m lane.Meeting) {
	if m.Falls.IsZero() || planted.KeepBoth {
		return
	}
	// The copies have one content and so equally many records, unless somebody used a number or a key twice.
	f.spans = append(f.spans, span{arrives: arrives, falls: m.Falls, count: min(count, m.Count), stamp: stamp})
}

// fell makes fall what falls with the signal at a position of the batch at hand.
func (e *Engine) fell(p id.Position) {
	f := &e.fallen
	f.spans = slices.DeleteFunc(f.spans, func(s span) bool {
		at := p.Seq - s.arrives.Seq
		if at >= id.Seq(s.count) {
			return true // it ended: records come in order
		}
		e.fall(s.falls.Origin().At(s.falls.Seq+at), s.stamp)
		return false
	})
}

// fall makes one signal fall, unless it was taken back before.
func (e *Engine) fall(p id.Position, stamp hlc.Timestamp) {
	if !e.folding && e.undone(p).Settled() || !e.fallen.add(p, stamp) {
		return
	}
	e.counters.Fallen++
	e.fallen.note(p)
	if !e.folding && e.AnswersFor(p.Origin()) {
		e.takeBacks.mine.add(p, 0)
	}
}

func (f *fallen) note(p id.Position) {
	if f.changed != nil {
		f.changed[p] = true
	}
}

const hour = 60 * 60 * 1000

// sweep forgets, every hour of the own origin's stamps, others' positions that fell so long ago that nobody would ask:
// mostly those that were taken back before this group heard that they fell.
func (e *Engine) sweep() {
	f, now := &e.fallen, e.highestOwn.Millis()
	if now/hour == f.swept {
		return
	}
	f.swept = now / hour
	limit := hlc.Make(max(0, now-e.lanes.Horizon()), 0)
	f.all(func(p id.Position) bool {
		if o := p.Origin(); (o.Region != e.cfg.Origin.Region || o.Shard != e.cfg.Origin.Shard) && f.in[p] < limit {
			f.remove(p)
			f.note(p)
			e.takeBacks.mine.remove(p)
		}
		return true
	})
}

func fallenKey(p id.Position) []byte {
	b := binary.BigEndian.AppendUint64([]byte{localFallen}, p.Origin().Packed())
	return binary.BigEndian.AppendUint64(b, uint64(p.Seq))
}

// fallenChanges calls yield with the group-local records of what changed since the last time, by key.
func (f *fallen) fallenChanges(yield func(key, value []byte)) {
	changed := make([]id.Position, 0, len(f.changed))
	for p := range f.changed {
		changed = append(changed, p)
	}
	slices.SortFunc(changed, id.Position.Compare)
	for _, p := range changed {
		stamp, ok := f.in[p]
		if !ok {
			yield(fallenKey(p), nil)
			continue
		}
		yield(fallenKey(p), binary.AppendUvarint([]byte{localVersion}, uint64(stamp)))
	}
	clear(f.changed)
}

func (e *Engine) loadFallen(key, value []byte) error {
	origin, err := localOrigin(key, 16)
	if err != nil {
		return err
	}
	p := origin.At(id.Seq(binary.BigEndian.Uint64(key[8:])))
	r := localReader{b: value}
	r.version()
	stamp := r.stamp()
	if err := r.end(binary.AppendUvarint([]byte{localVersion}, uint64(stamp)), value, "fallen positions"); err != nil {
		return err
	}
	if p.IsZero() || !e.fallen.add(p, stamp) {
		return fault.Damaged("", 0, "fallen position %v is none, or is there twice", p)
	}
	return nil
}
