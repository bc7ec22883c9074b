package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// group is servers a, b, c … that a test rules, in the test's own time.
type group struct {
	mu     sync.Mutex      // guards leader where it changes while a client is at work
	leader string          // "" is none
	dead   map[string]bool // these can't be dialled
	stale  map[string]string
	urls   []string // of the members, as they tell them
	asked  []string // "who what", without the lookups of members
	ask    int      // lookups of members
	pauses []time.Duration
	last   time.Time
	header func(who string, h http.Header)
	// follows are servers of regions that take no writes, with one that does; what is pending has no other region yet, so many times.
	follows map[string]string
	pending int
	acks    []string
}

func (g *group) elect(who string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leader = who
}

type groupMember struct {
	tidalpbconnect.UnimplementedTidalHandler
	g   *group
	who string
}

func (m groupMember) refuse(code connect.Code, word, leader string, after time.Duration) error {
	err := connect.NewError(code, errors.New(word))
	d, _ := connect.NewErrorDetail(&tidalpb.Problem{Code: word, Detail: word, Leader: leader, RetryAfterMs: after.Milliseconds()})
	err.AddDetail(d)
	return err
}

func (m groupMember) Write(_ context.Context, w *tidalpb.WriteRequest) (*tidalpb.WriteResponse, error) {
	m.g.asked = append(m.g.asked, m.who+" write")
	m.g.mu.Lock()
	leader := m.g.leader
	m.g.acks = append(m.g.acks, w.GetAck())
	if m.g.pending > 0 && leader == m.who {
		m.g.pending--
		m.g.mu.Unlock()
		err := connect.NewError(connect.CodeDeadlineExceeded, errors.New("geo_pending"))
		d, _ := connect.NewErrorDetail(&tidalpb.Problem{Code: "geo_pending", Position: "1:0:7", RetryAfterMs: 100})
		err.AddDetail(d)
		return nil, err
	}
	m.g.mu.Unlock()
	if home, ok := m.g.follows[m.who]; ok {
		return nil, m.refuse(connect.CodeFailedPrecondition, "read_only", home, 0)
	}
	if s, ok := m.g.stale[m.who]; ok {
		leader = s
	}
	switch leader {
	case m.who:
		return &tidalpb.WriteResponse{Receipt: &tidalpb.Receipt{Position: "1:0.1:7", Count: 1, Token: "t7"}}, nil
	case "":
		return nil, m.refuse(connect.CodeUnavailable, "no_leader", "", 50*time.Millisecond)
	}
	return nil, m.refuse(connect.CodeFailedPrecondition, "not_leader", "http://"+leader, 0)
}

func (m groupMember) Rank(context.Context, *tidalpb.RankRequest) (*tidalpb.RankResponse, error) {
	m.g.asked = append(m.g.asked, m.who+" rank")
	return &tidalpb.RankResponse{}, nil
}

func (m groupMember) Cluster(context.Context, *tidalpb.ClusterRequest) (*tidalpb.ClusterResponse, error) {
	m.g.ask++
	out := &tidalpb.ClusterResponse{}
	for _, url := range m.g.urls {
		out.Members = append(out.Members, &tidalpb.Member{Url: url})
	}
	return out, nil
}

// RoundTrip has a request answered without a network.
func (g *group) RoundTrip(r *http.Request) (*http.Response, error) {
	who := r.URL.Host
	if !strings.HasSuffix(r.URL.Path, "/Cluster") {
		if !g.last.IsZero() {
			g.pauses = append(g.pauses, time.Since(g.last))
		}
		g.last = time.Now()
	}
	g.mu.Lock()
	dead := g.dead[who]
	g.mu.Unlock()
	if dead {
		g.asked = append(g.asked, who+" dead")
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}
	_, h := tidalpbconnect.NewTidalHandler(groupMember{g: g, who: who})
	rec := httptest.NewRecorder()
	if g.header != nil {
		g.header(who, rec.Header())
	}
	h.ServeHTTP(rec, r)
	return rec.Result(), r.Context().Err()
}

func (g *group) with(t *testing.T, o Options) *Client {
	t.Helper()
	o.HTTP = &http.Client{Transport: g}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (g *group) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(g.asked, want) {
		t.Errorf("asked were %q, want %q", g.asked, want)
	}
	g.asked = nil
}

func write(t *testing.T, c *Client) {
	t.Helper()
	if _, err := c.Signal(t.Context(), Signal{Type: "like", Item: "i"}); err != nil {
		t.Fatal(err)
	}
}

// A server that takes no writes says who does, and is followed at once; the next write goes there right away.
func TestAClientGoesToTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &group{leader: "c"}
		c := g.with(t, Options{Addrs: []string{"a", "b", "c"}})
		write(t, c)
		write(t, c)
		g.want(t, "a write", "c write", "c write")
		if g.pauses[0] != 0 {
			t.Errorf("it paused for %v", g.pauses[0])
		}
		g.leader = "b"
		write(t, c)
		g.want(t, "c write", "b write")
		if _, err := c.Rank(t.Context(), Query{}); err != nil {
			t.Fatal(err)
		}
		g.want(t, "a rank")
	})
}

