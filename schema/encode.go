package schema

import (
	"bytes"
	"encoding/binary"
)

// The bytes of a schema. Numbers are unsigned varints unless a width is given; a string is its length and its bytes;
// a list is its length and its elements. docs/schema.md has the same as a table.
//
//	schema    magic "TSCH" · format 1 byte (1 to 3) · name · version · parent 16 bytes · future bound in nanoseconds ·
//	          list of signals · items · users · creators · from format 2 on: list of profiles · list of cohorts ·
//	          in format 3: list of policies
//	signal    name · flags 1 byte · meaning 1 byte · list of sets, 1 byte each · list of clears, 1 byte each ·
//	          list of windows, 1 byte each · list of half-lives in nanoseconds
//	flags     1 permanent · 2 velocity · 4 unique users · 8 seen
//	entity    list of fields (name · type 1 byte) · list of slots (name · dimensions)
//	profile   name · version · list of sources · first · list of steps · list of gates · diversity · list of slots
//	source    kind 1 byte · signal · half-life in nanoseconds · limit
//	step      name · operation 1 byte · expression
//	diversity list of most per value (field · number) · list of shares (field · part 8 bytes) ·
//	          list of at least (field · value · number) · relevance 8 bytes · embedding
//	slot      name · share 8 bytes · pool 1 byte · within in nanoseconds
//	cohort    name · filter
//	policy    name · list of signals · longest duration in nanoseconds · idle time in nanoseconds · rate 8 bytes · burst
//
// Format 2 is that of a schema with profiles or cohorts, format 3 that of one with policies of sessions; one without has
// the bytes, and with them the hash, that it always had. Numbers with fractions are IEEE 754, little endian.
//
// Durations are whole milliseconds in every valid schema. They are nanoseconds here so that the encoding of an invalid
// one is never that of a valid one: Encode can't fail, and Decode refuses what Validate would.
const (
	encodingMagic = "TSCH"
	formatPlain   = 1
	formatRanked  = 2 // with profiles and cohorts
	formatPolicy  = 3 // with policies of sessions, and a place for both
)

const (
	flagPermanent   = 1
	flagVelocity    = 2
	flagUniqueUsers = 4
	flagSeen        = 8
)

// Encode returns the canonical encoding: equal schemas have equal bytes, different ones have different bytes.
//
// A schema that wasn't validated is encoded as if its defaults were filled in; if it isn't valid, [Decode] refuses
// the bytes, unless profiles name what isn't there.
func (s *Schema) Encode() []byte {
	n := s.Clone()
	n.normalise()
	return n.append(make([]byte, 0, 1024))
}

func (s *Schema) append(b []byte) []byte {
	b = append(b, encodingMagic...)
	b = append(b, s.format())
	b = appendString(b, s.Name)
	b = binary.AppendUvarint(b, uint64(s.Version))
	b = append(b, s.Parent[:]...)
	b = binary.AppendUvarint(b, uint64(s.FutureBound))
	b = binary.AppendUvarint(b, uint64(len(s.Signals)))
	for i := range s.Signals {
		b = s.Signals[i].append(b)
	}
	b = s.Items.append(b)
	b = s.Users.append(b)
	b = s.Creators.append(b)
	if s.format() == formatPlain {
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(s.Profiles)))
	for i := range s.Profiles {
		b = s.Profiles[i].append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Cohorts)))
	for _, c := range s.Cohorts {
		b = c.append(b)
	}
	if s.format() == formatRanked {
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(s.SessionPolicies)))
	for _, p := range s.SessionPolicies {
		b = p.append(b)
	}
	return b
}

func (s *Schema) format() byte {
	switch {
	case len(s.SessionPolicies) > 0:
		return formatPolicy
	case len(s.Profiles) == 0 && len(s.Cohorts) == 0:
		return formatPlain
	}
	return formatRanked
}

func (t *SignalType) append(b []byte) []byte {
	b = appendString(b, t.Name)
	b = append(b, t.flags(), byte(t.Meaning))
	b = appendSmall(b, t.Sets)
	b = appendSmall(b, t.Clears)
	b = appendSmall(b, t.Windows)
	b = binary.AppendUvarint(b, uint64(len(t.HalfLives)))
	for _, h := range t.HalfLives {
		b = binary.AppendUvarint(b, uint64(h))
	}
	return b
}

func (t *SignalType) flags() byte {
	var flags byte
	if t.Permanent {
		flags |= flagPermanent
	}
	if t.Velocity {
		flags |= flagVelocity
	}
	if t.UniqueUsers {
		flags |= flagUniqueUsers
	}
	if t.Seen {
		flags |= flagSeen
	}
	return flags
}

func (e *EntityType) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(e.Fields)))
	for _, f := range e.Fields {
		b = append(appendString(b, f.Name), byte(f.Type))
	}
	b = binary.AppendUvarint(b, uint64(len(e.Embeddings)))
	for _, m := range e.Embeddings {
		b = binary.AppendUvarint(appendString(b, m.Name), uint64(m.Dimensions))
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendSmall[T ~uint8](b []byte, list []T) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, v := range list {
		b = append(b, byte(v))
	}
	return b
}

// content returns the encoding without version and parent: what two versions have in common when neither adds to the
// other.
func (s *Schema) content() []byte {
	c := *s
	c.Version, c.Parent = 1, Hash{}
	return c.Encode()
}

func sameContent(a, b *Schema) bool { return bytes.Equal(a.content(), b.content()) }
