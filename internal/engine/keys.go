package engine

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
)

// The forms of sub-keys. They are part of the digest, and of every format that carries records: docs/state.md.

func cellKey(item state.Ord, typeName string) state.Key {
	return state.Key{Kind: algebra.KindCell, Owner: id.KindItem, Ord: item, Sub: typeName}
}

func cohortKey(item state.Ord, cohort, typeName string) state.Key {
	return state.Key{Kind: algebra.KindCohortCell, Owner: id.KindItem, Ord: item, Sub: joined(cohort, typeName)}
}

func creatorKey(user state.Ord, creator, typeName string) state.Key {
	return state.Key{Kind: algebra.KindCreatorCell, Owner: id.KindUser, Ord: user, Sub: joined(creator, typeName)}
}

func recentsKey(user state.Ord) state.Key {
	return state.Key{Kind: algebra.KindRecents, Owner: id.KindUser, Ord: user}
}

func engagersKey(item state.Ord) state.Key {
	return state.Key{Kind: algebra.KindEngagers, Owner: id.KindItem, Ord: item}
}

func marksKey(user state.Ord, item string) state.Key {
	return state.Key{Kind: algebra.KindPairMarks, Owner: id.KindUser, Ord: user, Sub: item}
}

func relationKey(user state.Ord, what byte, target string) state.Key {
	return state.Key{Kind: algebra.KindRelation, Owner: id.KindUser, Ord: user, Sub: string([]byte{what}) + target}
}

func entityKey(kind id.Kind, n state.Ord) state.Key {
	return state.Key{Kind: algebra.KindEntity, Owner: kind, Ord: n}
}

// Undone marks are filed by origin and blocks of 1,024 sequence numbers, so that no single owner collects them all.
const undoneBlock = 1024

func undoneOwner(p id.Position) string {
	b := binary.BigEndian.AppendUint64(nil, p.Origin().Packed())
	return string(binary.BigEndian.AppendUint64(b, uint64(p.Seq)/undoneBlock))
}

func undoneKey(owner state.Ord, p id.Position) state.Key {
	sub := binary.BigEndian.AppendUint16(nil, uint16(p.Seq%undoneBlock))
	return state.Key{Kind: algebra.KindUndone, Owner: state.KindGlobal, Ord: owner, Sub: string(sub)}
}

func sessionKey(user state.Ord, place uint8) state.Key {
	return state.Key{Kind: algebra.KindSession, Owner: id.KindUser, Ord: user, Sub: string([]byte{place})}
}

func sealingKey(owner state.Ord, name uint32) state.Key {
	sub := binary.BigEndian.AppendUint32(nil, name)
	return state.Key{Kind: algebra.KindSealingKey, Owner: state.KindGlobal, Ord: owner, Sub: string(sub)}
}

// The owners of what belongs to no entity. The regions and the seals stand behind the level, so that a program that
// doesn't know them reads first that it's too old.
const (
	levelOwner  = "level"
	schemaOwner = "schema"
	sealsOwner  = "seals"
	// regionsOwner has the region table.
	regionsOwner = "regions"
)

// parted takes apart what joined put together.
func parted[T string | []byte](sub T) (first, second T) {
	n, k := 0, 0
	for shift := 0; ; shift += 7 {
		b := sub[k]
		k++
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	return sub[k : k+n], sub[k+n:]
}

// joined is the first part behind its length, then the second: two parts can't be taken for two others.
func joined(first, second string) string {
	b := make([]byte, 0, len(first)+len(second)+2)
	b = binary.AppendUvarint(b, uint64(len(first)))
	return string(append(append(b, first...), second...))
}
