package main

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestSimCountsWhatItRan(t *testing.T) {
	o := good(t, "sim", "--nodes", "1", "--seeds", "1..3", "--seconds", "2", "--json")
	r := answer[simResult](t, o)
	if r.Nodes != 1 || r.Seeds != 3 || r.Violations != 0 || r.Ops < 100 || r.Acked == 0 || r.SimSeconds < 6 || r.SimPerSecond <= 0 {
		t.Errorf("%+v", r)
	}
	if o := good(t, "sim", "--seeds", "1..3", "--seconds", "2"); !strings.Contains(o.stdout, "Every promise was kept") {
		t.Errorf("%s", o.stdout)
	}
}

// TestSeedsOfAGroupAreSharedAmongProcesses: two processes come to what one does.
func TestSeedsOfAGroupAreSharedAmongProcesses(t *testing.T) {
	t.Setenv(asProgram, "1")
	var results [2]simResult
	for i := range results {
		args := []string{"sim", "--nodes", "3", "--seeds", "1..4", "--seconds", "2", "--workers", strconv.Itoa(i + 1), "--json"}
		r := answer[simResult](t, good(t, args...))
		if r.Nodes != 3 || r.Seeds != 4 || r.Violations != 0 || r.Ops < 100 || r.Acked == 0 || r.StrongReads == 0 || r.Joined < 12 {
			t.Errorf("%+v", r)
		}
		r.Seconds, r.SimPerSecond, r.Workers = 0, 0, 0
		results[i] = r
	}
	if !reflect.DeepEqual(results[0], results[1]) {
		t.Errorf("one process: %+v\ntwo: %+v", results[0], results[1])
	}
	if o := good(t, "sim", "--nodes", "3", "--seeds", "1", "--seconds", "2"); !strings.Contains(o.stdout, "Every promise was kept") {
		t.Errorf("%s", o.stdout)
	}
	story := good(t, "sim", "--nodes", "3", "--seeds", "2", "--seconds", "2", "--story")
	if strings.Count(story.stdout, "\n") < 100 || !strings.Contains(story.stdout, "m2") {
		t.Errorf("%s", story.stdout)
	}
}

func TestASeedTellsTheSameStoryAgain(t *testing.T) {
	args := []string{"sim", "--seeds", "5", "--seconds", "2", "--story"}
	a, b := good(t, args...), good(t, args...)
	if a.stdout != b.stdout || strings.Count(a.stdout, "\n") < 50 {
		t.Errorf("two stories of %d and %d bytes", len(a.stdout), len(b.stdout))
	}
	asJSON := good(t, append(args, "--json")...)
	if r := answer[map[string]any](t, asJSON); !strings.Contains(a.stdout, r["story_hash"].(string)) {
		t.Errorf("%v is not the hash of the same story", r)
	}
}

func TestSimRefusesWhatItCantRun(t *testing.T) {
	for _, args := range [][]string{
		{"--nodes", "2"},
		{"--nodes", "10"},
		{"--seeds", "x"},
		{"--seeds", "5..1"},
		{"--seeds", "1..x"},
		{"--seconds", "0"},
		{"--workers", "-1"},
		{"--seeds", "1..2", "--story"},
	} {
		if o := cli(t, nil, append([]string{"sim"}, args...)...); o.code != exitUsage || o.stderr == "" {
			t.Errorf("sim %v: exit %d, %q", args, o.code, o.stderr)
		}
	}
}
