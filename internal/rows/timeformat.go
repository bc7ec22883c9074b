package rows

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timeFormats are tried one after another; the first that reads a text rules.
type timeFormats []timeFormat

// timeFormat is one way to write a time.
type timeFormat struct {
	name string
	read func(string) (time.Time, error)
}

// defaultTimes are those of CSV without a mapping; a constant.
var defaultTimes = timeFormats{{"RFC 3339 or Unix seconds", ParseTime}}

// parseTimeFormat reads the name of a format:
//
//	rfc3339   2026-11-21T10:00:00Z, also with a fraction and another zone
//	unix      Unix seconds, with an optional fraction
//	unix_ms   Unix milliseconds
//	datetime  2026-11-21 10:00:00, with an optional fraction, in UTC
//	date      2026-11-21, midnight in UTC
//
// or a layout that shows how 15:04:05 on Monday, the 2nd of January 2006 is written, as package time has it; where it
// names no zone it's UTC.
func parseTimeFormat(name string) (timeFormat, error) {
	switch name {
	case "rfc3339":
		return layout(name, time.RFC3339Nano), nil
	case "unix":
		return timeFormat{name, ParseUnix}, nil
	case "unix_ms":
		return timeFormat{name, parseMillis}, nil
	case "datetime":
		return layout(name, time.DateTime), nil
	case "date":
		return layout(name, time.DateOnly), nil
	}
	f := layout(strconv.Quote(name), name)
	// A layout has to tell one day from another, or it isn't one.
	for _, day := range []time.Time{
		time.Date(1998, 4, 22, 0, 0, 0, 0, time.UTC), time.Date(2013, 12, 3, 0, 0, 0, 0, time.UTC),
	} {
		got, err := f.read(day.Format(name))
		if err != nil || !got.Equal(day) {
			return timeFormat{}, fmt.Errorf("%q is none of rfc3339, unix, unix_ms, datetime, date, and no layout such as "+
				`"02.01.2006 15:04"`, name)
		}
	}
	return f, nil
}

// layout reads times of a layout of package time.
func layout(name, text string) timeFormat {
	return timeFormat{name, func(s string) (time.Time, error) {
		t, err := time.Parse(text, s)
		if err != nil || t.Year() < 1 || t.Year() > 9999 {
			return time.Time{}, fmt.Errorf("time %.40q isn't %s", s, name)
		}
		return t, nil
	}}
}

// parseMillis reads Unix milliseconds.
func parseMillis(s string) (time.Time, error) {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms > maxUnix*1000 || ms < -maxUnix*1000 {
		return time.Time{}, fmt.Errorf("time %.40q isn't a whole number of milliseconds up to the year 9999", s)
	}
	return time.UnixMilli(ms), nil
}

// parse reads a time in the first format that takes it.
func (f timeFormats) parse(s string) (time.Time, error) {
	for i := range f {
		if t, err := f[i].read(s); err == nil || len(f) == 1 {
			return t, err
		}
	}
	names := make([]string, len(f))
	for i := range f {
		names[i] = f[i].name
	}
	return time.Time{}, fmt.Errorf("time %.40q is none of %s", s, strings.Join(names, ", "))
}
