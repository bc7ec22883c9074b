package live

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFiguresAreDifferences(t *testing.T) {
	f := Of("http://here", []*Sample{
		read(t, server{signals: 6400, lists: 1000}, 0),
		read(t, server{signals: 6400 + 800, lists: 1000 + 500, failed: 3}, 2),
	})
	if f.Seconds != 2 || f.Signals.PerSecond != 400 || len(f.Signals.Types) != 2 || f.Signals.Types[0] != (Rate{Name: "view", PerSecond: 300}) {
		t.Errorf("signals: %+v", f.Signals)
	}
	if f.Lists != 275 || len(f.Profiles) != 2 || f.Profiles[0].Name != "for_you" || f.Profiles[0].PerSecond != 250 ||
		*f.Profiles[0].Took.P50 != 0.002 || math.Abs(*f.Profiles[0].Took.P99-0.00396) > 1e-12 {
		t.Errorf("profiles: %+v", f.Profiles)
	}
	tr := f.Troubles
	if tr.Failed != 1.5 || tr.Refused != 50 || tr.Overloaded != 0 || len(tr.Degraded) != 1 || tr.Degraded[0] != (Rate{Name: "second", PerSecond: 1.5}) {
		t.Errorf("troubles: %+v", tr)
	}
	if f.Version != "v0.9.0" || !f.Ready || !f.Writable || f.Holds != (Holds{1234567, 890, 42000, 100, 9876543}) ||
		f.Memory != (Memory{1.53e9, 812e6, 3.4e8, 64e6}) || f.Log != (LogSize{2.1e9, 16777216}) {
		t.Errorf("%+v", f)
	}
}

// A server that began anew counts from 0, and what it counted since is the difference.
func TestAServerMayBeginAnew(t *testing.T) {
	f := Of("", []*Sample{read(t, server{signals: 1e6, lists: 1e5}, 0), read(t, server{signals: 640, lists: 100}, 1)})
	if f.Signals.PerSecond != 640 || f.Lists != 110 || *f.Signals.Write.P50 != 0.002 {
		t.Errorf("%+v", f)
	}
}

// Latencies are of the last ten samples, and of nothing that happened before.
func TestLatenciesForget(t *testing.T) {
	samples := []*Sample{read(t, server{}, 0), read(t, server{lists: 10}, 1)}
	for i := range 20 {
		f := Of("", samples)
		if told := f.Reaction.P50 != nil; told != (i < window-1) {
			t.Fatalf("after %d samples: %+v", len(samples), f.Reaction)
		}
		samples = append(samples, read(t, server{lists: 10}, float64(2+i)))
	}
}

func TestTheFirstSampleHasNoRates(t *testing.T) {
	f := Of("", []*Sample{read(t, server{signals: 640, lists: 100}, 0)})
	if f.Seconds != 0 || f.Signals.PerSecond != 0 || f.Lists != 0 || f.Profiles[0].Took.P50 == nil {
		t.Errorf("%+v", f)
	}
	if table := f.Table(); !strings.Contains(table, "signals  –/s\n") {
		t.Errorf("%s", table)
	}
}

// A replica of several regions tells of the others, and of what its own owes; one that is forked takes no writes.
func TestRegionsAreShown(t *testing.T) {
	two := func(second string) *Figures {
		return Of("http://here", []*Sample{read(t, server{regions: twoMore(1)}, 0), read(t, server{regions: second}, 2)})
	}
	f := two(twoMore(3))
	golden(t, "regions.txt", f.Table())
	g := f.Regions
	if len(g.Others) != 2 || g.Others[0].Name != "ap-south" || g.Others[0].Reachable || *g.Others[0].Heard != 12 || g.Others[0].Held != 3e7 ||
		g.Others[0].LackedThere != (Lacked{12345, 12}) || g.Others[1].Sent != 2e6 || g.Others[1].Taken != 1e6 || g.Others[1].Refused != 1 ||
		g.Pending != 7 || g.Lost != 1 || g.OverLimit != 1.5e9 || g.Forked {
		t.Errorf("%+v", g)
	}
	forked := two(strings.Replace(twoMore(3), "tidal_region_forked 0", "tidal_region_forked 1", 1))
	if text := forked.Table(); !strings.Contains(text, "forked: takes no writes") || !strings.Contains(text, "forked: no writes until tidal cluster recover") {
		t.Errorf("%s", text)
	}
	differs := two(strings.Replace(twoMore(3), `tidal_region_differs{region="eu-west"} 0`, `tidal_region_differs{region="eu-west"} 1`, 1))
	if text := differs.Table(); !strings.Contains(text, "eu-west   holds other events") || !differs.Regions.Others[1].Differs {
		t.Errorf("%s", text)
	}
	if alone := Of("", []*Sample{read(t, server{}, 0)}); alone.Regions != nil {
		t.Errorf("%+v", alone.Regions)
	}
}

