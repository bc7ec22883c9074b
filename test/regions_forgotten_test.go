package test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/client"
)

// counts waits until regions count so many views of an item.
func (g *globe) counts(item string, want int64, regions ...string) {
	g.Helper()
	for _, region := range regions {
		c := g.at(region, client.Options{})
		g.until(fmt.Sprintf("%s counts %d of %s", region, want, item), func(ctx context.Context) error {
			cell, err := c.Cell(ctx, client.CellQuery{Item: item, Type: "view"})
			if err == nil && cell.Total != want {
				err = fmt.Errorf("it counts %d", cell.Total)
			}
			return err
		})
	}
}

// TestADeadRegionIsForgotten by home, which is cut off then and hasn't got the last that the dead one wrote. That comes from the region
// that stands in for it, which also takes back what is undone of it, and both go on. Started again, the forgotten one ends, and says why.
func TestADeadRegionIsForgotten(t *testing.T) {
	g := alone(t)
	home, dead := g.node(usEast), g.node(apSouth)
	l := g.lane(apSouth, "film")
	g.writes(l, 1, 10)
	g.everywhere("film", 10)
	good(t, g.w.Alone(usEast))
	g.writes(l, 11, 20)
	g.counts("film", 20, euWest)
	good(t, dead.Kill())
	said, err := home.Tool(g.ctx, "cluster", "forget", apSouth, "--successor", euWest, "--server", home.URL)
	if good(t, err); !strings.Contains(said, "eu-west stands in for it") {
		t.Errorf("it says %s", said)
	}
	g.writes(g.lane(usEast, "song"), 1, 10)
	g.counts("film", 10, usEast)
	g.w.Reset() // what the dead one has said is on the way still
	g.w.Mend()
	g.counts("film", 20, usEast, euWest)
	g.counts("song", 10, usEast, euWest)
	_, err = g.at(usEast, client.Options{Lane: "undoes"}).Do(g.ctx, client.Undo{Lane: "film", Number: 15}) // of which home heard last
	good(t, err)
	g.counts("film", 19, usEast, euWest)
	g.writes(g.lane(euWest, "play"), 1, 10)
	g.counts("play", 10, usEast, euWest)
	_, err = g.w.Same(g.ctx)
	good(t, err)

	good(t, dead.Launch(g.ctx))
	ended := dead.Ended(g.ctx)
	if ended == nil || !strings.Contains(dead.Log(), "was removed from the database") || !strings.Contains(dead.Log(), "begin as another region") {
		t.Errorf("it ended with %v, and says\n%s", ended, dead.Log())
	}
	g.writes(g.lane(euWest, "play"), 11, 15)
	g.counts("play", 15, usEast, euWest)
}
