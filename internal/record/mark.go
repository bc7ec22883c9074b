package record

import (
	"strconv"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Mark is the body of [KindMark]: a user sets or clears a mark on an item.
type Mark struct {
	Which MarkKind
	// On sets the mark, off clears it.
	On bool
	// User and Item, each with its generation at stamping.
	User    string
	UserGen hlc.Timestamp
	Item    string
	ItemGen hlc.Timestamp
}

// MarkKind numbers the marks, for ever.
type MarkKind uint8

// The marks of a user on an item.
const (
	MarkSeen       MarkKind = 1
	MarkLiked      MarkKind = 2
	MarkSaved      MarkKind = 3
	MarkInProgress MarkKind = 4
)

func (k MarkKind) String() string {
	switch k {
	case MarkSeen:
		return "seen"
	case MarkLiked:
		return "liked"
	case MarkSaved:
		return "saved"
	case MarkInProgress:
		return "in_progress"
	}
	return "mark(" + strconv.Itoa(int(k)) + ")"
}

// Check refuses a mark that can't be written.
func (m *Mark) Check() error {
	if m.Which < MarkSeen || m.Which > MarkInProgress {
		return fault.Refuse("mark", "%d is none of seen, liked, saved, in_progress", m.Which)
	}
	if err := id.Check("user", m.User); err != nil {
		return err
	}
	return id.Check("item", m.Item)
}

func (m *Mark) append(dst []byte) []byte {
	dst = append(dst, byte(m.Which))
	dst = appendFlag(dst, m.On)
	dst = appendRef(dst, m.User, m.UserGen)
	return appendRef(dst, m.Item, m.ItemGen)
}

// DecodeMark reads the body of a [KindMark] record into m.
func DecodeMark(body []byte, m *Mark) error {
	c := cursor{b: body}
	*m = Mark{Which: MarkKind(c.u8()), On: c.flag("on")}
	m.User, m.UserGen = c.ref("user")
	m.Item, m.ItemGen = c.ref("item")
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(m.Check(), 0)
}
