package vector

import (
	"math"

	"github.com/viterin/vek/vek32"
)

// layer is one division of the space: each cell has what is nearest to its centroid.
//
// Cells stand in groups around leaders, which are some of the centroids, so that a vector's cell is found without a
// look at all of them (cluster pruning: F. Chierichetti, A. Panconesi, P. Raghavan, M. Sozio, A. Tiberi, E. Upfal,
// PODS 2007).
type layer struct {
	dimensions int
	centroids  []float32 // of length 1, cell by cell
	cells      []cell
	leaders    []float32
	starts     []int32 // where each group begins among the cells, and where the last one ends
}

// nearGroups is how many groups are searched for the cell of a vector.
const nearGroups = 6

func (l *layer) centroid(i int) []float32 {
	at := i * l.dimensions
	return l.centroids[at : at+l.dimensions : at+l.dimensions]
}

// nearest is the cell whose centroid is most like v, among those of the groups whose leaders are. It is the true
// nearest mostly; what matters is that it's the same each time.
func (l *layer) nearest(v []float32) int {
	var near [nearGroups]near
	n, d := 0, l.dimensions
	for g := range len(l.starts) - 1 {
		s := vek32.Dot(l.leaders[g*d:(g+1)*d], v)
		if n == nearGroups && !(s > near[n-1].similarity) {
			continue
		}
		i := min(n, nearGroups-1)
		for ; i > 0 && s > near[i-1].similarity; i-- {
			near[i] = near[i-1]
		}
		near[i].similarity, near[i].index = s, int32(g)
		n = min(n+1, nearGroups)
	}
	best, at := float32(math.Inf(-1)), 0
	for i := range n {
		g := near[i].index
		for c := int(l.starts[g]); c < int(l.starts[g+1]); c++ {
			if s := vek32.Dot(l.centroid(c), v); s > best {
				best, at = s, c
			}
		}
	}
	return at
}

// closest is the place of the centroid that is most like v, among all of them.
func closest(centroids []float32, d int, v []float32) int {
	best, at := float32(math.Inf(-1)), 0
	for c := range len(centroids) / d {
		if s := vek32.Dot(centroids[c*d:(c+1)*d], v); s > best {
			best, at = s, c
		}
	}
	return at
}

// group makes groups of cells that are still empty, by the group that each was given. Centroids change their places.
func (l *layer) group(of []int32, groups int) {
	d := l.dimensions
	l.starts = make([]int32, groups+1)
	for _, g := range of {
		l.starts[g+1]++
	}
	for g := range groups {
		l.starts[g+1] += l.starts[g]
	}
	sorted, next := make([]float32, len(l.centroids)), append([]int32(nil), l.starts...)
	for c, g := range of {
		copy(sorted[int(next[g])*d:], l.centroid(c))
		next[g]++
	}
	l.centroids, l.cells = sorted, make([]cell, len(of))
}

func (l *layer) memory() int {
	sum := (cap(l.centroids)+cap(l.leaders))*4 + cap(l.starts)*4 + cap(l.cells)*32
	for i := range l.cells {
		sum += cap(l.cells[i].pieces) * 4
	}
	return sum
}

// near is how near something is.
type near struct {
	similarity float32
	index      int32
}

// ranking is a heap of cells, the nearest at its root.
type ranking []near

func (r ranking) before(i, j int) bool {
	if r[i].similarity != r[j].similarity {
		return r[i].similarity > r[j].similarity
	}
	return r[i].index < r[j].index
}

func (r ranking) order() {
	for i := len(r)/2 - 1; i >= 0; i-- {
		r.down(i)
	}
}

func (r ranking) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(r) {
			return
		}
		if child+1 < len(r) && r.before(child+1, child) {
			child++
		}
		if !r.before(child, i) {
			return
		}
		r[i], r[child] = r[child], r[i]
		i = child
	}
}

// rest is the ranking without the nearest, in the same memory.
func (r ranking) rest() ranking {
	last := len(r) - 1
	r[0] = r[last]
	r[:last].down(0)
	return r[:last]
}
