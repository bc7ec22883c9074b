package algebra

import (
	"bytes"
	"encoding/binary"
)

// LWWRegister holds the value that was written last. The zero value was never written.
//
// It is a join by the maximum of (Stamp, Set, Value): the higher stamp wins. Two writes never share a stamp; should
// they, the larger content wins (set before cleared, then the larger bytes), so that the outcome is still the same
// everywhere. A cleared register is kept as a tombstone: its stamp rules out older writes that are still under way.
type LWWRegister struct {
	Stamp Stamp
	Set   bool   // false: cleared, or never written
	Value []byte // empty when not Set; not modified by anyone
}

// Merge returns the register that was written last.
func (r LWWRegister) Merge(o LWWRegister) LWWRegister {
	if r.compare(o) < 0 {
		r = o
	}
	if !r.Set {
		r.Value = nil
	}
	return r
}

// IsZero reports whether r was never written.
func (r LWWRegister) IsZero() bool { return !r.Set && r.Stamp.IsZero() }

func (r LWWRegister) compare(o LWWRegister) int {
	switch {
	case r.Stamp != o.Stamp:
		return r.Stamp.Compare(o.Stamp)
	case r.Set != o.Set:
		if o.Set {
			return -1
		}
		return 1
	case !r.Set:
		return 0
	}
	return bytes.Compare(r.Value, o.Value)
}

// AppendBinary appends the canonical encoding: nothing for the zero value; else the stamp, a byte 1 (set) or 0
// (cleared), and for a set one the value's length as a uvarint and the value.
func (r LWWRegister) AppendBinary(dst []byte) []byte {
	if r.IsZero() {
		return dst
	}
	dst = r.Stamp.AppendBinary(dst)
	if !r.Set {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(append(dst, 1), uint64(len(r.Value)))
	return append(dst, r.Value...)
}

// DecodeLWWRegister reads what AppendBinary wrote, all of b. The value aliases b.
func DecodeLWWRegister(b []byte) (LWWRegister, error) {
	if len(b) == 0 {
		return LWWRegister{}, nil
	}
	c := cursor{b: b}
	r := LWWRegister{Stamp: c.stamp()}
	if r.Set = c.byte("set", 1) == 1; r.Set {
		r.Value = c.text("value", 0, max64)
	}
	if c.err == nil && r.IsZero() {
		c.fail("register that was never written")
	}
	if err := c.end(); err != nil {
		return LWWRegister{}, err
	}
	return r, nil
}
