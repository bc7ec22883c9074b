package algebra

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/tidaldb/tidal/internal/fault"
)

// Kind is the kind of a replicated record. It says how the record's encoded values merge. The numbers are part of
// stored and shipped bytes: they are never reused.
type Kind uint8

// The kinds of replicated records. Sums: the three cells, and sessions. Joins: all others.
const (
	KindCell          Kind = 1  // SignalState of (item, signal type)
	KindCohortCell    Kind = 2  // SignalState of (cohort, item, signal type)
	KindCreatorCell   Kind = 3  // SignalState of (user, creator, signal type)
	KindRecents       Kind = 4  // TopN: the items that a user met
	KindPairMarks     Kind = 5  // PairMarks of (user, item)
	KindRelation      Kind = 6  // MaxPair of (user, relation, target): hide, mute, block, follow
	KindEngagers      Kind = 7  // TopN: the users who met an item
	KindEntity        Kind = 8  // Entity
	KindUndone        Kind = 9  // Undone: what became of the event at the key's position
	KindSchemaVersion Kind = 10 // the encoded schema of the key's hash: copies are equal
	KindFormatLevel   Kind = 11 // uvarint, from 1: the format level agreed on; a maximum
	KindGeneration    Kind = 12 // uvarint of an HLC, from 1: the generation of an entity held elsewhere; a maximum
	KindSession       Kind = 13 // Session, by the place that a user has for it
	KindSealingKey    Kind = 14 // SealingKey of an id
	KindRegister      Kind = 15 // LWWRegister of the cluster, by what it says
)

// Kinds is the number of kinds; they run from 1 to Kinds.
const Kinds = 15

// The bounds of stored lists. A change of any of these, as of the rules in [Kind.List], changes what stored bytes mean,
// and needs a new version of the algebra: store.Algebra.
const (
	listLength    = 64
	listRetention = 366 * 24 * 3600 * 1000 // a year, in milliseconds, before the newest entry
)

