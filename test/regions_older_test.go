package test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fleet"
)

// lose removes the directory of a region's only server, and makes it anew of a backup.
func (g *globe) lose(node *fleet.Node, backup string) {
	g.Helper()
	good(g.T, node.Kill())
	good(g.T, os.RemoveAll(node.Dir))
	said, err := node.Tool(g.ctx, "restore", "--in", backup, "--dir", node.Dir)
	good(g.T, err)
	g.Log(said)
}

// begins adds a region, which writes something.
func (g *globe) begins(region string) {
	g.Helper()
	_, err := g.w.Add(g.ctx, region)
	good(g.T, err)
	good(g.T, g.w.Joined(g.ctx))
	g.writes(g.lane(region, region), 1, 10)
}

// TestHomeIsRestoredFromBeforeItHeardOfTheOthers: the backup was made when there was one region, or two of three. Nobody is asked
// for anything: home learns who else there is from them, and what it had lost, and gives the next region a number of its own.
func TestHomeIsRestoredFromBeforeItHeardOfTheOthers(t *testing.T) {
	always := *long
	*long = false // what returns has nobody in its own region to ask
	defer func() { *long = always }()
	g := newGlobe(t, 2*time.Minute, fleet.WorldOptions{Names: []string{usEast}})
	home, folder := g.node(usEast), t.TempDir()
	backup := func(name string) string {
		file := filepath.Join(folder, name)
		_, err := home.Tool(g.ctx, "backup", "--server", home.URL, "--out", file)
		good(t, err)
		return file
	}
	l := g.lane(usEast, "film")
	g.writes(l, 1, 10)
	alone := backup("alone.tidal")
	g.writes(l, 11, 20)
	g.begins(euWest)
	g.writes(l, 21, 30)
	two := backup("two.tidal")
	g.writes(l, 31, 40)
	g.begins(apSouth)
	g.writes(l, 41, 50)
	for i, file := range []string{two, alone} {
		g.everywhere("film", 50+10*int64(i))
		g.lose(home, file)
		good(t, home.Start(g.ctx))
		good(t, g.w.Joined(g.ctx))
		g.everywhere("film", 50+10*int64(i))
		from := 41 + 10*uint64(i)
		g.writes(l, from, from+19) // half of it again
		g.everywhere("film", 60+10*int64(i))
	}
	g.begins("sa-east")
	g.everywhere("sa-east", 10)
	g.everywhere("film", 70)
}
