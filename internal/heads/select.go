package heads

import (
	"cmp"
	"math/bits"
	"slices"
)

// highest returns the value of rank k, from 0, counted from the highest, and reorders s. k is below len(s).
//
// It is Hoare's selection ("Algorithm 65: Find", Communications of the ACM 4, 1961) by the median of three. When that
// doesn't get ahead, which a hostile order can bring about, what is left is sorted.
func highest(s []int64, k int) int64 {
	for rounds := 3 * bits.Len(uint(len(s))); len(s) > 12; rounds-- {
		if rounds == 0 {
			break
		}
		pivot := median(s[0], s[len(s)/2], s[len(s)-1])
		// Three parts: above the pivot, equal to it, below it.
		above, below := 0, len(s)
		for i := 0; i < below; {
			switch v := s[i]; {
			case v > pivot:
				s[above], s[i] = v, s[above]
				above++
				i++
			case v < pivot:
				below--
				s[i], s[below] = s[below], v
			default:
				i++
			}
		}
		switch {
		case k < above:
			s = s[:above]
		case k < below:
			return pivot
		default:
			s, k = s[below:], k-below
		}
	}
	slices.SortFunc(s, func(a, b int64) int { return cmp.Compare(b, a) })
	return s[k]
}

// best moves those of r that are among the k highest, or tie with the last of them, to the front and returns their
// number. It is the same selection.
func best(r []Ranked, k int) int {
	if k >= len(r) {
		return len(r)
	}
	if k <= 0 {
		return 0
	}
	rank, before := k-1, 0
	for rounds := 3 * bits.Len(uint(len(r))); len(r) > 12; rounds-- {
		if rounds == 0 {
			break
		}
		pivot := median(r[0].LogScore, r[len(r)/2].LogScore, r[len(r)-1].LogScore)
		above, below := 0, len(r)
		for i := 0; i < below; {
			switch v := r[i].LogScore; {
			case v > pivot:
				r[above], r[i] = r[i], r[above]
				above++
				i++
			case v < pivot:
				below--
				r[i], r[below] = r[below], r[i]
			default:
				i++
			}
		}
		switch {
		case rank < above:
			r = r[:above]
		case rank < below:
			return before + below
		default:
			r, rank, before = r[below:], rank-below, before+below
		}
	}
	slices.SortFunc(r, compareRanked)
	n := rank + 1
	for n < len(r) && r[n].LogScore == r[rank].LogScore {
		n++
	}
	return before + n
}

func median(a, b, c int64) int64 { return max(min(a, b), min(max(a, b), c)) }
