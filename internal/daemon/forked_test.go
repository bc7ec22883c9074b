package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/testport"
)

// A region whose server is started on an old copy of its directory says so before anybody writes, and what to do.
func TestAForkedRegionSaysSoBeforeAWrite(t *testing.T) {
	member := authority(t)
	settings := member("us1")
	settings["cluster-listen"] = testport.Free(t)
	us := region(t, settings, "us-east", "active", "")
	us.until("PUT", "/v1/items/jazz-1", `{"category":"jazz"}`, 200, "position")

	dir := filepath.Join(t.TempDir(), "eu")
	here := member("eu1")
	here["cluster-listen"], here["data-dir"] = testport.Free(t), dir
	begin := func() *running { return region(t, here, "eu-west", "active", settings["cluster-listen"]) }
	end := func(r *running) {
		t.Helper()
		r.stop()
		if err := r.ended(); err != nil {
			t.Fatal(err)
		}
	}
	eu := begin()
	eu.until("POST", "/v1/signals", `{"type":"like","item":"jazz-1","user":"ben","key":"kept"}`, 200, "position")
	for _, text := range []string{
		"tidal_region_copies_pulled_total 1", "tidal_region_forked 0", "tidal_group_incarnation 0",
		`tidal_region_shipped_batches_total{direction="to",region="us-east"} `,
	} {
		eu.until("GET", "/metrics", "", 200, text)
	}
	us.until("GET", "/metrics", "", 200, "tidal_region_copies_lent_total 1")
	end(eu)
	was := filepath.Join(t.TempDir(), "was")
	if err := os.CopyFS(was, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	eu = begin()
	eu.until("GET", "/v1/cluster", "", 200, `"name":"us-east"`)
	eu.until("POST", "/v1/signals", `{"type":"like","item":"jazz-1","user":"ben","key":"lost"}`, 200, "position")
	us.until("GET", "/v1/items/jazz-1/signals/like", "", 200, `"total":2`)
	end(eu)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(was)); err != nil {
		t.Fatal(err)
	}

	eu = begin()
	eu.until("GET", "/metrics", "", 200, "tidal_region_forked 1")
	got := eu.until("GET", "/readyz?verbose", "", 503, "[-]forked failed: ")
	if !strings.Contains(got, "tidal cluster recover") || !strings.Contains(got, "[+]log ok") {
		t.Errorf("%s", got)
	}
	if got := eu.until("GET", "/v1/cluster", "", 200, `"forked":"`); !strings.Contains(got, "tidal cluster recover") {
		t.Errorf("%s", got)
	}
	eu.until("GET", "/v1/items/jazz-1", "", 200, "jazz") // reads go on
	eu.until("POST", "/v1/signals", `{"type":"like","item":"jazz-1","user":"ben","key":"new"}`, 503, `"code":"forked"`)
	us.until("GET", "/readyz", "", 200, "ok")
}
