package schema

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// Decode reads what [Schema.Encode] wrote. It accepts the encoding of valid schemas only, and returns
// [fault.ErrFormatTooNew] for a later format and a [fault.Corrupt] for everything else.
//
// Two things that [Schema.Validate] refuses are accepted here: a profile that names what isn't there, since a [Union]
// may have taken it away, and the fields [ExpiresField] and [PublishedField] with a type other than time, which were
// fields like all others once.
func Decode(b []byte) (*Schema, error) {
	d := &decoder{b: b}
	s := d.schema()
	if d.err != nil {
		return nil, d.err
	}
	if d.off != len(b) {
		return nil, fault.Damaged("", int64(d.off), "schema: %d bytes are left over", len(b)-d.off)
	}
	s.normalise()
	if err := s.checkForm(); err != nil {
		return nil, fault.Damaged("", 0, "schema is not valid: %v", err)
	}
	if !bytes.Equal(s.append(nil), b) {
		return nil, fault.Damaged("", 0, "schema: encoding is not canonical")
	}
	return s, nil
}

// decoder reads one encoding from front to back. The first error sticks; what's read after it is zero.
type decoder struct {
	b   []byte
	off int
	err error
}

func (d *decoder) schema() *Schema {
	s := &Schema{}
	if string(d.take(len(encodingMagic), "magic")) != encodingMagic {
		d.fail("magic is not %q", encodingMagic)
		return s
	}
	format := d.byte("format")
	if d.err == nil && format > formatPolicy {
		d.err = fmt.Errorf("decode schema of format %d: %w", format, fault.ErrFormatTooNew)
		return s
	} else if format == 0 {
		d.fail("format is 0")
	}
	s.Name = d.name("name")
	s.Version = uint32(d.number("version", 1<<32-1))
	copy(s.Parent[:], d.take(len(s.Parent), "parent"))
	s.FutureBound = time.Duration(d.number("future bound", uint64(maxFutureBound)))
	for range d.count("signals", maxSignals) {
		s.Signals = append(s.Signals, d.signal())
	}
	s.Items, s.Users, s.Creators = d.entity(), d.entity(), d.entity()
	if format < formatRanked {
		return s
	}
	for range d.count("profiles", maxProfiles) {
		s.Profiles = append(s.Profiles, d.profile())
	}
	for range d.count("cohorts", maxCohorts) {
		s.Cohorts = append(s.Cohorts, Cohort{Name: d.name("cohort name"), Where: d.text("filter", MaxExpression)})
	}
	if format < formatPolicy {
		return s
	}
	for range d.count("policies", maxPolicies) {
		s.SessionPolicies = append(s.SessionPolicies, d.policy())
	}
	return s
}

func (d *decoder) signal() SignalType {
	t := SignalType{Name: d.name("signal name")}
	flags := d.byte("flags")
	t.Permanent = flags&flagPermanent != 0
	t.Velocity = flags&flagVelocity != 0
	t.UniqueUsers = flags&flagUniqueUsers != 0
	t.Seen = flags&flagSeen != 0
	t.Meaning = Meaning(d.byte("meaning"))
	t.Sets = decodeSmall[Mark](d, "sets", len(markWords))
	t.Clears = decodeSmall[Mark](d, "clears", len(markWords))
	t.Windows = decodeSmall[Window](d, "windows", len(windowWords))
	for range d.count("half-lives", maxHalfLives) {
		t.HalfLives = append(t.HalfLives, time.Duration(d.number("half-life", uint64(maxHalfLife))))
	}
	return t
}

func (d *decoder) entity() EntityType {
	var e EntityType
	for range d.count("fields", maxFields) {
		e.Fields = append(e.Fields, Field{Name: d.name("field name"), Type: FieldType(d.byte("field type"))})
	}
	for range d.count("embeddings", maxEmbeddings) {
		m := Embedding{Name: d.name("embedding name"), Dimensions: int(d.number("dimensions", maxDimensions))}
		e.Embeddings = append(e.Embeddings, m)
	}
	return e
}

func decodeSmall[T ~uint8](d *decoder, what string, most int) []T {
	var list []T
	for range d.count(what, most) {
		list = append(list, T(d.byte(what)))
	}
	return list
}

// count reads the length of a list. It's 0 after an error, so that a damaged count can't make a loop long.
func (d *decoder) count(what string, most int) int {
	return int(d.number("number of "+what, uint64(most)))
}

func (d *decoder) name(what string) string {
	return d.text(what, MaxName)
}

func (d *decoder) text(what string, most uint64) string {
	return string(d.take(int(d.number("length of "+what, most)), what))
}

func (d *decoder) number(what string, most uint64) uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.b[d.off:])
	if n <= 0 {
		d.fail("%s is cut short or too long", what)
		return 0
	}
	if v > most {
		d.fail("%s is %d, at most %d", what, v, most)
		return 0
	}
	d.off += n
	return v
}

func (d *decoder) byte(what string) byte {
	if b := d.take(1, what); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (d *decoder) take(n int, what string) []byte {
	if d.err != nil {
		return nil
	}
	if n > len(d.b)-d.off {
		d.fail("%s is cut short", what)
		return nil
	}
	d.off += n
	return d.b[d.off-n : d.off]
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fault.Damaged("", int64(d.off), "schema: "+format, args...)
	}
}
