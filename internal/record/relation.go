package record

import (
	"encoding/binary"
	"strconv"
	"unicode"
	"unicode/utf8"

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
	// Target is the other end: an item to hide, what [CollectionTarget] returns to collect, else a creator. It has no
	// generation: who blocked a creator doesn't want them back under the same id.
	Target string
}

// RelationKind numbers the relations of a user, for ever.
type RelationKind uint8

// The relations of a user. The first three are hard negatives: while they hold, nothing of the target is served.
// CollectItem says that an item is in one of the user's named lists.
const (
	HideItem      RelationKind = 1
	MuteCreator   RelationKind = 2
	BlockCreator  RelationKind = 3
	FollowCreator RelationKind = 4
	CollectItem   RelationKind = 5
)

// Target is the kind of the relation's other end.
func (k RelationKind) Target() id.Kind {
	if k == HideItem || k == CollectItem {
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
	case CollectItem:
		return "collect"
	}
	return "relation(" + strconv.Itoa(int(k)) + ")"
}

// CollectionTarget is the target of [CollectItem]: the length of a collection's name as a uvarint, the name, the item.
// So a user has one relation for each pair of both.
func CollectionTarget(name, item string) string {
	b := make([]byte, 0, len(name)+len(item)+2)
	b = binary.AppendUvarint(b, uint64(len(name)))
	return string(append(append(b, name...), item...))
}

// SplitCollection takes apart what [CollectionTarget] put together, and is false for anything else. The parts share the
// target's memory.
func SplitCollection[T string | []byte](target T) (name, item T, ok bool) {
	var head [binary.MaxVarintLen64]byte
	n, width := binary.Uvarint(head[:copy(head[:], target)])
	if width <= 0 || width != uvarintLen(n) || n > uint64(len(target)-width) {
		return name, item, false
	}
	end := width + int(n)
	return target[width:end], target[end:], true
}

// Check refuses a relation that can't be written.
func (r *Relation) Check() error {
	if r.Which < HideItem || r.Which > CollectItem {
		return fault.Refuse("relation", "%d is none of hide, mute, block, follow, collect", r.Which)
	}
	if err := id.Check("user", r.User); err != nil {
		return err
	}
	if r.Which == CollectItem {
		return checkCollected(r.Target)
	}
	return id.Check("target", r.Target)
}

// checkCollected refuses the target of a collect relation if its parts aren't what they should be, or don't fit.
func checkCollected(target string) error {
	name, item, ok := SplitCollection(target)
	if !ok {
		return fault.Refuse("target", "is no collection and item")
	}
	if err := checkText("collection", name, MaxCollection); err != nil {
		return err
	}
	if !utf8.ValidString(name) {
		return fault.Refuse("collection", "%q is not UTF-8", name)
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return fault.Refuse("collection", "%q has the control character %U", name, r)
		}
	}
	if err := id.Check("item", item); err != nil {
		return err
	}
	if len(target) > id.MaxLen {
		return fault.Refuse("item", "has %d bytes; in a collection whose name has %d bytes it has at most %d",
			len(item), len(name), id.MaxLen-1-len(name))
	}
	return nil
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
