package rows

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidaldb/tidal"
)

// The columns of a CSV file and the keys of an NDJSON object are the same. Only type and item are needed.
//
//	type     name of the signal type
//	item     id of the item
//	user     id of the user
//	weight   above 0 and up to 1,000,000; 1 if empty
//	time     RFC 3339, or Unix seconds with an optional fraction; the time of the import if empty
//	time_ms  Unix milliseconds, instead of time
//	creator  id of the item's creator
//	cohorts  up to 8 groups; in CSV separated by semicolons, in NDJSON a list
//
// There is no column for an idempotency key: the lane does that work, and a request has one or the other.
var eventColumns = []string{"type", "item", "user", "weight", "time", "time_ms", "creator", "cohorts"}

// maxWeight is the greatest weight, and minWeight the greatest number that is too small: half of 2⁻²⁴.
const (
	maxWeight = 1_000_000
	minWeight = 1.0 / (1 << 25)
)

// fieldError is an [Error] that doesn't know its place yet.
type fieldError struct{ cause, reason string }

func (e *fieldError) Error() string { return e.reason }

func badField(cause, format string, args ...any) error {
	return &fieldError{cause: cause, reason: fmt.Sprintf(format, args...)}
}

// badField gives the error of a column its place.
func (p Place) badField(err error) error {
	var f *fieldError
	if errors.As(err, &f) {
		return p.bad(f.cause, "%s", f.reason)
	}
	return p.bad(CauseOther, "%v", err)
}

// setField sets one column of s from its text; an empty text leaves it as it is.
func setField(s *tidal.Signal, column, text string) error {
	if text == "" {
		return nil
	}
	switch column {
	case "type":
		s.Type = text
	case "item":
		s.Item = text
	case "user":
		s.User = text
	case "creator":
		s.Creator = text
	case "cohorts":
		s.Cohorts = append(s.Cohorts, strings.Split(text, ";")...)
	case "weight":
		w, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return badField(causeWeight, "weight %q is not a number", text)
		}
		return setWeight(s, w)
	case "time":
		t, err := ParseTime(text)
		if err != nil {
			return badField(causeTime, "%v", err)
		}
		return setTime(s, t)
	case "time_ms":
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return badField(causeTime, "time_ms %q is not a whole number of milliseconds", text)
		}
		return setMillis(s, ms)
	}
	return nil
}

// setWeight refuses what the database would refuse, and 0, for which the database would take 1.
func setWeight(s *tidal.Signal, w float64) error {
	if math.IsNaN(w) || w <= minWeight || w > maxWeight {
		return badField(causeWeight, "weight %v is not a number above 0 and up to %d", w, maxWeight)
	}
	s.Weight = w
	return nil
}

// setTime refuses the one time that stands for "now" in a Signal, besides a second one.
func setTime(s *tidal.Signal, t time.Time) error {
	switch {
	case t.IsZero():
		return badField(causeTime, "time %s is too early", t.UTC().Format(time.RFC3339Nano))
	case !s.Time.IsZero():
		return badField(causeTime, "time and time_ms are both given")
	}
	s.Time = t
	return nil
}

func setMillis(s *tidal.Signal, ms int64) error {
	if ms > maxUnix*1000 || ms < -maxUnix*1000 {
		return badField(causeTime, "time_ms %d lies beyond the year 9999", ms)
	}
	return setTime(s, time.UnixMilli(ms))
}
