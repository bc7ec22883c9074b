package engine

import "slices"

// Signals says which records of a request are signals. Mostly all or none of them are.
type Signals struct {
	// All says that every record is; then Some is nil.
	All bool
	// Some has a bit for each record, the first in the lowest bit of the first byte, and doesn't end in zeros; nil for
	// none. Nobody changes its bytes.
	Some []byte
}

// add adds the record at an index of a request of count records. It is used while a request is read, with its records
// in order.
func (s *Signals) add(index, count uint32) {
	switch {
	case s.All:
	case index == 0 && count == 1:
		s.All = true
	default:
		for len(s.Some) <= int(index/8) {
			s.Some = append(s.Some, 0)
		}
		s.Some[index/8] |= 1 << (index % 8)
		if index+1 == count && s.full(count) {
			*s = Signals{All: true}
		}
	}
}

// full reports whether there is a bit for each of count records.
func (s *Signals) full(count uint32) bool {
	for i := range count {
		if !s.has(i) {
			return false
		}
	}
	return true
}

func (s *Signals) has(index uint32) bool {
	return s.All || int(index/8) < len(s.Some) && s.Some[index/8]>>(index%8)&1 == 1
}

// each calls yield with the indexes of the signals among count records.
func (s *Signals) each(count uint32, yield func(uint32)) {
	for i := range count {
		if s.has(i) {
			yield(i)
		}
	}
}

func (s *Signals) equal(o *Signals) bool { return s.All == o.All && slices.Equal(s.Some, o.Some) }

// fits reports whether s is what reading a request of count records gives.
func (s *Signals) fits(count uint32) bool {
	if s.All || len(s.Some) == 0 {
		return !s.All || len(s.Some) == 0
	}
	last := s.Some[len(s.Some)-1]
	top := uint32(len(s.Some)-1) * 8
	for last > 1 {
		last, top = last>>1, top+1
	}
	return s.Some[len(s.Some)-1] != 0 && top < count && !s.full(count)
}
