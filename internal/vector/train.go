package vector

import "math"

// training is how far a new division of the space has come. It goes through the phases in their order, a step at a
// time.
type training struct {
	phase phase
	step  int
	layer *layer
	// counts are how many vectors each centroid is the mean of.
	counts []int32
	groups []int32
}

type phase uint8

const (
	// resting: there's nothing to do, but for vectors that are loose.
	resting phase = iota
	// learning: centroids are vectors of a sample at first, and then follow those that are nearest to them.
	learning
	// grouping: each centroid finds its leader.
	grouping
	// moving: the vectors go to their new cells.
	moving
)

const (
	// samples is how many vectors centroids are learned from, per cell.
	samples = 32
	// stepsPerChange is how many steps a change does of what is to be done: training and moving everything takes n
	// steps and a few more, and has to be over before n changes are.
	stepsPerChange = 2
	// fewest cells make sense.
	fewestCells = 16
)

// Refresh goes on with what is to be done so that searches are fast, and says whether there's more. budget is about how
// many numbers it multiplies, and at least one step is made: a million take about a quarter of a millisecond.
//
// A call after each batch of changes is enough. Changes themselves go on with it, too, so that it keeps up with any
// load.
func (l *Lists) Refresh(budget int) (more bool) {
	for {
		spent := l.advance()
		if spent == 0 {
			return false
		}
		if budget -= spent; budget <= 0 {
			return l.training.phase != resting || l.due() || l.stray()
		}
	}
}

func (l *Lists) keepUp() {
	for range stepsPerChange {
		if l.advance() == 0 {
			return
		}
	}
}

// advance makes one step, and says how many numbers it multiplied, about; 0 if there's nothing to do.
func (l *Lists) advance() (spent int) {
	switch l.training.phase {
	case learning:
		return l.learn()
	case grouping:
		return l.gather()
	case moving:
		return l.moveOne()
	}
	if l.due() {
		return l.begin()
	}
	if l.stray() {
		return l.place(l.set.last(&l.set.loose))
	}
	return 0
}

// stray reports whether some vector could have a cell and hasn't.
func (l *Lists) stray() bool { return l.set.loose.n > 0 && (l.now != nil || l.next != nil) }

// due reports whether there are twice as many vectors as at the last training, or less than a quarter. So a number that
// goes up and down a bit trains nothing; and few vectors may keep cells, though a search doesn't look at those.
func (l *Lists) due() bool {
	if l.now == nil {
		return l.set.n > l.exact
	}
	return l.set.n >= 2*l.trained || l.set.n < l.trained/4
}

// begin begins a training, or gives cells up if there are too few vectors for them.
func (l *Lists) begin() int {
	n, d := l.set.n, l.set.dimensions
	l.trained = n
	if n <= l.exact {
		l.training = training{phase: moving}
		return d
	}
	cells := min(max(int(3*math.Sqrt(float64(n))), fewestCells), maxCells)
	l.training = training{
		phase:  learning,
		layer:  &layer{dimensions: d, centroids: make([]float32, 0, cells*d)},
		counts: make([]int32, cells),
	}
	return cells * d
}

// learn lets the nearest centroid follow a vector of the sample: spherical k-means with a rate of 1 ÷ count for each
// centroid, vector by vector (S. Zhong, Efficient online spherical k-means clustering, IJCNN 2005; D. Sculley,
// Web-scale k-means clustering, WWW 2010).
func (l *Lists) learn() int {
	t := &l.training
	y, cells := t.layer, len(t.counts)
	if t.step == cells*(1+samples) {
		return l.lead()
	}
	v := l.sample(t.step)
	t.step++
	if v == nil {
		return y.dimensions
	}
	if known := len(y.centroids) / y.dimensions; known < cells {
		y.centroids = append(y.centroids, v...)
		t.counts[known] = 1
		return y.dimensions
	}
	c := closest(y.centroids, y.dimensions, v)
	t.counts[c]++
	centroid, rate := y.centroid(c), 1/float32(t.counts[c])
	for i, x := range v {
		centroid[i] += rate * (x - centroid[i])
	}
	if !unit(centroid) { // it met its opposite
		copy(centroid, v)
	}
	return len(y.centroids)
}

// sample returns a vector, or nil now and then: rows are drawn evenly over all by a sequence without patterns
// (multiples of the golden ratio).
func (l *Lists) sample(i int) []float32 {
	const golden, tries = 0x9e3779b97f4a7c15, 8
	s := l.set
	for try := range uint64(tries) {
		at := (uint64(i)*tries + try) * golden >> 32
		row := int(at * uint64(len(s.ords)) >> 32)
		if row&(pieceRows-1) < s.used(row>>pieceBits) {
			return s.row(row)
		}
	}
	return nil
}

// lead makes some of the centroids leaders.
func (l *Lists) lead() int {
	t := &l.training
	y := t.layer
	known, d := len(y.centroids)/y.dimensions, y.dimensions
	if known == 0 { // all vectors went away meanwhile
		l.training = training{}
		return d
	}
	leaders := int(math.Sqrt(float64(known)))
	y.leaders = make([]float32, 0, leaders*d)
	for i := range leaders {
		y.leaders = append(y.leaders, y.centroid(i*known/leaders)...)
	}
	t.phase, t.step = grouping, 0
	t.counts, t.groups = nil, make([]int32, 0, known)
	return len(y.leaders)
}

// gather gives a centroid to its leader.
func (l *Lists) gather() int {
	t := &l.training
	y, d := t.layer, t.layer.dimensions
	t.groups = append(t.groups, int32(closest(y.leaders, d, y.centroid(t.step))))
	if t.step++; t.step*d < len(y.centroids) {
		return len(y.leaders)
	}
	y.group(t.groups, len(y.leaders)/d)
	l.next = y
	l.training = training{phase: moving}
	return len(y.centroids)
}

// moveOne brings a vector to its new cell. Nothing is added to the old ones while that goes on.
func (l *Lists) moveOne() int {
	t := &l.training
	if l.now != nil {
		for ; t.step < len(l.now.cells); t.step++ {
			if c := &l.now.cells[t.step]; c.n > 0 {
				return l.place(l.set.last(c))
			}
		}
	}
	if l.next != nil && l.set.loose.n > 0 {
		return l.place(l.set.last(&l.set.loose))
	}
	l.now, l.next, l.training = l.next, nil, training{}
	return l.set.dimensions
}

// place brings the vector of a row where it belongs.
func (l *Lists) place(row int) int {
	s, y := l.set, l.next
	switch {
	case y != nil:
	case l.training.phase == moving: // cells are being given up
		if s.homes[row>>pieceBits].cell != &s.loose {
			s.move(row, &s.loose)
		}
		return s.dimensions
	default:
		y = l.now
	}
	s.move(row, &y.cells[y.nearest(s.row(row))])
	return len(y.leaders) + nearGroups*len(y.centroids)/(len(y.starts)-1)
}

func (t *training) memory() int {
	sum := (cap(t.counts) + cap(t.groups)) * 4
	if t.layer != nil {
		sum += t.layer.memory()
	}
	return sum
}
