package ship

import (
	"slices"

	"github.com/tidaldb/tidal/internal/id"
)

// Lag is measured without any other's clock: whoever has all that a region had when it last said what it has is behind it by
// the time since, on the own clock. What is wrong with that is the time that a packet takes one way.

// behind is how far this replica is behind a region: what that said it has, and when, as far as it isn't here.
type behind struct {
	samples []sample
	fresh   int64 // all is here that was there then; valid if ever
	ever    bool
	start   id.VersionVector // what was here when something came to be missing
}

type sample struct {
	vector id.VersionVector
	at     int64
}

// maxSamples bounds them. Of too many, every other is dropped, which makes the lag seem longer by at most their distance.
const maxSamples = 256

// saw notes what a region has.
func (b *behind) saw(v id.VersionVector, at int64, have id.VersionVector) {
	if have.Includes(v) {
		b.samples, b.fresh, b.ever = nil, at, true
		return
	}
	n := len(b.samples)
	if n > 0 && b.samples[n-1].vector.Equal(v) {
		return
	}
	if n == 0 {
		b.start = have
	}
	b.samples = append(b.samples, sample{v, at})
	if len(b.samples) > maxSamples {
		b.samples = thinned(b.samples)
	}
}

// have notes what is here.
func (b *behind) have(v id.VersionVector) {
	for len(b.samples) > 0 && v.Includes(b.samples[0].vector) {
		b.fresh, b.ever = b.samples[0].at, true
		b.samples = b.samples[1:]
	}
}

// lag is how many events of the region's own are missing, and since when, in nanoseconds.
func (b *behind) lag(now int64, have id.VersionVector) (events uint64, nanos int64) {
	if len(b.samples) == 0 {
		return 0, 0
	}
	since := b.samples[0].at
	if b.ever {
		since = b.fresh
	}
	return missing(b.samples[len(b.samples)-1].vector, have), max(0, now-since)
}

// progress is how much has come of what was missing.
func (b *behind) progress(have id.VersionVector) Progress {
	if len(b.samples) == 0 {
		return Progress{}
	}
	last := b.samples[len(b.samples)-1].vector
	total := missing(last, b.start)
	return Progress{Done: total - min(total, missing(last, have)), Total: total}
}

// missing is how many events of v aren't in have.
func missing(v, have id.VersionVector) (n uint64) {
	for o, seq := range v.All {
		if got := have.Get(o); seq > got {
			n += uint64(seq - got)
		}
	}
	return n
}

// thinned drops every other element, and keeps the first and the last.
func thinned[T any](list []T) []T {
	kept := make([]T, 0, len(list)/2+2)
	for i := range list {
		if i%2 == 0 || i == len(list)-1 {
			kept = append(kept, list[i])
		}
	}
	return kept
}

// ownHistory is when the own origin came to which number, so that it can be said since when somebody lacks one.
type ownHistory struct {
	marks []ownMark // numbers and times rise
}

type ownMark struct {
	seq id.Seq
	at  int64
}

const (
	maxMarks = 4096
	// markEvery is the time that one mark stands for at least, 10 ms.
	markEvery = 10_000_000
)

func (h *ownHistory) note(now int64, seq id.Seq) {
	n := len(h.marks)
	switch {
	case n > 0 && h.marks[n-1].seq >= seq, seq == 0:
		return
	case n > 0 && now-h.marks[n-1].at < markEvery:
		h.marks[n-1].seq = seq
		return
	}
	if h.marks = append(h.marks, ownMark{seq, now}); len(h.marks) > maxMarks {
		h.marks = thinned(h.marks)
	}
}

// since says how long ago, in nanoseconds, the first event behind a number was there.
func (h *ownHistory) since(now int64, seq id.Seq) int64 {
	i, _ := slices.BinarySearchFunc(h.marks, seq+1, func(m ownMark, seq id.Seq) int {
		if m.seq < seq {
			return -1
		}
		return 1
	})
	if i == len(h.marks) {
		return 0
	}
	return max(0, now-h.marks[i].at)
}
