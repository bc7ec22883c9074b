package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/daemon"
	"github.com/tidaldb/tidal/internal/server"
	"github.com/tidaldb/tidal/internal/testport"
)

// node is a server of a group, which can be stopped and started again.
type node struct {
	t               *testing.T
	dir             string
	listen, cluster string
	join            string
	stop            context.CancelFunc
	done            chan error
}

// start runs the server until it answers.
func (n *node) start() {
	n.t.Helper()
	flags := map[string]string{
		"data-dir": filepath.Join(n.dir, "db"), "listen": n.listen, "cluster-listen": n.cluster, "cluster-join": n.join, "ready-free": "0",
	}
	if n.join == "" {
		flags["schema"] = "events"
	}
	r, err := config.Resolve(config.Sources{Flags: flags})
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	started := make(chan struct{})
	n.stop, n.done = cancel, make(chan error, 1)
	go func() {
		n.done <- daemon.Run(ctx, daemon.Options{
			Config: r, Log: slog.New(slog.DiscardHandler),
			API:   func(o server.Options) http.Handler { return server.New(o) },
			Ready: func(daemon.Started) error { close(started); return nil },
		})
	}()
	select {
	case <-started:
	case err := <-n.done:
		n.done <- err
		n.t.Fatalf("%s didn't start: %v", n.listen, err)
	}
}

// end stops the server, which hands over first.
func (n *node) end() {
	n.stop()
	err := <-n.done
	n.done <- nil
	if err != nil {
		n.t.Errorf("%s: %v", n.listen, err)
	}
}

// three starts a group, and returns once all of it vote: before that it can't do without the first one.
func three(t *testing.T) []*node {
	t.Helper()
	var all []*node
	for range 3 {
		n := &node{t: t, dir: t.TempDir(), listen: testport.Free(t), cluster: testport.Free(t)}
		if len(all) > 0 {
			n.join = all[0].cluster
		}
		n.start()
		t.Cleanup(n.end)
		all = append(all, n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := http.Get("http://" + all[0].listen + "/v1/cluster")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil && strings.Count(string(text), `"role":"follower"`) == 2 {
			return all
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not all of them vote: %s, %v", text, err)
		}
	}
}

// leaderOf asks until somebody leads, and returns who.
func leaderOf(t *testing.T, all []*node) *node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, n := range all {
			resp, err := http.Get("http://" + n.listen + "/v1/cluster")
			if err != nil {
				continue
			}
			url := resp.Header.Get("Tidal-Leader")
			_ = resp.Body.Close()
			for _, x := range all {
				if url == "http://"+x.listen {
					return x
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("nobody leads")
		}
	}
}

// While leaders stop and come back, one after the other, every write goes on at the next one, and counts once.
func TestLeadersComeAndGoAndEachSignalCountsOnce(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	all := three(t)
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	// One address is enough, and it isn't the leader's.
	c := connect(t, client.Options{Addr: all[1].listen, Timeout: time.Minute})
	var stop atomic.Bool
	var writers sync.WaitGroup
	l := &ledger{acked: map[string]bool{}}
	for w := range 4 {
		writers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				item := fmt.Sprintf("single-%d-%d", w, n)
				_, err := c.Signal(t.Context(), client.Signal{Type: "like", Item: item, User: "ada"})
				if err != nil {
					t.Errorf("%s: %v", item, err)
				}
				l.note(item, err == nil)
			}
		})
	}
	writers.Go(func() { streamWhile(t, c, l, &stop) })
	writers.Go(func() { sessionWhile(t, c, l, &stop) })
	reader := connect(t, client.Options{Addrs: []string{all[0].listen, all[1].listen, all[2].listen}, Reads: client.Any, Timeout: time.Minute})
	writers.Go(func() { neverBack(t, reader, &stop) })
	for range rounds {
		leader := leaderOf(t, all)
		leader.end()
		leaderOf(t, all)
		leader.start()
		waitReady(t, leader)
		l.await(t, l.count()+40)
	}
	stop.Store(true)
	writers.Wait()
	compareAll(t, all, l)
}

