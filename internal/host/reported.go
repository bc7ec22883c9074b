package host

import (
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/remnant"
	"github.com/tidaldb/tidal/internal/retention"
)

// Reported is what another region said that it holds.
type Reported struct {
	Region id.Region
	Vector id.VersionVector
	// Age is how long ago that was so. Firm says that it was silent since then for long enough that nothing more is on its way
	// to it from here: it still stands there, as far as this group has to do with it.
	Age  time.Duration
	Firm bool
}

// noted is what was reported last, and when, in Unix milliseconds.
type noted struct {
	list []Reported
	at   int64
}

// RegionsReport notes what other regions said, since this replica was started, that they hold. It may be called from anywhere.
func (b *Base) RegionsReport(list []Reported) {
	b.reported.Store(&noted{list, b.opts.Now().UnixMilli()})
}

// standing is what is known of where another region stands: nothing, if at is empty.
type standing struct {
	region id.Region
	// has is what it needn't be given any more: what it said since this replica was started, or said before, once this one has
	// caught up with the others. Until then this replica may itself be who was away, and stand where they don't know it to stand:
	// to be given a range there it has to have what lies in front of that, which it would let go because they have it.
	has id.VersionVector
	// at is where it stood when it was last heard of, at any time. loose says that it may have got further since, by what was here
	// when this replica was started.
	at    id.VersionVector
	loose bool
	// said is what to keep of it.
	said storedReport
}

// standings returns where each other region of the table stands as far as is known, by number; none in a database of one region.
func (b *Base) standings() []standing {
	b.mu.RLock()
	regions := b.Engine.Regions()
	b.mu.RUnlock()
	var now noted
	if p := b.reported.Load(); p != nil {
		now = *p
	}
	var out []standing
	for _, r := range regions {
		if r.Removed || r.Number == b.Origin().Region {
			continue
		}
		x := standing{region: r.Number}
		if i := slices.IndexFunc(b.recalled, func(y storedReport) bool { return y.region == r.Number }); i >= 0 {
			x.said = b.recalled[i]
			x.at, x.loose = x.said.vector, !x.said.firm
			if b.caughtUp.Load() {
				x.has = x.at
			}
		}
		if i := slices.IndexFunc(now.list, func(y Reported) bool { return y.Region == r.Number }); i >= 0 {
			y := &now.list[i]
			x.has, x.at, x.loose = y.Vector, y.Vector, false
			x.said = storedReport{region: r.Number, vector: y.Vector, at: now.at - y.Age.Milliseconds(), firm: y.Firm}
		}
		out = append(out, x)
	}
	return out
}

// heardWithin is how long after its start a replica waits for word from other regions before it compacts its log.
const heardWithin = 30 * time.Second

// unheard reports whether others may be heard of in a moment: what is compacted before would all be kept as batches.
func (b *Base) unheard() bool {
	if !b.opts.Regions || b.caughtUp.Load() {
		return false
	}
	since := b.opts.Now().Sub(b.openedAt)
	return since >= 0 && since < heardWithin
}

// Reports returns what each other region of the table said that it holds since this replica was started, nothing of one that wasn't
// heard of: what is stable is decided by it.
func (b *Base) Reports() []retention.Report {
	var now noted
	if p := b.reported.Load(); p != nil {
		now = *p
	}
	list := b.standings()
	out := make([]retention.Report, 0, len(list))
	for i := range list {
		x := retention.Report{Region: list[i].region}
		for j := range now.list {
			if now.list[j].Region == x.Region {
				x.Vector = now.list[j].Vector
			}
		}
		out = append(out, x)
	}
	return out
}

// LogHeld is how much of a log stays for others, as of the last time that it was looked at.
type LogHeld struct {
	// Bytes is how much the log's sealed files have, Pieces how much is kept outside of it in PieceFiles files, and Limit the limit
	// of both, 0 for none. Alarm reports that they are more, by Over bytes.
	Bytes, Pieces int64
	PieceFiles    int
	Limit, Over   int64
	Alarm         bool
	// Lacking is how many bytes of the log stay because a region lacks them, and Regions how many each of them lacks.
	Lacking int64
	Regions []RegionHeld
}

// RegionHeld is how much of the log and of pieces one region lacks, in bytes.
type RegionHeld struct {
	Region id.Region
	Bytes  int64
}

// LogHeld returns how much of the log stays for others, zero before it was looked at.
func (r *Replica) LogHeld() LogHeld {
	if h := r.base.logHeld.Load(); h != nil {
		return *h
	}
	return LogHeld{}
}

// pieceNeeded reports whether a piece stays: a region lacks some of it, or it's younger than the retention.
func (b *Base) pieceNeeded(h *remnant.Head, regions []standing) bool {
	if b.opts.Retention.Young(h.Newest, b.opts.Now().UnixMilli()) {
		return true
	}
	for i := range regions {
		if regions[i].has.Get(h.Origin) < h.Last {
			return true
		}
	}
	return false
}
