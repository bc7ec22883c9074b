package schema

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// Units of durations, longest first. A day has 24 hours and a week 7 days: half-lives know no calendar.
var durationUnits = [...]struct {
	word string
	span time.Duration
}{
	{"w", 7 * 24 * time.Hour},
	{"d", 24 * time.Hour},
	{"h", time.Hour},
	{"m", time.Minute},
	{"s", time.Second},
	{"ms", time.Millisecond},
}

var errDuration = errors.New("not a duration")

// parseDuration reads whole numbers with units, such as "7d", "36h", "1h30m" or "1500ms".
func parseDuration(s string) (time.Duration, error) {
	var sum time.Duration
	for rest := s; rest != "" || s == ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil {
			return 0, errDuration
		}
		rest = rest[digits:]
		letters := len(rest) - len(strings.TrimLeft(rest, "wdhms"))
		span := unitSpan(rest[:letters])
		if span == 0 || n > (math.MaxInt64-int64(sum))/int64(span) {
			return 0, errDuration
		}
		sum += time.Duration(n) * span
		rest = rest[letters:]
	}
	return sum, nil
}

func unitSpan(word string) time.Duration {
	for _, u := range durationUnits {
		if u.word == word {
			return u.span
		}
	}
	return 0
}

// ParseDuration reads what [FormatDuration] prints and more: whole numbers with units (w, d, h, m, s, ms), such as "7d",
// "36h" or "1h30m". A number without a unit is refused.
func ParseDuration(s string) (time.Duration, error) {
	d, err := parseDuration(s)
	if err != nil {
		return 0, fault.Refuse("duration", "%.40q isn't a whole number with a unit (w, d, h, m, s, ms), "+
			"such as 7d, 36h or 30m", s)
	}
	return d, nil
}

// FormatDuration prints a duration as schemas and answers have it, such as "7d", "36h" or "1500ms": one number in the
// longest unit that divides d, weeks aside, since half-lives read better in days. What isn't a positive whole number of
// milliseconds, and so stands in no valid schema, prints as Go prints it.
func FormatDuration(d time.Duration) string {
	for _, u := range durationUnits[1:] {
		if d%u.span == 0 && d > 0 {
			return strconv.FormatInt(int64(d/u.span), 10) + u.word
		}
	}
	return d.String()
}
