package client

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// ReadFrom says which servers of a group answer reads.
type ReadFrom uint8

// Where reads go.
const (
	// Nearest reads from the first address that was given, and from another one only while that can't be reached.
	Nearest ReadFrom = iota
	// Any reads from all in turn.
	Any
)

// peer is a server.
type peer struct {
	url    string
	api    tidalpbconnect.TidalClient
	failed time.Time // when it last couldn't be reached
}

// How long a server that couldn't be reached is passed over where there are others, and how long nobody is believed who says
// that it leads.
const (
	passOver   = 5 * time.Second
	disbelieve = time.Second
)

// Bounds of what servers tell of others.
const (
	maxPeers  = 32
	askEvery  = 5 * time.Second
	askWithin = time.Second
)

// peers are the servers that a client knows: those it was given, in order, and those it was told of behind them.
type peers struct {
	connect func(url string) *peer

	mu     sync.Mutex
	all    []*peer
	given  int
	secure bool      // all that were given speak TLS; then none is believed that doesn't
	leader *peer     // nil if unknown
	at     int       // of all: whom writes go to while no leader is known, and reads
	left   time.Time // when at last went elsewhere
	turn   int       // of all: who answered the last read that may go to any
	told   bool      // somebody said who leads, so there is a group
	asked  time.Time
	around string // the leader's URL when the members were asked for
}

// add appends a server that was given.
func (p *peers) add(url string) {
	p.all = append(p.all, p.connect(url))
	p.given = len(p.all)
	p.secure = (p.given == 1 || p.secure) && strings.HasPrefix(url, "https://")
}

// pick returns who is to be called.
func (p *peers) pick(h how, from ReadFrom) *peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case h != again && p.leader != nil:
		return p.leader
	case h == again && from == Any && len(p.all) > 1:
		p.turn = p.next(p.turn, now)
		return p.all[p.turn]
	case p.at != 0 && now.Sub(p.all[0].failed) > passOver && now.Sub(p.left) > passOver:
		p.at = 0 // the nearest one may be back
	}
	return p.all[p.at]
}

// next returns who comes behind a server: the first one that could be reached lately, and if there is none, just the next.
func (p *peers) next(at int, now time.Time) int {
	for n := 1; n < len(p.all); n++ {
		if i := (at + n) % len(p.all); now.Sub(p.all[i].failed) > passOver {
			return i
		}
	}
	return (at + 1) % len(p.all)
}

// unreachable goes on to the next server, unless another call has done so.
func (p *peers) unreachable(who *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	who.failed = now
	p.leave(who, now)
}

// elsewhere goes on to the next server without blaming the one that was asked: it is there, and can't do it.
func (p *peers) elsewhere(who *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave(who, time.Now())
}

func (p *peers) leave(who *peer, now time.Time) {
	if p.leader == who {
		p.leader = nil
	}
	if p.all[p.at] == who {
		p.at, p.left = p.next(p.at, now), now
	}
}

// reached takes note that a server answered.
func (p *peers) reached(who *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who.failed = time.Time{}
}

// lead takes note of who leads, by what a server says. It isn't believed of one that couldn't be reached just now.
func (p *peers) lead(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = true
	if who := p.know(text); who != nil && time.Since(who.failed) >= disbelieve {
		p.leader = who
	}
}

// led reports whether somebody else than a server is known to lead.
func (p *peers) led(but *peer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leader != nil && p.leader != but
}

// know returns the server of a URL, which is new where nobody had it yet; nil if it isn't one, or one too many.
func (p *peers) know(text string) *peer {
	base, err := baseURL(text)
	u, perr := url.Parse(text)
	if err != nil || perr != nil || u.Scheme == "" || p.secure && u.Scheme != "https" {
		return nil
	}
	if i := slices.IndexFunc(p.all, func(x *peer) bool { return x.url == base }); i >= 0 {
		return p.all[i]
	}
	if len(p.all) == maxPeers {
		return nil
	}
	p.all = append(p.all, p.connect(base))
	return p.all[len(p.all)-1]
}

// several reports whether there is more than one server to turn to.
func (p *peers) several() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all) > 1
}

// curious reports, once, that the members of the group should be asked for: somebody leads of whom they weren't asked.
func (p *peers) curious() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.told || p.leader == nil || p.leader.url == p.around || time.Since(p.asked) < askEvery {
		return false
	}
	p.asked = time.Now()
	return true
}

// learn asks for the members of a group, so that the client knows whom to turn to when those it was given are gone. That it
// fails is no reason for the call that comes behind it to do so.
func (c *Client) learn(ctx context.Context) {
	if !c.peers.curious() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	who := c.peers.pick(again, Nearest)
	res, err := who.api.Cluster(ctx, &tidalpb.ClusterRequest{})
	if err == nil {
		c.peers.members(res)
	}
}

// members takes over what a server says of the group. Who isn't a member any more, and wasn't given, is forgotten.
func (p *peers) members(m *tidalpb.ClusterResponse) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var urls []string
	for _, x := range m.GetMembers() {
		if x.GetUrl() == "" {
			continue
		}
		if who := p.know(x.GetUrl()); who != nil {
			urls = append(urls, who.url)
		}
	}
	at, kept := p.all[p.at], p.all[:p.given:p.given]
	for _, x := range p.all[p.given:] {
		if slices.Contains(urls, x.url) || x == p.leader {
			kept = append(kept, x)
		}
	}
	p.all = kept
	p.at, p.turn = max(0, slices.Index(kept, at)), 0
	if p.leader != nil {
		p.around = p.leader.url
	}
}
