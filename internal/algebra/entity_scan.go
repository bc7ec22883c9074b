package algebra

import "encoding/binary"

// ScanEntity calls yield with the name and the value of each set field of an encoded entity, by name, both lent. One that
// doesn't exist has none. The entity must be one that this process encoded, or that [DecodeEntity] accepted: what isn't
// canonical may panic.
func ScanEntity(b []byte, yield func(name, value []byte)) {
	if len(b) == 0 {
		return
	}
	s := scan{b: b}
	touched := s.stamp()
	s.stamp() // of the reset
	if deleted := s.uvarint(); touched <= deleted {
		return
	}
	for b = s.b; len(b) > 0; {
		size, n := binary.Uvarint(b)
		end := n + int(size)
		name, form := b[n:end], b[end]
		b = b[end+1:]
		if form&^1 == stampWritten {
			s.b = b
			s.stamp()
			b = s.b
		}
		if form&1 == 0 {
			continue
		}
		size, n = binary.Uvarint(b)
		end = n + int(size)
		yield(name, b[n:end])
		b = b[end:]
	}
}

// stamp reads past a stamp and returns its HLC.
func (s *scan) stamp() uint64 {
	at := s.uvarint()
	s.uvarint() // region
	s.uvarint() // shard
	s.uvarint() // incarnation
	return at
}