func TestWhatIsNoServerIsRefused(t *testing.T) {
	for _, text := range []string{"", "<html></html>", "up 1\n", "tidal_items one\n"} {
		if _, err := Read(strings.NewReader(text), noon); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// A quantile has as many observations below it as it says, to within its bucket.
func TestQuantilesAreWithinTheirBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bounds := []float64{1, 2, 4, 8, math.Inf(1)}
		h := histogram{bounds, make([]float64, len(bounds))}
		values := rapid.SliceOfN(rapid.Float64Range(0, 10), 1, 60).Draw(t, "values")
		for _, v := range values {
			for i, b := range bounds {
				if v <= b {
					h.counts[i]++
				}
			}
		}
		q := rapid.Float64Range(0.01, 1).Draw(t, "q")
		got, ok := h.quantile(q)
		if !ok || got < 0 || got > 8 {
			t.Fatalf("%v, %v", got, ok)
		}
		below, reached := 0.0, 0.0 // of observations up to the bounds around it
		for i, b := range bounds {
			if b < got {
				below = h.counts[i]
			}
			if b >= got && (reached == 0 || b == got) {
				reached = max(reached, h.counts[i])
			}
		}
		if rank := q * float64(len(values)); below > rank || reached < rank && got < 8 {
			t.Fatalf("quantile %v of %v is %v: %v below, %v reached", q, values, got, below, reached)
		}
	})
}

func TestLengthsAndSizes(t *testing.T) {
	for seconds, want := range map[float64]string{
		0.00005: "50 µs", 0.00123456: "1.23 ms", 0.0123: "12.3 ms", 0.9994: "999 ms", 0.9996: "1 s", 2.5: "2.5 s", 61: "61 s",
		0.000999: "999 µs", 0.0009999: "1 ms",
	} {
		if got := span(&seconds); got != want {
			t.Errorf("%v s is %q, want %q", seconds, got, want)
		}
	}
	for n, want := range map[float64]string{0: "0 B", 999: "999 B", 999.6: "1 kB", 16777216: "16.8 MB", 2.1e9: "2.1 GB", 1e22: "10000 EB"} {
		if got := size(n); got != want {
			t.Errorf("%v is %q, want %q", n, got, want)
		}
	}
	if got := count(-1234567.4); got != "-1,234,567" {
		t.Error(got)
	}
	if got := trend([]float64{0, 1, 2, 4, 8}); got != "▁▂▃▅█" {
		t.Error(got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(server{signals: 3, lists: 4}.text(), server{signals: 5, lists: 9, hidden: 1}.text())
	f.Add(server{regions: twoMore(1)}.text(), server{regions: twoMore(2)}.text())
	f.Add("tidal_signals_total{type=\"x\"} NaN\n", "tidal_signals_total{type=\"x\"} +Inf\n")
	f.Add("# TYPE tidal_query_seconds histogram\ntidal_query_seconds_bucket{profile=\"a\",stage=\"total\",le=\"NaN\"} 3\n", "tidal_items 1e308\n")
	f.Fuzz(func(t *testing.T, one, two string) {
		var samples []*Sample
		for i, text := range []string{one, two} {
			if s, err := Read(strings.NewReader(text), noon.Add(time.Duration(i)*time.Second)); err == nil {
				samples = append(samples, s)
			}
		}
		if len(samples) == 0 {
			return
		}
		figures := Of("x", samples)
		if _, err := json.Marshal(figures); err != nil {
			t.Fatal(err)
		}
		figures.Table()
	})
}