// await waits until so many signals were acknowledged.
func (l *ledger) await(t *testing.T, n int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for l.count() < n {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%d signals were acknowledged, not %d", l.count(), n)
		}
	}
}

// waitReady waits until a server says that it's ready.
func waitReady(t *testing.T, n *node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := http.Get("http://" + n.listen + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s isn't ready", n.listen)
		}
	}
}

func streamWhile(t *testing.T, c *client.Client, l *ledger, stop *atomic.Bool) {
	s, err := c.Stream(t.Context(), client.StreamOptions{Batch: 8, InFlight: 4, Done: func(b client.Batch) {
		if b.Err != nil {
			t.Errorf("a batch of the stream: %v", b.Err)
		}
		for _, x := range b.Signals {
			l.note(x.Item, b.Err == nil)
		}
	}})
	if err != nil {
		t.Error(err)
		return
	}
	for n := 0; !stop.Load(); n++ {
		if _, err := s.Send(t.Context(), client.Signal{Type: "like", Item: fmt.Sprintf("stream-%d", n), User: "bob"}); err != nil {
			break
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func sessionWhile(t *testing.T, c *client.Client, l *ledger, stop *atomic.Bool) {
	s, err := c.StartSession(t.Context(), client.SessionStart{User: "cyd", Agent: "test"})
	if err != nil {
		t.Error(err)
		return
	}
	n := int64(0)
	for ; !stop.Load(); n++ {
		item := fmt.Sprintf("session-%d", n)
		_, err := s.Write(t.Context(), client.Signal{Type: "like", Item: item})
		if err != nil {
			t.Errorf("%s: %v", item, err)
			break
		}
		l.note(item, true)
	}
	end, err := s.Close(t.Context())
	if err != nil || end.Signals != n {
		t.Errorf("the session says %d signals of %d, %v", end.Signals, n, err)
	}
}

// neverBack counts views of one item, and reads the count from replica after replica: it never falls, and has every view
// that was acknowledged.
func neverBack(t *testing.T, c *client.Client, stop *atomic.Bool) {
	last, written := int64(0), int64(0)
	for !stop.Load() {
		if _, err := c.Signal(t.Context(), client.Signal{Type: "view", Item: "watched", User: "eve"}); err != nil {
			t.Error(err)
			return
		}
		written++
		for range 3 {
			got, err := c.Cell(t.Context(), client.CellQuery{Item: "watched", Type: "view"})
			if err != nil && !errors.Is(err, client.ErrNotFound) {
				t.Error(err)
				return
			}
			if got.Total < last || got.Total != written {
				t.Errorf("of %d views a replica shows %d, and %d before", written, got.Total, last)
			}
			last = got.Total
		}
	}
	if written == 0 {
		t.Error("the test tests nothing")
	}
}

// compareAll holds what each replica has against what was acknowledged.
func compareAll(t *testing.T, all []*node, l *ledger) {
	t.Helper()
	acked := 0
	for _, n := range all {
		c := connect(t, client.Options{Addr: n.listen, Timeout: time.Minute})
		ctx := client.WithLatest(t.Context())
		counts := map[string]int64{}
		top, err := c.Top(ctx, client.TopQuery{Type: "like", Limit: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range top {
			counts[x.Item] = 1
		}
		l.mu.Lock()
		acked = 0
		for item, ok := range l.acked {
			if ok {
				acked++
			}
			if ok && counts[item] == 0 && len(top) < 10_000 {
				t.Errorf("%s is lost at %s", item, n.listen)
			}
		}
		l.mu.Unlock()
		// Counting them all item by item would take minutes; the sum can only fit if none counts twice.
		st, err := c.Stats(ctx)
		if err != nil {
			t.Fatal(err)
		}
		views, err := c.Cell(ctx, client.CellQuery{Item: "watched", Type: "view"})
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Signals - views.Total; got != int64(acked) {
			t.Errorf("%s has %d signals of %d that were acknowledged", n.listen, got, acked)
		}
	}
	t.Logf("%d signals were acknowledged", acked)
	if acked < 40 {
		t.Error("the test tests nothing")
	}
}