// While there is no leader the client goes round with short pauses, of which a part is drawn.
func TestAClientWaitsForAnElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &group{}
		c := g.with(t, Options{Addrs: []string{"a", "b", "c"}})
		began := time.Now()
		time.AfterFunc(400*time.Millisecond, func() { g.elect("b") })
		write(t, c)
		if took := time.Since(began); took > 700*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if len(g.asked) < 5 || len(g.asked) > 12 || g.asked[0] != "a write" || g.asked[1] != "b write" || g.asked[2] != "c write" {
			t.Errorf("asked were %q", g.asked)
		}
		drawn := map[time.Duration]bool{}
		for _, p := range g.pauses {
			if drawn[p] = true; p > 0 && (p < 50*time.Millisecond || p > electionPause) {
				t.Errorf("it paused for %v", p)
			}
		}
		if len(drawn) < 3 {
			t.Errorf("pauses are %v", g.pauses)
		}
		// Without one it gives up in time, and knows that nothing was written.
		g.leader = ""
		c = g.with(t, Options{Addrs: []string{"a", "b", "c"}, Timeout: time.Second})
		if _, err := c.Signal(t.Context(), Signal{Type: "like", Item: "i"}); !errors.Is(err, ErrNotLeader) || errors.Is(err, ErrUnknown) {
			t.Errorf("%v", err)
		}
	})
}

// Servers that name each other, or one that is dead, don't have the client run in circles.
func TestAClientIsntLedInCircles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &group{stale: map[string]string{"a": "b", "b": "a"}}
		c := g.with(t, Options{Addrs: []string{"a", "b"}, Timeout: time.Second})
		if _, err := c.Signal(t.Context(), Signal{Type: "like", Item: "i"}); !errors.Is(err, ErrNotLeader) || len(g.asked) > 90 {
			t.Errorf("%d tries, %v", len(g.asked), err)
		}
		g = &group{leader: "b", dead: map[string]bool{"b": true}}
		c = g.with(t, Options{Addrs: []string{"a", "b", "c"}, Timeout: 2 * time.Second})
		time.AfterFunc(500*time.Millisecond, func() { g.elect("a") })
		write(t, c)
		if n := len(slices.DeleteFunc(g.asked, func(s string) bool { return s != "b dead" })); n > 2 {
			t.Errorf("the dead one was asked %d times", n)
		}
	})
}

// Members that a client wasn't told of serve it when those it was are gone.
func TestAClientLearnsOfTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &group{leader: "a", urls: []string{"http://a", "http://b", "http://c"}, dead: map[string]bool{}}
		g.header = func(_ string, h http.Header) { h.Set("Tidal-Leader", "http://"+g.leader) }
		c := g.with(t, Options{Addr: "a"})
		for range 3 {
			write(t, c)
		}
		if g.ask != 1 {
			t.Errorf("the members were asked for %d times", g.ask)
		}
		g.dead["a"], g.leader = true, "c"
		g.asked = nil
		write(t, c)
		g.want(t, "a dead", "b write", "c write")
		if _, err := c.Rank(t.Context(), Query{}); err != nil {
			t.Fatal(err)
		}
		g.want(t, "b rank")
		// The nearest one is asked again after a while.
		g.dead["a"] = false
		<-time.After(passOver + time.Second)
		if _, err := c.Rank(t.Context(), Query{}); err != nil {
			t.Fatal(err)
		}
		g.want(t, "a rank")
		// One that was removed is forgotten.
		g.urls, g.leader = []string{"http://a", "http://c", "ftp://x", ""}, "a"
		write(t, c)
		<-time.After(askEvery + time.Second)
		write(t, c)
		var known []string
		for _, p := range c.peers.all {
			known = append(known, p.url)
		}
		if got := fmt.Sprint(known); got != "[http://a http://c]" {
			t.Errorf("known are %s", got)
		}
	})
}

func TestReadsGoToAllInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &group{leader: "a", dead: map[string]bool{"c": true}}
		c := g.with(t, Options{Addrs: []string{"a", "b", "c"}, Reads: Any})
		for range 5 {
			if _, err := c.Rank(t.Context(), Query{}); err != nil {
				t.Fatal(err)
			}
		}
		g.want(t, "b rank", "c dead", "a rank", "b rank", "a rank", "b rank")
	})
}

// Who was given addresses with TLS isn't led to one without.
func TestNobodyIsLedOutOfTLS(t *testing.T) {
	c := (&group{}).with(t, Options{Addr: "https://a"})
	for url, want := range map[string]bool{
		"http://b": false, "b:1": false, "https://b": true, "": false, "https://u:p@b": false, "ftp://b": false,
	} {
		if got := c.peers.know(url) != nil; got != want {
			t.Errorf("%q is believed: %v", url, got)
		}
	}
	for n := range 100 {
		c.peers.know(fmt.Sprintf("https://b%d", n))
	}
	if len(c.peers.all) != maxPeers {
		t.Errorf("it knows %d servers", len(c.peers.all))
	}
}
