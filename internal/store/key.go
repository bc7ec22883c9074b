package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Key names a replicated record as every replica would: by ids.
//
// Entity records outlive generations, and a generation is its owner's, so both kinds have Gen 0 and no Sub; see
// [Record] for how generations are read. All other kinds count only while Gen is the owner's highest generation.
type Key struct {
	OwnerKind id.Kind // 0 for what belongs to no entity
	Owner     string  // 1 to id.MaxLen bytes
	Gen       hlc.Timestamp
	Kind      algebra.Kind
	Sub       string // at most 65,535 bytes
}

func (k Key) String() string {
	return fmt.Sprintf("%v of %d/%q@%d %q", k.Kind, uint8(k.OwnerKind), k.Owner, k.Gen, k.Sub)
}

// The first byte of a stored key says which sort of record it is.
const (
	spaceLocal      = 'g'
	spaceMeta       = 'm'
	spaceReplicated = 'r'
)

// The sections of an owner: the generation comes first, so that a walk knows it before it meets the first record that
// has one.
const (
	sectionGeneration = 0 // the owner's generation
	sectionEntity     = 1 // the entity record
	sectionRecords    = 2 // all others, each under its generation
)

// Zeros in owners are written as zero and 255, and an owner ends with zero and 1: no owner is the beginning of
// another, and the order of the encodings is the order of the ids.
const (
	escaped    = 0xff
	terminator = 0x01
)

const maxSub = 1<<16 - 1

// section returns where records of a kind lie, and whether they outlive generations.
func section(kind algebra.Kind) (s byte, lasting bool) {
	switch kind {
	case algebra.KindGeneration:
		return sectionGeneration, true
	case algebra.KindEntity:
		return sectionEntity, true
	}
	return sectionRecords, false
}

func lasting(kind algebra.Kind) bool {
	_, yes := section(kind)
	return yes
}

// check says what is wrong with a key, which would be a mistake of ours or damage.
func (k Key) check() error {
	switch {
	case k.OwnerKind > id.Kinds:
		return fault.Damaged("", 0, "owner kind %d is unknown", uint8(k.OwnerKind))
	case k.Owner == "" || len(k.Owner) > id.MaxLen:
		return fault.Damaged("", 0, "owner has %d bytes, not 1 to %d", len(k.Owner), id.MaxLen)
	case !k.Kind.Valid():
		return fault.Damaged("", 0, "%v is unknown", k.Kind)
	case lasting(k.Kind) && (k.Gen != 0 || k.Sub != ""):
		return fault.Damaged("", 0, "%v under a generation or sub-key", k.Kind)
	case len(k.Sub) > maxSub:
		return fault.Damaged("", 0, "sub-key of %d bytes", len(k.Sub))
	}
	return nil
}

// maxLen is the most that append appends.
func (k Key) maxLen() int { return 2 + 2*len(k.Owner) + 2 + 1 + 8 + 1 + len(k.Sub) }

// append appends the stored form of a key that check accepts. Within an owner the highest generation comes first.
func (k Key) append(dst []byte) []byte {
	dst = appendOwner(dst, k.OwnerKind, k.Owner)
	if s, lasting := section(k.Kind); lasting {
		return append(dst, s, byte(k.Kind))
	}
	dst = appendGeneration(dst, k.Gen)
	return append(append(dst, byte(k.Kind)), k.Sub...)
}

func appendOwner(dst []byte, kind id.Kind, owner string) []byte {
	dst = append(dst, spaceReplicated, byte(kind))
	for i := range len(owner) {
		dst = append(dst, owner[i])
		if owner[i] == 0 {
			dst = append(dst, escaped)
		}
	}
	return append(dst, 0, terminator)
}

func appendGeneration(dst []byte, gen hlc.Timestamp) []byte {
	return binary.BigEndian.AppendUint64(append(dst, sectionRecords), ^uint64(gen))
}

// ownerEnd returns the length of the owner's part of a stored key, terminator included.
func ownerEnd(b []byte) (int, error) {
	if len(b) < 2 || b[0] != spaceReplicated {
		return 0, fault.Damaged("", 0, "it is no key of a replicated record")
	}
	for at := 2; ; {
		zero := bytes.IndexByte(b[at:], 0)
		if zero < 0 || at+zero+1 == len(b) {
			return 0, fault.Damaged("", int64(len(b)), "owner has no end")
		}
		at += zero + 2
		switch b[at-1] {
		case terminator:
			return at, nil
		case escaped:
		default:
			return 0, fault.Damaged("", int64(at-1), "zero before %d in an owner", b[at-1])
		}
	}
}

// kindOf returns the kind of the record under a stored key, for the merge operator.
func kindOf(b []byte) (algebra.Kind, error) {
	at, err := ownerEnd(b)
	if err != nil {
		return 0, err
	}
	if at < len(b) && b[at] == sectionRecords {
		at += 8
	}
	if at+1 >= len(b) {
		return 0, fault.Damaged("", int64(len(b)), "key is cut short")
	}
	return algebra.Kind(b[at+1]), nil
}

// decodeKey reads what append wrote and accepts nothing else.
func decodeKey(b []byte) (Key, error) {
	end, err := ownerEnd(b)
	if err != nil {
		return Key{}, err
	}
	return decodeRest(b, end, Key{Owner: unescape(b[2 : end-2])})
}

// decodeRest is decodeKey for a key whose owner, up to end, was read before; the sub-key shares the memory of that of
// known, if it's the same.
func decodeRest(b []byte, end int, known Key) (Key, error) {
	k := Key{OwnerKind: id.Kind(b[1]), Owner: known.Owner}
	rest := b[end:]
	var kind byte
	switch {
	case len(rest) == 2 && rest[0] != sectionRecords:
		kind = rest[1]
	case len(rest) >= 10 && rest[0] == sectionRecords:
		k.Gen, k.Sub, kind = hlc.Timestamp(^binary.BigEndian.Uint64(rest[1:])), known.Sub, rest[9]
		if k.Sub != string(rest[10:]) {
			k.Sub = string(rest[10:])
		}
	default:
		return Key{}, fault.Damaged("", int64(end), "key has no known section, or is cut short")
	}
	k.Kind = algebra.Kind(kind)
	if s, _ := section(k.Kind); s != rest[0] {
		return Key{}, fault.Damaged("", int64(end), "%v in section %d", k.Kind, rest[0])
	}
	if err := k.check(); err != nil {
		return Key{}, err
	}
	return k, nil
}

func unescape(b []byte) string {
	if bytes.IndexByte(b, 0) < 0 {
		return string(b)
	}
	return string(bytes.ReplaceAll(b, []byte{0, escaped}, []byte{0}))
}

// after returns the first key behind all that begin with prefix, which must hold a byte other than 255.
func after(prefix []byte) []byte {
	out := bytes.Clone(prefix)
	for out[len(out)-1] == 0xff {
		out = out[:len(out)-1]
	}
	out[len(out)-1]++
	return out
}
