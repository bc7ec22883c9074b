package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/server"
)

func (g *threeReplicas) regions() server.Regions { return regionsOf{g} }

// regionsOf are the regions of a group that a test rules.
type regionsOf struct{ g *threeReplicas }

func (x regionsOf) Region() string {
	if x.g.others == nil {
		return ""
	}
	return "us-east"
}

func (x regionsOf) Status() []tidal.RegionStatus {
	if x.g.others == nil {
		return nil
	}
	own := tidal.RegionStatus{Name: "us-east", Role: tidal.RegionHome, Own: true, URLs: []string{x.g.url}}
	return append([]tidal.RegionStatus{own}, x.g.others...)
}

func (x regionsOf) Promote(_ context.Context, name string) error {
	x.g.asked = append(x.g.asked, "promote "+name)
	return x.g.fail
}

func (x regionsOf) Remove(_ context.Context, name, successor string) error {
	x.g.asked = append(x.g.asked, "remove "+name+" for "+successor)
	return x.g.fail
}

func TestClusterStatusShowsRegions(t *testing.T) {
	g := &threeReplicas{others: []tidal.RegionStatus{
		{
			Name: "eu-west", Number: 1, Role: tidal.RegionActive, Known: true, Heard: time.Second, Source: "ap-south", Done: 1000, Total: 4000,
			WeLack: tidal.Lag{Batches: 2, Events: 1200, Time: 30 * time.Millisecond}, Refused: map[string]uint64{"gap": 3},
			Sent: tidal.Flow{Batches: 5, Bytes: 77},
		},
		{Name: "ap-south", Number: 2, Role: tidal.RegionFollower, Known: true, Unreachable: true, TooFarBehind: true, Held: 5000, Forked: []tidal.Position{{Seq: 812}}, TheyLack: tidal.Lag{Batches: 1, Events: 64, Time: time.Minute}},
		{Name: "sa-east", Number: 3, Role: tidal.RegionRemoved, Successor: "eu-west"},
	}}
	grouped(t, g)
	o := good(t, "cluster", "status", "--server", g.url)
	for _, line := range []string{
		"regions, as us-east knows them:",
		"region    role      reached                   lacked here             lacked there  has",
		"us-east   home      –                                   –                        –  –",
		"eu-west   active    yes      1,200 in 2 batches, 30ms                      nothing  –",
		"ap-south  follower  no                         nothing  64 in 1 batch, 1m0s  –",
		"eu-west: 1,000 of 4,000 events of a gap have come.",
		"What eu-west writes comes by way of ap-south.",
		"eu-west: 3 refused: gap.",
		"ap-south HAS WHAT IS MISSING HERE, and nobody who is reached can give it:",
		"ap-south HOLDS OTHER EVENTS at 0:0:812: a region was started on an old copy of its disk,",
		"; 5,000 bytes of the log here stay for it.",
		"sa-east was removed; eu-west stands in for it.",
	} {
		if !strings.Contains(strings.Join(strings.Fields(o.stdout), " "), strings.Join(strings.Fields(line), " ")) {
			t.Errorf("there is no line %q in\n%s", line, o.stdout)
		}
	}
	st := answer[clusterStatus](t, good(t, "cluster", "status", "--server", g.url, "--json"))
	if st.Region != "us-east" || len(st.Regions) != 4 || st.Regions[1].WeLack.Events != 1200 || st.Regions[2].TheyLack.TimeUS != 60e6 ||
		!st.Regions[2].Unreachable || !st.Regions[2].Stranded || len(st.Regions[2].DiffersAt) != 1 || st.Regions[1].Sent.Bytes != 77 || st.Regions[3].Successor != "eu-west" || st.Regions[1].Refused["gap"] != 3 {
		t.Errorf("%+v", st)
	}
}

func TestRegionsAreChangedByCommand(t *testing.T) {
	g := &threeReplicas{others: []tidal.RegionStatus{{Name: "eu-west", Number: 1, Role: tidal.RegionActive}}}
	grouped(t, g)
	if o := good(t, "cluster", "promote", "eu-west", "--server", g.url); o.stdout != "eu-west is the home region.\n" {
		t.Errorf("%q", o.stdout)
	}
	if o := good(t, "cluster", "forget", "eu-west", "--server", g.url); o.stdout != "eu-west is removed; the home region stands in for it.\n" {
		t.Errorf("%q", o.stdout)
	}
	out := answer[map[string]string](t, good(t, "cluster", "forget", "ap-south", "--successor", "eu-west", "--server", g.url, "--json"))
	if out["removed"] != "ap-south" || out["successor"] != "eu-west" {
		t.Errorf("%v", out)
	}
	if got := strings.Join(g.asked, ", "); got != "promote eu-west, remove eu-west for , remove ap-south for eu-west" {
		t.Errorf("asked to %s", got)
	}
	for _, c := range []struct {
		args []string
		text string
	}{
		{[]string{"promote", "EU"}, `"EU" is no name of a region`},
		{[]string{"promote"}, "arg"},
		{[]string{"forget", "a/b"}, `"a/b" is no name of a region`},
	} {
		if o := cli(t, nil, append([]string{"cluster"}, append(c.args, "--server", g.url)...)...); o.code != exitUsage || !strings.Contains(o.stderr, c.text) {
			t.Errorf("%v: %+v", c.args, o)
		}
	}
	g.fail = fmt.Errorf("promote: %w", fault.ErrNotFound)
	if f := answer[failure](t, cli(t, nil, "cluster", "promote", "eu-west", "--server", g.url, "--json")); f.Code != "not_found" {
		t.Errorf("%+v", f)
	}
}
