package rows

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxUnix bounds Unix seconds, at the end of the year 9999. Bigger numbers are milliseconds by mistake.
const maxUnix = 253_402_300_799

// ParseTime reads RFC 3339 or Unix seconds with an optional fraction, in the years 1 to 9999.
func ParseTime(s string) (time.Time, error) {
	if s != "" && strings.Trim(s, "+-.0123456789") == "" && strings.LastIndexByte(s, '-') <= 0 {
		return ParseUnix(s)
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("time %q is neither RFC 3339 (2026-11-21T10:00:00Z) nor Unix seconds", s)
	}
	if t.Year() > 9999 || t.Year() < 1 {
		return time.Time{}, fmt.Errorf("time %q lies outside the years 1 to 9999", s)
	}
	return t, nil
}

// ParseUnix reads decimal Unix seconds exactly, without a detour through floating point; what is finer than a nanosecond
// is dropped.
func ParseUnix(s string) (time.Time, error) {
	whole, fraction, dotted := strings.Cut(s, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || dotted && (fraction == "" || strings.Trim(fraction, "0123456789") != "") {
		return time.Time{}, fmt.Errorf("time %q is not a number of seconds", s)
	}
	if seconds > maxUnix || seconds < -maxUnix {
		return time.Time{}, fmt.Errorf("time %q lies beyond the year 9999; Unix times are in seconds here", s)
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("time %q is not a number of seconds", s)
	}
	if strings.HasPrefix(whole, "-") {
		nanos = -nanos
	}
	return time.Unix(seconds, nanos), nil
}
