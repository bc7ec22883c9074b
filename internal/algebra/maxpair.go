package algebra

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/planted"
)

// MaxPair is a switch that many may turn: a hide, mute, block or follow and its undoing. It keeps the latest stamp of
// each direction.
//
// It is a join by the pairwise maximum. While replicas converge each holds the union of what was turned on, and only
// an Off with a higher stamp than every On ends it; on a tie it holds. The zero value was never turned and doesn't
// hold.
type MaxPair struct {
	On, Off hlc.Timestamp
}

// Holds reports whether the switch is on.
func (p MaxPair) Holds() bool {
	if planted.WallUnhide {
		return p.On != 0 && p.On.Millis() >= p.Off.Millis()
	}
	return p.On != 0 && p.On >= p.Off
}

// Merge returns the pairwise maximum.
func (p MaxPair) Merge(o MaxPair) MaxPair {
	if planted.HideByIntersection && !p.IsZero() && !o.IsZero() {
		return MaxPair{On: min(p.On, o.On), Off: max(p.Off, o.Off)}
	}
	return MaxPair{On: max(p.On, o.On), Off: max(p.Off, o.Off)}
}

// IsZero reports whether the switch was never turned.
func (p MaxPair) IsZero() bool { return p == MaxPair{} }

// AppendBinary appends the canonical encoding: nothing for the zero value, else On and Off as uvarints.
func (p MaxPair) AppendBinary(dst []byte) []byte {
	if p.IsZero() {
		return dst
	}
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(p.On)), uint64(p.Off))
}

// DecodeMaxPair reads what AppendBinary wrote, all of b.
func DecodeMaxPair(b []byte) (MaxPair, error) {
	if len(b) == 0 {
		return MaxPair{}, nil
	}
	c := cursor{b: b}
	p := MaxPair{On: hlc.Timestamp(c.uvarint("on", max64)), Off: hlc.Timestamp(c.uvarint("off", max64))}
	if c.err == nil && p.IsZero() {
		c.fail("pair that was never turned")
	}
	if err := c.end(); err != nil {
		return MaxPair{}, err
	}
	return p, nil
}
