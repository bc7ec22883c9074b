package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/freeport"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/faultproxy"
	"github.com/tidaldb/tidal/internal/transport/pair"
	"github.com/tidaldb/tidal/internal/workload"
	"github.com/tidaldb/tidal/schema"
)

// twoRegions are two regions of one replica each in this process, with their directories on a disk.
type twoRegions struct {
	net   *pair.Network // nil over TCP
	proxy [2]*faultproxy.Proxy
	gates [2]*gate
	db    [2]*tidal.DB
}

// patience is how long regions may take to find each other, and to agree.
const patience = 2 * time.Minute

// openTwoRegions makes them. rtt is the time that TCP over loopback takes there and back beside its own; below 0 the regions
// exchange frames within the process, over a way that can be cut.
func openTwoRegions(ctx context.Context, dir string, s *schema.Schema, rtt time.Duration) (_ *twoRegions, err error) {
	r := &twoRegions{}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if rtt < 0 {
		r.net = pair.New(pair.Options{MaxFrame: 64 << 20, QueueBytes: 256 << 20})
	}
	for i, name := range [2]string{"one", "two"} {
		home := filepath.Join(dir, name)
		if err := os.MkdirAll(home, 0o755); err != nil {
			return r, fmt.Errorf("make a directory: %w", err)
		}
		// Nobody else stands for election, so a slow tick costs nothing, and a busy machine isn't taken for a failed one.
		g := &host.Group{
			Listen: "127.0.0.1:0", Region: &host.RegionOptions{Name: name}, ElectionTicks: 60, StallTicks: 1200,
		}
		if r.net != nil {
			g.Listen = name
			g.Network = func(o transport.Options) (transport.Transport, error) { return r.join(i, name, &o) }
		} else if err := r.far(i, g, rtt); err != nil {
			return r, err
		}
		given := s
		if i == 1 {
			given = nil
			g.Region.Join = []string{"one"}
			if r.net == nil {
				g.Region.Join = []string{r.proxy[0].Address()}
			}
		}
		if r.db[i], err = tidal.Open(home, given, &tidal.Options{Group: g, UserMemory: -1}); err != nil {
			return r, fmt.Errorf("open region %s: %w", name, err)
		}
	}
	// They know each other once each has what the other one wrote.
	for _, db := range r.db {
		if err := first(ctx, db); err != nil {
			return r, err
		}
	}
	return r, r.agree(ctx, patience)
}

// first writes a signal, as soon as the region has a leader.
func first(ctx context.Context, db *tidal.DB) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := db.Signal(ctx, tidal.Signal{Type: workload.TypeName(0), Item: "first"})
		if !errors.Is(err, tidal.ErrNotLeader) {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// far has a region reached through a proxy that delays.
func (r *twoRegions) far(i int, g *host.Group, rtt time.Duration) (err error) {
	if g.Listen, err = freeport.At("127.0.0.1"); err != nil {
		return err
	}
	if r.proxy[i], err = faultproxy.Listen("127.0.0.1:0", g.Listen, uint64(i)+1); err != nil {
		return err
	}
	r.proxy[i].SetWeather(faultproxy.Both, faultproxy.Weather{Delay: rtt / 2})
	g.Advertise = r.proxy[i].Address()
	return nil
}

// join puts a region on the network, behind a gate.
func (r *twoRegions) join(i int, name string, o *transport.Options) (transport.Transport, error) {
	t, err := r.net.Join(name, pair.Member{Identity: o.Identity, Handler: o.Handler, Admit: o.Admit, Regions: o.Regions})
	if err != nil {
		return nil, err
	}
	r.gates[i] = &gate{Transport: t, opened: o.Connected, peer: transport.Far(uint16(1-i), 1)}
	return r.gates[i], nil
}

// cut cuts the two off from each other.
func (r *twoRegions) cut() {
	for _, g := range r.gates {
		g.cut.Store(true)
	}
}

// heal lets them meet again, and tells both, as a connection does that is made again.
func (r *twoRegions) heal() {
	for _, g := range r.gates {
		g.begin()
	}
	for _, g := range r.gates {
		g.opened(g.peer)
	}
}

// agree waits until both have the same, so long at most.
func (r *twoRegions) agree(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	look := time.NewTicker(200 * time.Microsecond)
	defer look.Stop()
	for {
		a, b := r.db[0].Stats().Vector, r.db[1].Stats().Vector
		if a.Equal(b) && a.Len() == 2 {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("the regions have %v and %v: %w", a, b, ctx.Err())
		}
	}
}

func (r *twoRegions) close() error {
	var all []error
	for _, db := range r.db {
		if db != nil {
			all = append(all, db.Close())
		}
	}
	for _, p := range r.proxy {
		if p != nil {
			all = append(all, p.Close())
		}
	}
	if r.net != nil {
		all = append(all, r.net.Close())
	}
	return errors.Join(all...)
}

// gate is a way between two regions that can be shut. What is sent while it is shut is lost. It keeps what it lets through,
// so that it can be looked at afterwards.
type gate struct {
	transport.Transport
	opened func(peer uint64)
	peer   uint64
	cut    atomic.Bool

	mu     sync.Mutex
	keep   bool
	bytes  int64
	frames [][]byte
}

// begin opens the gate, and counts from here on.
func (g *gate) begin() {
	g.mu.Lock()
	g.keep, g.bytes, g.frames = true, 0, nil
	g.mu.Unlock()
	g.cut.Store(false)
}

// Send implements transport.Transport.
func (g *gate) Send(to uint64, frame []byte) error {
	if g.cut.Load() {
		return transport.ErrDown
	}
	g.mu.Lock()
	if g.keep {
		g.bytes += int64(len(frame))
		g.frames = append(g.frames, frame)
	}
	g.mu.Unlock()
	return g.Transport.Send(to, frame)
}

// SendBulk implements transport.Transport.
func (g *gate) SendBulk(to uint64, frame []byte) error {
	if g.cut.Load() {
		return transport.ErrDown
	}
	return g.Transport.SendBulk(to, frame)
}
