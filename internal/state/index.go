package state

// index finds an owner by the hash of its id. It is a directory of small tables with linear probing, one per prefix of
// the hash. A table that is full is split in two, so that no call does more than that, or double the directory: a
// single large table would stop everything while it grows. The order inside never shows outside, hence no seed.
type index struct {
	depth uint8    // how many upper bits of a hash number the directory
	dir   []uint32 // numbers of tables; those of fewer bits stand there several times
	small []small
	slots int
}

// small is one of the tables.
type small struct {
	slots []uint64 // hash << 32 | ordinal + 1; 0 is empty
	count int32
	depth uint8 // how many upper bits its hashes share
}

const (
	leastSlots = 16
	mostSlots  = 512
)

// table returns the table of a hash, nil if there is none at all.
func (x *index) table(hash uint32) *small {
	if len(x.dir) == 0 {
		return nil
	}
	return &x.small[x.dir[hash>>(32-x.depth)]]
}

// insert adds an entry that is not there yet.
func (x *index) insert(hash uint32, n Ord) {
	if len(x.dir) == 0 {
		x.dir, x.small = []uint32{0}, append(x.small, small{slots: make([]uint64, leastSlots)})
		x.slots = leastSlots
	}
	s := x.table(hash)
	for (int(s.count)+1)*4 > len(s.slots)*3 {
		x.grow(s, hash)
		s = x.table(hash)
	}
	s.place(hash, n)
	s.count++
}

func (s *small) place(hash uint32, n Ord) {
	mask := uint32(len(s.slots) - 1)
	i := hash & mask
	for s.slots[i] != 0 {
		i = (i + 1) & mask
	}
	s.slots[i] = uint64(hash)<<32 | uint64(n) + 1
}

// grow makes room in a table: twice the slots, or half the entries. Hashes that were made to share their upper bits
// must not double the directory for nothing: then one table may grow without bounds.
func (x *index) grow(s *small, hash uint32) {
	if len(s.slots) < mostSlots || s.depth == x.depth && len(x.dir) > 64+4*len(x.small) || s.depth == 32 {
		old := s.slots
		s.slots = make([]uint64, 2*len(old))
		x.slots += len(old)
		for _, e := range old {
			if e != 0 {
				s.place(uint32(e>>32), Ord(e)-1)
			}
		}
		return
	}
	if s.depth == x.depth {
		x.double()
	}
	x.split(hash)
}

func (x *index) double() {
	dir := make([]uint32, 2*len(x.dir))
	for i, number := range x.dir {
		dir[2*i], dir[2*i+1] = number, number
	}
	x.dir = dir
	x.depth++
}

// split moves the entries of a table whose next bit is set to a new one.
func (x *index) split(hash uint32) {
	from := x.dir[hash>>(32-x.depth)]
	number := uint32(len(x.small))
	x.small = append(x.small, small{})
	s, t := &x.small[from], &x.small[number]
	old := s.slots
	s.depth++
	*t = small{slots: make([]uint64, len(old)), depth: s.depth}
	s.slots, s.count = make([]uint64, len(old)), 0
	x.slots += len(old)
	bit := uint32(1) << (32 - s.depth)
	for _, e := range old {
		to := s
		switch {
		case e == 0:
			continue
		case uint32(e>>32)&bit != 0:
			to = t
		}
		to.place(uint32(e>>32), Ord(e)-1)
		to.count++
	}
	// The upper half of the directory's entries for the old table now stands for the new one.
	span := uint32(1) << (x.depth - s.depth)
	first := (hash>>(32-s.depth) | 1) << (x.depth - s.depth)
	for i := range span {
		x.dir[first+i] = number
	}
}

// remove deletes an entry and closes the gap: every entry behind it in the run moves up unless that would put it
// before its own home slot.
func (x *index) remove(hash uint32, n Ord) {
	s := x.table(hash)
	mask := uint32(len(s.slots) - 1)
	gap := hash & mask
	for s.slots[gap] != uint64(hash)<<32|uint64(n)+1 {
		if s.slots[gap] == 0 {
			panic("state: owner is not in the index")
		}
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; s.slots[i] != 0; i = (i + 1) & mask {
		home := uint32(s.slots[i]>>32) & mask
		if (i-home)&mask >= (i-gap)&mask {
			s.slots[gap] = s.slots[i]
			gap = i
		}
	}
	s.slots[gap] = 0
	s.count--
}

// reset removes everything.
func (x *index) reset() {
	for i := range x.small {
		clear(x.small[i].slots)
		x.small[i].count = 0
	}
}

func (x *index) bytes() int64 { return int64(x.slots)*8 + int64(len(x.dir))*4 + int64(cap(x.small))*40 }
