package daemon_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/testport"
)

// region starts the first server of a further region.
func region(t *testing.T, settings map[string]string, name, role, join string) *running {
	t.Helper()
	settings["cluster-region"], settings["cluster-region-role"], settings["cluster-region-join"] = name, role, join
	settings["request-timeout"] = "3s"
	if join != "" {
		settings["schema"] = ""
	}
	r, _ := replica(t, settings, "")
	return r
}

// again sends a request as a client does, once more while there was no time for it: where the machine stands still a request-timeout is
// soon over.
func again(method, url, body string, headers ...string) (code int, text string, head http.Header, err error) {
	for range 20 {
		code, text, head, err = send(method, url, body, headers...)
		if err != nil || code != http.StatusServiceUnavailable && code != http.StatusGatewayTimeout {
			break
		}
	}
	return code, text, head, err
}

// A region that follows shows what home writes, sends its writers there, and takes writes once it's promoted.
func TestTwoRegionsAreOneDatabase(t *testing.T) {
	member := authority(t)
	const signal = `{"type":"view","item":"jazz-1","user":"ada","key":"k1"}`
	settings := member("us1")
	settings["cluster-listen"] = testport.Free(t)
	us := region(t, settings, "us-east", "active", "")
	us.until("PUT", "/v1/items/jazz-1", `{"category":"jazz"}`, 200, "position")
	if code, got, _, _ := send("POST", us.url+"/v1/signals", signal, "Tidal-Ack", "geo"); code != 400 {
		t.Errorf("no other region can confirm it: %d %s", code, got)
	}
	eu := region(t, member("eu1"), "eu-west", "follower", settings["cluster-listen"])
	eu.until("GET", "/v1/items/jazz-1", "", 200, "jazz")
	us.until("GET", "/v1/cluster", "", 200, `"name":"eu-west"`)
	us.until("GET", "/readyz?max_lag=10s", "", 200, "ok")
	eu.until("GET", "/readyz?max_lag=10s", "", 200, "ok")

	// What one more region has is read there at once.
	code, got, head, err := again("POST", us.url+"/v1/signals", signal, "Tidal-Ack", "geo")
	if err != nil || code != 200 {
		t.Fatalf("%d %s %v %v\n%s\n%s", code, got, head, err, us.log, eu.log)
	}
	if code, got, _, err := again("GET", eu.url+"/v1/items/jazz-1/signals/view", "", "Tidal-Token", head.Get("Tidal-Token")); err != nil || code != 200 {
		t.Errorf("%d %s %v", code, got, err)
	}
	var doc struct{ Code, Home, Leader string }
	code, got, head, err = send("POST", eu.url+"/v1/signals", `{"type":"like","item":"jazz-1","user":"ben","key":"k2"}`)
	if err == nil {
		err = json.Unmarshal([]byte(got), &doc)
	}
	if err != nil || code != 421 || doc.Code != "read_only" || doc.Home != "us-east" || doc.Leader != us.url {
		t.Errorf("%d %s %v %v", code, got, head, err)
	}
	for _, text := range []string{
		`tidal_regions{role="follower"} 1`, `tidal_region_reachable{region="us-east"} 1`, `tidal_region_lag_events{missing="here",region="us-east"} 0`,
	} {
		eu.until("GET", "/metrics", "", 200, text)
	}

	if _, _, head, err := send("GET", eu.url+"/v1/items", ""); err != nil || head.Get("Tidal-Region") != "eu-west" {
		t.Errorf("%v %v", head, err)
	}

	// The roles swap.
	eu.until("POST", "/v1/cluster/regions/eu-west:promote", "", 200, "")
	eu.until("POST", "/v1/signals", `{"type":"like","item":"jazz-1","user":"ben","key":"k2"}`, 200, "position")
	us.until("POST", "/v1/signals", `{"type":"like","item":"jazz-1","user":"cyd","key":"k3"}`, 421, `"home":"eu-west"`)

	// A cut leaves home ready, and what nobody else can have is said to be so.
	us.stop()
	if err := us.ended(); err != nil {
		t.Error(err)
	}
	eu.until("GET", "/v1/cluster", "", 200, `"unreachable":true`)
	eu.until("GET", "/readyz?max_lag=2s", "", 200, "ok")
	code, got, _, err = send("POST", eu.url+"/v1/signals", `{"type":"like","item":"jazz-1","user":"cyd","key":"k4"}`, "Tidal-Ack", "geo")
	var pending struct{ Code, Position string }
	if err == nil {
		err = json.Unmarshal([]byte(got), &pending)
	}
	if err != nil || code != 504 || pending.Code != "geo_pending" || pending.Position == "" {
		t.Errorf("%d %s %v", code, got, err)
	}

	// Whoever forgets the settings of a region is told what it's missing.
	alone := start(t, options{flags: map[string]string{"data-dir": us.dir, "schema": "", "ready-free": "0"}})
	if log := alone.log.String(); !strings.Contains(log, "it's served alone") || !strings.Contains(log, "region=us-east others=eu-west") {
		t.Errorf("it says %s", log)
	}
}
