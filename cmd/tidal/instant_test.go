package main

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTimesThatAtTakes(t *testing.T) {
	newest := time.Unix(893286638, 0)
	now := time.Unix(1_700_000_000, 500_000_000)
	for text, want := range map[string]string{
		"newest":                    "1998-04-22T23:10:38Z",
		"newest+12h":                "1998-04-23T11:10:38Z",
		"newest-7d":                 "1998-04-15T23:10:38Z",
		"newest+1h30m":              "1998-04-23T00:40:38Z",
		"now":                       "2023-11-14T22:13:20.5Z",
		"now-1d":                    "2023-11-13T22:13:20.5Z",
		"893286638":                 "1998-04-22T23:10:38Z",
		"893286638.25":              "1998-04-22T23:10:38.25Z",
		"893286638.0005":            "1998-04-22T23:10:38Z",
		"0":                         "1970-01-01T00:00:00Z",
		"-1.5":                      "1969-12-31T23:59:58.5Z",
		"-0.5":                      "1969-12-31T23:59:59.5Z",
		"1998-04-22T23:10:38Z":      "1998-04-22T23:10:38Z",
		"1998-04-23T01:10:38+02:00": "1998-04-22T23:10:38Z",
	} {
		i, err := parseInstant(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := i.resolve(newest, now)
		if err != nil || stamp(floorMilli(got)) != want {
			t.Errorf("%q: %v %v, want %s", text, stamp(got), err, want)
		}
	}
	for _, text := range []string{
		"", "yesterday", "newest+", "newest12h", "newest+-1h", "newest+1x", "now+99999999d", "1e9",
		"893286638.", ".5", "1.2.3", "893286638000", "--1", "1998-04-22", "1998-04-22T23:10:38", "12-4",
	} {
		if i, err := parseInstant(text); err == nil {
			t.Errorf("%q is taken for %+v", text, i)
		}
	}
}

func TestNothingIsNewestInAnEmptyDatabase(t *testing.T) {
	i, err := parseInstant("newest+1h")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := i.resolve(time.Time{}, time.Unix(0, 0)); err == nil {
		t.Errorf("newest is %v", got)
	}
}

func TestSpansAreReadBackAsPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, 36_500*24*3600).Draw(t, "seconds")) * time.Second
		if got, err := parseSpan(span(d)); err != nil || got != d {
			t.Fatalf("%v is printed as %s and read as %v, %v", d, span(d), got, err)
		}
	})
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 100000: "100,000"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for id, want := range map[string]string{"jazz-1": "jazz-1", "Größe": "Größe", "a\nb": `"a\nb"`, "\xff": `"\xff"`} {
		if got := printable(id); got != want {
			t.Errorf("%q: %s", id, got)
		}
	}
	if got := fmt.Sprint(sortedSpans(map[string]int{"all": 1, "7d": 1, "1h": 1, "30d": 1, "24h": 1})); got != "[1h 24h 7d 30d all]" {
		t.Error(got)
	}
}
