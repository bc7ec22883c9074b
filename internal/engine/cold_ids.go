package engine

// idSet is a set of ids by their 64-bit hashes, about 11 to 22 bytes each. It forgets nothing: two ids of one hash are one
// to it, and taking one out must not lose the other. Having an id that was never added does no harm.
//
// It is in parts that grow one by one, so that no addition copies all of it.
type idSet struct {
	parts []hashes // idParts of them, or none yet
	count int
}

const idParts = 256

// hashes is open addressing with linear probing; 0 is empty.
type hashes struct {
	slots []uint64
	count int
}

func (s *idSet) len() int { return s.count }

// bytes is the memory that the set takes.
func (s *idSet) bytes() (n int64) {
	for i := range s.parts {
		n += int64(len(s.parts[i].slots)) * 8
	}
	return n
}

func nonZero(hash uint64) uint64 { return max(1, hash) }

func (s *idSet) has(hash uint64) bool {
	hash = nonZero(hash)
	return s.count > 0 && s.parts[hash%idParts].has(hash)
}

func (s *idSet) add(hash uint64) {
	hash = nonZero(hash)
	if s.parts == nil {
		s.parts = make([]hashes, idParts)
	}
	p := &s.parts[hash%idParts]
	if p.has(hash) {
		return
	}
	if (p.count+1)*4 > len(p.slots)*3 {
		p.grow()
	}
	p.place(hash)
	p.count++
	s.count++
}

func (p *hashes) has(hash uint64) bool {
	if len(p.slots) == 0 {
		return false
	}
	for i := p.home(hash); p.slots[i] != 0; i = (i + 1) & (len(p.slots) - 1) {
		if p.slots[i] == hash {
			return true
		}
	}
	return false
}

func (p *hashes) place(hash uint64) {
	i := p.home(hash)
	for p.slots[i] != 0 {
		i = (i + 1) & (len(p.slots) - 1)
	}
	p.slots[i] = hash
}

func (p *hashes) home(hash uint64) int { return int(hash/idParts) & (len(p.slots) - 1) }

func (p *hashes) grow() {
	old := p.slots
	p.slots = make([]uint64, max(8, 2*len(old)))
	for _, hash := range old {
		if hash != 0 {
			p.place(hash)
		}
	}
}
