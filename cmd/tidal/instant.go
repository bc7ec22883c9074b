package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/rows"
)

// An instant is what --at names: a fixed time, or one relative to the newest event or to now.
type instant struct {
	base  string // "newest", "now", or "" for fixed
	fixed time.Time
	shift time.Duration
}

// parseInstant reads RFC 3339, Unix seconds (a fraction is allowed), "newest" or "now"; the last two also with a
// distance, as in newest+12h or now-7d.
func parseInstant(s string) (instant, error) {
	for _, base := range []string{"newest", "now"} {
		rest, ok := strings.CutPrefix(s, base)
		if !ok {
			continue
		}
		if rest == "" {
			return instant{base: base}, nil
		}
		if rest[0] == '+' || rest[0] == '-' {
			d, err := parseSpan(rest[1:])
			if err != nil {
				return instant{}, err
			}
			if rest[0] == '-' {
				d = -d
			}
			return instant{base: base, shift: d}, nil
		}
	}
	t, err := rows.ParseTime(s)
	if err != nil {
		return instant{}, fmt.Errorf("%w; or use newest, now, newest+12h, now-7d", err)
	}
	return instant{fixed: t}, nil
}

// resolve gives the instant, given the newest event's time (zero if there is none) and the wall clock.
func (i instant) resolve(newest, now time.Time) (time.Time, error) {
	switch i.base {
	case "":
		return i.fixed, nil
	case "now":
		return now.Add(i.shift), nil
	default:
		if newest.IsZero() {
			return time.Time{}, errors.New("the database holds no events, so nothing is newest")
		}
		return newest.Add(i.shift), nil
	}
}

// parseSpan reads a length of time such as 90s, 36h or 7d.
func parseSpan(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 32)
		if err != nil || n < 0 || n > 36_500 {
			return 0, fmt.Errorf("%q is not a length of time such as 90s, 36h or 7d", s)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a length of time such as 90s, 36h or 7d", s)
	}
	return d, nil
}
