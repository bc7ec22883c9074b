package record

import (
	"strconv"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Relation is the body of [KindRelation]: a user begins or ends a relation with an item or a creator.
type Relation struct {
	Which RelationKind
	// On begins the relation, off ends it.
	On bool
	// User with its generation at stamping.
	User    string
	UserGen hlc.Timestamp
	// Target is the other end: an item to hide, else a creator. It has no generation: who blocked a creator doesn't
	// want them back under the same id.
	Target string
}

// RelationKind numbers the relations of a user, for ever.
type RelationKind uint8

// The relations of a user. The first three are hard negatives: while they hold, nothing of the target is served.
const (
	HideItem      RelationKind = 1
	MuteCreator   RelationKind = 2
	BlockCreator  RelationKind = 3
	FollowCreator RelationKind = 4
)

// Target is the kind of the relation's other end.
func (k RelationKind) Target() id.Kind {
	if k == HideItem {
		return id.KindItem
	}
	return id.KindCreator
}

// Hard reports whether the relation is a hard negative.
func (k RelationKind) Hard() bool { return k >= HideItem && k <= BlockCreator }

func (k RelationKind) String() string {
	switch k {
	case HideItem:
		return "hide"
	case MuteCreator:
		return "mute"
	case BlockCreator:
		return "block"
	case FollowCreator:
		return "follow"
	}
	return "relation(" + strconv.Itoa(int(k)) + ")"
}

// Check refuses a relation that can't be written.
func (r *Relation) Check() error {
	if r.Which < HideItem || r.Which > FollowCreator {
		return fault.Refuse("relation", "%d is none of hide, mute, block, follow", r.Which)
	}
	if err := id.Check("user", r.User); err != nil {
		return err
	}
	return id.Check("target", r.Target)
}

func (r *Relation) append(dst []byte) []byte {
	dst = append(dst, byte(r.Which))
	dst = appendFlag(dst, r.On)
	dst = appendRef(dst, r.User, r.UserGen)
	return appendText(dst, r.Target)
}

// DecodeRelation reads the body of a [KindRelation] record into r.
func DecodeRelation(body []byte, r *Relation) error {
	c := cursor{b: body}
	*r = Relation{Which: RelationKind(c.u8()), On: c.flag("on")}
	r.User, r.UserGen = c.ref("user")
	r.Target = c.text("target")
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(r.Check(), 0)
}
