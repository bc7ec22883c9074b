package vector

import (
	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
)

// Index finds the vectors nearest to another one.
type Index interface {
	// Search appends to out the k items whose vectors are most similar to q among those that the filter lets through,
	// fewer if there are fewer. They come by similarity, highest first, and by ordinal, lowest first, where it is
	// equal.
	//
	// q is a vector of length 1 with the index's number of dimensions, and isn't kept; for any other number of
	// dimensions, and for k < 1, nothing is appended. A q of another length gets the same items, their similarities
	// multiplied by its length; one with a number that isn't finite gets any or none.
	//
	// An exact index returns the true k. An approximate one returns items and similarities that are true, in that
	// order, but may miss some; it says how many it finds. Searches may run beside each other, but not beside a change.
	Search(q []float32, k int, filter Filter, out []Hit) []Hit
	// Len is the number of vectors that are searched.
	Len() int
}

// Hit is one item that was found.
type Hit struct {
	Ord state.Ord
	// Similarity is the cosine, in [−1, 1] but for rounding.
	Similarity float32
}

// Filter says which items may be found. The zero value lets all through.
type Filter struct {
	// In, unless nil, holds the only ordinals that may be found.
	In *roaring.Bitmap
	// Accept, unless nil, has the last word on an item. It is asked for those alone that would be among the hits, in no
	// order, so it may be dear.
	Accept func(state.Ord) bool
	// Most is with how many vectors an approximate index compares before it ends with what it has found, about; 0 is no
	// bound. It is for who has other sources beside: a choosy filter lets a search come to all vectors otherwise.
	Most int
}

func (f *Filter) accepts(n state.Ord) bool {
	return (f.In == nil || f.In.Contains(uint32(n))) && (f.Accept == nil || f.Accept(n))
}
