package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/testport"
)

// servedMember starts a replica as a process of its own, on addresses that stay the same when it's started again.
func servedMember(t *testing.T, dir, listen, cluster, join string) *serverProcess {
	t.Helper()
	// Who leads does so until it's killed, also where the machine stands still for longer than an election usually takes.
	args := []string{"--listen", listen, "--cluster-listen", cluster, "--ready-free", "0", "--cluster-election-timeout", "2s"}
	if join != "" {
		args = append(args, "--cluster-join", join)
	}
	return served(t, dir, nil, args...)
}

// until asks a server until its answer holds a text.
func until(t *testing.T, method, url, body, says string) {
	t.Helper()
	tick, end := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for {
		_, got, err := callURL(method, url, "", body)
		if err == nil && strings.Contains(got, says) {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s %s answers %s, %v; want %q", method, url, got, err, says)
		}
	}
}

// Two of three replicas are lost for good. The one that is left goes on alone, has what was agreed upon and what it alone
// had, and others join it; what was lost isn't let in again.
func TestAGroupGoesOnWithOneReplicaThatIsLeft(t *testing.T) {
	if testing.Short() {
		t.Skip("starts six processes")
	}
	top := t.TempDir()
	dir := func(name string) string { return filepath.Join(top, name, "db") }
	for _, name := range []string{"a", "b", "c", "d"} {
		if err := os.MkdirAll(filepath.Dir(dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	listen, group := testport.Free(t), testport.Free(t)
	a := servedMember(t, dir("a"), listen, group, "")
	bListen, bGroup := testport.Free(t), testport.Free(t)
	b := servedMember(t, dir("b"), bListen, bGroup, group)
	c := servedMember(t, dir("c"), testport.Free(t), testport.Free(t), group)
	for _, p := range []*serverProcess{a, b, c} {
		until(t, "GET", p.started.URL+"/readyz", "", "ok")
	}
	until(t, "GET", a.started.URL+"/v1/cluster", "", `"number":3,"address":"`+c.started.ClusterAddress+`","url":"`+c.started.URL+`","role":"follower"`)
	until(t, "PUT", c.started.URL+"/v1/items/agreed", `{"category":"jazz"}`, `"position":`)
	until(t, "GET", a.started.URL+"/v1/items/agreed", "", `"category":"jazz"`) // also if another one leads by now
	for _, p := range []*serverProcess{b, c} {
		_ = p.cmd.Process.Kill()
		_ = p.waited()
	}
	// Nobody knows whether this is agreed upon.
	until(t, "PUT", a.started.URL+"/v1/items/open", `{"category":"jazz"}`, `"code":"`)
	_ = a.cmd.Process.Kill()
	_ = a.waited()

	o := cli(t, nil, "put", "--dir", dir("a"), "--item", "x")
	if o.code == exitOK {
		t.Errorf("a member's directory takes writes: %s", o.stdout)
	}
	plan := good(t, "cluster", "recover", "--dir", dir("a"))
	if !strings.Contains(plan.stdout, "NOTHING WAS CHANGED") || !strings.Contains(plan.stdout, "2 at "+bGroup) {
		t.Errorf("%s", plan.stdout)
	}
	r := answer[recoverResult](t, good(t, "cluster", "recover", "--dir", dir("a"), "--accept-loss", "--json"))
	if !r.Done || r.Replica != 4 || len(r.Lost) != 2 || r.Refused != 0 {
		t.Errorf("%+v", r)
	}
	a = servedMember(t, dir("a"), listen, group, "")
	d := servedMember(t, dir("d"), testport.Free(t), testport.Free(t), group)
	until(t, "GET", d.started.URL+"/readyz", "", "ok")
	for _, p := range []*serverProcess{a, d} {
		if code, got := p.call("GET", "/v1/items/agreed", "", ""); code != http.StatusOK {
			t.Errorf("what was agreed upon is lost: %d %s", code, got)
		}
	}
	p, err := launch(t, dir("b"), nil, "--listen", bListen, "--cluster-listen", bGroup, "--cluster-join", group)
	if err == nil || !strings.Contains(err.Error(), "move its directory away and let it join anew") {
		t.Errorf("one that was lost comes back: %v\n%s", err, p.stderr)
	}
}

// What docs/serving.md says about three replicas from nothing works as printed. Only ports are others, and it's waited for
// what somebody who types waits for.
func TestThreeNodesFromNothing(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s isn't installed: the page's three nodes aren't tested", tool)
		}
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tidal"), []byte("#!/bin/sh\nexec '"+self+"' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/serving.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "TestThreeNodesFromNothing")
	_, rest, _ = strings.Cut(rest, "```sh\n")
	block, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatal("docs/serving.md shows no commands")
	}
	for _, n := range []string{"7881", "7882", "7883", "7981", "7982", "7983"} {
		_, port, _ := net.SplitHostPort(testport.Free(t))
		if strings.HasPrefix(n, "788") {
			// Behind each server that was put into the background it's waited until it is ready.
			at := strings.Index(block, "--listen 127.0.0.1:"+n)
			end := at + strings.Index(block[at:], "&\n") + 2
			block = block[:end] + "until curl --silent --fail http://127.0.0.1:" + n + "/readyz > /dev/null; do kill -0 $! || exit 1; done\n" + block[end:]
		}
		block = strings.ReplaceAll(block, ":"+n, ":"+port)
	}
	// A replica that has just come votes a moment later.
	const status = "\ntidal cluster status"
	line := block[strings.Index(block, status):]
	line = line[1 : 1+strings.Index(line[1:], "\n")]
	block = strings.Replace(block, status, "\nuntil "+line+" | grep '3  follower' > /dev/null; do :; done"+status, 1)
	block = strings.ReplaceAll(block, "curl http", "curl --silent --show-error --fail http")
	script := "set -e\nexport PATH=\"$PWD:$PATH\" TIDAL_READY_FREE=0 TIDAL_CLUSTER_ELECTION_TIMEOUT=2s\ntrap 'kill $(jobs -p); wait' EXIT\n" + block
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir, cmd.Env = dir, cleanEnviron()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	for _, text := range []string{"replica 1 leads", "  3  follower", `"position":"0:0:`, `"category":"jazz"`} {
		if !strings.Contains(string(out), text) {
			t.Errorf("it doesn't say %q:\n%s", text, out)
		}
	}
}
