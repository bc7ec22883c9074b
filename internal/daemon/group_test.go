package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/certs"
	"github.com/tidaldb/tidal/internal/daemon"
	"github.com/tidaldb/tidal/internal/server"
	"github.com/tidaldb/tidal/internal/testport"
)

// authority makes the certificates of a cluster, and returns the settings for each of its replicas.
func authority(t *testing.T) func(name string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	ca, err := certs.MakeCA("test", time.Now(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.Write(dir, "ca"); err != nil {
		t.Fatal(err)
	}
	return func(name string) map[string]string {
		node, err := certs.MakeNode(ca, name, []string{"127.0.0.1"}, time.Now(), 5)
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Write(dir, name); err != nil {
			t.Fatal(err)
		}
		file := func(name string) string { return filepath.Join(dir, name) }
		return map[string]string{
			"cluster-ca": file("ca.crt"), "cluster-cert": file(name + ".crt"), "cluster-key": file(name + ".key"),
		}
	}
}

// replica starts a member with the real API; join is empty for the first one.
func replica(t *testing.T, settings map[string]string, join string) (*running, daemon.Started) {
	t.Helper()
	// The machine that tests run on stands still for longer than an election takes elsewhere. Who leads when a test begins does so
	// until it is stopped, and hands over then.
	flags := map[string]string{"cluster-listen": testport.Free(t), "schema": "events", "ready-free": "0", "cluster-election-timeout": "2s"}
	for name, text := range settings {
		flags[name] = text
	}
	if join != "" {
		flags["cluster-join"], flags["schema"] = join, ""
	}
	var started daemon.Started
	r := start(t, options{flags: flags, change: func(o *daemon.Options) {
		o.API = func(s server.Options) http.Handler { return server.New(s) }
		ready := o.Ready
		o.Ready = func(s daemon.Started) error { started = s; return ready(s) }
	}})
	r.await("msg=ready")
	return r, started
}

// until asks again and again, as a balancer does, until an answer has the status and holds a text.
func (r *running) until(method, path, body string, status int, text string) string {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for {
		code, got, _, err := send(method, r.url+path, body)
		if err == nil && code == status && strings.Contains(got, text) {
			return got
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("%s %s answers %d %s, %v\n%s", method, path, code, got, err, r.log)
		}
	}
}

func send(method, url, body string, headers ...string) (int, string, http.Header, error) {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, in)
	if err != nil {
		return 0, "", nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), resp.Header, err
}

// Three servers keep one database: each answers what any of them was told, and when the leader stops another one leads.
func TestThreeServersAreOneDatabase(t *testing.T) {
	member := authority(t)
	first, at := replica(t, member("db1"), "")
	if at.Replica != 1 || at.ClusterAddress == "" {
		t.Errorf("%+v", at)
	}
	second, at2 := replica(t, member("db2"), at.ClusterAddress)
	third, at3 := replica(t, member("db3"), at.ClusterAddress)
	all := []*running{first, second, third}
	if at2.Replica == at3.Replica || at2.Replica < 2 || at3.Replica < 2 {
		t.Errorf("replicas %d and %d joined", at2.Replica, at3.Replica)
	}
	for _, r := range all {
		r.until("GET", "/readyz", "", 200, "ok")
	}
	// As long as one of them has no vote the others can't do without the first.
	first.until("GET", "/metrics", "", 200, `tidal_raft_members{role="follower"} 2`)
	for n, r := range all {
		item := fmt.Sprintf("/v1/items/item-%d", n)
		if code, got, head, err := send("PUT", r.url+item, `{"category":"jazz"}`); err != nil || code != 200 || head.Get("Tidal-Leader") != first.url {
			t.Fatalf("%d %s %v\n%s", code, got, err, r.log)
		}
		for _, other := range all {
			if code, got, _, err := send("GET", other.url+item, "", "Tidal-Read", "latest"); err != nil || code != 200 {
				t.Errorf("%d %s %v\n%s", code, got, err, other.log)
			}
		}
	}
	for _, text := range []string{
		"tidal_raft_leader 1", `tidal_raft_members{role="leader"} 1`, `tidal_transport_connected{peer="1"} 1`, "tidal_forwarded_total 1",
		"tidal_certificate_expiry_timestamp_seconds ", "tidal_wal_fsync_seconds_count ",
	} {
		second.until("GET", "/metrics", "", 200, text)
	}
	first.until("GET", "/metrics", "", 200, fmt.Sprintf(`tidal_raft_peer_active{peer="%d"} 1`, at2.Replica))

	first.stop()
	if err := first.ended(); err != nil {
		t.Error(err)
	}
	first.await("handed over")
	second.until("PUT", "/v1/items/later", `{"category":"blues"}`, 200, "position")
	third.until("GET", "/v1/items/later", "", 200, "blues")

	// The one that is gone is taken out, and then another one, which ends.
	second.until("POST", "/v1/cluster/remove", `{"number":1}`, 200, "")
	second.until("POST", "/v1/cluster/transfer", fmt.Sprintf(`{"to":%d}`, at3.Replica), 200, "")
	second.until("POST", "/v1/cluster/remove", fmt.Sprintf(`{"number":%d}`, at3.Replica), 200, "")
	select {
	case err := <-third.done:
		if !errors.Is(err, tidal.ErrRemoved) {
			t.Errorf("it ended with %v", err)
		}
		third.done <- err
	case <-time.After(patience):
		t.Errorf("it doesn't end\n%s", third.log)
	}
}

// newcomer runs a server that asks for a place where nobody is, and for no longer than it's told.
func newcomer(ctx context.Context, t *testing.T, flags map[string]string) *running {
	t.Helper()
	all := authority(t)("db2")
	all["listen"], all["cluster-listen"] = testport.Free(t), testport.Free(t)
	for name, text := range flags {
		all[name] = text
	}
	dir, log := prepare(t, nil), &lockedBuffer{said: make(chan struct{}, 1)}
	r := &running{t: t, dir: dir, log: log, url: "http://" + all["listen"], done: make(chan error, 1)}
	settings := resolve(t, dir, all)
	go func() {
		r.done <- daemon.Run(ctx, daemon.Options{
			Config: settings, Log: slog.New(slog.NewTextHandler(log, nil)),
			API: func(s server.Options) http.Handler { return server.New(s) },
		})
	}()
	return r
}

// While a place is asked for the server lives, isn't ready, says why, and does nothing. When nobody gives it one in time it ends.
func TestAServerThatWaitsForAPlaceSaysSo(t *testing.T) {
	nobody := testport.Free(t)
	ctx, stop := context.WithCancel(t.Context())
	r := newcomer(ctx, t, map[string]string{"cluster-join": nobody, "cluster-join-timeout": "1h"})
	r.until("GET", "/livez", "", 200, "ok")
	r.until("GET", "/readyz", "", 503, "waiting for a place in the group of ["+nobody+"]")
	r.until("GET", "/v1/items", "", 503, `"code":"starting"`)
	r.until("PUT", "/v1/items/a", "{}", 503, `"code":"starting"`)
	stop()
	if err := r.ended(); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	r = newcomer(t.Context(), t, map[string]string{"cluster-join": nobody, "cluster-join-timeout": "1s"})
	if err := r.ended(); err == nil || !strings.Contains(err.Error(), nobody) {
		t.Errorf("when nobody gives it a place it ends with %v", err)
	}
}

// One that waits for a place, or for other regions, ends when it's told to.
func TestAServerThatWaitsForOthersCanBeStopped(t *testing.T) {
	for setting, says := range map[string]string{"cluster-join": "a place in the group", "cluster-region-join": "a place among the regions"} {
		flags := map[string]string{setting: testport.Free(t), "cluster-join-timeout": "1h"}
		if setting == "cluster-region-join" {
			flags["cluster-region"], flags["schema"] = "eu-west", ""
		}
		ctx, stop := context.WithCancel(t.Context())
		r := newcomer(ctx, t, flags)
		r.until("GET", "/readyz", "", 503, says)
		stop()
		if err := r.ended(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: it ended with %v", setting, err)
		}
	}
}

func TestAReplicaNeedsWhatBelongsTogether(t *testing.T) {
	member := authority(t)
	for name, change := range map[string]func(map[string]string){
		"a port that is taken": func(f map[string]string) { f["cluster-listen"] = f["listen"] },
		"plain beyond this machine": func(f map[string]string) {
			f["cluster-listen"], f["cluster-advertise"] = "0.0.0.0:0", "10.0.0.1:7879"
			delete(f, "cluster-ca")
			delete(f, "cluster-cert")
			delete(f, "cluster-key")
		},
		"another one's key":          func(f map[string]string) { f["cluster-key"] = member("other")["cluster-key"] },
		"a certificate that is lost": func(f map[string]string) { f["cluster-cert"] += "x" },
	} {
		t.Run(name, func(t *testing.T) {
			flags := member(strings.NewReplacer(" ", "-", "'", "").Replace(name))
			flags["listen"], flags["cluster-listen"], flags["schema"] = testport.Free(t), testport.Free(t), "events"
			change(flags)
			err := daemon.Run(t.Context(), daemon.Options{
				Config: resolve(t, prepare(t, nil), flags), Log: slog.New(slog.DiscardHandler),
				API: func(s server.Options) http.Handler { return server.New(s) },
			})
			if err == nil {
				t.Fatal("it started")
			}
			t.Log(err)
		})
	}
}
