package record

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// Undo is the body of [KindUndo]: somebody took one signal back where its stamping group isn't. The signal counts as
// undone wherever that is known; its sums follow with the [Compensation] that the stamping group answers with.
type Undo struct {
	// Original is the position of the signal.
	Original id.Position
	// Void says that there is nothing to take back at the position: no signal stands there. It is written by the group
	// that stamped the position, and ends what an Undo without it began.
	Void bool
}

// Check refuses an undo that can't be written.
func (u *Undo) Check() error {
	if u.Original.Seq == 0 {
		return fault.Refuse("original", "names no event")
	}
	return nil
}

func (u *Undo) append(dst []byte) []byte { return appendFlag(appendPosition(dst, u.Original), u.Void) }

// DecodeUndo reads the body of a [KindUndo] record into u.
func DecodeUndo(body []byte, u *Undo) error {
	c := cursor{b: body}
	*u = Undo{Original: c.position(), Void: c.flag("void")}
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(u.Check(), 0)
}

func appendPosition(dst []byte, p id.Position) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.Region))
	dst = binary.AppendUvarint(dst, uint64(p.Shard))
	dst = binary.AppendUvarint(dst, uint64(p.Incarnation))
	return binary.AppendUvarint(dst, uint64(p.Seq))
}

func (c *cursor) position() id.Position {
	return id.Position{
		Region:      id.Region(c.atMost(1<<16-1, "region")),
		Shard:       id.Shard(c.atMost(1<<16-1, "shard")),
		Incarnation: id.Incarnation(c.atMost(1<<32-1, "incarnation")),
		Seq:         id.Seq(c.uvarint()),
	}
}
