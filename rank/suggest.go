package rank

import "fmt"

// suggest returns " (did you mean …?)" with the known word nearest to what was written, or "" if none is near.
func suggest(wrong string, known []string) string {
	best, least := "", 3 // up to two edits, and at most half of the word's letters
	for _, k := range known {
		if len(k)-len(wrong) > 2 || len(wrong)-len(k) > 2 {
			continue
		}
		if d := edits(wrong, k); d < least && 2*d <= len(wrong) {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// edits is the Levenshtein distance in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
