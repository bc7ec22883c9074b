package index

import "github.com/tidaldb/tidal/internal/state"

// lists is a short list of codes per item, without a pointer per item: one arena in pieces, a 32-bit handle per item,
// and freed lists by length. A list lies in one piece: its length, then its codes.
type lists struct {
	handles column[uint32]
	pieces  []*[listPiece]uint32
	used    uint32     // of the newest piece
	free    [][]uint32 // by length, the handles of freed lists
}

const (
	listPiece = 1 << 16 // numbers of 4 bytes
	noList    = 0
	emptyList = 1 // a list of its own: an item whose set of tags is empty
)

func newLists() lists {
	return lists{pieces: []*[listPiece]uint32{new([listPiece]uint32)}, used: 2}
}

// get returns an item's list, which leads into the arena, and whether it has one.
func (l *lists) get(n state.Ord) (codes []uint32, ok bool) {
	h := l.handles.get(n)
	if h == noList {
		return nil, false
	}
	return l.list(h), true
}

func (l *lists) list(h uint32) []uint32 {
	p, at := l.pieces[h/listPiece], h%listPiece
	return p[at+1 : at+1+p[at]]
}

// set replaces an item's list; the list that get returned before is gone.
func (l *lists) set(n state.Ord, codes []uint32) {
	l.drop(n)
	h := uint32(emptyList)
	if len(codes) > 0 {
		h = l.alloc(len(codes))
		copy(l.list(h), codes)
	}
	*l.handles.at(n) = h
}

// drop leaves an item without a list.
func (l *lists) drop(n state.Ord) {
	h := l.handles.get(n)
	if h == noList {
		return
	}
	if h != emptyList {
		k := len(l.list(h))
		for len(l.free) <= k {
			l.free = append(l.free, nil)
		}
		l.free[k] = append(l.free[k], h)
	}
	*l.handles.at(n) = noList
}

func (l *lists) alloc(k int) uint32 {
	if k < len(l.free) {
		if m := len(l.free[k]); m > 0 {
			h := l.free[k][m-1]
			l.free[k] = l.free[k][:m-1]
			return h
		}
	}
	if l.used+uint32(k)+1 > listPiece {
		l.pieces = append(l.pieces, new([listPiece]uint32))
		l.used = 0
	}
	h := uint32(len(l.pieces)-1)*listPiece + l.used
	l.pieces[len(l.pieces)-1][l.used] = uint32(k)
	l.used += uint32(k) + 1
	return h
}

func (l *lists) bytes() int64 {
	sum := l.handles.bytes(4) + int64(len(l.pieces))*listPiece*4
	for _, f := range l.free {
		sum += 24 + int64(cap(f))*4
	}
	return sum
}
