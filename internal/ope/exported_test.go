package ope_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/ope"
)

// exportLine is a line of an export, at so many minutes, about a list of so many.
func exportLine(at int, kind, user, item, feed, slot string, propensity float64, made int, more string) string {
	day := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	return fmt.Sprintf(`{"position":"0:0:1","kind":"signal","time":%q,"type":%q,"user":%q,"item":%q,"feed":%q,"place":3,"slot":%q,`+
		`"propensity":%v,"profile":"for_you","profile_version":1,"list_time":%q%s}`, day.Add(time.Duration(at)*time.Minute).Format(time.RFC3339),
		kind, user, item, feed, slot, propensity, day.Add(time.Duration(made)*time.Minute).Format(time.RFC3339), more) + "\n"
}

func TestReadExport(t *testing.T) {
	file := exportLine(1, "impression", "ada", "a", "f1", "new", 0.25, 0, "") +
		exportLine(2, "like", "ada", "a", "f1", "new", 0.25, 0, "") +
		exportLine(2, "like", "ada", "ranked", "f1", "", 1, 0, "") +
		exportLine(3, "impression", "bob", "b", "f2", "new", 0.5, 2, "") +
		exportLine(70, "like", "bob", "b", "f2", "new", 0.5, 2, "") + // too late
		exportLine(4, "impression", "bob", "a", "f3", "wild", 0.5, 3, "") +
		exportLine(5, "like", "bob", "a", "f3", "wild", 0.5, 3, `,"undone":true`) +
		"\n" +
		`{"kind":"annotation","time":"2026-05-01T01:30:00Z","text":"left","slot":"new"}` + "\n" +
		exportLine(60, "impression", "eve", "c", "f4", "new", 0.5, 59, "") // the export ends before its hour is over
	x, err := ope.ReadExport(strings.NewReader(file), ope.Rewards{Types: []string{"like", "buy"}, Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	want := []ope.Round{
		{Place: "new", Context: "new", Action: "a", Reward: 1, Propensity: 0.25, Cluster: "ada"},
		{Place: "new", Context: "new", Action: "b", Propensity: 0.5, Cluster: "bob"},
		{Place: "wild", Context: "wild", Action: "a", Propensity: 0.5, Cluster: "bob"},
	}
	if !slices.Equal(x.Rounds, want) || x.Lines != 10 || x.Undone != 1 || x.Young != 1 {
		t.Errorf("%+v", x)
	}
	odd := strings.ReplaceAll(strings.ReplaceAll(file, `"user":"ada"`, `"user_base64":"/w=="`), `"item":"b"`, `"item_base64":"/g=="`)
	if x, err = ope.ReadExport(strings.NewReader(odd), ope.Rewards{Types: []string{"like"}, Window: time.Hour}); err != nil ||
		x.Rounds[0].Cluster != "\xff" || x.Rounds[1].Action != "\xfe" {
		t.Errorf("ids that aren't UTF-8: %+v, %v", x, err)
	}
	x, err = ope.ReadExport(strings.NewReader(file), ope.Rewards{Types: []string{"like"}, Window: 2 * time.Minute, ByUser: true})
	if err != nil || len(x.Rounds) != 4 || x.Rounds[1].Context != "bob" || x.Rounds[1].Place != "new" {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err = ope.ReadExport(strings.NewReader(file), ope.Rewards{Types: []string{"like"}, Profile: "hot"}); !errors.Is(err, fault.ErrInput) {
		t.Errorf("lists of another profile: %v", err)
	}
}

func TestExportsThatTellNothingAreRefused(t *testing.T) {
	like := ope.Rewards{Types: []string{"like"}, Window: time.Minute}
	late := exportLine(99, "like", "ada", "x", "", "", 1, 0, "")
	for _, c := range []struct {
		file string
		o    ope.Rewards
		says string
	}{
		{"", ope.Rewards{}, "reward: is missing"},
		{"", ope.Rewards{Types: []string{"like"}, Window: -1}, "window"},
		{"", like, "no answers"},
		{late, like, "no answers"},
		{exportLine(1, "like", "ada", "a", "f1", "new", 0.25, 0, "") + late, like, "a reward for each"},
		{exportLine(1, "like", "ada", "a", "f1", "new", 0.25, 1, ""), like, "ends less than 1m0s after"},
		{exportLine(1, "like", "ada", "a", "f1", "new", 0, 1, ""), like, "line 1: propensity 0"},
		{exportLine(1, "like", "ada", "", "f1", "new", 0.5, 1, ""), like, "line 1: a signal with a slot lacks"},
		{late + "{\n", like, "line 2: "},
		{late + `{"time":"yesterday"}` + "\n", like, "line 2: "},
		{late + strings.Repeat(" ", 1<<20) + "\n", like, "line 2 is longer"},
	} {
		if _, err := ope.ReadExport(strings.NewReader(c.file), c.o); !errors.Is(err, fault.ErrInput) ||
			!strings.Contains(err.Error(), c.says) {
			t.Errorf("%.200q: %v, want %q", c.file, err, c.says)
		}
	}
}

// Whatever the order of the lines, a place is one round, with a reward if any of its answers in time is one.
func TestRoundsOfAnExportAreItsPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type place struct{ feed, item int }
		rewarded := map[place]bool{}
		var lines []string
		for range rapid.IntRange(1, 40).Draw(t, "lines") {
			p := place{rapid.IntRange(0, 4).Draw(t, "feed"), rapid.IntRange(0, 2).Draw(t, "item")}
			kind := rapid.SampledFrom([]string{"like", "impression", "skip"}).Draw(t, "kind")
			late := rapid.IntRange(0, 20).Draw(t, "late")
			rewarded[p] = rewarded[p] || kind == "like" && late <= 10
			lines = append(lines, exportLine(p.feed+late, kind, fmt.Sprint("u", p.feed%2), fmt.Sprint("i", p.item), fmt.Sprint("f", p.feed),
				"new", 0.5, p.feed, ""))
		}
		lines = append(lines, exportLine(100, "skip", "u", "i", "", "", 1, 0, ""), // all windows are over
			exportLine(50, "skip", "u", "i", "last", "new", 0.5, 50, "")) // some place without reward
		lines = rapid.Permutation(lines).Draw(t, "order")
		x, err := ope.ReadExport(strings.NewReader(strings.Join(lines, "")), ope.Rewards{
			Types: []string{"like"}, Window: 10 * time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		likes, want := 0.0, 0.0
		for _, r := range x.Rounds {
			likes += r.Reward
		}
		for _, r := range rewarded {
			if r {
				want++
			}
		}
		if len(x.Rounds) != len(rewarded)+1 || likes != want || x.Young != 0 {
			t.Fatalf("%d rounds, %v rewards; want %d, %v", len(x.Rounds), likes, len(rewarded)+1, want)
		}
	})
}
