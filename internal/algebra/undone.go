package algebra

// Undone is what became of an event that somebody took back. The zero value says that nobody did.
//
// It is a join: what is settled stays settled, and of the ways of settling an event only one is ever taken.
type Undone uint8

// What became of an event; the smaller of two values rules.
const (
	// UndoneCompensated: what the event added was subtracted.
	UndoneCompensated Undone = 1
	// UndoneDuplicate: what the event added was subtracted because another copy of it counts.
	UndoneDuplicate Undone = 2
	// UndoneVoid: there was nothing to subtract.
	UndoneVoid Undone = 3
	// UndoneAsked: it counts as undone; the group that stamped it hasn't said yet what that amounts to.
	UndoneAsked Undone = 4
)

// Merge returns the smaller value, of those that aren't zero.
func (u Undone) Merge(o Undone) Undone {
	if u == 0 || o == 0 {
		return u | o
	}
	return min(u, o)
}

// Retracted reports whether somebody who wrote the event wants it undone, compensated or not.
func (u Undone) Retracted() bool { return u == UndoneCompensated || u == UndoneAsked }

// Settled reports whether nothing is left to be done about the event.
func (u Undone) Settled() bool { return u != 0 && u != UndoneAsked }

// AppendBinary appends the canonical encoding: nothing for zero, else the value as a byte.
func (u Undone) AppendBinary(dst []byte) []byte { return appendNumber(uint64(u), dst) }

// DecodeUndone reads what AppendBinary wrote, all of b.
func DecodeUndone(b []byte) (Undone, error) {
	u, err := decodeUpTo(b, uint64(UndoneAsked))
	return Undone(u), err
}
