// Package id holds the names that everything else is filed under: the ids that applications choose (items, users,
// creators, cohorts), the numbers that a cluster gives its parts (regions, shards, incarnations), the [Position] of
// one event, and the [VersionVector] that says what a replica has seen.
//
// All of them are values with Parse and String that round-trip. Nothing here knows a clock, a file or a schema.
package id

import (
	"strconv"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// MaxLen is the longest id, in bytes.
const MaxLen = 512

// Kind is the kind of an entity. Its numbers are part of the formats on disk.
type Kind uint8

// The kinds of entities.
const (
	KindItem    Kind = 1
	KindUser    Kind = 2
	KindCreator Kind = 3
)

// Kinds is the number of entity kinds; kinds run from 1 to Kinds.
const Kinds = 3

func (k Kind) String() string {
	switch k {
	case KindItem:
		return "item"
	case KindUser:
		return "user"
	case KindCreator:
		return "creator"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// ParseKind reads what [Kind.String] writes.
func ParseKind(s string) (Kind, error) {
	switch s {
	case "item":
		return KindItem, nil
	case "user":
		return KindUser, nil
	case "creator":
		return KindCreator, nil
	}
	return 0, fault.Refuse("kind", "%q is not one of item, user, creator", s)
}

// Valid reports whether k is a known kind.
func (k Kind) Valid() bool { return k >= KindItem && k <= KindCreator }

// Check refuses an id that is empty or longer than [MaxLen] bytes. Any bytes are allowed. The error names field.
func Check(field, s string) error {
	switch {
	case s == "":
		return fault.Refuse(field, "is empty; ids have 1 to %d bytes", MaxLen)
	case len(s) > MaxLen:
		return fault.Refuse(field, "has %d bytes; ids have 1 to %d bytes", len(s), MaxLen)
	}
	return nil
}

// Region numbers a region of a cluster, from 0. An embedded database is region 0.
type Region uint16

// Shard numbers a shard, from 0. A database with one shard has shard 0.
type Shard uint16

// Incarnation numbers the lives of one (region, shard) group: it is raised when a group can't prove that it has
// its full tail.
type Incarnation uint32

// Seq numbers the events of one origin, from 1 without gaps. 0 means none.
type Seq uint64

// Origin is the group that stamped an event.
type Origin struct {
	Region      Region
	Shard       Shard
	Incarnation Incarnation
}

// Compare orders origins by region, shard and incarnation.
func (o Origin) Compare(p Origin) int {
	a, b := o.Packed(), p.Packed()
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Packed returns the origin as one number that orders as [Origin.Compare] does.
func (o Origin) Packed() uint64 {
	return uint64(o.Region)<<48 | uint64(o.Shard)<<32 | uint64(o.Incarnation)
}

// UnpackOrigin is the inverse of [Origin.Packed].
func UnpackOrigin(v uint64) Origin {
	return Origin{Region: Region(v >> 48), Shard: Shard(v >> 32), Incarnation: Incarnation(v)}
}

// String prints "region:shard", and "region:shard.incarnation" when the incarnation is not 0.
func (o Origin) String() string {
	s := strconv.Itoa(int(o.Region)) + ":" + strconv.Itoa(int(o.Shard))
	if o.Incarnation != 0 {
		s += "." + strconv.FormatUint(uint64(o.Incarnation), 10)
	}
	return s
}

// ParseOrigin reads what [Origin.String] writes.
func ParseOrigin(s string) (Origin, error) {
	region, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Origin{}, fault.Refuse("origin", "%q is not of the form region:shard[.incarnation]", s)
	}
	shard, inc, dotted := strings.Cut(rest, ".")
	var o Origin
	r, err1 := parseUint(region, 16)
	h, err2 := parseUint(shard, 16)
	i, err3 := uint64(0), error(nil)
	if dotted {
		i, err3 = parseUint(inc, 32)
	}
	if err1 != nil || err2 != nil || err3 != nil || dotted && i == 0 {
		return Origin{}, fault.Refuse("origin", "%q is not of the form region:shard[.incarnation]", s)
	}
	o.Region, o.Shard, o.Incarnation = Region(r), Shard(h), Incarnation(i)
	return o, nil
}

// Position names one event for ever: the group that stamped it and its number there.
type Position struct {
	Region      Region
	Shard       Shard
	Incarnation Incarnation
	Seq         Seq
}

// At returns the position of seq at the origin.
func (o Origin) At(seq Seq) Position {
	return Position{Region: o.Region, Shard: o.Shard, Incarnation: o.Incarnation, Seq: seq}
}

// Origin returns the group that stamped the event.
func (p Position) Origin() Origin {
	return Origin{Region: p.Region, Shard: p.Shard, Incarnation: p.Incarnation}
}

// IsZero reports whether p names no event.
func (p Position) IsZero() bool { return p.Seq == 0 }

// Compare orders positions by origin and sequence number.
func (p Position) Compare(q Position) int {
	if c := p.Origin().Compare(q.Origin()); c != 0 {
		return c
	}
	switch {
	case p.Seq < q.Seq:
		return -1
	case p.Seq > q.Seq:
		return 1
	}
	return 0
}

// String prints "region:shard:seq", and "region:shard.incarnation:seq" when the incarnation is not 0.
func (p Position) String() string {
	return p.Origin().String() + ":" + strconv.FormatUint(uint64(p.Seq), 10)
}

// ParsePosition reads what [Position.String] writes.
func ParsePosition(s string) (Position, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return Position{}, fault.Refuse("position", "%q is not of the form region:shard[.incarnation]:seq", s)
	}
	o, err := ParseOrigin(s[:i])
	seq, err2 := parseUint(s[i+1:], 64)
	if err != nil || err2 != nil {
		return Position{}, fault.Refuse("position", "%q is not of the form region:shard[.incarnation]:seq", s)
	}
	return o.At(Seq(seq)), nil
}

// parseUint accepts only what FormatUint prints, so that parsing and printing are exact inverses.
func parseUint(s string, bits int) (uint64, error) {
	v, err := strconv.ParseUint(s, 10, bits)
	if err == nil && strconv.FormatUint(v, 10) != s {
		return 0, strconv.ErrSyntax
	}
	return v, err
}
