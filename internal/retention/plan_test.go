package retention

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/id"
	"pgregory.net/rapid"
)

var (
	home = id.Origin{Region: 1}
	far  = id.Origin{Region: 2}
)

func holds(homeSeq, farSeq id.Seq) id.VersionVector {
	return id.VersionVector{}.With(home, homeSeq).With(far, farSeq)
}

// tenDays is a log of ten segments of ten entries and ten events of either origin, one a day.
func tenDays() Facts {
	f := Facts{
		Now: 10 * day, Flushed: 100, Needed: 101,
		Regions: []id.VersionVector{holds(100, 100), holds(100, 100)},
	}
	for i := range 10 {
		n := id.Seq(i * 10)
		f.Segments = append(f.Segments, Segment{
			First: uint64(n) + 1, Last: uint64(n) + 10, Newest: int64(i+1) * day, Bytes: 1000,
			Spans: []Span{{home, n + 1, n + 10}, {far, n + 1, n + 10}},
		})
	}
	return f
}

func TestLogStaysForEachOfItsReasons(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy Policy
		change func(*Facts)
		want   string
	}{
		{"a week is kept", Policy{}, func(*Facts) {}, "release 30"},
		{"the store must have it", Policy{}, func(f *Facts) { f.Flushed = 19 }, "release 10"},
		{"nothing flushed", Policy{}, func(f *Facts) { f.Flushed = 0 }, "release 0"},
		{"a replica needs it", Policy{}, func(f *Facts) { f.Needed = 11 }, "release 10"},
		{"a replica needs a part of a segment", Policy{}, func(f *Facts) { f.Needed = 15 }, "release 10"},
		{"a region lacks it", Policy{}, func(f *Facts) { f.Regions[1] = holds(100, 15) }, "release 10, lacking 2000"},
		{"an unknown region lacks everything", Policy{}, func(f *Facts) { f.Regions[1] = id.VersionVector{} }, "release 0, lacking 3000"},
		{"a pin", Policy{}, func(f *Facts) { f.Pins = []id.VersionVector{holds(20, 29)} }, "release 20, pinned 1000"},
		{"shorter retention", Policy{Retention: 2 * day}, func(*Facts) {}, "release 80"},
		{"never below the horizon", Policy{Retention: 1, RetryHorizon: 3 * day}, func(*Facts) {}, "release 70"},
		{"a clock that went back", Policy{}, func(f *Facts) { f.Now = -day }, "release 0"},
		{"under the limit", Policy{SizeLimit: 7000}, func(*Facts) {}, "release 30"},
		{
			"over the limit what is older than the horizon is compacted",
			Policy{SizeLimit: 5500},
			func(*Facts) {},
			"release 30, over by 1500, compact to 50",
		},
		{
			"as much as may be",
			Policy{SizeLimit: 1},
			func(*Facts) {},
			"release 30, over by 6999, compact to 90",
		},
		{
			"a region that is gone gets a sum",
			Policy{SizeLimit: 9000},
			func(f *Facts) { f.Regions[1] = holds(3, 3) },
			"release 0, over by 1000, lacking 3000, compact to 10",
		},
		{
			"a pin is left whole",
			Policy{SizeLimit: 1},
			func(f *Facts) { f.Pins = []id.VersionVector{holds(40, 50)} },
			"release 30, over by 6999, compact to 40",
		},
		{
			"what isn't flushed is left whole",
			Policy{SizeLimit: 1},
			func(f *Facts) { f.Flushed = 45 },
			"release 30, over by 6999, compact to 40",
		},
		{
			"pins may hold so much and no more",
			Policy{PinLimit: 2000},
			func(f *Facts) { f.Pins = []id.VersionVector{holds(0, 0)} },
			"release 10, pinned 2000, gave up 1000",
		},
		{
			"the alarm comes before",
			Policy{PinAlarm: 2999, PinLimit: 3000},
			func(f *Facts) { f.Pins = []id.VersionVector{holds(0, 0)} },
			"release 0, pinned 3000: alarm",
		},
		{
			"what is young or lacking isn't held by pins alone",
			Policy{PinAlarm: 1000, PinLimit: 1},
			func(f *Facts) {
				f.Pins = []id.VersionVector{holds(0, 0)}
				f.Regions[1] = holds(15, 100)
			},
			"release 10, gave up 1000",
		},
		{
			"what is in pieces goes, as soon as it can't be retried any more",
			Policy{SizeLimit: 5500},
			func(f *Facts) {
				f.Compacted, f.PieceBytes = 100, 500
				f.Regions[1] = holds(3, 3)
			},
			"release 90",
		},
		{
			"pieces count",
			Policy{SizeLimit: 1400},
			func(f *Facts) {
				f.Compacted, f.PieceBytes = 100, 500
				f.Regions[1] = holds(3, 3)
			},
			"release 90, over by 100",
		},
		{"an empty log", Policy{SizeLimit: 1}, func(f *Facts) { f.Segments = nil }, "release 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := tenDays()
			c.change(&f)
			if got := Plan(c.policy, f).picture(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func (d Decision) picture() string {
	out := fmt.Sprintf("release %d", d.Release)
	if d.Pinned > 0 {
		out += fmt.Sprintf(", pinned %d", d.Pinned)
	}
	if d.PinAlarm {
		out += ": alarm"
	}
	if d.GivenUp > 0 {
		out += fmt.Sprintf(", gave up %d", d.GivenUp)
	}
	if d.Alarm {
		out += fmt.Sprintf(", over by %d", d.Over)
	}
	if d.Lacking > 0 {
		out += fmt.Sprintf(", lacking %d", d.Lacking)
	}
	if d.Compact > 0 {
		out += fmt.Sprintf(", compact to %d", d.Compact)
	}
	return out
}

func TestEachSegmentSaysWhatHoldsIt(t *testing.T) {
	f := tenDays()
	f.Flushed = 95
	f.Regions[1] = holds(15, 100)
	f.Pins = []id.VersionVector{holds(80, 80)}
	want := []Reason{Free, Lacking, Lacking, Young, Young, Young, Young, Young, Pinned, Unflushed}
	if got := Plan(Policy{}, f).Held; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestNothingThatIsNeededGoes checks random plans event by event against the promises themselves.
func TestNothingThatIsNeededGoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := tenDays()
		f.Now = rapid.Int64Range(0, 20*day).Draw(t, "now")
		f.Flushed = rapid.Uint64Range(0, 100).Draw(t, "flushed")
		f.Needed = rapid.Uint64Range(1, 101).Draw(t, "needed")
		vector := rapid.Custom(func(t *rapid.T) id.VersionVector {
			return holds(id.Seq(rapid.IntRange(0, 100).Draw(t, "home")), id.Seq(rapid.IntRange(0, 100).Draw(t, "far")))
		})
		f.Regions = rapid.SliceOfN(vector, 1, 3).Draw(t, "regions")
		f.Pins = rapid.SliceOfN(vector, 0, 2).Draw(t, "pins")
		p := Policy{
			Retention:    rapid.Int64Range(0, 10*day).Draw(t, "retention"),
			RetryHorizon: rapid.Int64Range(0, 3*day).Draw(t, "horizon"),
			SizeLimit:    rapid.Int64Range(0, 12000).Draw(t, "limit"),
			PinLimit:     rapid.Int64Range(0, 9000).Draw(t, "pin limit"),
		}
		f.Compacted = 10 * rapid.Uint64Range(0, 10).Draw(t, "compacted")
		d := Plan(p, f)
		if d.Release > f.Flushed || d.Release >= f.Needed {
			t.Fatalf("releases %d of %d flushed, %d needed", d.Release, f.Flushed, f.Needed)
		}
		if d.GivenUp > 0 && d.Pinned+1000 <= p.PinLimit {
			t.Fatalf("gives up %d of pins that hold %d of %d", d.GivenUp, d.Pinned, p.PinLimit)
		}
		for _, s := range f.Segments {
			for n := s.Spans[0].First; n <= s.Spans[0].Last; n++ {
				for _, o := range []id.Origin{home, far} {
					pinned := slices.ContainsFunc(f.Pins, func(v id.VersionVector) bool { return v.Get(o) < n })
					lacking := slices.ContainsFunc(f.Regions, func(v id.VersionVector) bool { return v.Get(o) < n })
					age := f.Now - s.Newest
					gone := s.Last <= d.Release
					kept := s.Last <= f.Compacted
					if gone && (pinned && p.PinLimit == 0 || !kept && (lacking || age < p.Keep()) || age < p.Horizon()) {
						t.Fatalf("%v:%d goes: pinned %v, lacking %v, age %d", o, n, pinned, lacking, age)
					}
					if gone && pinned && d.GivenUp == 0 {
						t.Fatalf("%v:%d goes although it's pinned, and nobody is told", o, n)
					}
					if s.Last <= d.Compact && !gone && (pinned && d.GivenUp == 0 || age < p.Horizon() || s.Last > f.Flushed || !d.Alarm) {
						t.Fatalf("%v:%d is compacted: gone %v, pinned %v, age %d", o, n, gone, pinned, age)
					}
				}
			}
		}
	})
}
