package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fleet"
)

func TestThreeRegionsAreCutApartAndAgree(t *testing.T) {
	unraced(t)
	if err := fleet.Worlds(); err != nil {
		t.Skip(err)
	}
	t.Setenv(asProgram, "1") // for the servers
	t.Setenv("TMPDIR", t.TempDir())
	o := good(t, "cluster", "demo", "--seconds", "0.5", "--every", "100ms", "--rtt", "10ms", "--json")
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	steps, last := map[string]regionDemoStep{}, []string{}
	for _, line := range lines[:len(lines)-1] {
		var s regionDemoStep
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if len(last) == 0 || last[len(last)-1] != s.Step {
			last = append(last, s.Step)
		}
		steps[s.Step] = s
	}
	if got := strings.Join(last, " "); got != "start connected cut healed" {
		t.Errorf("steps are %s", got)
	}
	for _, r := range steps["cut"].Regions {
		if len(r.Lacks) != 2 || r.Acked == 0 || r.Holds == 0 {
			t.Errorf("%+v", r)
		}
		for _, l := range r.Lacks {
			if (r.Name == demoAway || l.Of == demoAway) && l.Events == 0 {
				t.Errorf("%s lacks nothing of %s, from which it's cut off", r.Name, l.Of)
			}
		}
	}
	for _, r := range steps["healed"].Regions {
		if r.Holds == 0 || r.Holds != steps["healed"].Regions[0].Holds {
			t.Errorf("in the end %+v", r)
		}
		for _, l := range r.Lacks {
			if l.Events != 0 || !l.Reachable {
				t.Errorf("in the end %s lacks %+v", r.Name, l)
			}
		}
	}
	var r regionDemoResult
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatal(err)
	}
	if r.failed() || len(r.Digest) != 64 || r.Regions != 3 || r.WrittenThere == 0 || r.WrittenElsewhere == 0 || r.Lacked == 0 ||
		int64(r.Signals) != steps["healed"].Regions[0].Holds {
		t.Errorf("%+v", r)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestRegionDemoRefusesWhatCantBe(t *testing.T) {
	for _, args := range []string{"--seconds 0", "--seconds 1e9", "--rtt -1s", "--rtt 1m", "--every 1ms", "extra"} {
		if o := cli(t, nil, append([]string{"cluster", "demo"}, strings.Fields(args)...)...); o.code != exitUsage || o.stdout != "" {
			t.Errorf("%s: %+v", args, o)
		}
	}
}
