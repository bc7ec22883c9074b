package record

import (
	"strconv"

	"github.com/tidaldb/tidal/internal/fault"
)

// Kind numbers what a record says. Numbers are for ever; a number is never used twice.
//
// Bit 7 marks a kind as stateless: no replica's state depends on it, so a program that doesn't know it skips it. A
// stateful kind that a program doesn't know stops it, with [fault.ErrFormatTooNew].
type Kind uint8

// The kinds. Behind each stands the format level that it came with: a leader stamps it only when the whole cluster
// has agreed on that level.
const (
	// KindSignal is one typed, weighted event about an item, by a user or by nobody. Level 1.
	KindSignal Kind = 1
	// KindMark sets or clears one mark of a user on an item: seen, liked, saved, in progress. Level 1.
	KindMark Kind = 2
	// KindRelation starts or ends a relation of a user: hide, mute, block, follow, collect. Level 1.
	KindRelation Kind = 3
	// KindPut writes an entity whole: fields that it doesn't name are gone. Level 1.
	KindPut Kind = 4
	// KindPatch writes or clears the named fields of an entity and leaves the others. Level 1.
	KindPatch Kind = 5
	// KindDelete removes an entity with all that was counted for it. Level 1.
	KindDelete Kind = 6
	// KindErase removes a user with all that is known of them, and hides their records from exports. Level 1.
	KindErase Kind = 7
	// KindCompensate takes back what one earlier signal added. Level 1.
	KindCompensate Kind = 8
	// KindSchemaVersion adds a version of the schema. Level 1.
	KindSchemaVersion Kind = 9
	// KindFormatLevel raises the format level that the cluster agrees on. Level 1.
	KindFormatLevel Kind = 10
	// KindSession says what happens in a session of a user beside the other records of its requests. Level 2.
	KindSession Kind = 11
	// KindSealingKey adds or drops a key that seals tokens. Level 2.
	KindSealingKey Kind = 12
	// KindUndo takes back a signal that another group stamped. Level 3.
	KindUndo Kind = 13
	// KindRegion says what a region is. Level 3.
	KindRegion Kind = 14
	// KindEndpoints says where a region is reached. Level 3.
	KindEndpoints Kind = 15
	// KindHome says which region is home. Level 3.
	KindHome Kind = 16
	// KindDuplicate takes back what one copy of a signal added that was accepted twice. Its body is that of
	// [KindCompensate]. Level 3.
	KindDuplicate Kind = 17
	// KindAnnotation is a note in the log, such as the reason of a maintenance. It changes nothing. Level 1.
	KindAnnotation Kind = 129
)

// lastKind is the highest of the stateful kinds.
const lastKind = KindDuplicate

// Level is the newest format level that this program reads and writes.
const Level = 3

// Stateless reports whether a program that doesn't know k may skip it.
func (k Kind) Stateless() bool { return k&0x80 != 0 }

// Known reports whether this program has a decoder for k.
func (k Kind) Known() bool { return k >= KindSignal && k <= lastKind || k == KindAnnotation }

// Level returns the format level that k came with, 0 for an unknown kind.
func (k Kind) Level() uint32 {
	switch {
	case !k.Known():
		return 0
	case k == KindSession || k == KindSealingKey:
		return 2
	case k >= KindUndo && k <= KindDuplicate:
		return 3
	}
	return 1
}

func (k Kind) String() string {
	switch k {
	case KindSignal:
		return "signal"
	case KindMark:
		return "mark"
	case KindRelation:
		return "relation"
	case KindPut:
		return "put"
	case KindPatch:
		return "patch"
	case KindDelete:
		return "delete"
	case KindErase:
		return "erase"
	case KindCompensate:
		return "compensate"
	case KindSchemaVersion:
		return "schema"
	case KindFormatLevel:
		return "level"
	case KindSession:
		return "session"
	case KindSealingKey:
		return "sealing_key"
	case KindUndo:
		return "undo"
	case KindRegion:
		return "region"
	case KindEndpoints:
		return "endpoints"
	case KindHome:
		return "home"
	case KindDuplicate:
		return "duplicate"
	case KindAnnotation:
		return "annotation"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// ParseKind reads what [Kind.String] writes for a known kind.
func ParseKind(s string) (Kind, error) {
	for k := KindSignal; k <= lastKind; k++ {
		if k.String() == s {
			return k, nil
		}
	}
	if s == KindAnnotation.String() {
		return KindAnnotation, nil
	}
	return 0, fault.Refuse("kind", "%q is not a kind of record", s)
}
