package query

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseTime reads RFC 3339, or a date, which means the start of that day in UTC. The result is in Unix milliseconds;
// fractions below are cut, as in the values of fields.
func parseTime(s string) (int64, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t, err = time.Parse(time.DateOnly, s)
	}
	if err != nil {
		return 0, fmt.Errorf("%s is no time; write RFC 3339 such as 2024-05-01T12:00:00Z, or a date", quoted(clip(s)))
	}
	return t.UnixMilli(), nil
}

// parseSeconds reads seconds since 1970 with at most three decimals, within the years that RFC 3339 has: a greater
// number is one of milliseconds, most likely.
func parseSeconds(s string) (int64, error) {
	ms, err := parseAnySeconds(s)
	if err == nil && (ms < minTextTime || ms >= endTextTime) {
		return 0, fmt.Errorf("%s lies beyond the years 0 to 9999; a time is in seconds since 1970, not milliseconds",
			clip(s))
	}
	return ms, err
}

var errSeconds = errors.New("seconds since 1970 are a decimal number with at most three decimals")

// parseAnySeconds reads seconds since 1970 exactly, as far as milliseconds fit 64 bits.
func parseAnySeconds(s string) (int64, error) {
	whole, part, pointed := strings.Cut(s, ".")
	digits := strings.TrimPrefix(whole, "-")
	if len(part) > 3 || pointed && part == "" || strings.TrimLeft(digits+part, "0123456789") != "" || digits == "" {
		return 0, errSeconds
	}
	n, err := strconv.ParseUint(digits+part+"000"[:3-len(part)], 10, 64)
	switch negative := whole != digits; {
	case err != nil || n > math.MaxInt64 && !(negative && n == 1<<63):
		return 0, fmt.Errorf("%s seconds are no time; milliseconds must fit 64 bits", clip(s))
	case negative:
		return -int64(n), nil
	}
	return int64(n), nil
}

// clip shortens what a message repeats.
func clip(s string) string {
	if len(s) <= 40 {
		return s
	}
	return strings.ToValidUTF8(s[:40], "") + "…"
}
