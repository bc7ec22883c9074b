package test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/fleet"
	"github.com/tidaldb/tidal/internal/transport/faultproxy"
)

// The regions of these tests.
const (
	usEast  = "us-east"
	euWest  = "eu-west"
	apSouth = "ap-south"
)

// globe is three regions, each of one server, or with -long of three.
type globe struct {
	*testing.T
	ctx context.Context
	w   *fleet.World
	own []string // lanes of clients that aren't a load's
}

func newGlobe(t *testing.T, length time.Duration, o fleet.WorldOptions) *globe {
	t.Helper()
	if err := fleet.Worlds(); err != nil {
		t.Skip(err)
	}
	ctx := within(t, length)
	o.Dir, o.Program, o.Say = t.TempDir(), program, t.Logf
	if o.Nodes = 1; *long {
		o.Nodes = 3
	}
	w, err := fleet.StartWorld(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(w.Logs())
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return &globe{T: t, ctx: ctx, w: w}
}

// at is a client of one region alone.
func (g *globe) at(region string, o client.Options) *client.Client {
	g.Helper()
	o.Addrs = g.w.Region(region).URLs()
	o.Timeout = -1
	if o.Lane == "" {
		o.Lane = "of " + region
	}
	g.own = append(g.own, o.Lane)
	c, err := client.New(o)
	good(g.T, err)
	g.Cleanup(c.Close)
	return c
}

// node is the server of a region that leads it.
func (g *globe) node(region string) *fleet.Node {
	g.Helper()
	n, err := g.w.Region(region).Leader(g.ctx)
	good(g.T, err)
	return n
}

// until waits for something that is about to come true.
func (g *globe) until(what string, look func(ctx context.Context) error) {
	g.Helper()
	good(g.T, fleet.Until(g.ctx, "wait until "+what, look))
}

// load writes in a region, with clients that turn to others when it's gone.
func (g *globe) load(o fleet.LoadOptions, first string, others ...string) *fleet.Load {
	g.Helper()
	for _, region := range append([]string{first}, others...) {
		o.Addrs = append(o.Addrs, g.w.Region(region).URLs()...)
	}
	l, err := fleet.StartLoad(g.ctx, o)
	good(g.T, err)
	return l
}

// settle ends loads, waits until all servers are equal, and compares them with what was acknowledged.
func (g *globe) settle(loads ...*fleet.Load) {
	g.Helper()
	ledgers := []*fleet.Ledger{{Others: g.own}}
	for _, l := range loads {
		ledgers = append(ledgers, stopped(g.ctx, g.T, l))
	}
	v, err := g.w.Compare(g.ctx, ledgers...)
	good(g.T, err)
	for _, text := range v.Problems {
		g.Error(text)
	}
	if v.Acked == 0 {
		g.Error("nothing was acknowledged")
	}
	g.Logf("%d requests acknowledged, %d not known of, %d logs that are shorter, digest %s", v.Acked, v.Unknown, v.Shortened, v.Digest)
}

// views are signals of which it's known what their decayed sum is.
type views struct {
	item  string
	times []time.Time
	wts   []float64
}

// write adds a signal, in a region.
func (v *views) write(ctx context.Context, c *client.Client, ago time.Duration, weight float64) (client.Receipt, error) {
	at := time.Now().Add(-ago).Truncate(time.Millisecond)
	r, err := c.Signal(ctx, client.Signal{Type: "view", Item: v.item, User: "ada", Weight: weight, Time: at})
	if err == nil {
		v.times, v.wts = append(v.times, at), append(v.wts, weight)
	}
	return r, err
}

// score is what the definition says: each weight halves with every half-life.
func (v *views) score(at time.Time, half time.Duration) (sum float64) {
	for i, t := range v.times {
		sum += v.wts[i] * math.Exp2(-float64(at.Sub(t))/float64(half))
	}
	return sum
}

// check holds a region's count and scores against the definition.
func (v *views) check(ctx context.Context, c *client.Client, at time.Time) error {
	cell, err := c.Cell(ctx, client.CellQuery{Item: v.item, Type: "view", At: at})
	if err != nil {
		return err
	}
	if cell.Total != int64(len(v.times)) {
		return fmt.Errorf("%s counts %d, not %d", v.item, cell.Total, len(v.times))
	}
	for name, half := range map[string]time.Duration{"1d": 24 * time.Hour, "7d": 7 * 24 * time.Hour} {
		got, want := cell.Scores[name], v.score(cell.At, half)
		if math.Abs(got-want) > 1e-5*want {
			return fmt.Errorf("%s has score %v over %s, the definition says %v", v.item, got, name, want)
		}
	}
	return nil
}

// TestThreeRegions is what regions are for, end to end: what is written in one is read in another; a region's server is killed and
// another goes on; one is cut off and says so; and when all is well again they agree, with nothing counted twice and nothing
// shown that was hidden.
func TestThreeRegions(t *testing.T) {
	g := newGlobe(t, 5*time.Minute, fleet.WorldOptions{
		Distance: faultproxy.Weather{Delay: 5 * time.Millisecond, Jitter: 5 * time.Millisecond, Stall: 0.001},
	})
	us, eu, ap := g.at(usEast, client.Options{}), g.at(euWest, client.Options{}), g.at(apSouth, client.Options{})
	v := &views{item: "film"}
	g.readElsewhere(v, us, eu)

	// Clients write everywhere, and turn to the next region when theirs is gone.
	pause := fleet.LoadOptions{Writers: 2, Pause: 2 * time.Millisecond, Attempt: time.Second}
	loads := []*fleet.Load{
		g.load(pause, euWest), g.load(pause, apSouth),
		g.load(fleet.LoadOptions{Writers: 2, Pause: 2 * time.Millisecond, Attempt: time.Second, Ack: client.AckGeo}, usEast, euWest),
	}
	g.homeIsKilled(loads[2])
	g.cutOff(v, us, eu, ap)
	for _, l := range loads {
		good(t, l.Progress(g.ctx, 3))
	}
	g.settle(loads...)
	now := time.Now()
	for name, c := range map[string]*client.Client{usEast: us, euWest: eu, apSouth: ap} {
		if err := v.check(g.ctx, c, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		g.hidden(name, "")
	}
}

// readElsewhere writes in one region and reads in another, with the token that the write gave.
func (g *globe) readElsewhere(v *views, us, eu *client.Client) {
	g.Helper()
	_, err := us.Do(g.ctx, client.Put{Kind: client.Item, ID: v.item, Fields: client.Fields{"title": "A film"}})
	good(g.T, err)
	for i := range 20 {
		_, err = v.write(g.ctx, us, time.Duration(i)*time.Hour, float64(1+i%3))
		good(g.T, err)
	}
	if err := v.check(client.WithToken(g.ctx, us.Token()), eu, time.Now()); err != nil {
		g.Errorf("written in %s, read in %s: %v", usEast, euWest, err)
	}
}

// homeIsKilled kills the server that leads the home region. Where there are others in it one of them leads soon; where it was
// the only one another region becomes home by command. Writers that were its go on, and what was acknowledged is there. They wait for
// less than 10 s, the best of three times: the machine may be doing something else.
func (g *globe) homeIsKilled(geo *fleet.Load) {
	g.Helper()
	const limit, attempts = 10 * time.Second, 3
	home, next := usEast, euWest
	if *long {
		next = home
	}
	for n := 1; ; n++ {
		took := g.killHome(geo, home, next)
		g.Logf("the server that led the home region is killed: all clients are served after %v; attempt %d", took.Round(time.Millisecond), n)
		if took <= limit {
			return
		}
		if n == attempts {
			g.Errorf("that took %v, more than %v, and no less before", took, limit)
			return
		}
		home, next = next, home
	}
}

// killHome does it once, and returns how long writers waited. Afterwards all is well, and next is home.
func (g *globe) killHome(geo *fleet.Load, home, next string) time.Duration {
	g.Helper()
	leader := g.node(home)
	geo.Measure()
	began := time.Now()
	good(g.T, leader.Kill())
	if next != home {
		good(g.T, g.node(next).Promote(g.ctx, next))
	}
	good(g.T, geo.Progress(g.ctx, 3))
	took := time.Since(began)
	good(g.T, leader.Start(g.ctx))
	good(g.T, g.w.Region(home).Whole(g.ctx))
	g.until("all know that "+next+" is home", func(ctx context.Context) error {
		for _, f := range g.w.Regions {
			s, err := f.Nodes[0].Status(ctx)
			if err != nil {
				return err
			}
			for _, r := range s.GetRegions() {
				if is := r.GetRole() == "home"; is != (r.GetName() == next) {
					return fmt.Errorf("%s says that %s is %s", f.Name(), r.GetName(), r.GetRole())
				}
			}
		}
		return nil
	})
	good(g.T, g.w.Joined(g.ctx))
	return took
}

// forAda is the list that is asked for.
const forAda = `RANK items FOR USER "ada" USING new LIMIT 10`

// cutOff cuts ap-south off. Reads go on everywhere and say what is missing; both sides write; what is hidden on one side isn't
// shown there, and nowhere once the cut has ended.
func (g *globe) cutOff(v *views, us, eu, ap *client.Client) {
	g.Helper()
	for _, item := range []string{"song", "play"} {
		_, err := us.Do(g.ctx, client.Put{Kind: client.Item, ID: item, Fields: client.Fields{"title": item}})
		good(g.T, err)
	}
	g.until("all items are everywhere", func(ctx context.Context) error {
		for _, region := range []string{euWest, apSouth} {
			if items, err := g.shown(ctx, region, us.Token()); err != nil || !slices.Contains(items, "song") || !slices.Contains(items, "play") {
				return fmt.Errorf("%s shows %v: %w", region, items, errors.Join(err, errors.New("not all")))
			}
		}
		return nil
	})
	good(g.T, g.w.Alone(apSouth))
	hide := client.Signal{Type: "hide", Item: "song", User: "ada"}
	_, err := ap.Signal(g.ctx, hide)
	good(g.T, err)
	_, err = us.Signal(g.ctx, client.Signal{Type: "hide", Item: "play", User: "ada"})
	good(g.T, err)
	for _, c := range []*client.Client{us, eu, ap} {
		_, err := v.write(g.ctx, c, 90*time.Minute, 2.5)
		good(g.T, err)
	}
	// One request of a lane goes to both sides of the cut.
	both := []*client.Client{g.at(apSouth, client.Options{Lane: "twice"}), g.at(euWest, client.Options{Lane: "twice"})}
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for _, c := range both {
		_, err := c.Write(g.ctx, client.Request{Number: 1, Records: []client.Record{
			client.Signal{Type: "view", Item: v.item, User: "bob", Weight: 3, Time: at},
		}})
		good(g.T, err)
	}
	v.times, v.wts = append(v.times, at), append(v.wts, 3) // it counts once

	for region, missing := range map[string][]string{apSouth: {euWest, usEast}, usEast: {apSouth}, euWest: {apSouth}} {
		g.until(region+" says what it can't reach", func(ctx context.Context) error {
			list, err := g.node(region).Rank(ctx, forAda, "")
			if err != nil {
				return err
			}
			got := slices.Sorted(slices.Values(list.GetStats().GetUnreachable()))
			if !list.GetStats().GetPartial() || !slices.Equal(got, missing) {
				return fmt.Errorf("partial %v, without %v", list.GetStats().GetPartial(), got)
			}
			return nil
		})
	}
	g.absent(apSouth, "song", ap.Token())
	g.absent(usEast, "play", us.Token())
	g.absent(euWest, "play", us.Token())
	g.w.Mend()
	good(g.T, g.w.Joined(g.ctx))
	g.until("what one side hid is hidden everywhere", func(ctx context.Context) error {
		for _, region := range []string{usEast, euWest, apSouth} {
			items, err := g.shown(ctx, region, "")
			if err != nil || slices.Contains(items, "song") || slices.Contains(items, "play") {
				return fmt.Errorf("%s shows %v: %w", region, items, errors.Join(err, errors.New("hidden")))
			}
		}
		return nil
	})
}

// shown are the items that a region's server shows ada.
func (g *globe) shown(ctx context.Context, region, token string) (items []string, err error) {
	for _, n := range g.w.Region(region).Nodes {
		list, err := n.Rank(ctx, forAda, token)
		if err != nil {
			return nil, err
		}
		for _, item := range list.GetItems() {
			items = append(items, item.GetItem())
		}
	}
	return items, nil
}

// absent fails if a region shows what is hidden, to somebody who carries a token.
func (g *globe) absent(region, item, token string) {
	g.Helper()
	var items []string
	g.until(region+" answers", func(ctx context.Context) (err error) {
		items, err = g.shown(ctx, region, token)
		return err
	})
	if slices.Contains(items, item) {
		g.Errorf("%s shows %s, which ada hid: %v", region, item, items)
	}
}

// hidden fails if a region shows anything that was hidden.
func (g *globe) hidden(region, token string) {
	g.Helper()
	g.absent(region, "song", token)
	g.absent(region, "play", token)
}

// TestAnEmptyRegionJoinsUnderLoad adds a region while others are written to, and writes there as soon as it's ready.
func TestAnEmptyRegionJoinsUnderLoad(t *testing.T) {
	g := newGlobe(t, 4*time.Minute, fleet.WorldOptions{Names: []string{usEast, euWest}})
	fast := fleet.LoadOptions{Writers: 3, Pause: time.Millisecond, Batch: 16}
	loads := []*fleet.Load{g.load(fast, usEast), g.load(fast, euWest)}
	_, err := g.w.Add(g.ctx, apSouth)
	good(t, err)
	loads = append(loads, g.load(fast, apSouth))
	good(t, g.w.Joined(g.ctx))
	for _, l := range loads {
		good(t, l.Progress(g.ctx, 3))
	}
	g.settle(loads...)
}

// TestARegionIsLostAndReturns kills all servers of the home region while it's written to, without anybody hearing what it had
// acknowledged last. Another one becomes home. When the lost one is back, what only it had is everywhere.
func TestARegionIsLostAndReturns(t *testing.T) {
	n := times(1, 1, 10)
	g := newGlobe(t, 4*time.Minute+time.Duration(n)*20*time.Second, fleet.WorldOptions{})
	home, next := usEast, euWest
	var loads []*fleet.Load
	for range n {
		// What is said in its last moments isn't heard elsewhere.
		before := g.load(fleet.LoadOptions{Writers: 2}, home)
		good(t, before.Progress(g.ctx, 3))
		good(t, g.w.Alone(home))
		good(t, before.Progress(g.ctx, 3))
		lost := g.w.Region(home)
		ledgerStops := before // its writers wait until they are answered again
		good(t, lost.KillAll())
		good(t, g.node(next).Promote(g.ctx, next))
		during := g.load(fleet.LoadOptions{Writers: 2}, next, apSouth)
		good(t, during.Progress(g.ctx, 3))
		g.w.Reset() // what it has said is on the way still
		g.w.Mend()
		good(t, lost.StartAll(g.ctx))
		good(t, g.w.Joined(g.ctx))
		good(t, ledgerStops.Progress(g.ctx, 1))
		loads = append(loads, before, during)
		home, next = next, home
	}
	g.settle(loads...)
}
