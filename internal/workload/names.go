package workload

import "strings"

// names are n ids of equal length in one string, so that a million of them are one object and naming one allocates
// nothing.
type names struct {
	all   string
	width int
}

func newNames(prefix string, n int) names {
	name := []byte(prefix + "0000000")
	var b strings.Builder
	b.Grow(n * len(name))
	for range n {
		b.Write(name)
		for i := len(name) - 1; ; i-- { // add one, as with pen and paper
			if name[i]++; name[i] <= '9' {
				break
			}
			name[i] = '0'
		}
	}
	return names{b.String(), len(name)}
}

func (s names) at(i uint32) string { return s.all[int(i)*s.width : int(i+1)*s.width] }

// scatter maps ranks to numbers of ids, one to one, so that the popular ones aren't neighbours by name.
type scatter struct{ factor, n uint64 }

func newScatter(n int) scatter {
	s := scatter{factor: 611_953, n: uint64(n)}
	for gcd(s.factor, s.n) != 1 {
		s.factor++
	}
	return s
}

func (s scatter) of(rank uint32) uint32 { return uint32(uint64(rank) * s.factor % s.n) }

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
