package sim

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/sim/workload"
)

// events are those of all origins that a vector covers, in order of origin.
func (b *books) events(v id.VersionVector) (out []*workload.Event) {
	for origin, last := range v.All {
		s := b.streams[origin]
		for i := range s.batches {
			if s.batches[i].last <= last {
				out = append(out, s.batches[i].events...)
			}
		}
	}
	return out
}

// event finds one, nil if nobody has stamped it.
func (b *books) event(at id.Position) *workload.Event {
	s := b.streams[at.Origin()]
	if s == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(s.batches, at.Seq, func(x stamped, seq id.Seq) int {
		switch {
		case x.last < seq:
			return -1
		case x.first > seq:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return s.batches[i].events[at.Seq-s.batches[i].first]
}

// ownerOf is the request that an event belongs to, nil if it belongs to none.
func (b *books) ownerOf(at id.Position) *op {
	e := b.event(at)
	if e == nil || e.Meta.Trace == [16]byte{} {
		return nil
	}
	return b.ledger.ops[binary.BigEndian.Uint64(e.Meta.Trace[:8])-1]
}

// settle goes through everything once all regions hold what a vector says: each acknowledged request is there, unless it was
// lost with a disk; each counts once; each undo has had its effect once, and nothing else was taken back.
func (b *books) settle(final id.VersionVector, counts *RegionCounts) error {
	for at := range b.claims {
		if s := b.streams[at.Origin()]; final.Covers(at) && (s == nil || s.last.seq < at.Seq) {
			return fmt.Errorf("a batch at %v is in the regions' logs, and its own region has never stamped it", at)
		}
	}
	counts.Lost, counts.Restamped = counts.Lost+b.restamped, b.restamped
	for origin, s := range b.streams {
		if last := final.Get(origin); last < s.last.seq {
			if !s.lost {
				return fmt.Errorf("%v has stamped up to %d, all regions hold up to %d", origin, s.last.seq, last)
			}
			counts.Lost += uint64(s.last.seq - last)
		}
	}
	fallen := map[id.Position]bool{} // what is to be compensated
	for _, o := range b.ledger.ops {
		if err := b.account(o, final, fallen, counts); err != nil {
			return err
		}
	}
	return b.compensated(final, fallen, counts)
}

// account looks at one request.
func (b *books) account(o *op, final id.VersionVector, fallen map[id.Position]bool, counts *RegionCounts) error {
	var there []*twin
	for _, t := range o.twins {
		last := t.at
		last.Seq += id.Seq(len(o.request)) - 1
		if !final.Covers(last) {
			continue
		}
		if len(t.records) != len(o.request) {
			return fmt.Errorf("%v has %d records at %v, %d were asked for", o, len(t.records), t.at, len(o.request))
		}
		if err := b.ledger.asAsked(o, t.records); err != nil {
			return err
		}
		there = append(there, t)
	}
	if o.acked && !final.Covers(o.receipt.First) {
		s := b.streams[o.receipt.First.Origin()]
		if s == nil || !s.lost {
			return fmt.Errorf("%v was acknowledged at %v and is lost", o, o.receipt.First)
		}
	}
	if o.geo && len(there) == 0 {
		return fmt.Errorf("%v was acknowledged at %v, another region was said to have it, and it's lost", o, o.receipt.First)
	}
	if len(there) < 2 {
		return nil
	}
	if !o.retried() {
		return fmt.Errorf("%v was sent once, and counts at %v and %v", o, there[0].at, there[1].at)
	}
	slices.SortFunc(there, func(x, y *twin) int {
		return cmp.Or(cmp.Compare(x.records[0].Meta.HLC, y.records[0].Meta.HLC), x.at.Origin().Compare(y.at.Origin()))
	})
	counts.Twins += uint64(len(there) - 1)
	for _, t := range there[1:] {
		for _, e := range t.records {
			if e.Body.Kind == record.KindSignal {
				fallen[e.Position] = true
			}
		}
	}
	return nil
}

// standsWrongly says of an event that it isn't taken back.
func (b *books) standsWrongly(at id.Position, fallen bool) error {
	o := b.ownerOf(at)
	if !fallen {
		return fmt.Errorf("%v of %v was undone elsewhere, and isn't taken back", at, o)
	}
	places := ""
	for _, t := range o.twins {
		places += fmt.Sprintf(" %v stamped %v", t.at, t.records[0].Meta.HLC)
	}
	return fmt.Errorf("%v counts at%s; %v isn't taken back", o, places, at)
}

// compensated compares what was taken back with what had to be.
func (b *books) compensated(final id.VersionVector, fallen map[id.Position]bool, counts *RegionCounts) error {
	undone := map[id.Position]bool{}
	for _, e := range b.events(final) {
		if e.Body.Kind != record.KindUndo {
			continue
		}
		at := e.Body.Undo.Original
		if x := b.event(at); x != nil && final.Covers(at) && x.Body.Kind == record.KindSignal {
			if e.Body.Undo.Void {
				return fmt.Errorf("%v says that there is no signal at %v", e.Position, at)
			}
			undone[at] = true
			counts.Undone++
		}
	}
	for _, set := range []map[id.Position]bool{fallen, undone} {
		for at := range set {
			if e := b.compensations[at]; e == nil || !final.Covers(e.Position) {
				return b.standsWrongly(at, fallen[at])
			}
		}
	}
	for _, e := range b.overwritten {
		if x := b.event(e.Position); x == e && final.Covers(e.Position) {
			return fmt.Errorf("%v is taken back twice: %v was there again", e.Body.Compensation.Original, e.Position)
		}
	}
	for at, e := range b.compensations {
		if e.Meta.Trace != [16]byte{} || !final.Covers(e.Position) {
			continue
		}
		counts.Compensated++
		if !fallen[at] && !undone[at] {
			return fmt.Errorf("%v is compensated at %v, and stands", at, e.Position)
		}
	}
	return nil
}
