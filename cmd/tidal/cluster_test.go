package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/certs"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/server"
	"github.com/tidaldb/tidal/schema"
	"github.com/tidaldb/tidal/tidaltest"
)

// threeReplicas is a group that a test rules, as its leader sees it.
type threeReplicas struct {
	url   string
	gone  bool // the third one isn't heard of
	asked []string
	fail  error
	// others are regions beside the own one; nil is a database that has one.
	others []tidal.RegionStatus
	// changing and forked are what the leader says of itself.
	changing bool
	forked   error
}

func (g *threeReplicas) Leader() server.Leader {
	return server.Leader{Number: 1, Self: true, URL: g.url, Address: "10.0.0.1:7879"}
}

func (g *threeReplicas) Status(context.Context) (server.GroupStatus, error) {
	st := server.GroupStatus{Cluster: "0f", Replica: 1, Leader: g.Leader(), Term: 4, Commit: 1200, Applied: 1200}
	for n := uint64(1); n <= 3; n++ {
		st.Members = append(st.Members, server.Member{
			Number: n, Address: fmt.Sprintf("10.0.0.%d:7879", n), Role: "follower", Known: true, Active: n != 3 || !g.gone, Lag: 1000 * (n - 1),
		})
	}
	st.Members[0].Role, st.Members[0].URL = "leader", g.url
	st.Changing, st.Forked = g.changing, g.forked
	return st, nil
}

func (g *threeReplicas) Latest(context.Context) error { return nil }

func (g *threeReplicas) Remove(_ context.Context, number uint64, force bool) error {
	g.asked = append(g.asked, fmt.Sprintf("remove %d %v", number, force))
	return g.fail
}

func (g *threeReplicas) Transfer(_ context.Context, to uint64) error {
	g.asked = append(g.asked, fmt.Sprintf("transfer %d", to))
	return g.fail
}

// grouped serves a database whose group is g.
func grouped(t *testing.T, g *threeReplicas) {
	t.Helper()
	s := httptest.NewServer(server.New(server.Options{DB: tidaltest.New(t, schema.Events()).DB, Group: g, Regions: g.regions()}))
	t.Cleanup(s.Close)
	g.url = s.URL
}

func TestClusterStatus(t *testing.T) {
	g := &threeReplicas{}
	grouped(t, g)
	o := good(t, "cluster", "status", "--server", g.url)
	for _, line := range []string{
		"cluster 0f, term 4, replica 1 leads; told by replica 1",
		"replica  role      heard  behind  address        url",
		"      1  leader    yes         0  10.0.0.1:7879  " + g.url,
		"      3  follower  yes     2,000  10.0.0.3:7879  –",
	} {
		if !strings.Contains(o.stdout, line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, o.stdout)
		}
	}
	st := answer[clusterStatus](t, good(t, "cluster", "status", "--server", g.url, "--json"))
	if st.Leader != 1 || st.Term != 4 || len(st.Members) != 3 || *st.Members[2].Lag != 2000 || !*st.Members[1].Active {
		t.Errorf("%+v", st)
	}
	if strings.Contains(o.stdout, "under way") || strings.Contains(o.stdout, "NO WRITES") || st.Changing || st.Forked != "" {
		t.Errorf("nothing is wrong: %s", o.stdout)
	}
	g.changing, g.forked = true, fmt.Errorf("`tidal cluster recover` goes on: %w", fault.ErrForked)
	o = good(t, "cluster", "status", "--server", g.url)
	st = answer[clusterStatus](t, good(t, "cluster", "status", "--server", g.url, "--json"))
	if !strings.Contains(o.stdout, "A change of the members is under way.\nTHIS REGION TAKES NO WRITES: `tidal cluster recover` goes on: ") ||
		!st.Changing || !strings.Contains(st.Forked, "recover") {
		t.Errorf("%+v\n%s", st, o.stdout)
	}
}

func TestClusterStatusSaysWhatToDoWhenNobodyLeads(t *testing.T) {
	var out strings.Builder
	(&clusterStatus{Cluster: "0f", Term: 3, Replica: 2}).print(&out)
	if got := out.String(); !strings.Contains(got, "nobody leads; told by replica 2\nNOTHING IS WRITTEN: ") || !strings.Contains(got, "docs/operations.md") {
		t.Errorf("it says %s", got)
	}
}

func TestClusterChanges(t *testing.T) {
	g := &threeReplicas{}
	grouped(t, g)
	if o := good(t, "cluster", "remove", "3", "--server", g.url); o.stdout != "Replica 3 is removed.\n" {
		t.Errorf("%q", o.stdout)
	}
	good(t, "cluster", "remove", "2", "--force", "--server", g.url)
	if o := good(t, "cluster", "transfer", "--server", g.url); o.stdout != "Replica 1 leads.\n" {
		t.Errorf("%q", o.stdout)
	}
	good(t, "cluster", "transfer", "2", "--server", strings.TrimPrefix(g.url, "http://"))
	if got := strings.Join(g.asked, ", "); got != "remove 3 false, remove 2 true, transfer 0, transfer 2" {
		t.Errorf("the group was asked to %s", got)
	}
	for is, code := range map[error]string{fault.ErrChanging: "changing", fault.ErrNotLeader: "no_leader", fault.ErrNotFound: "not_found", fault.ErrNoSuccessor: "no_successor"} {
		g.fail = fmt.Errorf("change: %w", is)
		o := cli(t, nil, "cluster", "remove", "3", "--server", g.url, "--json")
		f := answer[failure](t, o)
		if f.Code != code || o.code == exitOK {
			t.Errorf("%v is %+v", is, f)
		}
		if strings.Count(f.Error, is.Error()) > 1 {
			t.Errorf("it's said twice: %s", f.Error)
		}
	}
}

