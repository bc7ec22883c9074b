package disk

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Copy returns a disk of its own that holds what the process sees now, all of it durable, without faults. What chance
// decides on it comes from rng.
func (d *Disk) Copy(rng *rand.Rand) *Disk {
	out := New(rng)
	out.root = d.root.copy()
	return out
}

func (x *dir) copy() *dir {
	out := newDir()
	for name, n := range x.now {
		switch n := n.(type) {
		case *dir:
			out.now[name] = n.copy()
		case *inode:
			out.now[name] = &inode{now: slices.Clone(n.now), durable: slices.Clone(n.now), dirty: make([]bool, len(n.dirty))}
		}
	}
	out.durable = maps.Clone(out.now)
	return out
}
