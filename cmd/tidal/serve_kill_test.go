package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/testport"
	"github.com/tidaldb/tidal/internal/testseed"
)

// killLoad writes signals and hides through clients while their server is killed and started again, and keeps what was
// acknowledged. Every signal is about an item of its own, so that its count says how often it counts.
type killLoad struct {
	t    *testing.T
	addr string

	mu    sync.Mutex
	acked map[string]bool     // by item: false was sent, and nobody knows
	hides map[string][]string // acknowledged, by user
	n     int                 // acknowledged signals
	reach int                 // reached is closed once so many are
	hit   chan struct{}
}

// until returns a channel that is closed once another n signals are acknowledged.
func (l *killLoad) until(n int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reach, l.hit = l.n+n, make(chan struct{})
	return l.hit
}

func (l *killLoad) note(err error, items ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range items {
		l.acked[it] = err == nil
	}
	if err != nil {
		return
	}
	before := l.n
	if l.n += len(items); l.hit != nil && before < l.reach && l.n >= l.reach {
		close(l.hit)
	}
}

func (l *killLoad) client() *client.Client {
	c, err := client.New(client.Options{Addr: l.addr, Timeout: time.Minute, Attempt: 2 * time.Second})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Close)
	return c
}

// fails accepts the failures that a killed server may lead to.
func (l *killLoad) fails(err error) {
	if err != nil && !errors.Is(err, client.ErrUnknown) && !errors.Is(err, context.Canceled) && !errors.Is(err, client.ErrStreamFailed) {
		l.t.Errorf("a killed server led to %v", err)
	}
}

// singly writes one signal after the other until the context ends.
func (l *killLoad) singly(ctx context.Context, c *client.Client, name string) {
	for n := 0; ctx.Err() == nil; n++ {
		item := fmt.Sprintf("%s-%d", name, n)
		_, err := c.Signal(ctx, client.Signal{Type: "like", User: name, Item: item})
		l.fails(err)
		l.note(err, item)
	}
}

// streams writes signals as fast as the server takes them.
func (l *killLoad) streams(ctx context.Context, c *client.Client, name string) {
	s, err := c.Stream(ctx, client.StreamOptions{InFlight: 4, Done: func(b client.Batch) {
		items := make([]string, len(b.Signals))
		for i := range items {
			items[i] = b.Signals[i].Item
		}
		l.fails(b.Err)
		l.note(b.Err, items...)
	}})
	if err != nil {
		l.t.Error(err)
		return
	}
	for n := 0; ctx.Err() == nil && n < 20_000; n++ {
		if _, err := s.Send(ctx, client.Signal{Type: "view", User: name, Item: fmt.Sprintf("%s-%d", name, n)}); err != nil {
			break // Done has the reason
		}
	}
	l.fails(s.Close())
}

// hidesAndAsks hides items and looks at the next list, which is made by another server now and then.
func (l *killLoad) hidesAndAsks(ctx context.Context, c *client.Client, user string, items []string) {
	for _, item := range items {
		if _, err := c.Signal(ctx, client.Signal{Type: "hide", User: user, Item: item}); err != nil {
			l.fails(err)
			return
		}
		l.mu.Lock()
		l.hides[user] = append(l.hides[user], item)
		hidden := slices.Clone(l.hides[user])
		l.mu.Unlock()
		a, err := c.Rank(ctx, client.Query{User: user, Profile: "new", Limit: 500})
		if err != nil {
			l.fails(err)
			return
		}
		for _, it := range a.Items {
			if slices.Contains(hidden, it.Item) {
				l.t.Errorf("%s is shown to %s, who hid it", it.Item, user)
			}
		}
	}
}

// Clients whose server is killed again and again go on with the next one: what they were told is written is there, once,
// and what they weren't told counts at most once.
func TestServersThatAreKilledUnderLoadLoseAndDoubleNothing(t *testing.T) {
	kills := 4
	if testing.Short() {
		kills = 2
	}
	rng := rand.New(rand.NewPCG(testseed.Of(t), 1))
	dir := filepath.Join(t.TempDir(), "db")
	// Not a port of the kernel's: a client that finds nobody there may be given that very port for its own end, and then is
	// connected to itself, where the next server wants to listen.
	p := served(t, dir, nil, "--listen", testport.Free(t))
	l := &killLoad{t: t, addr: p.started.Address, acked: map[string]bool{}, hides: map[string][]string{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	items := make([]string, 200)
	for i := range items {
		items[i] = fmt.Sprint("shown-", i)
		if _, err := l.client().Do(ctx, client.Put{Kind: client.Item, ID: items[i]}); err != nil {
			t.Fatal(err)
		}
	}
	var writers sync.WaitGroup
	for n := range 4 {
		c := l.client()
		writers.Go(func() { l.singly(ctx, c, fmt.Sprint("single-", n)) })
		writers.Go(func() { l.streams(ctx, c, fmt.Sprint("stream-", n)) })
		writers.Go(func() { l.hidesAndAsks(ctx, c, fmt.Sprint("reader-", n), items) })
	}
	for range kills {
		<-l.until(200 + rng.IntN(1500))
		p.signal(syscall.SIGKILL)
		_ = p.waited()
		p = served(t, dir, nil, "--listen", l.addr)
	}
	<-l.until(200)
	stop()
	writers.Wait()
	p.signal(syscall.SIGTERM)
	if err := p.waited(); err != nil {
		t.Errorf("%v\n%s", err, p.stderr)
	}
	l.compare(dir)
}

// compare opens the directory and counts.
func (l *killLoad) compare(dir string) {
	db, err := tidal.Open(dir, nil, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	unknown := 0
	for item, acked := range l.acked {
		total := int64(0)
		for _, of := range []string{"like", "view"} {
			c, err := db.Cell(l.t.Context(), item, of, time.Time{})
			if err != nil && !errors.Is(err, tidal.ErrNotFound) {
				l.t.Fatal(err)
			}
			total += c.Total
		}
		if acked && total != 1 || total > 1 {
			l.t.Errorf("%s counts %d times, acknowledged: %v", item, total, acked)
		}
		if !acked {
			unknown++
		}
	}
	hides := 0
	for _, of := range l.hides {
		hides += len(of)
	}
	l.t.Logf("%d signals acknowledged, %d not known of, %d hides", l.n, unknown, hides)
	if hides == 0 {
		l.t.Error("nobody has hidden anything")
	}
}
