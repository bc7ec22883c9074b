package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// regions are those of a database that a test rules; there is one until it names others.
type regions struct {
	mu    sync.Mutex
	self  string
	all   []tidal.RegionStatus
	asked []string
	fail  error
}

func (x *regions) Region() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.self
}

func (x *regions) Status() []tidal.RegionStatus {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.all
}

func (x *regions) Promote(_ context.Context, name string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked = append(x.asked, "promote "+name)
	return x.fail
}

func (x *regions) Remove(_ context.Context, name, successor string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked = append(x.asked, fmt.Sprintf("remove %s for %s", name, successor))
	return x.fail
}

// three are a home region, a follower that lags, and one that was taken out.
func three() *regions {
	return &regions{self: "us-east", all: []tidal.RegionStatus{
		{Name: "us-east", Number: 0, Role: tidal.RegionHome, Own: true, Addresses: []string{"10.0.0.1:7879"}, URLs: []string{"http://us1:7878"}},
		{
			Name: "eu-west", Number: 1, Role: tidal.RegionFollower, Known: true, Heard: 250 * time.Millisecond,
			WeLack:   tidal.Lag{Batches: 1, Events: 64, Time: 1500 * time.Microsecond},
			TheyLack: tidal.Lag{Batches: 3, Events: 200, Time: time.Second}, Source: "eu-west", Done: 100, Total: 900,
			Addresses: []string{"10.1.0.1:7879", "10.1.0.2:7879"}, URLs: []string{"http://eu1:7878"}, Refused: map[string]uint64{"gap": 2},
		},
		{Name: "ap-south", Number: 2, Role: tidal.RegionRemoved, Successor: "eu-west"},
	}}
}

func TestRegionsAreToldOf(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_500)
	w := open(t, func(o *Options) { o.Regions, o.Now = three(), func() time.Time { return now } })
	var doc struct {
		Region  string
		Regions []struct {
			Name, Role, Vector, Successor, Heard, Source string
			Self, Unreachable                            bool
			Done, Total                                  int64
			WeLack                                       map[string]int64 `json:"we_lack"`
			TheyLack                                     map[string]int64 `json:"they_lack"`
			Addresses, URLs                              []string
			Refused                                      map[string]int64
		}
	}
	got := w.want(200, "GET", "/v1/cluster", "", &doc)
	if got.header.Get(headerRegion) != "us-east" || doc.Region != "us-east" || len(doc.Regions) != 3 {
		t.Fatalf("%v %s", got.header, got.body)
	}
	eu := doc.Regions[1]
	if eu.Name != "eu-west" || eu.Role != "follower" || eu.Unreachable || eu.WeLack["time_us"] != 1500 || eu.TheyLack["events"] != 200 ||
		eu.Heard != "2027-01-15T08:00:00.25Z" || len(eu.Addresses) != 2 || eu.URLs[0] != "http://eu1:7878" || eu.Refused["gap"] != 2 ||
		eu.Done != 100 || eu.Total != 900 || eu.Source != "eu-west" {
		t.Errorf("%+v", eu)
	}
	if us, ap := doc.Regions[0], doc.Regions[2]; !us.Self || us.Heard != "" || us.WeLack != nil || ap.Successor != "eu-west" || ap.WeLack != nil {
		t.Errorf("%s", got.body)
	}
	if got := open(t, nil).want(200, "GET", "/v1/cluster", "", nil); got.header.Get(headerRegion) != "" || !strings.Contains(got.body, `"regions":[]`) {
		t.Errorf("where there is one region: %v %s", got.header, got.body)
	}
}

func TestRegionsAreChanged(t *testing.T) {
	x := three()
	w := open(t, func(o *Options) { o.Regions = x })
	w.want(200, "POST", "/v1/cluster/regions/eu-west:promote", "", nil)
	w.want(200, "POST", "/v1/cluster/regions/ap-south:forget?successor=eu-west", "", nil)
	w.refuses(400, "refused", "POST", "/v1/cluster/regions/ap-south:forget?successor=ap-south", "")
	w.want(200, "POST", "/v1/cluster/regions/ap-south:forget", "", nil)
	if got := strings.Join(x.asked, ", "); got != "promote eu-west, remove ap-south for eu-west, remove ap-south for " {
		t.Errorf("asked to %s", got)
	}
	x.fail = fmt.Errorf("promote: %w", fault.ErrNotFound)
	w.refuses(404, "not_found", "POST", "/v1/cluster/regions/eu-west:promote", "")
	w.calling(func(t *testing.T, _ tidalpbconnect.TidalClient, admin tidalpbconnect.AdminClient) {
		_, err := admin.PromoteRegion(t.Context(), &tidalpb.PromoteRegionRequest{})
		if doc := problemIn(t, err); doc.GetCode() != "refused" || doc.GetField() != "region" {
			t.Errorf("%v", err)
		}
		_, err = admin.RemoveRegion(t.Context(), &tidalpb.RemoveRegionRequest{Region: "a", Successor: "a"})
		if doc := problemIn(t, err); doc.GetCode() != "refused" || doc.GetField() != "successor" {
			t.Errorf("%v", err)
		}
	})
	open(t, func(o *Options) { o.Regions = nil }).refuses(501, "not_offered", "POST", "/v1/cluster/regions/eu-west:promote", "")
}

