package test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/fleet"
)

// alone is a world of regions of one server each: what returns has nobody in its own region to ask.
func alone(t *testing.T) *globe {
	t.Helper()
	always := *long
	*long = false
	defer func() { *long = always }()
	return newGlobe(t, 4*time.Minute, fleet.WorldOptions{})
}

// lane is a client that writes numbered requests, and may write them again.
type lane struct {
	c    *client.Client
	name string
}

func (g *globe) lane(region, name string) lane {
	return lane{g.at(region, client.Options{Lane: name}), name}
}

// write writes a request, a view of the lane's item.
func (l lane) write(ctx context.Context, number uint64) (client.Receipt, error) {
	return l.c.Write(ctx, client.Request{Number: number, Records: []client.Record{
		client.Signal{Type: "view", Item: l.name, User: "ada", Time: time.UnixMilli(1_790_000_000_000 + int64(number))},
	}})
}

func (g *globe) writes(l lane, from, to uint64) {
	g.Helper()
	for n := from; n <= to; n++ {
		_, err := l.write(g.ctx, n)
		good(g.T, err)
	}
}

// everywhere waits until all regions count so many views of a lane's item, and are equal.
func (g *globe) everywhere(name string, want int64) {
	g.Helper()
	for _, f := range g.w.Regions {
		c := g.at(f.Name(), client.Options{})
		g.until(fmt.Sprintf("%s counts %d of %s", f.Name(), want, name), func(ctx context.Context) error {
			cell, err := c.Cell(ctx, client.CellQuery{Item: name, Type: "view"})
			if err == nil && cell.Total != want {
				err = fmt.Errorf("it counts %d", cell.Total)
			}
			return err
		})
	}
	_, err := g.w.Same(g.ctx)
	good(g.T, err)
}

// TestARegionIsRestoredFromYesterdaysBackup loses a region's only disk, for which there's an older backup. What the others had
// heard of it since comes back from them, requests that are written again count once, and the region goes on.
func TestARegionIsRestoredFromYesterdaysBackup(t *testing.T) {
	g := alone(t)
	node, file := g.node(euWest), filepath.Join(t.TempDir(), "backup.tidal")
	l := g.lane(euWest, "film")
	g.writes(l, 1, 10)
	_, err := node.Tool(g.ctx, "backup", "--server", node.URL, "--out", file)
	good(t, err)
	g.writes(l, 11, 20)
	g.everywhere("film", 20)
	good(t, node.Kill())
	good(t, os.RemoveAll(node.Dir))
	_, err = node.Tool(g.ctx, "restore", "--in", file, "--dir", node.Dir)
	good(t, err)
	good(t, node.Start(g.ctx))
	g.everywhere("film", 20)
	g.writes(l, 5, 25) // 5 to 20 again
	g.everywhere("film", 25)
	good(t, g.w.Joined(g.ctx))
}

// TestRequestsOfABackupAreWrittenAgainBeforeTheOthersAnswer is the same, but that the restored region takes everything again while
// it's cut off: what the others have of it meets what is new, and counts once.
func TestRequestsOfABackupAreWrittenAgainBeforeTheOthersAnswer(t *testing.T) {
	g := alone(t)
	node, file := g.node(euWest), filepath.Join(t.TempDir(), "backup.tidal")
	l := g.lane(euWest, "film")
	g.writes(l, 1, 10)
	_, err := node.Tool(g.ctx, "backup", "--server", node.URL, "--out", file)
	good(t, err)
	g.writes(l, 11, 20)
	g.everywhere("film", 20)
	good(t, node.Kill())
	good(t, g.w.Alone(euWest))
	good(t, os.RemoveAll(node.Dir))
	_, err = node.Tool(g.ctx, "restore", "--in", file, "--dir", node.Dir)
	good(t, err)
	good(t, node.Start(g.ctx))
	g.writes(l, 1, 25)
	g.w.Mend()
	g.everywhere("film", 25)
}

// stopsAndCopies stops a server and copies its directory.
func (g *globe) stopsAndCopies(node *fleet.Node) (copied string) {
	g.Helper()
	good(g.T, node.Stop(g.ctx))
	copied = filepath.Join(g.TempDir(), "copy")
	good(g.T, os.CopyFS(copied, os.DirFS(node.Dir)))
	return copied
}

// putsBack puts a copy in the place of the directory of a server that has ended.
func (g *globe) putsBack(node *fleet.Node, copied string) {
	g.Helper()
	good(g.T, os.RemoveAll(node.Dir))
	good(g.T, os.CopyFS(node.Dir, os.DirFS(copied)))
}

// TestAnOldCopyOfADirectoryIsFoundOut starts a region's only server on a copy of its directory from before. It finds out by
// the others, takes no writes and says what to do; when that is done it has everything, and goes on.
func TestAnOldCopyOfADirectoryIsFoundOut(t *testing.T) {
	g := alone(t)
	node := g.node(euWest)
	l := g.lane(euWest, "film")
	g.writes(l, 1, 10)
	copied := g.stopsAndCopies(node)
	good(t, node.Start(g.ctx))
	g.writes(l, 11, 20)
	g.everywhere("film", 20)
	good(t, node.Kill())
	g.putsBack(node, copied)
	good(t, node.Launch(g.ctx))

	good(t, g.w.Joined(g.ctx))               // what the others have of it is heard with the first word from them
	for limit := time.Second; ; limit *= 4 { // the client tries until then, and on a slow machine the first try takes longer
		impatient, err := client.New(client.Options{Addrs: []string{node.URL}, Lane: "other", Timeout: limit})
		good(t, err)
		_, err = impatient.Signal(g.ctx, client.Signal{Type: "view", Item: "other", User: "ada"})
		impatient.Close()
		if err != nil && strings.Contains(err.Error(), "until it's recovered") {
			break
		}
		if err == nil || limit > 20*time.Second {
			t.Fatalf("a write ends with %v", err)
		}
	}
	good(t, node.Kill())
	said, err := node.Tool(g.ctx, "cluster", "recover", "--dir", node.Dir, "--accept-loss")
	good(t, err)
	t.Log(said)
	good(t, node.Start(g.ctx))
	g.everywhere("film", 20)
	g.writes(l, 15, 25)
	g.everywhere("film", 25)
	if _, err := os.Stat(filepath.Join(node.Dir, "RECOVERY")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the recovery isn't over: %v", err)
	}
}
