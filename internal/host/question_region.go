package host

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/id"
)

// What is asked of regions, and answered.

// The kinds of questions about regions go on where those of a group end. They may come from any region of the cluster, so
// their incarnation says nothing, and they carry two names.
const (
	// questionRegion asks for a number for a new region called Name, whose first member is at Address.
	questionRegion questionKind = iota + questionKinds
	// questionPromote asks that the region called Name be home.
	questionPromote
	// questionForget asks to take the region called Name out, with Successor to compensate in its place.
	questionForget
	// questionRegions asks how the regions are.
	questionRegions
	regionQuestions
)

// ofRegions reports whether a question is one of those about regions.
func (k questionKind) ofRegions() bool { return k >= questionRegion && k < regionQuestions }

// maxRegions bounds the regions of an answer, maxCauses the causes for which things were refused.
const (
	maxRegions = 1024
	maxCauses  = 64
)

// The flags of a region in an answer.
const (
	rowOwn byte = 1 << iota
	rowKnown
	rowUnreachable
	rowFlags
)

var roleNumbers = []RegionRole{RegionHome, RegionActive, RegionFollower, RegionRemoved}

func (s *RegionStatus) append(b []byte) []byte {
	flags := byte(0)
	if s.Own {
		flags |= rowOwn
	}
	if s.Known {
		flags |= rowKnown
	}
	if s.Unreachable {
		flags |= rowUnreachable
	}
	b = binary.AppendUvarint(b, uint64(s.Number))
	b = append(b, flags, byte(slices.Index(roleNumbers, s.Role)))
	b = appendText(b, s.Name)
	b = binary.AppendUvarint(b, uint64(s.Successor))
	b = binary.AppendUvarint(b, uint64(len(s.Members)))
	for _, m := range s.Members {
		b = binary.AppendUvarint(b, m.Number)
		b = appendText(b, m.Address)
		b = appendText(b, m.URL)
	}
	b = binary.AppendVarint(b, int64(s.Heard))
	for _, lag := range []*Lag{&s.TheyLack, &s.WeLack} {
		b = binary.AppendUvarint(b, lag.Batches)
		b = binary.AppendUvarint(b, lag.Events)
		b = binary.AppendVarint(b, int64(lag.Time))
	}
	vector := s.Vector.AppendBinary(nil)
	b = binary.AppendUvarint(b, uint64(len(vector)))
	b = append(b, vector...)
	b = binary.AppendUvarint(b, uint64(s.Source))
	b = binary.AppendVarint(b, s.Done)
	b = binary.AppendVarint(b, s.Total)
	b = binary.AppendUvarint(b, uint64(len(s.Refused)))
	for _, cause := range slices.Sorted(maps.Keys(s.Refused)) {
		b = appendText(b, cause)
		b = binary.AppendUvarint(b, s.Refused[cause])
	}
	return b
}

// region takes one region off the front.
func (r *reader) region() (s RegionStatus) {
	s.Number = id.Region(r.uvarint("region", 1<<16-1))
	flags := r.byte("flags")
	r.check(flags < rowFlags, "flags", "%#x are unknown", flags)
	s.Own, s.Known, s.Unreachable = flags&rowOwn != 0, flags&rowKnown != 0, flags&rowUnreachable != 0
	role := int(r.byte("role"))
	r.check(role < len(roleNumbers), "role", "%d is none", role)
	if role < len(roleNumbers) {
		s.Role = roleNumbers[role]
	}
	s.Name = r.text("name")
	s.Successor = id.Region(r.uvarint("successor", 1<<16-1))
	for range r.uvarint("members", maxMembers) {
		m := RegionMember{Number: r.uvarint("member", 1<<64-1), Address: r.text("address"), URL: r.text("url")}
		if r.err != nil {
			return s
		}
		s.Members = append(s.Members, m)
	}
	s.Heard = time.Duration(r.varint("heard"))
	for _, lag := range []*Lag{&s.TheyLack, &s.WeLack} {
		lag.Batches, lag.Events = r.uvarint("batches", 1<<64-1), r.uvarint("events", 1<<64-1)
		lag.Time = time.Duration(r.varint("time"))
	}
	vector := r.bytes("vector", int(r.uvarint("vector", uint64(len(r.rest)))))
	if r.err == nil {
		v, rest, err := id.DecodeVersionVector(vector)
		r.check(err == nil && len(rest) == 0 && slices.Equal(v.AppendBinary(nil), vector), "vector", "is damaged")
		s.Vector = v
	}
	s.Source = id.Region(r.uvarint("source", 1<<16-1))
	s.Done, s.Total = r.varint("done"), r.varint("total")
	last := ""
	for i := range r.uvarint("refused", maxCauses) {
		cause := r.text("cause")
		r.check(i == 0 || cause > last, "cause", "%q is out of order", cause)
		n := r.uvarint("count", 1<<64-1)
		if r.err != nil {
			return s
		}
		if s.Refused == nil {
			s.Refused = map[string]uint64{}
		}
		s.Refused[cause], last = n, cause
	}
	return s
}

// appendRegions goes behind everything else of an answer, and is left out when there are none: questions that older programs
// ask are answered as these know it.
func appendRegions(b []byte, all []RegionStatus) []byte {
	if len(all) == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(all)))
	for i := range all {
		b = all[i].append(b)
	}
	return b
}

func (r *reader) regions() (all []RegionStatus) {
	if len(r.rest) == 0 {
		return nil
	}
	count := r.uvarint("regions", maxRegions)
	r.check(count > 0, "regions", "is 0, and stands there")
	for range count {
		s := r.region()
		if r.err != nil {
			return nil
		}
		all = append(all, s)
	}
	return all
}
