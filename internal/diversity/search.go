package diversity

import "sort"

// What a list may cost beyond greed: candidates looked at, over all searches for it and in one of them.
const (
	searchSteps = 6000
	findSteps   = 2000
)

// search looks for a choice of candidates that keeps bounds, by going back on itself.
type search struct {
	steps  int
	chosen []bool  // what was found
	best   []int32 // likewise, as a list

	stack  []int32
	room   []int32
	missed []int32
	// rest[i] is how many candidates from i on are free; wants[k*(n+1)+i] how many of them minimum k wants.
	rest, wants []int32
	// kind is equal for candidates with equal values: if one was left out, so are those behind it that are its likes.
	kind   []int32
	barred []bool
	bars   []bar
	table  interner
	tally  []int32
}

// bar is a kind that was left out while so many candidates were chosen.
type bar struct{ kind, depth int32 }

// unbounded is the bound of a rule that may give way as it likes.
const unbounded = 1 << 30

// improve looks for a choice that keeps the rules better than greed did, by what measure found, and says whether there
// is one.
func (m *Mixer) improve() bool {
	s := &m.search
	s.prepare(m)
	rules := len(m.excess)
	m.bounds, m.current = resize(m.bounds, rules), append(m.current[:0], m.excess...)
	for r := range m.bounds {
		m.bounds[r] = unbounded
	}
	found := false
	for r := range m.bounds {
		// What is chosen so far keeps the bounds before r, and r to the extent of current.
		first := sort.Search(int(m.current[r]), func(e int) bool {
			m.bounds[r] = int32(e)
			return s.possible(m)
		})
		for e := int32(first); e < m.current[r]; e++ {
			if m.bounds[r] = e; s.better(m, r) {
				found = true
				m.assess()
				break
			}
		}
		m.bounds[r] = m.current[r]
	}
	if found {
		s.chosen = resize(s.chosen, m.size)
		clear(s.chosen)
		for _, i := range s.best {
			s.chosen[i] = true
		}
	}
	return found
}

// better finds a choice within the bounds up to rule r: at best one that is no worse than the current one for the rules
// behind, else one at their expense.
func (s *search) better(m *Mixer, r int) bool {
	copy(m.bounds[r+1:], m.current[r+1:])
	found := s.find(m)
	for i := r + 1; i < len(m.bounds); i++ {
		m.bounds[i] = unbounded
	}
	return found || r+1 < len(m.bounds) && s.find(m)
}

// assess sets current to how far the choice that was found is from each rule.
func (m *Mixer) assess() {
	s, k := &m.search, len(m.minimums)
	for i, x := range m.minimums {
		m.current[i] = max(0, x.wanted-x.fixed-m.count(s.best, i))
	}
	for r := range m.caps {
		m.current[k+r] = 0
		for v := range m.values {
			m.current[k+r] = max(m.current[k+r], -s.room[r*len(m.values)+v])
		}
	}
}

func (s *search) prepare(m *Mixer) {
	n, k := m.size, len(m.minimums)
	s.steps = 0
	s.rest, s.wants = resize(s.rest, n+1), resize(s.wants, k*(n+1))
	s.rest[n] = 0
	for j := range k {
		s.wants[j*(n+1)+n] = 0
	}
	for i := n - 1; i >= 0; i-- {
		one := int32(0)
		if m.free[i] {
			one = 1
		}
		s.rest[i] = s.rest[i+1] + one
		for j := range k {
			at := j*(n+1) + i
			s.wants[at] = s.wants[at+1]
			if m.member[i*k+j] {
				s.wants[at] += one
			}
		}
	}
	s.table.clear()
	s.kind = resize(s.kind, n)
	for i := range n {
		// The order of an item's tags doesn't matter, so their hashes are added.
		sum := uint64(0)
		for f := range m.fields {
			for _, v := range m.of(i, f) {
				sum += mix(uint64(v) + 1)
			}
		}
		s.kind[i], _ = s.table.id(sum)
	}
	s.barred = resize(s.barred, len(s.table.keys))
}

