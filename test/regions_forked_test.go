package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidaldb/tidal/client"
)

// TestTwoHistoriesAreFoundOut starts a region's only server on a copy of its directory from before, while it is cut off, and writes
// more there than it has lost. Once it's heard of both sides say at which position they differ, it takes no writes, the others take
// nothing of what it has written, and go on.
func TestTwoHistoriesAreFoundOut(t *testing.T) {
	g := alone(t)
	node := g.node(euWest)
	l := g.lane(euWest, "film")
	g.writes(l, 1, 5)
	copied := g.stopsAndCopies(node)
	good(t, node.Start(g.ctx))
	g.writes(l, 6, 10)
	g.everywhere("film", 10)
	good(t, node.Kill())
	good(t, g.w.Alone(euWest))
	g.putsBack(node, copied)
	good(t, node.Start(g.ctx))
	g.writes(g.lane(euWest, "second"), 1, 12)

	g.w.Mend()
	g.differs(usEast, euWest)
	g.differs(apSouth, euWest)
	g.differs(euWest, usEast)
	g.until("it takes no writes", func(ctx context.Context) error {
		c, err := client.New(client.Options{Addrs: []string{node.URL}, Lane: "other", Timeout: 2 * time.Second})
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Signal(ctx, client.Signal{Type: "view", Item: "other", User: "ada"}); !errors.Is(err, client.ErrForked) {
			return fmt.Errorf("a write ends with %w", err)
		}
		return nil
	})
	g.writes(g.lane(usEast, "tail"), 1, 10)
	g.counts("tail", 10, usEast, apSouth, euWest)
	g.counts("film", 10, usEast, apSouth)
	for _, region := range []string{usEast, apSouth} {
		c := g.at(region, client.Options{})
		if cell, err := c.Cell(g.ctx, client.CellQuery{Item: "second", Type: "view"}); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("%s has what was stamped anew: %+v, %v", region, cell, err)
		}
	}

	// The region that is wrong is taken out: those who are left are equal, and go on.
	good(t, node.Kill())
	us := g.node(usEast)
	_, err := us.Tool(g.ctx, "cluster", "forget", euWest, "--successor", apSouth, "--server", us.URL)
	good(t, err)
	g.writes(g.lane(apSouth, "after"), 1, 10)
	g.counts("after", 10, usEast, apSouth)
	_, err = g.w.Same(g.ctx)
	good(t, err)
}

// differs waits until a region says that another one holds other events than it does.
func (g *globe) differs(here, there string) {
	g.Helper()
	g.until(fmt.Sprintf("%s knows that %s differs", here, there), func(ctx context.Context) error {
		node := g.node(here)
		said, err := node.Tool(ctx, "cluster", "status", "--server", node.URL, "--json")
		if err != nil {
			return err
		}
		var st struct {
			Regions []struct {
				Name      string   `json:"name"`
				DiffersAt []string `json:"differs_at"`
			} `json:"regions"`
		}
		if err := json.Unmarshal([]byte(said), &st); err != nil {
			return fmt.Errorf("%s: %w", said, err)
		}
		for _, r := range st.Regions {
			if r.Name == there && len(r.DiffersAt) == 1 {
				return nil
			}
		}
		return fmt.Errorf("it says %s", said)
	})
}
