package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inRegions makes servers of names: us1 is of the region us. Each region is led by one of its own, which is named in leaders.
func inRegions(leaders map[string]string) *group {
	g := &group{dead: map[string]bool{}, stale: map[string]string{}, follows: map[string]string{}}
	g.header = func(who string, h http.Header) {
		g.mu.Lock()
		defer g.mu.Unlock()
		h.Set("Tidal-Region", who[:2])
		if leader := leaders[who[:2]]; leader != "" {
			h.Set("Tidal-Leader", "http://"+leader)
		}
	}
	return g
}

// The region of the first address is used as long as it serves, then the next, and the first one again once it's back.
func TestAClientGoesToAnotherRegionAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := inRegions(map[string]string{"us": "us2", "eu": "eu1"})
		for _, who := range []string{"us1", "us2"} {
			g.stale[who] = "us2"
		}
		g.stale["eu1"], g.urls = "eu1", []string{"http://us1", "http://us2"}
		c := g.with(t, Options{Addrs: []string{"us1", "us2", "eu1"}})
		write(t, c)
		write(t, c)
		g.want(t, "us1 write", "us2 write", "us2 write")
		if _, err := c.Rank(t.Context(), Query{}); err != nil {
			t.Fatal(err)
		}
		g.want(t, "us1 rank")
		g.dead["us1"], g.dead["us2"] = true, true
		write(t, c)
		if n := len(g.asked); n == 0 || g.asked[n-1] != "eu1 write" {
			t.Errorf("asked were %q", g.asked)
		}
		g.asked = nil
		if _, err := c.Rank(t.Context(), Query{}); err != nil {
			t.Fatal(err)
		}
		write(t, c)
		g.want(t, "eu1 rank", "eu1 write")
		g.dead["us1"], g.dead["us2"] = false, false
		<-time.After(passOver + time.Second)
		write(t, c)
		write(t, c)
		g.want(t, "us2 write", "us2 write") // of whom the lookup of members tells
	})
}

// An election isn't a reason to write elsewhere; a region that elects nobody for long is.
func TestAClientWaitsForItsRegionAndNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := inRegions(map[string]string{"eu": "eu1"})
		g.stale["us1"], g.stale["us2"], g.stale["eu1"] = "us1", "us1", "eu1"
		c := g.with(t, Options{Addrs: []string{"us1", "us2", "eu1"}})
		write(t, c)
		if _, err := c.Rank(WithToken(t.Context(), "x"), Query{}); err != nil {
			t.Fatal(err)
		}
		c.peers.all[2].region = "eu" // as the members' list says it
		g.asked = nil
		delete(g.stale, "us1")
		delete(g.stale, "us2") // nobody leads
		time.AfterFunc(500*time.Millisecond, func() { g.elect("us2") })
		write(t, c)
		if got := strings.Join(g.asked, " "); strings.Contains(got, "eu1") {
			t.Errorf("asked were %s", got)
		}
		g.asked = nil
		g.elect("")
		began := time.Now()
		write(t, c)
		if took := time.Since(began); g.asked[len(g.asked)-1] != "eu1 write" || took < moveOn || took > moveOn+time.Second {
			t.Errorf("after %v: asked were %q", took, g.asked)
		}
		g.asked = nil
		write(t, c)
		g.want(t, "eu1 write")
		<-time.After(passOver + time.Second)
		began = time.Now()
		write(t, c)
		if took := time.Since(began); g.asked[len(g.asked)-1] != "eu1 write" || took > time.Second {
			t.Errorf("it had learned nothing: after %v asked were %q", took, g.asked)
		}
	})
}

// Whose region takes no writes is sent to the home region with them, as to a leader, and reads where it is.
func TestAClientOfARegionThatFollowsWritesAtHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := inRegions(map[string]string{"us": "us2", "eu": "eu1"})
		g.stale["us1"], g.stale["us2"] = "us2", "us2"
		g.follows["eu1"] = "http://us1"
		c := g.with(t, Options{Addrs: []string{"eu1"}})
		write(t, c)
		write(t, c)
		g.want(t, "eu1 write", "us1 write", "us2 write", "us2 write")
		if _, err := c.Rank(t.Context(), Query{}); err != nil {
			t.Fatal(err)
		}
		g.want(t, "eu1 rank")
		// Nobody turns to a region that wasn't chosen for anything else.
		g.dead["eu1"] = true
		if _, err := c.Rank(t.Context(), Query{}); !errors.Is(err, ErrUnavailable) || strings.Contains(strings.Join(g.asked, " "), "us") {
			t.Errorf("%v, %q", err, g.asked)
		}
		g.dead["eu1"] = false
		g.follows["eu1"] = ""
		c = g.with(t, Options{Addrs: []string{"eu1"}})
		_, err := c.Signal(t.Context(), Signal{Type: "like", Item: "i"})
		var only *ReadOnlyError
		if !errors.As(err, &only) || !errors.Is(err, ErrReadOnly) || errors.Is(err, ErrUnknown) {
			t.Errorf("where nobody knows who is home: %v", err)
		}
	})
}

// A write that another region has to have is sent until one does, and what is known of it is said.
func TestAWriteWaitsForAnotherRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &group{leader: "a", pending: 2, dead: map[string]bool{}}
		c := g.with(t, Options{Addr: "a", Ack: AckGeo, Timeout: 2 * time.Second})
		write(t, c)
		g.want(t, "a write", "a write", "a write")
		if _, err := c.Signal(WithAck(t.Context(), AckQuorum), Signal{Type: "like", Item: "i"}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(g.acks, ","); got != "geo,geo,geo," {
			t.Errorf("asked for %q", got)
		}
		g.pending = 1000
		for _, dies := range []bool{false, true} {
			if dies {
				time.AfterFunc(time.Second, func() { g.mu.Lock(); g.dead["a"] = true; g.mu.Unlock() })
			}
			_, err := c.Signal(t.Context(), Signal{Type: "like", Item: "i"})
			var p *GeoPendingError
			if !errors.As(err, &p) || p.Position != "1:0:7" || errors.Is(err, ErrUnknown) {
				t.Errorf("%v", err)
			}
		}
	})
}

// What one region's token doesn't say another one's does.
func TestTokensOfRegionsAreKeptBeside(t *testing.T) {
	c := (&scripted{}).with(t, Options{})
	for _, x := range []struct{ position, token, want string }{
		{"1:0:7", "us7", "us7"},
		{"2:0:3", "eu3", "us7,eu3"},
		{"1:0:6", "us6", "us7,eu3"},
		{"1:0:9", "us9", "eu3,us9"},
		{"2:0.1:1", "eu-again", "us9,eu-again"},
	} {
		c.saw(x.token, positionOf(x.position))
		if got := c.Token(); got != x.want {
			t.Errorf("behind %s the token is %q, not %q", x.position, got, x.want)
		}
	}
	for n := range 40 {
		c.saw("t", positionOf(fmt.Sprintf("%d:0:1", n+3)))
	}
	if n := len(c.tokens.all); n > maxTokens {
		t.Errorf("%d are kept", n)
	}
}