func (k Kind) String() string {
	switch k {
	case KindCell:
		return "cell"
	case KindCohortCell:
		return "cohort cell"
	case KindCreatorCell:
		return "creator cell"
	case KindRecents:
		return "recents"
	case KindPairMarks:
		return "pair marks"
	case KindRelation:
		return "relation"
	case KindEngagers:
		return "engagers"
	case KindEntity:
		return "entity"
	case KindUndone:
		return "undone"
	case KindSchemaVersion:
		return "schema version"
	case KindFormatLevel:
		return "format level"
	case KindGeneration:
		return "generation"
	case KindSession:
		return "session"
	case KindSealingKey:
		return "sealing key"
	case KindRegister:
		return "register"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Valid reports whether k is a known kind.
func (k Kind) Valid() bool { return k >= 1 && k <= Kinds }

// Sum reports whether records of kind k are sums: each event must be merged exactly once, and may be taken out again.
// All other kinds are joins.
func (k Kind) Sum() bool { return k.Cell() || k == KindSession }

// Cell reports whether records of kind k are cells: a [SignalState] each.
func (k Kind) Cell() bool { return k == KindCell || k == KindCohortCell || k == KindCreatorCell }

// List returns the rule of a kind of list: for [KindRecents] the 64 newest different items, for [KindEngagers] the 64
// newest different users, each with its newest interaction, of the year before the newest one. It panics for a kind that
// isn't a list.
func (k Kind) List() ListRule {
	switch k {
	case KindRecents, KindEngagers:
		return ListRule{N: listLength, Distinct: true, Retention: listRetention}
	}
	panic("algebra: " + k.String() + " is not a list")
}

// Merge appends to dst the merge of two encoded values of a kind: the sum of sums, the join of joins. Empty stands for
// the identity. It returns a *fault.Corrupt, and dst without additions, when a value isn't a canonical one of the
// kind. dst must not overlap the values.
//
// This is the whole of a storage's merge operator: commutative and associative, so operands may be combined in any
// order and grouping.
func Merge(kind Kind, dst, a, b []byte) ([]byte, error) {
	out, err := combine(kind, dst, a, b, (*SignalState).Merge, Session.Merge)
	if err != nil {
		return dst, fmt.Errorf("merge %v: %w", kind, err)
	}
	return out, nil
}

// Subtract appends to dst what is left of a without b: the difference of sums, but the join of joins, for a join can't
// forget and doesn't need to. The mark of a cell, a join too, stays what it became, and so does what is a join of a
// session. Otherwise as [Merge].
func Subtract(kind Kind, dst, a, b []byte) ([]byte, error) {
	out, err := combine(kind, dst, a, b, (*SignalState).Minus, Session.Minus)
	if err != nil {
		return dst, fmt.Errorf("subtract %v: %w", kind, err)
	}
	return out, nil
}

// Check returns a *fault.Corrupt when v is not a canonical value of the kind. The empty value is one of every kind.
func Check(kind Kind, v []byte) error {
	again, err := Merge(kind, nil, v, nil)
	if err == nil && !bytes.Equal(again, v) {
		err = fault.Damaged("", 0, "%v is not canonical", kind)
	}
	return err
}

func combine(kind Kind, dst, a, b []byte, cells func(a, b *SignalState), sessions func(a, b Session) Session,
) ([]byte, error) {
	switch kind {
	case KindCell, KindCohortCell, KindCreatorCell:
		return combineCells(dst, a, b, cells)
	case KindSession:
		return join(dst, a, b, DecodeSession, sessions, Session.AppendBinary)
	case KindSealingKey:
		return join(dst, a, b, DecodeSealingKey, SealingKey.Merge, SealingKey.AppendBinary)
	case KindRecents, KindEngagers:
		rule := kind.List()
		return join(dst, a, b, rule.Decode, rule.Merge, TopN.AppendBinary)
	case KindPairMarks:
		return join(dst, a, b, DecodePairMarks, PairMarks.Merge, PairMarks.AppendBinary)
	case KindRelation:
		return join(dst, a, b, DecodeMaxPair, MaxPair.Merge, MaxPair.AppendBinary)
	case KindEntity:
		return join(dst, a, b, DecodeEntity, Entity.Merge, Entity.AppendBinary)
	case KindUndone:
		return join(dst, a, b, DecodeUndone, Undone.Merge, Undone.AppendBinary)
	case KindRegister:
		return join(dst, a, b, DecodeLWWRegister, LWWRegister.Merge, LWWRegister.AppendBinary)
	case KindSchemaVersion:
		return joinEqual(dst, a, b)
	case KindFormatLevel, KindGeneration:
		return join(dst, a, b, decodeNumber, largest, appendNumber)
	}
	return nil, fault.Damaged("", 0, "%v is unknown", kind)
}

// join decodes, merges and encodes.
func join[T any](dst, a, b []byte,
	decode func([]byte) (T, error), merge func(T, T) T, encode func(T, []byte) []byte,
) ([]byte, error) {
	x, err := decode(a)
	if err != nil {
		return nil, err
	}
	y, err := decode(b)
	if err != nil {
		return nil, err
	}
	return encode(merge(x, y), dst), nil
}

// combineCells merges or subtracts cells.
func combineCells(dst, a, b []byte, sum func(a, b *SignalState)) ([]byte, error) {
	var x, y SignalState
	if err := DecodeSignalState(a, &x); err != nil {
		return nil, err
	}
	if err := DecodeSignalState(b, &y); err != nil {
		return nil, err
	}
	sum(&x, &y)
	return x.AppendBinary(dst), nil
}

// joinEqual is the join of values of which there is only one per key.
func joinEqual(dst, a, b []byte) ([]byte, error) {
	switch {
	case len(a) == 0:
		return append(dst, b...), nil
	case len(b) == 0 || bytes.Equal(a, b):
		return append(dst, a...), nil
	}
	return nil, fault.Damaged("", 0, "two contents, of %d and %d bytes, under one hash", len(a), len(b))
}

func largest(a, b uint64) uint64 { return max(a, b) }

// appendNumber appends nothing for 0, the identity.
func appendNumber(v uint64, dst []byte) []byte {
	if v == 0 {
		return dst
	}
	return binary.AppendUvarint(dst, v)
}

func decodeNumber(b []byte) (uint64, error) { return decodeUpTo(b, max64) }

func decodeUpTo(b []byte, limit uint64) (uint64, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c := cursor{b: b}
	v := c.uvarint("number", limit)
	if c.err == nil && v == 0 {
		c.fail("number is 0, which is written as nothing")
	}
	return v, c.end()
}