func TestClusterAdd(t *testing.T) {
	g := &threeReplicas{}
	grouped(t, g)
	o := good(t, "cluster", "add", "--host", "db4.example.com", "--server", g.url)
	for _, text := range []string{
		"tidal cluster cert node --dir certs --name db4 --host db4.example.com\n",
		"  --cluster-join 10.0.0.1:7879,10.0.0.2:7879,10.0.0.3:7879", "--cluster-cert certs/db4.crt", "--listen db4.example.com:7878",
	} {
		if !strings.Contains(o.stdout, text) {
			t.Errorf("there is no %q in\n%s", text, o.stdout)
		}
	}
	p := answer[addPlan](t, good(t, "cluster", "add", "--host", "10.0.0.4", "--plain", "--server", g.url, "--json"))
	if len(p.Commands) != 1 || strings.Contains(p.Commands[0], "cert") || len(p.Join) != 3 {
		t.Errorf("%+v", p)
	}
	g.gone = true
	o = cli(t, nil, "cluster", "add", "--host", "db4", "--server", g.url)
	if o.code != exitFailure || !strings.Contains(o.stderr, "replica 3 at 10.0.0.3:7879 isn't heard of") || o.stdout != "" {
		t.Errorf("%+v", o)
	}
	if o := good(t, "cluster", "add", "--host", "db4", "--force", "--server", g.url); !strings.Contains(o.stdout, "# replica 3 at") {
		t.Errorf("%s", o.stdout)
	}
}

// What cert makes, replicas accept.
func TestClusterCertificates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	good(t, "cluster", "cert", "ca", "--dir", dir, "--cluster", "shop")
	r := answer[certResult](t, good(t, "cluster", "cert", "node", "--dir", dir, "--name", "db1", "--host", "10.0.0.1", "--host", "db1", "--json"))
	src, err := certs.Open(certs.Files{CA: filepath.Join(dir, "ca.crt"), Certificate: r.Certificate, Key: r.Key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if src.Cluster() != "shop" || src.Name() != "db1" || src.NotAfter().Sub(r.Until).Abs() > time.Minute {
		t.Errorf("%s, %s, %v", src.Cluster(), src.Name(), src.NotAfter())
	}
	if info, err := os.Stat(r.Key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for _, c := range []struct {
		args string
		exit int
		says string
	}{
		{"ca --dir " + dir + " --cluster shop", exitRefused, "exists"},
		{"ca --dir " + dir, exitUsage, "--cluster are missing"},
		{"ca --dir " + dir + "2 --cluster Shop!", exitRefused, "cluster"},
		{"node --dir " + dir + " --name db1 --host x", exitRefused, "exists"},
		{"node --dir " + dir + " --name ca --host x", exitUsage, "authority's"},
		{"node --dir " + dir + " --name db2", exitUsage, "--host"},
		{"node --dir " + dir + " --name db2 --host x --days 9999", exitRefused, "days"},
		{"node --dir " + dir + "3 --name db2 --host x", exitNotFound, "ca.crt"},
	} {
		o := cli(t, nil, append([]string{"cluster", "cert"}, strings.Fields(c.args)...)...)
		if o.code != c.exit || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%s: exit %d, want %d with %q: %s", c.args, o.code, c.exit, c.says, o.stderr)
		}
	}
}

func TestClusterCommandsThatCannotBeRun(t *testing.T) {
	alone := httptest.NewServer(server.New(server.Options{DB: tidaltest.New(t, schema.Events()).DB}))
	t.Cleanup(alone.Close)
	for _, c := range []struct {
		args string
		exit int
		says string
	}{
		{"status", exitUsage, "--server is missing"},
		{"status --server ftp://x", exitUsage, "no address"},
		{"status --server http://127.0.0.1:1", exitFailure, "ask the server"},
		{"status --ca /nowhere --server http://x", exitNotFound, "--ca"},
		{"status --server " + alone.URL, exitFailure, "it has no members"},
		{"remove x --server http://x", exitUsage, "no number"},
		{"remove 0 --server http://x", exitUsage, "no number"},
		{"remove", exitUsage, "arg"},
		{"transfer 1 2", exitUsage, "arg"},
		{"add --server http://x", exitUsage, "--host is missing"},
	} {
		o := cli(t, nil, append([]string{"cluster"}, strings.Fields(c.args)...)...)
		if o.code != c.exit || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%s: exit %d, want %d with %q: %s", c.args, o.code, c.exit, c.says, o.stderr)
		}
	}
}

// A directory of a group of one has nothing to be recovered from, and what isn't a directory of a database isn't one.
func TestClusterRecoverRefusesWhatNeedsNone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	db, err := tidal.Open(dir, schema.Events(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		exit int
		says string
	}{
		{"--dir " + dir, exitRefused, "needs nobody"},
		{"--dir " + dir + " --accept-loss", exitRefused, "needs nobody"},
		{"--dir " + dir + "x", exitNotFound, "no such file"},
		{"", exitUsage, "--dir is missing"},
	} {
		o := cli(t, nil, append([]string{"cluster", "recover"}, strings.Fields(c.args)...)...)
		if o.code != c.exit || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%s: exit %d, want %d with %q: %s", c.args, o.code, c.exit, c.says, o.stderr)
		}
	}
}
