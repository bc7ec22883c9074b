package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
)

// A region that is cut off isn't ready, and the others aren't for its sake.
func TestWhoIsCutOff(t *testing.T) {
	// Regions are written as their names: capitals are asked, h is home, and a ! stands behind those that aren't heard of.
	for _, c := range []struct{ regions, want string }{
		{"Us", ""},
		{"US eu ap", ""},
		{"US eu ap!", ""},
		{"US eu! ap!", "cut off: nothing is heard of eu, ap"},
		{"HOME eu!", ""},
		{"EU home!", "cut off: nothing is heard of home"},
		{"EU home ap! sa!", ""},
		{"EU ap home! sa!", "cut off"},
		{"EU home!- ap!- sa!-", ""},
		{"EU home~ ap", "3s behind home"},
		{"EU home~! ap", ""},
	} {
		var all []tidal.RegionStatus
		for _, word := range strings.Fields(c.regions) {
			name := strings.ToLower(strings.Trim(word, "!~-"))
			r := tidal.RegionStatus{
				Name: name, Role: tidal.RegionActive, Own: strings.ToUpper(word[:1]) == word[:1], Known: true, Heard: silent,
			}
			switch {
			case strings.Contains(word, "-"):
				r.Role = tidal.RegionRemoved
			case name == "home":
				r.Role = tidal.RegionHome
			}
			if strings.Contains(word, "!") {
				r.Heard++
			}
			if strings.Contains(word, "~") {
				r.WeLack.Time = 3 * time.Second
			}
			if r.Own {
				r.Known = false // nobody hears of itself
			}
			all = append(all, r)
		}
		err := lagging(all, 2*time.Second)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.regions, err, c.want)
		}
		if c.want == "" && strings.Contains(c.regions, "~") {
			continue
		}
		if err := lagging(all, 4*time.Second); (err == nil) != (c.want == "" || strings.Contains(c.want, "behind")) {
			t.Errorf("%s, with more patience: %v", c.regions, err)
		}
	}
}
