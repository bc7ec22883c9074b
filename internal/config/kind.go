package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Kind is how the text of a setting's value is read.
type Kind string

// The kinds.
const (
	Text     Kind = "text"
	Switch   Kind = "switch"   // true or false
	Count    Kind = "count"    // a whole number
	Bytes    Kind = "bytes"    // a whole number, or one with KiB, MiB, GiB, TiB, or kB, MB, GB, TB behind it
	Duration Kind = "duration" // such as 500ms, 30s, 5m, 12h, 7d
)

// units of sizes, the longer names first.
var units = []struct {
	name string
	size int64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
}

func parseBytes(text string) (int64, error) {
	number, unit := text, int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, fmt.Errorf("%q is no size; write 1048576, 1MiB or 500MB", text)
	}
	return n * unit, nil
}

// parseDuration reads what time.ParseDuration does, and days.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err == nil && n >= 0 && n <= 100*365 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	return 0, fmt.Errorf("%q is no length of time; write 500ms, 30s, 5m, 12h or 7d", text)
}

func parseSwitch(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}

func parseCount(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number", text)
	}
	return n, nil
}
