package host

import (
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/remnant"
	"github.com/tidaldb/tidal/internal/retention"
)

// Reported is what another region said that it holds.
type Reported struct {
	Region id.Region
	Vector id.VersionVector
}

// RegionsReport notes what other regions said that they hold. Of one of the region table that isn't among them nothing is known, so
// it lacks everything. It may be called from anywhere.
func (b *Base) RegionsReport(list []Reported) { b.reported.Store(&list) }

// lacking returns what each other region holds as far as is known, by number; none in a database of one region.
func (b *Base) lacking() []Reported {
	b.mu.RLock()
	regions := b.Engine.Regions()
	b.mu.RUnlock()
	var said []Reported
	if p := b.reported.Load(); p != nil {
		said = *p
	}
	var out []Reported
	for _, r := range regions {
		if r.Removed || r.Number == b.Origin().Region {
			continue
		}
		x := Reported{Region: r.Number}
		for _, y := range said {
			if y.Region == r.Number {
				x.Vector = y.Vector
			}
		}
		out = append(out, x)
	}
	return out
}

// Reports returns what each other region of the table said that it holds, nothing of one that wasn't heard of: what is stable is
// decided by it.
func (b *Base) Reports() []retention.Report {
	list := b.lacking()
	out := make([]retention.Report, 0, len(list))
	for _, r := range list {
		out = append(out, retention.Report{Region: r.Region, Vector: r.Vector})
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
func (b *Base) pieceNeeded(h *remnant.Head, regions []Reported) bool {
	if b.opts.Retention.Young(h.Newest, b.opts.Now().UnixMilli()) {
		return true
	}
	for _, r := range regions {
		if r.Vector.Get(h.Origin) < h.Last {
			return true
		}
	}
	return false
}
