package retention

import (
	"cmp"
	"slices"

	"github.com/tidaldb/tidal/internal/id"
)

// Policy says how long log is kept. Times are in milliseconds.
type Policy struct {
	// Retention is how long batches stay, 0 for seven days. Less than RetryHorizon counts as that.
	Retention int64
	// RetryHorizon is how long a retry must be recognised, 0 for a day.
	RetryHorizon int64
	// SizeLimit is the size of the log, in bytes, beyond which there is an alarm; 0 for none.
	SizeLimit int64
	// PinAlarm is how many bytes may stay for pins alone before there is an alarm, PinLimit how many stay at most: beyond it
	// the oldest go although they are pinned. 0 is none, for either.
	PinAlarm, PinLimit int64
}

const (
	day              = 24 * 3600 * 1000
	defaultRetention = 7 * day
	defaultHorizon   = day
)

// Horizon returns how long a retry must be recognised, and nothing may be compacted.
func (p Policy) Horizon() int64 { return cmp.Or(p.RetryHorizon, defaultHorizon) }

// Keep returns how long nothing may go.
func (p Policy) Keep() int64 { return max(cmp.Or(p.Retention, defaultRetention), p.Horizon()) }

// Young reports whether something that was written at a time may not go yet, whoever has it. Times are in Unix milliseconds.
func (p Policy) Young(written, now int64) bool { return written > now-p.Keep() }

// Facts are what a decision rests on.
type Facts struct {
	// Now is the time in Unix milliseconds.
	Now int64
	// Flushed is the index of the last log entry that the store holds durably.
	Flushed uint64
	// Needed is the first index that a replica of the group, or a backup under way, still has to read from the log. A group
	// of one needs none: Flushed + 1.
	Needed uint64
	// Regions are what each region holds, this one and those that can't be reached included.
	Regions []id.VersionVector
	// Pins are what export cursors have behind them: they need every event that theirs doesn't cover.
	Pins []id.VersionVector
	// Segments are the log's sealed files, the oldest first; each begins at the entry behind the one before.
	Segments []Segment
	// Compacted is the entry up to which all that regions lack, or that is younger than the retention, is kept outside of the
	// log as well, and PieceBytes how much that takes. 0 is none.
	Compacted  uint64
	PieceBytes int64
}

// Segment is one sealed file of the log.
type Segment struct {
	First, Last uint64 // Raft entries, both included
	Newest      int64  // when its last batch was written, in Unix milliseconds
	Bytes       int64
	Spans       []Span // what its batches hold; at most one of an origin
}

// Span is a stretch of one origin's events, both ends included. First is at least 1.
type Span struct {
	Origin      id.Origin
	First, Last id.Seq
}

// Reason says what holds a segment.
type Reason uint8

// The reasons, in the order in which they are looked for.
const (
	Free      Reason = iota // nothing does
	Unflushed               // the store hasn't flushed it, or replicas of the group or a backup need it
	Pinned                  // an export cursor needs it
	Young                   // it is younger than the retention
	Lacking                 // a region lacks some of it
)

func (r Reason) String() string {
	return [...]string{"free", "unflushed", "pinned", "young", "lacking"}[r]
}

// Decision is what to do.
type Decision struct {
	// Release is the index up to which, included, the log goes, 0 for none of it. It ends a segment.
	Release uint64
	// Held says, for each of the segments of the facts, what holds it. One that is free behind one that isn't stays as
	// well: a log loses its beginning alone.
	Held []Reason
	// Alarm: what stays, pieces included, is larger than the policy's limit, by Over bytes.
	Alarm bool
	Over  int64
	// Lacking is how many bytes of the log stay because a region lacks them.
	Lacking int64
	// Pinned is how many bytes stay for pins alone. PinAlarm: that is more than the policy's. GivenUp is how many bytes go
	// although somebody pinned them, because of the policy's limit.
	Pinned, GivenUp int64
	PinAlarm        bool
	// Compact is the entry up to which, included, the log is to be compacted: what of it is needed elsewhere is to be kept outside
	// of it, in fewer bytes. It ends a segment; 0 is nothing. It's set only with an alarm, and no further than brings the log
	// below the limit.
	Compact uint64
}

