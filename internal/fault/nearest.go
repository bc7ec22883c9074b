package fault

import "strings"

// Nearest returns the known word that somebody may have meant, by the fewest edits: at most two letters too many, missing,
// wrong or swapped, and no more than half of what was written. It is "" if none is that near. Case doesn't count.
func Nearest(wrong string, known []string) string {
	best, least := "", 3
	low := strings.ToLower(wrong)
	for _, k := range known {
		if len(k)-len(wrong) > 2 || len(wrong)-len(k) > 2 {
			continue
		}
		if d := edits(low, strings.ToLower(k)); d < least && 2*d <= len(wrong) {
			best, least = k, d
		}
	}
	return best
}

// edits is the number of bytes to put in, take out, change, or swap with the next one (optimal string alignment).
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
