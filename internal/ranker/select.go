package ranker

// first brings the k elements of s that come first by a total order to the front, in no particular order, and returns
// those. Which they are doesn't depend on where they stood. Sorting all would look at each log₂ n times, this at each a few
// times (C. A. R. Hoare, Algorithm 65: Find, CACM 4, 1961).
func first[T any](s []T, k int, before func(a, b *T) bool) []T {
	k = min(max(k, 0), len(s))
	for low, high := 0, len(s)-1; low < high && k > 0; {
		pivot := s[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for before(&s[i], &pivot) {
				i++
			}
			for before(&pivot, &s[j]) {
				j--
			}
			if i <= j {
				s[i], s[j] = s[j], s[i]
				i++
				j--
			}
		}
		// What lies up to j isn't behind the pivot, what lies from i on isn't before it, and what is between is the pivot.
		switch {
		case k-1 <= j:
			high = j
		case k-1 >= i:
			low = i
		default:
			return s[:k]
		}
	}
	return s[:k]
}