// Plan decides. It panics when segments don't follow one another, which is a mistake of its caller.
func Plan(p Policy, f Facts) Decision {
	var d Decision
	var alone []bool // held by pins and nothing else
	for i, s := range f.Segments {
		if s.Last < s.First || i > 0 && s.First != f.Segments[i-1].Last+1 {
			panic("retention: segments don't follow one another")
		}
		why := f.reason(p, s)
		d.Held = append(d.Held, why)
		if alone = append(alone, why == Pinned && f.unpinned().reason(p, s) == Free); alone[i] {
			d.Pinned += s.Bytes
		}
	}
	d.PinAlarm = p.PinAlarm > 0 && d.Pinned > p.PinAlarm
	d.giveUp(p, f, alone)
	kept := f.PieceBytes
	front := true
	for i, s := range f.Segments {
		if front = front && d.Held[i] == Free; front {
			d.Release = s.Last
			continue
		}
		kept += s.Bytes
		if d.Held[i] == Lacking {
			d.Lacking += s.Bytes
		}
	}
	if p.SizeLimit > 0 && kept > p.SizeLimit {
		d.Alarm, d.Over = true, kept-p.SizeLimit
		d.Compact = f.compact(p, d)
	}
	return d
}

// giveUp frees the oldest segments that pins alone hold, as far as these hold more than the policy's limit. A log loses
// its beginning alone, so it ends at the first segment that something else holds.
func (d *Decision) giveUp(p Policy, f Facts, alone []bool) {
	for i, s := range f.Segments {
		switch {
		case p.PinLimit <= 0 || d.Pinned <= p.PinLimit || d.Held[i] != Free && !alone[i]:
			return
		case alone[i]:
			d.Held[i] = Free
			d.Pinned -= s.Bytes
			d.GivenUp += s.Bytes
		}
	}
}

// unpinned returns the facts without the pins.
func (f Facts) unpinned() Facts {
	f.Pins = nil
	return f
}

// Alone reports whether nothing but pins, or nothing at all, holds the last segment that a decision is about: who collects
// segments one by one can stop at the first one for which it's false, as far as pins matter.
func (p Policy) Alone(f Facts) bool {
	return f.unpinned().reason(p, f.Segments[len(f.Segments)-1]) == Free
}

// reason returns what holds a segment: the first reason that applies.
func (f Facts) reason(p Policy, s Segment) Reason {
	lacks := func(v id.VersionVector) bool { return !s.within(v) }
	switch {
	case s.Last > f.Flushed || s.Last >= f.Needed:
		return Unflushed
	case slices.ContainsFunc(f.Pins, lacks):
		return Pinned
	case s.Last <= f.Compacted && !younger(s, f.Now, p.Horizon()):
		return Free
	case younger(s, f.Now, p.Keep()):
		return Young
	case slices.ContainsFunc(f.Regions, lacks):
		return Lacking
	}
	return Free
}

// younger reports whether less than age went by since a segment's last batch. A time ahead of now is young.
func younger(s Segment, now, age int64) bool { return s.Newest > now-age }

// within reports whether a vector covers all events of a segment.
func (s Segment) within(v id.VersionVector) bool {
	return !slices.ContainsFunc(s.Spans, func(x Span) bool { return v.Get(x.Origin) < x.Last })
}

// compact returns up to where the log is to be compacted to come below the limit. A log loses its beginning alone, so it ends in
// front of the first segment that can't be. How much their pieces will take isn't known before, so they count as nothing: if that
// was too hopeful, the next plan goes on.
func (f Facts) compact(p Policy, d Decision) (to uint64) {
	over := d.Over
	for i, s := range f.Segments {
		switch {
		case s.Last <= d.Release:
			continue
		case over <= 0, d.Held[i] == Unflushed, d.Held[i] == Pinned, younger(s, f.Now, p.Horizon()):
			return to
		}
		over -= s.Bytes
		to = s.Last
	}
	return to
}
