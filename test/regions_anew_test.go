package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/fleet"
)

// isReady waits until a server says that it's ready, or that a check fails.
func (g *globe) isReady(node *fleet.Node, failing string) {
	g.Helper()
	g.until("it says whether it's ready", func(ctx context.Context) error {
		said, err := get(ctx, node.URL+"/readyz?verbose")
		if err == nil && (failing == "" && strings.Contains(said, "[-]") || failing != "" && !strings.Contains(said, "[-]"+failing+" failed")) {
			err = fmt.Errorf("its checks say %s", said)
		}
		return err
	})
}

// get is what a server answers, whatever its status.
func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// TestAForkedRegionBeginsAnew goes the way that docs/operations.md describes to its end. A region's only server is started on an old
// copy of its directory and writes while it's cut off; a third region was stopped meanwhile, and lacks what was lost with the disk.
// The region that is wrong is forgotten, with a successor that has all of it or with the one that lacks it, and begins under another name
// with an empty directory. All are equal then. Nothing is missing but what was stamped anew, and that is taken when it's sent again.
func TestAForkedRegionBeginsAnew(t *testing.T) {
	successors := []string{apSouth}
	if *long {
		successors = append(successors, usEast)
	}
	for _, successor := range successors {
		t.Run("for which "+successor+" stands in", func(t *testing.T) { beginsAnew(t, successor) })
	}
}

func beginsAnew(t *testing.T, successor string) {
	const another = "eu-north"
	g := alone(t)
	us, wrong, away := g.node(usEast), g.node(euWest), g.node(apSouth)
	film := g.lane(euWest, "film")
	g.writes(film, 1, 5)
	g.everywhere("film", 5)
	copied := g.stopsAndCopies(wrong)
	good(t, away.Stop(g.ctx))
	good(t, wrong.Start(g.ctx))
	g.writes(film, 6, 10)
	g.counts("film", 10, usEast)
	good(t, wrong.Kill())
	good(t, g.w.Alone(euWest))
	g.putsBack(wrong, copied)
	good(t, wrong.Start(g.ctx))
	g.writes(g.lane(euWest, "anew"), 1, 12)
	g.w.Mend()
	g.differs(usEast, euWest)
	g.differs(euWest, usEast)
	g.isReady(wrong, "forked")
	good(t, away.Launch(g.ctx))
	g.writes(g.lane(usEast, "tail"), 1, 3)
	g.counts("tail", 3, apSouth, euWest)

	good(t, wrong.Kill())
	said, err := us.Tool(g.ctx, "cluster", "forget", euWest, "--successor", successor, "--server", us.URL)
	if good(t, err); !strings.Contains(said, successor+" stands in for it") {
		t.Errorf("it says %s", said)
	}
	g.counts("film", 10, usEast, apSouth)
	_, err = g.w.Add(g.ctx, another)
	good(t, err)
	good(t, g.w.Joined(g.ctx))
	for _, region := range []string{usEast, apSouth, another} {
		g.isReady(g.node(region), "")
		c := g.at(region, client.Options{})
		if cell, err := c.Cell(g.ctx, client.CellQuery{Item: "anew", Type: "view"}); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("%s has what was stamped anew: %+v, %v", region, cell, err)
		}
	}
	// Who was served by the wrong one sends again what it had acknowledged, and goes on.
	g.writes(g.lane(another, "film"), 6, 12)
	g.writes(g.lane(another, "anew"), 1, 12)
	g.counts("film", 12, usEast, apSouth, another)
	g.counts("anew", 12, usEast, apSouth, another)
	g.counts("tail", 3, another)
	// What the forgotten region stamped is undone by its successor.
	_, err = g.at(usEast, client.Options{Lane: "undoes"}).Do(g.ctx, client.Undo{Lane: "film", Number: 8})
	good(t, err)
	g.counts("film", 11, usEast, apSouth, another)
	_, err = g.w.Same(g.ctx)
	good(t, err)

	good(t, wrong.Launch(g.ctx))
	if ended := wrong.Ended(g.ctx); ended == nil || !strings.Contains(wrong.Log(), "begin as another region") {
		t.Errorf("the wrong one was started again: %v\n%s", ended, wrong.Log())
	}
}
