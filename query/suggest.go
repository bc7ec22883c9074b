package query

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
)

// suggest returns " (did you mean …?)" with the known word nearest to what was written, or "" if none is near.
func suggest(wrong string, known []string) string {
	if near := fault.Nearest(wrong, known); near != "" {
		return fmt.Sprintf(" (did you mean %s?)", near)
	}
	return ""
}
