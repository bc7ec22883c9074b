package state

// index finds a block by the hash of its key: open addressing with linear probing and no tombstones. A slot holds
// the key's 32-bit hash beside the handle, so that a probe touches the arena only when the hashes agree. The table's
// order never shows outside, hence no seed.
type index struct {
	slots []uint64 // hash << 32 | handle; 0 is empty
	count int
}

const minSlots = 64

func newIndex() index { return index{slots: make([]uint64, minSlots)} }

// find returns the handle whose hash is h and for which same reports true.
func (x *index) find(h uint32, same func(handle) bool) handle {
	mask := uint32(len(x.slots) - 1)
	for i := h & mask; x.slots[i] != 0; i = (i + 1) & mask {
		if s := x.slots[i]; uint32(s>>32) == h && same(handle(s)) {
			return handle(s)
		}
	}
	return 0
}

// insert adds an entry that is not there yet.
func (x *index) insert(h uint32, block handle) {
	if (x.count+1)*4 > len(x.slots)*3 {
		x.grow()
	}
	x.place(h, block)
	x.count++
}

func (x *index) place(h uint32, block handle) {
	mask := uint32(len(x.slots) - 1)
	i := h & mask
	for x.slots[i] != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = uint64(h)<<32 | uint64(block)
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]uint64, 2*len(old))
	for _, s := range old {
		if s != 0 {
			x.place(uint32(s>>32), handle(s))
		}
	}
}

// replace points the entry (h, from) at another block.
func (x *index) replace(h uint32, from, to handle) {
	x.slots[x.locate(h, from)] = uint64(h)<<32 | uint64(to)
}

// remove deletes the entry (h, block) and closes the gap: every entry behind it in the run moves up unless that
// would put it before its own home slot.
func (x *index) remove(h uint32, block handle) {
	mask := uint32(len(x.slots) - 1)
	gap := x.locate(h, block)
	for i := (gap + 1) & mask; x.slots[i] != 0; i = (i + 1) & mask {
		home := uint32(x.slots[i]>>32) & mask
		if (i-home)&mask >= (i-gap)&mask {
			x.slots[gap] = x.slots[i]
			gap = i
		}
	}
	x.slots[gap] = 0
	x.count--
}

func (x *index) locate(h uint32, block handle) uint32 {
	mask := uint32(len(x.slots) - 1)
	want := uint64(h)<<32 | uint64(block)
	for i := h & mask; x.slots[i] != 0; i = (i + 1) & mask {
		if x.slots[i] == want {
			return i
		}
	}
	panic("state: block is not in the index")
}

func (x *index) bytes() int64 { return int64(len(x.slots)) * 8 }
