package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	tidalclient "github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/fleet"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/workload"
)

// servers are regions that are processes of this machine, one server each. What one says to another passes through this process,
// which adds no distance.
type servers struct {
	world *fleet.World
	all   []region
}

// open implements ground.
func (g *servers) open(ctx context.Context, dir string, s *regions) (_ []region, err error) {
	file := filepath.Join(dir, "schema.yaml")
	if err := os.WriteFile(file, workload.Schema(false).YAML(), 0o644); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	o := fleet.WorldOptions{Options: fleet.Options{Dir: dir, Nodes: 1, Program: s.Program, Schema: file}}
	for n := range s.Regions {
		o.Names = append(o.Names, fmt.Sprint("region-", n))
	}
	if g.world, err = fleet.StartWorld(ctx, o); err != nil {
		return nil, err
	}
	for _, url := range g.world.URLs() {
		c, err := tidalclient.New(tidalclient.Options{Addr: url, Timeout: patience, Attempt: patience})
		if err != nil {
			return nil, err
		}
		g.all = append(g.all, server{c})
	}
	for n, c := range s.clients {
		at := n % s.Regions
		acked := func(r *tidalpb.Receipt) { s.samples.offer(at, r.GetToken) }
		if err := c.connect(ctx, s.w, g.world.URLs()[at], acked); err != nil {
			return nil, err
		}
	}
	return g.all, nil
}

// last implements ground.
func (g *servers) last() string { return g.world.Regions[len(g.world.Regions)-1].Nodes[0].Dir }

// same implements ground.
func (g *servers) same(ctx context.Context) error {
	_, err := g.world.Same(ctx)
	return err
}

// stopTimeout is how long servers may take to end in order.
const stopTimeout = time.Minute

// close implements ground. Where servers don't end in order it says what they have said.
func (g *servers) close(ctx context.Context) (err error) {
	for _, r := range g.all {
		r.(server).Close()
	}
	if g.world == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	for _, f := range g.world.Regions {
		err = errors.Join(err, f.Stop(ctx))
	}
	return errors.Join(err, g.world.Close())
}

// server is a region's server.
type server struct{ *tidalclient.Client }

// token implements region.
func (s server) token(ctx context.Context) (string, error) {
	stats, err := s.Stats(ctx)
	return stats.Token, err
}

// wait implements region: a read that has to see what the token has seen is answered when it does.
func (s server) wait(ctx context.Context, token string) error {
	_, err := s.Cell(tidalclient.WithToken(ctx, token), tidalclient.CellQuery{Item: "nothing", Type: workload.TypeName(0)})
	if errors.Is(err, tidalclient.ErrNotFound) {
		return nil
	}
	return err
}
