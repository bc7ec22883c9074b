package algebra

// Undone is what became of an event that somebody took back. The zero value says that nobody did.
//
// It is a join: what is settled stays settled, and of the two ways of settling an event only one is ever taken.
type Undone uint8

// What became of an event; the smaller of two values rules.
const (
	// UndoneCompensated: what the event added was subtracted.
	UndoneCompensated Undone = 1
	// UndoneVoid: there was nothing to subtract.
	UndoneVoid Undone = 2
	// UndoneAsked: it counts as undone; the group that stamped it hasn't said yet what that amounts to.
	UndoneAsked Undone = 3
)

// Merge returns the smaller value, of those that aren't zero.
func (u Undone) Merge(o Undone) Undone {
	if u == 0 || o == 0 {
		return u | o
	}
	return min(u, o)
}

// Stands reports whether the event counts as undone: it was taken back, or somebody asked for it.
func (u Undone) Stands() bool { return u == UndoneCompensated || u == UndoneAsked }

// AppendBinary appends the canonical encoding: nothing for zero, else the value as a byte.
func (u Undone) AppendBinary(dst []byte) []byte { return appendNumber(uint64(u), dst) }

// DecodeUndone reads what AppendBinary wrote, all of b.
func DecodeUndone(b []byte) (Undone, error) {
	u, err := decodeUpTo(b, uint64(UndoneAsked))
	return Undone(u), err
}
