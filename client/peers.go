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
	region string    // of the database that it's in, as it said; empty isn't known, or there is one
	failed time.Time // when it last couldn't be reached
}

// How long a server that couldn't be reached is passed over where there are others, how long nobody is believed who says
// that it leads, and how long a region takes no writes before the next one is asked to.
const (
	passOver   = 5 * time.Second
	disbelieve = time.Second
	moveOn     = 2 * time.Second
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
	at     int       // of all: whom writes go to while no leader is known, and reads; its region is the one in use
	leader *peer     // of the region in use; nil if unknown
	left   time.Time // when at last went elsewhere
	turn   int       // of all: who answered the last read that may go to any
	told   bool      // somebody said who leads, so there is a group
	asked  time.Time
	around string // the leader's URL when the members were asked for

	// home takes the writes of a region that takes none, which follows; nil if none is known to.
	home    *peer
	follows string
	// refusing is since when nobody of a region took a write, zero if somebody did, and refused when somebody was asked last.
	refusing, refused time.Time
	refusingIn        string
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
	if p.at != 0 && now.Sub(p.all[0].failed) > passOver && now.Sub(p.left) > passOver {
		p.at = 0 // the nearest one may be back
	}
	here := p.all[p.at]
	switch {
	case h != again && p.home != nil && here.region == p.follows:
		return p.home
	case h != again && p.leader != nil && same(p.leader, here):
		return p.leader
	case h == again && from == Any && len(p.all) > 1:
		p.turn = p.next(p.turn, now)
		return p.all[p.turn]
	}
	return here
}

// same reports whether two servers may be of one region.
func same(a, b *peer) bool { return a.region == b.region || a.region == "" || b.region == "" }

// next returns who comes behind a server: the first one of the region in use that could be reached lately. If there is none, it's
// the first of another region, unless the one that is left can be reached; and else just the next.
func (p *peers) next(at int, now time.Time) int {
	here := p.all[p.at]
	for n := 1; n < len(p.all); n++ {
		if i := (at + n) % len(p.all); same(p.all[i], here) && now.Sub(p.all[i].failed) > passOver {
			return i
		}
	}
	if now.Sub(p.all[at].failed) <= passOver {
		if i := p.otherRegion(now); i >= 0 {
			return i
		}
	}
	for n := 1; n < len(p.all); n++ {
		if i := (at + n) % len(p.all); same(p.all[i], here) || p.chosen(i) {
			return i
		}
	}
	return at
}

// otherRegion returns a server of another region than that in use, of those that somebody chose, which could be reached lately;
// below 0 if there is none.
func (p *peers) otherRegion(now time.Time) int {
	for n := 1; n < len(p.all); n++ {
		i := (p.at + n) % len(p.all)
		if !same(p.all[i], p.all[p.at]) && p.chosen(i) && now.Sub(p.all[i].failed) > passOver {
			return i
		}
	}
	return -1
}

// chosen reports whether a server is one that was given, or of the region of one.
func (p *peers) chosen(i int) bool {
	return i < p.given || slices.ContainsFunc(p.all[:p.given], func(x *peer) bool { return x.region == p.all[i].region })
}

// unreachable goes on to the next server, unless another call has done so.
func (p *peers) unreachable(who *peer, h how) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	who.failed = now
	p.leave(who, h, now)
}

// elsewhere goes on to the next server without blaming the one that was asked: it is there, and can't do it.
func (p *peers) elsewhere(who *peer, h how) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave(who, h, time.Now())
}

func (p *peers) leave(who *peer, h how, now time.Time) {
	if p.leader == who {
		p.leader = nil
	}
	if p.home == who {
		p.home = nil
	}
	if h != again && p.refuses(who, now) {
		if i := p.otherRegion(now); i >= 0 {
			p.at, p.left = i, now
			return
		}
	}
	if p.all[p.at] == who {
		p.at, p.left = p.next(p.at, now), now
	}
}

// refuses takes note that a server didn't take a write, and reports whether nobody of the region in use has for so long that it's
// time to move on.
func (p *peers) refuses(who *peer, now time.Time) bool {
	here := p.all[p.at]
	if !same(who, here) {
		return false
	}
	if p.refusing.IsZero() || p.refusingIn != here.region || now.Sub(p.refused) > 4*passOver {
		p.refusing, p.refusingIn = now, here.region
	}
	p.refused = now
	return now.Sub(p.refusing) >= moveOn
}

// reached takes note that a server answered.
func (p *peers) reached(who *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who.failed = time.Time{}
}

// served takes note that a server did what it was asked for.
func (p *peers) served(who *peer, h how) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who.failed = time.Time{}
	if h != again && who.region == p.refusingIn {
		p.refusing = time.Time{}
	}
}

// heard takes note of what a server says of itself: which region it's in, and who leads there.
func (p *peers) heard(who *peer, region, leader string) {
	p.mu.Lock()
	if region != "" {
		who.region = region
	}
	p.mu.Unlock()
	if leader != "" {
		p.lead(who, leader)
	}
}

// lead takes note of who leads, by what a server of the region says. It isn't believed of one that couldn't be reached just now.
func (p *peers) lead(by *peer, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = true
	who := p.know(text)
	if who == nil || time.Since(who.failed) < disbelieve {
		return
	}
	if who.region == "" {
		who.region = by.region
	}
	switch {
	case same(by, p.all[p.at]):
		p.leader = who
	case p.home != nil && by.region == p.home.region:
		p.home = who
	}
}

// led reports whether somebody else than a server is known to lead.
func (p *peers) led(but *peer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leader != nil && p.leader != but
}

// writesAt takes note that a server's region takes no writes, and who does. It reports whether that is somebody else.
func (p *peers) writesAt(who *peer, text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	to := p.know(text)
	if to == nil || to == who || time.Since(to.failed) < disbelieve {
		return false
	}
	p.home, p.follows = to, p.all[p.at].region
	return true
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

// members takes over what a server says of the group, and of the regions that others are in. Who isn't a member any more, and wasn't given, is forgotten.
func (p *peers) members(m *tidalpb.ClusterResponse) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var urls []string
	for _, x := range m.GetMembers() {
		if x.GetUrl() == "" {
			continue
		}
		if who := p.know(x.GetUrl()); who != nil {
			who.region = m.GetRegion()
			urls = append(urls, who.url)
		}
	}
	for _, r := range m.GetRegions() {
		for _, text := range r.GetUrls() {
			base, err := baseURL(text)
			if i := slices.IndexFunc(p.all, func(x *peer) bool { return x.url == base }); err == nil && i >= 0 {
				p.all[i].region = r.GetName()
			}
		}
	}
	at, kept := p.all[p.at], p.all[:p.given:p.given]
	for _, x := range p.all[p.given:] {
		if slices.Contains(urls, x.url) || x == p.leader || x == p.home || !same(x, at) {
			kept = append(kept, x)
		}
	}
	p.all = kept
	p.at, p.turn = max(0, slices.Index(kept, at)), 0
	if p.leader != nil {
		p.around = p.leader.url
	}
}