// What callers of a region have to know beyond a code stands in the problem.
func TestProblemsOfRegions(t *testing.T) {
	s := open(t, nil).server
	for _, c := range []struct {
		err                          error
		code, position, home, leader string
	}{
		{&fault.GeoPending{Position: "1:0:7"}, "geo_pending", "1:0:7", "", ""},
		{errors.Join(context.DeadlineExceeded, &fault.GeoPending{Position: "1:0:7"}), "geo_pending", "1:0:7", "", ""},
		{fmt.Errorf("wait: %w", &fault.NotYet{Position: "2:0:9"}), "not_yet", "2:0:9", "", ""},
		{&fault.ReadOnly{Region: "eu", Home: "us", URL: "http://us1"}, "read_only", "", "us", "http://us1"},
		{&fault.ReadOnly{Region: "eu"}, "read_only", "", "", ""},
		{fmt.Errorf("write: %w", fault.ErrForked), "forked", "", "", ""},
	} {
		_, p := s.problemOf(&call{}, c.err)
		if p.GetCode() != c.code || p.GetPosition() != c.position || p.GetHome() != c.home || p.GetLeader() != c.leader {
			t.Errorf("%v is %v", c.err, p)
		}
	}
}

// One region can't confirm another's writes, and a level that isn't known isn't taken for one that is.
func TestAcknowledgementsAreAskedForByHeaderAndField(t *testing.T) {
	w := open(t, nil)
	const signal = `{"type":"view","item":"jazz-1"}`
	before := w.db.Digest()
	for _, c := range []struct{ path, body, ack, field, detail string }{
		{"/v1/signals", signal, "geo", "ack", "no other region"},
		{"/v1/signals", `{"signals":[` + signal + `],"ack":"geo"}`, "", "ack", "no other region"},
		{"/v1/signals", `{"ack":"geo","signals":[` + signal + `]}`, "geo", "ack", "no other region"},
		{"/v1/signals", `{"ack":"quorum","signals":[` + signal + `]}`, "geo", "ack", "isn't what the header"},
		{"/v1/signals", signal, "Geo", headerAck, "is \"Geo\"; it is quorum or geo"},
		{"/v1/sessions", `{"user":"ada","id":"s1"}`, "geo", headerAck, "is for writes"},
	} {
		doc := w.refuses(400, "refused", "POST", c.path, c.body, headerAck, c.ack)
		if doc.Field != c.field || !strings.Contains(doc.Detail, c.detail) {
			t.Errorf("%s %s: %+v", c.path, c.body, doc)
		}
	}
	if w.db.Digest() != before {
		t.Error("something was written")
	}
	w.want(200, "POST", "/v1/signals", signal, nil, headerAck, "quorum")
	w.furnish()
	w.refuses(400, "refused", "POST", "/v1/sessions/ada/s1/signals?number=1", signal, headerAck, "geo")
	w.refuses(400, "refused", "POST", "/v1/sessions/ada/s1:close", "", headerAck, "geo")
}

// Who was served by several regions has a token of each; a read waits for them all, and so does a session that goes on here.
func TestTokensOfSeveralRegionsAreWaitedFor(t *testing.T) {
	w := open(t, nil)
	w.furnish()
	here := w.db.Token()
	other := open(t, nil).db.Token()
	both := here + ", " + here
	w.want(200, "GET", "/v1/items/jazz-1", "", nil, headerToken, both)
	w.want(200, "POST", "/v1/sessions/ada/s1/signals?number=1", `{"type":"view","item":"jazz-1"}`, nil, headerToken, both)
	for path, body := range map[string]string{
		"/v1/sessions/ada/s1/signals?number=2": `{"type":"view","item":"jazz-1"}`, "/v1/sessions/ada/s1:close": "",
		"/v1/sessions": fmt.Sprintf(`{"user":"ada","id":"s9","token":%q}`, here+","+other),
	} {
		if doc := w.refuses(400, "refused", "POST", path, body, headerToken, here+","+other); doc.Field != "token" {
			t.Errorf("%s: %+v", path, doc)
		}
	}
	doc := w.refuses(400, "refused", "GET", "/v1/items/jazz-1", "", headerToken, strings.Repeat(here+",", maxTokens)+here)
	if doc.Field != "token" || !strings.Contains(doc.Detail, "more than 16") {
		t.Errorf("%+v", doc)
	}
}
