package host

import (
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/internal/wal"
)

// releasable returns the entry below which the log may go, now that the store holds flushed durably.
func (b *Base) releasable(flushed uint64) (below uint64, err error) {
	b.pins.mu.Lock() // who pins comes before all of it, or learns what goes
	defer b.pins.mu.Unlock()
	defer func() { b.pins.going = max(b.pins.going, below) }()
	facts := retention.Facts{Now: b.opts.Now().UnixMilli(), Flushed: flushed, Needed: b.pins.first(b.kept(flushed + 1))}
	named, err := b.named()
	if err != nil {
		return 0, nil // as long as nobody knows what exports need, nothing goes
	}
	facts.Pins = needed(named)
	policy := b.opts.Retention
	files := b.Log.Files()
	for _, f := range files[:len(files)-1] {
		if f.Last < f.First {
			continue
		}
		s, ok := b.segments[f.Name]
		if !ok || s.Last != f.Last {
			if s, err = b.segment(f); err != nil {
				return 0, err
			}
			b.segments[f.Name] = s
		}
		facts.Segments = append(facts.Segments, s)
		// A log loses its beginning alone, so what lies behind the first file that stays needs no look, unless the size
		// matters: of the whole log, or of what stays for exports.
		if policy.SizeLimit == 0 && !policy.Alone(facts) {
			break
		}
	}
	d := retention.Plan(policy, facts)
	b.note(&d)
	return d.Release + 1, nil
}

// kept is the first entry that stays for members who get a snapshot, or a later one if none does. When that is too much of
// the log, they begin anew.
func (b *Base) kept(later uint64) uint64 {
	first := b.keep.Load()
	if first == 0 || first >= later || b.Log.BytesFrom(first) > b.opts.KeepBytes {
		return later
	}
	return first
}

// note keeps what a decision says of exports. What is given up is counted once, however long it takes to go.
func (b *Base) note(d *retention.Decision) {
	now := held{bytes: d.Pinned, alarm: d.PinAlarm}
	if before := b.held.Load(); before != nil {
		now.givenUp, now.upTo = before.givenUp, before.upTo
	}
	if d.Release > now.upTo {
		now.givenUp += d.GivenUp
		now.upTo = d.Release
	}
	b.held.Store(&now)
}

// fileAge is how old the first event of a log's file may be: the file goes with its last.
const fileAge = 24 * time.Hour

// rollOld lets the log go on in a new file when the present one is old.
func (b *Base) rollOld(d *disk) {
	files := b.Log.Files()
	f := files[len(files)-1]
	for i := f.First; i <= f.Last; i++ {
		entries, err := b.Log.Entries(i, i+1, replayBytes)
		if err != nil {
			return // the next write or fold says so
		}
		if entries[0].Kind != wal.KindBatch {
			continue
		}
		x, err := glance(entries[0].Data)
		if err == nil && b.opts.Now().Sub(time.UnixMilli(x.written)) > fileAge {
			d.Roll()
			d.tidied()
		}
		return
	}
}

// Forgotten returns the time by which what was written at a time is gone from the log, if the database is open
// then.
func (r *Replica) Forgotten(written time.Time) time.Time {
	keep := time.Duration(r.base.opts.Retention.Keep()) * time.Millisecond
	return written.Add(keep + fileAge + 2*upkeepInterval)
}

// segment reads what a sealed file holds. It is read once.
func (b *Base) segment(f wal.File) (retention.Segment, error) {
	if s, known := b.streams.segment(f); known {
		return s, nil
	}
	x := stretch{first: f.First, last: f.First - 1}
	for next := f.First; next <= f.Last; {
		entries, err := b.Log.Entries(next, f.Last+1, replayBytes)
		if err != nil {
			return retention.Segment{}, fmt.Errorf("read log at entry %d: %w", next, err)
		}
		for _, e := range entries {
			x.add(e.Kind, e.Index, e.Data)
		}
		next += uint64(len(entries))
	}
	s := retention.Segment{First: f.First, Last: f.Last, Bytes: f.Bytes, Newest: x.newest}
	for _, p := range x.spans {
		s.Spans = append(s.Spans, retention.Span{Origin: p.origin, First: p.first, Last: p.last})
	}
	return s, nil
}
