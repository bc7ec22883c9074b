// Package vector holds the embeddings of items as unit vectors and finds those that point the same way.
//
// A [Set] holds the vectors of one embedding slot by ordinal. Whoever ranks asks an [Index] for the nearest to a
// vector, such as one of a user's [Interests]:
//
//	index := vector.Exact{Set: set}
//	for _, interest := range vector.Interests(set, recents, vector.MaxInterests) {
//		hits = index.Search(interest.Vector, 200, vector.Filter{}, hits)
//	}
//
// Likeness is the cosine, everywhere: vectors are brought to length 1 when they are put, so that a dot product is all
// it takes. [Exact] compares with every vector, which is right below some ten thousand of them and wherever a filter
// leaves few. [Lists] compares with those that lie in the same part of the space, a few of a hundred, and does as Exact
// does where that's right:
//
//	lists := vector.NewLists(set, vector.Options{})
//	lists.Put(n, v)
//	lists.Refresh(1_000_000) // after a batch of changes
//	hits = lists.Search(q, 200, vector.Filter{}, hits)
//
// The package doesn't know where embeddings come from, nor which of a user's signals count for how much. Dot products
// are summed in the order that the processor's vector unit likes, so their last bits may differ between kinds of
// processors, and with them the order of items that are alike to within 10⁻⁶.
package vector

// Notes for maintainers.
//
// The kernel is vek32.Dot: AVX2 and FMA on amd64 after a check at run time, plain Go elsewhere. It loads unaligned and
// peels nothing, so a pair of vectors has one dot product, whichever way it is reached: the scan, a list of ordinals
// and a filter's bitmap give equal answers to the bit, and the tests hold them to that.
//
// A set's memory is pieces of 32 rows, and each piece belongs to a cell of Lists, so that a vector lies in memory
// once, next to what it's searched with. Gathering rows from all over takes ten times as long per row as reading them
// in order, at a million vectors of 32 numbers. Pieces of 64 and 128 rows made searches no faster beyond the noise,
// and left more rows empty; those of 256 were faster by up to a third, and took a fifth more memory.
//
// A vector is in a cell because its row is, so no step of a training can lose one or find it twice; what could go wrong
// is that a cell isn't searched. A search takes the cells of both divisions, the old one and the new, and the loose
// vectors that are in neither.
