package id

import (
	"strconv"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// Segment names a segment of the log of one (region, shard) group: whose it is, and the number of the first entry in it.
type Segment struct {
	Origin Origin
	Seqno  uint64
}

// String prints "region:shard:seqno", and "region:shard:seqno/incarnation" when the incarnation is not 0.
func (s Segment) String() string {
	text := Origin{Region: s.Origin.Region, Shard: s.Origin.Shard}.String() + ":" + strconv.FormatUint(s.Seqno, 10)
	if s.Origin.Incarnation != 0 {
		text += "/" + strconv.FormatUint(uint64(s.Origin.Incarnation), 10)
	}
	return text
}

// ParseSegment reads what [Segment.String] writes.
func ParseSegment(s string) (Segment, error) {
	place, incarnation, old := strings.Cut(s, "/")
	i := strings.LastIndexByte(place, ':')
	if i < 0 {
		return Segment{}, refuseSegment(s)
	}
	o, err := ParseOrigin(place[:i])
	seqno, err2 := parseUint(place[i+1:], 64)
	if err != nil || err2 != nil || o.Incarnation != 0 {
		return Segment{}, refuseSegment(s)
	}
	if old {
		n, err := parseUint(incarnation, 32)
		if err != nil || n == 0 {
			return Segment{}, refuseSegment(s)
		}
		o.Incarnation = Incarnation(n)
	}
	return Segment{Origin: o, Seqno: seqno}, nil
}

func refuseSegment(s string) error {
	return fault.Refuse("segment", "%q is not of the form region:shard:seqno[/incarnation]", s)
}