// possible turns bounds away that no choice can keep, as far as that is seen by counting: too few candidates for a
// minimum, or too little room under a cap for the list or for a minimum.
func (s *search) possible(m *Mixer) bool {
	k, width := len(m.minimums), m.size+1
	for j := range m.minimums {
		if wanted := m.wanted(j); wanted > s.wants[j*width] || wanted > int32(m.need) {
			return false
		}
	}
	for r := range m.caps {
		if m.bounds[k+r] == unbounded {
			continue
		}
		if s.capacity(m, r, -1) < int32(m.need) {
			return false
		}
		for j := range m.minimums {
			if s.capacity(m, r, j) < m.wanted(j) {
				return false
			}
		}
	}
	return true
}

// wanted is how many candidates a minimum asks for under the bounds.
func (m *Mixer) wanted(minimum int) int32 {
	x := m.minimums[minimum]
	return max(0, x.wanted-x.fixed-m.bounds[minimum])
}

// capacity is how many candidates have room under a cap, at most; of those that a minimum wants, unless that is −1.
func (s *search) capacity(m *Mixer, r, minimum int) (capacity int32) {
	c, k := m.caps[r], len(m.minimums)
	s.tally = resize(s.tally, len(m.values))
	clear(s.tally)
	for i := range m.size {
		if !m.free[i] || minimum >= 0 && !m.member[i*k+minimum] {
			continue
		}
		values := m.of(i, c.field)
		if len(values) == 0 {
			capacity++
		}
		for _, v := range values {
			s.tally[v]++
		}
	}
	for v, n := range s.tally {
		if n > 0 {
			capacity += min(n, roomFor(c, m.values[v])+m.bounds[k+r])
		}
	}
	return capacity
}

// find sets best to the first choice, in the order of candidates, that keeps the bounds, and says whether there is one.
func (s *search) find(m *Mixer) bool {
	s.stack, s.bars = s.stack[:0], s.bars[:0]
	s.room = m.rooms(s.room)
	clear(s.barred)
	s.missed = s.missed[:0]
	for j := range m.minimums {
		s.missed = append(s.missed, m.wanted(j))
	}
	end := min(s.steps+findSteps, searchSteps)
	for i := 0; s.steps < end; s.steps++ {
		switch {
		case s.hopeless(m, i):
			if len(s.stack) == 0 {
				return false
			}
			i = s.back(m) + 1
		case len(s.stack) == m.need:
			s.best = append(s.best[:0], s.stack...)
			return true
		default:
			if m.free[i] && !s.barred[s.kind[i]] && s.fits(m, i) {
				s.take(m, i, 1)
				s.stack = append(s.stack, int32(i))
			}
			i++
		}
	}
	return false
}

// hopeless says whether no choice that begins with the stack and goes on from candidate i keeps the bounds.
func (s *search) hopeless(m *Mixer, i int) bool {
	left := int32(m.need - len(s.stack))
	if s.rest[i] < left {
		return true
	}
	for j, missed := range s.missed {
		if missed > 0 && (missed > left || missed > s.wants[j*(m.size+1)+i]) {
			return true
		}
	}
	return false
}

func (s *search) fits(m *Mixer, i int) bool {
	for r, c := range m.caps {
		bound := m.bounds[len(m.minimums)+r]
		for _, v := range m.of(i, c.field) {
			if s.room[r*len(m.values)+int(v)]+bound <= 0 {
				return false
			}
		}
	}
	return true
}

// take counts a candidate as chosen; with −1 it takes that back.
func (s *search) take(m *Mixer, i int, sign int32) {
	for r, c := range m.caps {
		for _, v := range m.of(i, c.field) {
			s.room[r*len(m.values)+int(v)] -= sign
		}
	}
	for j := range s.missed {
		if m.member[i*len(s.missed)+j] {
			s.missed[j] -= sign // below 0 where more were taken than wanted
		}
	}
}

// back leaves out the candidate that was chosen last, and its likes, until one chosen before it is left out.
func (s *search) back(m *Mixer) int {
	last := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	s.take(m, int(last), -1)
	depth := int32(len(s.stack))
	for len(s.bars) > 0 && s.bars[len(s.bars)-1].depth > depth {
		s.barred[s.bars[len(s.bars)-1].kind] = false
		s.bars = s.bars[:len(s.bars)-1]
	}
	s.barred[s.kind[last]] = true
	s.bars = append(s.bars, bar{s.kind[last], depth})
	return int(last)
}
