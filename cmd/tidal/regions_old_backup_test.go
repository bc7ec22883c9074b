package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/fleet"
)

// said is what a server answers to GET, whatever its status.
func (a *ages) said(ctx context.Context, n *fleet.Node, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL+path, http.NoBody)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(res.Body)
	return string(text), errors.Join(err, res.Body.Close())
}

// TestARegionIsRestoredFromABackupThatIsTooOld: the others' logs don't reach back to it any more. Whoever restores it is warned, and the
// region says itself that it's stranded, and what to do. That is done: it's forgotten and begins anew under another name, and all
// are equal, with what it wrote since it was restored.
func TestARegionIsRestoredFromABackupThatIsTooOld(t *testing.T) {
	const another = "ap-south-2"
	a := newAges(t)
	a.begin()
	ap, file := a.node(apSouth), filepath.Join(t.TempDir(), "backup.tidal")
	_, err := ap.Tool(a.ctx, "backup", "--server", ap.URL, "--out", file)
	a.must(err)
	a.write(usEast, 10)
	a.write(apSouth, 10)
	a.counts(50, usEast, euWest, apSouth)
	a.loses(ap)
	a.write(usEast, someMiB)
	a.write(euWest, someMiB)
	a.counts(50+2*someMiB, usEast, euWest)
	a.age(8*24*time.Hour, usEast, euWest)
	all := 50 + 4*someMiB
	a.counts(all, usEast, euWest)

	said, err := ap.Tool(a.ctx, "restore", "--in", file, "--dir", ap.Dir)
	a.must(err)
	t.Log(said)
	for _, text := range []string{"8 days old", "retention", "API keys"} {
		if !strings.Contains(said, text) {
			t.Errorf("restore doesn't say %q", text)
		}
	}
	a.must(ap.Launch(a.ctx))
	a.must(fleet.Until(a.ctx, "it says that it's stranded", func(ctx context.Context) error {
		ready, err := a.said(ctx, ap, "/readyz?verbose")
		if err == nil && !strings.Contains(ready, "[-]stranded failed: events that ") {
			err = fmt.Errorf("its checks say %s", ready)
		}
		return err
	}))
	a.must(fleet.Until(a.ctx, "its log says so, and what to do", func(context.Context) error { // it's looked at now and then
		if log := ap.Log(); !strings.Contains(log, "msg=stranded") || !strings.Contains(log, "tidal cluster forget") {
			return fmt.Errorf("its log says %s", log)
		}
		return nil
	}))
	a.must(fleet.Until(a.ctx, "its status says so", func(ctx context.Context) error {
		status, err := ap.Tool(ctx, "cluster", "status", "--server", ap.URL)
		if err == nil && !strings.Contains(status, "HAS WHAT IS MISSING HERE") {
			err = fmt.Errorf("its status says %s", status)
		}
		return err
	}))
	a.do(apSouth, client.Signal{Type: "view", Item: "song", User: "eve"}) // it takes writes, and others get them

	a.must(ap.Kill())
	us := a.node(usEast)
	_, err = us.Tool(a.ctx, "cluster", "forget", apSouth, "--successor", euWest, "--server", us.URL)
	a.must(err)
	a.must(os.RemoveAll(ap.Dir))
	_, err = a.w.Add(a.ctx, another)
	a.must(err)
	a.counts(all, usEast, euWest, another)
	a.write(another, 5)
	a.counts(all+5, usEast, euWest, another)
	_, err = a.w.Same(a.ctx)
	a.must(err)
}

// loses takes a server with its disk, and waits until the others miss it.
func (a *ages) loses(n *fleet.Node) {
	a.Helper()
	a.must(n.Kill())
	a.must(os.RemoveAll(n.Dir))
	a.missed(apSouth, usEast, euWest)
}
