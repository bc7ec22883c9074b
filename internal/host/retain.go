package host

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/remnant"
	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/internal/wal"
)

// releasable returns the entry below which the log may go, now that the store holds flushed durably, and the entry up to which it's
// to be compacted first, 0 for nothing.
func (b *Base) releasable(flushed uint64) (below, compact uint64, err error) {
	regions := b.standings()
	if err := b.streams.dropPieces(func(h *remnant.Head) bool { return b.pieceNeeded(h, regions) }); err != nil {
		return 0, 0, err
	}
	b.pins.mu.Lock() // who pins comes before all of it, or learns what goes
	defer b.pins.mu.Unlock()
	defer func() { b.pins.going = max(b.pins.going, below) }()
	facts := retention.Facts{
		Now: b.opts.Now().UnixMilli(), Flushed: flushed, Needed: b.pins.first(b.kept(flushed + 1)), Compacted: b.compacted,
		Regions: hold(regions),
	}
	if len(regions) > 0 {
		facts.Regions = append(facts.Regions, b.streams.shows()) // what waits here can't be given to others yet
	}
	facts.PieceBytes, _ = b.streams.pieceBytes()
	named, err := b.named()
	if err != nil {
		return 0, 0, nil // as long as nobody knows what exports need, nothing goes
	}
	facts.Pins = needed(named)
	policy := b.opts.Retention
	for _, f := range b.sealed() {
		s, err := b.segment(f)
		if err != nil {
			return 0, 0, err
		}
		facts.Segments = append(facts.Segments, s)
		// A log loses its beginning alone, so what lies behind the first file that stays needs no look, unless the size
		// matters: of the whole log, or of what stays for exports.
		if policy.SizeLimit == 0 && len(regions) == 0 && !policy.Alone(facts) {
			break
		}
	}
	d := retention.Plan(policy, facts)
	b.note(&d)
	b.noteLog(&d, &facts, regions)
	return d.Release + 1, d.Compact, nil
}

// hold are the vectors of what needn't be given any more.
func hold(list []standing) []id.VersionVector {
	var out []id.VersionVector
	for i := range list {
		out = append(out, list[i].has)
	}
	return out
}

// sealed are the log's files that nobody writes to any more and that hold something, the oldest first.
func (b *Base) sealed() []wal.File {
	files := b.Log.Files()
	return slices.DeleteFunc(files[:len(files)-1], func(f wal.File) bool { return f.Last < f.First })
}

// noteLog keeps what a decision says of the log's size.
func (b *Base) noteLog(d *retention.Decision, facts *retention.Facts, regions []standing) {
	h := LogHeld{Limit: b.opts.Retention.SizeLimit, Over: d.Over, Alarm: d.Alarm, Lacking: d.Lacking}
	h.Pieces, h.PieceFiles = b.streams.pieceBytes()
	for _, s := range facts.Segments {
		if s.Last > d.Release {
			h.Bytes += s.Bytes
		}
	}
	for i := range regions {
		h.Regions = append(h.Regions, RegionHeld{regions[i].region, b.streams.lacks(regions[i].has)})
	}
	b.logHeld.Store(&h)
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

// segment says what a sealed file holds.
func (b *Base) segment(f wal.File) (retention.Segment, error) {
	s, known := b.segments[f.Name]
	if known && s.Last == f.Last {
		return s, nil
	}
	s, err := b.readSegment(f)
	if err == nil {
		b.segments[f.Name] = s
	}
	return s, err
}

// readSegment finds out what a sealed file holds, by reading it if need be.
func (b *Base) readSegment(f wal.File) (retention.Segment, error) {
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
