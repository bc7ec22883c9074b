package sim

import (
	"slices"

	"github.com/tidaldb/tidal/internal/id"
)

// What a disk that was taken back has lost, and nobody else had, may be stamped anew: nobody can know better. What somebody
// else has may not.

// elsewhere reports whether a group other than its own holds an origin's event, or one behind it.
func (b *books) elsewhere(origin id.Origin, seq id.Seq) bool {
	for f, v := range b.vectors {
		if f.origin.Region != origin.Region && v.Get(origin) >= seq {
			return true
		}
	}
	for at := range b.claims {
		if at.Origin() == origin && at.Seq >= seq {
			return true
		}
	}
	return false
}

// kept reports whether any group holds an event.
func (b *books) kept(p id.Position) bool {
	for _, v := range b.vectors {
		if v.Covers(p) {
			return true
		}
	}
	return b.elsewhere(p.Origin(), p.Seq)
}

// gone forgets what an origin had stamped from a number on. A batch begins there.
func (b *books) gone(s *stream, from id.Seq) {
	b.restamped += uint64(s.last.seq - from + 1)
	for len(s.batches) > 0 && s.batches[len(s.batches)-1].last >= from {
		for _, e := range s.batches[len(s.batches)-1].events {
			if takesBack(e.Body.Kind) && b.compensations[e.Body.Compensation.Original] == e {
				delete(b.compensations, e.Body.Compensation.Original)
			}
			if o := b.ownerOf(e.Position); o != nil {
				o.twins = slices.DeleteFunc(o.twins, func(t *twin) bool {
					return t.at.Origin() == s.origin && t.at.Seq >= from
				})
			}
		}
		s.batches = s.batches[:len(s.batches)-1]
	}
	s.last = mark{}
	if n := len(s.batches); n > 0 {
		events := s.batches[n-1].events
		e := events[len(events)-1]
		s.last = mark{e.Position.Seq, e.Meta.HLC}
	}
}
