package algebra

// Flag is a boolean that the last write decides: an [LWWRegister] of one bit. At equal stamps On wins. The zero value
// was never written and is off.
type Flag struct {
	Stamp Stamp
	On    bool
}

// Merge returns the flag that was written last.
func (f Flag) Merge(o Flag) Flag {
	if c := f.Stamp.Compare(o.Stamp); c < 0 || c == 0 && o.On {
		return o
	}
	return f
}

// PairMarks is what one user did to one item, beside what was counted.
//
// It is a join, field by field: Seen by its order, the flags by their stamps. The zero value is nothing done.
type PairMarks struct {
	Seen       Order // the latest event that showed the item to the user; zero: not seen
	Liked      Flag
	Saved      Flag
	InProgress Flag
}

// Merge returns the join of both.
func (m PairMarks) Merge(o PairMarks) PairMarks {
	return PairMarks{
		Seen:       m.Seen.Later(o.Seen),
		Liked:      m.Liked.Merge(o.Liked),
		Saved:      m.Saved.Merge(o.Saved),
		InProgress: m.InProgress.Merge(o.InProgress),
	}
}

// IsZero reports whether nothing was done.
func (m PairMarks) IsZero() bool {
	return m.Seen.IsZero() && m.Liked == Flag{} && m.Saved == Flag{} && m.InProgress == Flag{}
}

// The first byte of encoded marks: which parts follow, and for flags, whether they are on.
const (
	marksSeen    = 1 << 0
	marksPresent = 1 << 1 // shifted by the flag's number
	marksOn      = 1 << 4 // shifted by the flag's number
	marksAll     = 1<<7 - 1
)

// AppendBinary appends the canonical encoding: nothing for the zero value. Else a byte of bits (0 seen; 1 liked, 2
// saved, 3 in progress were written; 4, 5, 6 they are on), then the order if seen, then the stamp of each written
// flag.
func (m PairMarks) AppendBinary(dst []byte) []byte {
	if m.IsZero() {
		return dst
	}
	at := len(dst)
	dst = append(dst, 0)
	if !m.Seen.IsZero() {
		dst[at] |= marksSeen
		dst = appendOrder(dst, m.Seen)
	}
	for i, f := range [...]Flag{m.Liked, m.Saved, m.InProgress} {
		if f == (Flag{}) {
			continue
		}
		dst[at] |= marksPresent << i
		if f.On {
			dst[at] |= marksOn << i
		}
		dst = f.Stamp.AppendBinary(dst)
	}
	return dst
}

// DecodePairMarks reads what AppendBinary wrote, all of b.
func DecodePairMarks(b []byte) (PairMarks, error) {
	var m PairMarks
	if len(b) == 0 {
		return m, nil
	}
	c := cursor{b: b}
	parts := c.byte("marks", marksAll)
	if parts&marksSeen != 0 {
		m.Seen = c.order()
	}
	for i, f := range [...]*Flag{&m.Liked, &m.Saved, &m.InProgress} {
		on := parts&(marksOn<<i) != 0
		if parts&(marksPresent<<i) == 0 {
			if on {
				c.fail("flag %d is on but was never written", i)
			}
			continue
		}
		*f = Flag{Stamp: c.stamp(), On: on}
		if c.err == nil && *f == (Flag{}) {
			c.fail("flag %d was never written", i)
		}
	}
	if c.err == nil && m.IsZero() {
		c.fail("marks without any part")
	}
	if err := c.end(); err != nil {
		return PairMarks{}, err
	}
	return m, nil
}
