package algebra

import (
	"cmp"
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
)

const (
	max16 = 1<<16 - 1
	max32 = 1<<32 - 1
	max64 = 1<<64 - 1
)

// Stamp orders writes to registers: by HLC, then by origin. One origin never gives a timestamp twice, so stamps of
// different writes differ. The zero stamp means never and lies below every other.
type Stamp struct {
	HLC    hlc.Timestamp
	Origin id.Origin
}

// Compare returns -1, 0 or 1. It is a total order.
func (s Stamp) Compare(o Stamp) int {
	if c := cmp.Compare(s.HLC, o.HLC); c != 0 || planted.IgnoreTieBreak {
		return c
	}
	return s.Origin.Compare(o.Origin)
}

// IsZero reports whether s means never.
func (s Stamp) IsZero() bool { return s == Stamp{} }

// Later returns the higher stamp.
func (s Stamp) Later(o Stamp) Stamp {
	if s.Compare(o) < 0 {
		return o
	}
	return s
}

// AppendBinary appends the canonical encoding: uvarints of HLC, region, shard and incarnation.
func (s Stamp) AppendBinary(dst []byte) []byte {
	return appendOrigin(binary.AppendUvarint(dst, uint64(s.HLC)), s.Origin)
}

func (c *cursor) stamp() Stamp {
	return Stamp{HLC: hlc.Timestamp(c.uvarint("hlc", max64)), Origin: c.origin()}
}

func appendOrigin(dst []byte, o id.Origin) []byte {
	dst = binary.AppendUvarint(dst, uint64(o.Region))
	dst = binary.AppendUvarint(dst, uint64(o.Shard))
	return binary.AppendUvarint(dst, uint64(o.Incarnation))
}

func (c *cursor) origin() id.Origin {
	return id.Origin{
		Region:      id.Region(c.uvarint("region", max16)),
		Shard:       id.Shard(c.uvarint("shard", max16)),
		Incarnation: id.Incarnation(c.uvarint("incarnation", max32)),
	}
}

// Order places an interaction among others: by event time in milliseconds, then HLC, origin and sequence number. An
// event's position is in it, so the orders of different events differ. An Order with sequence number 0 means none.
type Order struct {
	Time   int64
	HLC    hlc.Timestamp
	Origin id.Origin
	Seq    id.Seq
}

// Compare returns -1, 0 or 1. It is a total order.
func (o Order) Compare(p Order) int {
	if c := cmp.Compare(o.Time, p.Time); c != 0 {
		return c
	}
	if c := cmp.Compare(o.HLC, p.HLC); c != 0 {
		return c
	}
	if c := o.Origin.Compare(p.Origin); c != 0 {
		return c
	}
	return cmp.Compare(o.Seq, p.Seq)
}

// IsZero reports whether o means no event.
func (o Order) IsZero() bool { return o.Seq == 0 }

// Later returns the higher of two orders; one that means none is below all others, also those of negative times.
func (o Order) Later(p Order) Order {
	switch {
	case o.IsZero() && p.IsZero():
		return Order{}
	case o.IsZero() || !p.IsZero() && o.Compare(p) < 0:
		return p
	}
	return o
}

// appendOrder appends zigzag varints of the time and of the HLC's wall part less the time (modulo 2⁶⁴: the difference
// is small unless one of them is absurd, and then it still comes back), then uvarints of the HLC's counter, region,
// shard, incarnation and sequence number.
func appendOrder(dst []byte, o Order) []byte {
	dst = binary.AppendUvarint(dst, zigzag(o.Time))
	dst = binary.AppendUvarint(dst, zigzag(o.HLC.Millis()-o.Time))
	dst = binary.AppendUvarint(dst, uint64(o.HLC.Logical()))
	dst = appendOrigin(dst, o.Origin)
	return binary.AppendUvarint(dst, uint64(o.Seq))
}

func (c *cursor) order() Order {
	var o Order
	o.Time = c.varint("time")
	millis := c.varint("distance of the hlc") + o.Time
	if c.err == nil && (millis < 0 || millis >= 1<<48) {
		c.fail("the hlc's wall part is %d, which doesn't fit 48 bits", millis)
	}
	o.HLC = hlc.Make(millis, uint16(c.uvarint("hlc counter", max16)))
	o.Origin = c.origin()
	o.Seq = id.Seq(c.uvarint("sequence number", max64))
	if c.err == nil && o.Seq == 0 {
		c.fail("sequence number is 0")
	}
	return o
}
