package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

func TestARegionReadsWhatAnotherOneWrote(t *testing.T) {
	w := newWorld(t, 3, 1)
	for i := range uint64(10) {
		w.write(0, view("p", i+1, "x"))
		w.write(1, view("q", i+1, "x"))
	}
	receipt := w.write(2, view("r", 1, "x"))
	w.await(w.leader(0), receipt.Token())
	w.converge()
	w.counts("x", 21)
	for i := range w.regions {
		for j, s := range w.leader(i).Regions() {
			role := tidal.RegionActive
			if j == 0 {
				role = tidal.RegionHome
			}
			if s.Name != regionNames[j] || int(s.Number) != j || s.Role != role || s.Own != (i == j) {
				t.Errorf("region %d sees %+v", i, s)
			}
		}
	}
}

// TestWhatIsWrittenIsElsewhereAtOnce measures from the answer in one region until it is visible in another. No clock ticks
// in between: it takes a fraction of a tick.
func TestWhatIsWrittenIsElsewhereAtOnce(t *testing.T) {
	w := newWorld(t, 2, 1)
	here, there := w.leader(0).DB(), w.leader(1).DB()
	w.await(w.leader(1), w.write(0, view("p", 1, "x")).Token())
	var took []time.Duration
	for i := range uint64(100) {
		receipt, err := here.Write(t.Context(), view("q", i+1, "x"))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := there.Wait(t.Context(), receipt.Token()); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("acknowledged here to visible there: p50 %v, p99 %v", took[50], took[99])
	// The fastest tenth, since half of them may wait for a disk that others use.
	if took[10] > 100*time.Millisecond {
		t.Errorf("nine tenths of them took more than %v", took[10])
	}
}

func TestRegionsThatWereCutOffComeTogether(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.write(0, view("p", 1, "x"))
	w.converge()
	w.cut(2, true)
	for i := range uint64(10) {
		for region := range w.regions {
			w.write(region, view(fmt.Sprint("lane ", region), i+1, "x"))
		}
	}
	w.until("the region that is cut off is missed", func() bool {
		s := w.leader(0).Regions()[2]
		return s.Unreachable && s.TheyLack.Events >= 10 && w.leader(2).Regions()[0].Unreachable
	})
	w.until("lists of the region that is cut off say so", func() bool {
		answer, err := w.leader(2).DB().Rank(t.Context(), &query.Query{Profile: "new"})
		return err == nil && slices.Equal(answer.Stats.Unreachable, []string{"us-east", "eu-west"})
	})
	w.cut(2, false)
	w.converge()
	w.counts("x", 31)
	w.until("nobody is missed", func() bool {
		a, err := w.leader(1).DB().Rank(t.Context(), &query.Query{Profile: "new"})
		return err == nil && len(a.Stats.Unreachable) == 0
	})
}

func TestALeaderIsLostWhileItShips(t *testing.T) {
	w := newWorld(t, 2, 3)
	for i := range uint64(20) {
		w.write(0, view("p", i+1, "x"))
		w.write(1, view("q", i+1, "x"))
		if i == 10 {
			for _, f := range w.regions {
				killed, _ := f.leader()
				f.kill(killed)
			}
		}
	}
	w.converge()
	w.counts("x", 40)
}

func TestAnEventIsUndoneInAnotherRegion(t *testing.T) {
	w := newWorld(t, 3, 1)
	receipt := w.write(0, view("p", 1, "x"))
	w.write(0, view("p", 2, "x"))
	w.await(w.leader(2), receipt.Token())
	undo := tidal.Request{Records: []tidal.Record{tidal.Undo{Lane: "p", Number: 1}}}
	w.write(2, undo)
	if _, err := w.leader(2).DB().Write(t.Context(), undo); !errors.Is(err, tidal.ErrUndone) {
		t.Errorf("undone twice in one region: %v", err)
	}
	// Another region that doesn't know yet may ask for it, too.
	if _, err := w.leader(1).DB().Write(t.Context(), undo); err != nil && !errors.Is(err, tidal.ErrUndone) && !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("undone in a third region: %v", err)
	}
	w.until("it's taken back everywhere", func() bool { return w.settled("x", 1) })
	w.converge()
}

func TestAFollowerRegionIsPromoted(t *testing.T) {
	w := newWorld(t, 2, 1)
	f := newFleetOn(t, w.net)
	c := f.config("ap-south-1")
	c.Region, c.RegionJoin, c.RegionFollower, c.Schema = "ap-south", []string{"eu-west-1"}, true, nil
	follower := f.run(c)
	w.regions = append(w.regions, f)
	w.known()
	f.leader()
	var no *tidal.ReadOnlyError
	_, err := follower.DB().Write(t.Context(), view("p", 1, "x"))
	if !errors.As(err, &no) || no.Region != "ap-south" || no.Home != "us-east" || no.URL != "http://us-east-1" {
		t.Errorf("a write in a follower region: %v", err)
	}
	w.await(follower, w.write(0, view("p", 1, "x")).Token())
	if err := follower.Promote(t.Context(), "nowhere"); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("promote nobody: %v", err)
	}
	w.cut(0, true)
	if err := w.leader(1).Promote(t.Context(), "ap-south"); err != nil { // through another region
		t.Fatal(err)
	}
	w.write(2, view("p", 2, "x"))
	w.write(0, view("q", 1, "x")) // the old home doesn't know
	w.cut(0, false)
	w.until("the old home takes no writes", func() bool {
		_, err := w.leader(0).DB().Write(t.Context(), view("q", 2, "y"))
		return errors.As(err, &no)
	})
	if no.Home != "ap-south" || no.Region != "us-east" {
		t.Errorf("it says %v", no)
	}
	w.write(2, view("r", 1, "x"))
	w.converge()
	w.counts("x", 4)
	if roles := w.roles(1); !slices.Equal(roles, []tidal.RegionRole{tidal.RegionFollower, tidal.RegionActive, tidal.RegionHome}) {
		t.Errorf("the roles are %v", roles)
	}
}

func TestAnotherRegionConfirmsAWrite(t *testing.T) {
	w := newWorld(t, 1, 1)
	geo := view("p", 1, "x")
	geo.Ack = tidal.AckGeo
	var in *tidal.InputError
	if _, err := w.leader(0).DB().Write(t.Context(), geo); !errors.As(err, &in) || in.Field != "ack" {
		t.Errorf("in one region: %v", err)
	}
	w.found(1)
	w.known()
	receipt, err := w.leader(0).DB().Write(t.Context(), geo)
	if err != nil {
		t.Fatal(err)
	}
	if !w.leader(1).DB().Stats().Vector.Covers(receipt.Position) {
		t.Error("it was confirmed, and the other region doesn't have it")
	}
	w.cut(1, true)
	geo.Number = 2
	var pending *tidal.GeoPendingError
	err = tidal.ErrUnknown // is the answer when the disk takes longer
	for limit := 50 * time.Millisecond; errors.Is(err, tidal.ErrUnknown) && limit < patience; limit *= 4 {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		receipt, err = w.leader(0).DB().Write(ctx, geo)
		cancel()
	}
	if !errors.As(err, &pending) || pending.Position != receipt.Position.String() || receipt.Count != 1 {
		t.Errorf("while the other region is cut off: %+v, %v", receipt, err)
	}
	w.cut(1, false)
	// The same request again waits for the same event.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again, err := w.leader(0).DB().Write(ctx, geo)
	for errors.Is(err, tidal.ErrGeoPending) && ctx.Err() == nil {
		again, err = w.leader(0).DB().Write(ctx, geo)
	}
	if err != nil || !again.Duplicate || again.Position != receipt.Position {
		t.Errorf("a retry after that is answered with %+v, %v", again, err)
	}
	w.counts("x", 2)
}

func TestASessionGoesOnInAnotherRegion(t *testing.T) {
	w := newWorld(t, 2, 1)
	here, there := w.leader(0).DB(), w.leader(1).DB()
	w.cut(1, true)
	s, err := here.StartSession(t.Context(), tidal.SessionStart{ID: "s", User: "u"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), 1, tidal.Signal{Type: "view", Item: "x"}); err != nil {
		t.Fatal(err)
	}
	token := s.Token()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var not *tidal.NotYetError
	if err := there.Wait(ctx, token); !errors.As(err, &not) || not.Position == "" {
		t.Errorf("a token whose events aren't there: %v", err)
	}
	w.cut(1, false)
	w.await(w.leader(1), token)
	s, err = there.Session(t.Context(), "u", "s")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Write(t.Context(), 1, tidal.Signal{Type: "view", Item: "x"}); err != nil || !got.Duplicate {
		t.Errorf("its first request, sent again in the other region, is answered with %+v, %v", got, err)
	}
	if _, err := s.Write(t.Context(), 2, tidal.Signal{Type: "view", Item: "y"}); err != nil {
		t.Fatal(err)
	}
	w.await(w.leader(0), s.Token())
	w.counts("x", 1)
	w.counts("y", 1)
	s, err = here.Session(t.Context(), "u", "s")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), 3, tidal.Signal{Type: "view", Item: "z"}); err != nil {
		t.Fatal(err)
	}
	w.converge()
}

// TestATokenOfAKeyThatIsOnItsWay: home draws a key while it's cut off, so that the token that it seals comes first.
func TestATokenOfAKeyThatIsOnItsWay(t *testing.T) {
	w := newWorld(t, 2, 1)
	here, there := w.leader(0).DB(), w.leader(1).DB()
	w.cut(1, true)
	if err := here.RotateKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	token := w.write(0, view("p", 1, "x")).Token()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := there.Wait(ctx, token); !errors.Is(err, tidal.ErrNotYet) || errors.Is(err, tidal.ErrInput) {
		t.Errorf("a token of a key that isn't there: %v", err)
	}
	answer, err := here.Rank(t.Context(), &query.Query{Profile: "new"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := there.Rank(t.Context(), &query.Query{Profile: "new", AsOf: answer.AsOf()}); !errors.Is(err, tidal.ErrNotYet) {
		t.Errorf("a list of a key that isn't there: %v", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- there.Wait(t.Context(), token) }()
	w.cut(1, false)
	if err := <-waited; err != nil {
		t.Errorf("a token of a key that has come: %v", err)
	}
	if err := there.Wait(t.Context(), token[:len(token)-2]+"AA"); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("a token that was changed: %v", err)
	}
	w.counts("x", 1)
}

// TestHiddenInOneRegionIsHiddenInAll: a hide counts where it is known, and with its token everywhere; an un-hide elsewhere, later,
// takes it back.
func TestHiddenInOneRegionIsHiddenInAll(t *testing.T) {
	w := newWorld(t, 2, 1)
	for _, item := range []string{"x", "y"} {
		w.write(0, tidal.Request{Records: []tidal.Record{tidal.Put{Kind: tidal.Item, ID: item}}})
	}
	w.converge()
	shown := func(region int) (out string) {
		a, err := w.leader(region).DB().Rank(t.Context(), &query.Query{Profile: "new", User: "u"})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range a.Items {
			out += x.Item
		}
		s := strings.Split(out, "")
		slices.Sort(s)
		return strings.Join(s, "")
	}
	hide := func(off bool) tidal.Request {
		return tidal.Request{Records: []tidal.Record{tidal.Relate{User: "u", What: tidal.Hides, Target: "x", Off: off}}}
	}
	hidden := w.write(0, hide(false))
	w.await(w.leader(1), hidden.Token())
	if got := shown(1); got != "y" {
		t.Errorf("behind the token of the hide %q is shown", got)
	}
	// While they're cut off from each other one hides again, the other un-hides: the union rules until it's settled by time.
	w.cut(1, true)
	w.write(1, hide(true))
	if got := shown(1); got != "xy" {
		t.Errorf("after the un-hide %q is shown", got)
	}
	if got := shown(0); got != "y" {
		t.Errorf("where the un-hide isn't known %q is shown", got)
	}
	w.write(0, hide(false)) // the last word
	w.cut(1, false)
	w.converge()
	for region := range 2 {
		if got := shown(region); got != "y" {
			t.Errorf("at the end region %d shows %q", region, got)
		}
	}
}

func TestWhoMayBeARegion(t *testing.T) {
	w := newWorld(t, 2, 1)
	f := newFleetOn(t, w.net)
	ask := func(change func(*Config)) error {
		c := f.config("new-1")
		c.Region, c.RegionJoin, c.Schema = "new", []string{"us-east-1"}, nil
		change(&c)
		m, err := Start(c)
		if err == nil {
			t.Error("it has begun")
			_ = m.Close(ended())
		}
		return err
	}
	var in *tidal.InputError
	for what, change := range map[string]func(*Config){
		"a name that is taken": func(c *Config) { c.Region = "eu-west" },
		"the founder's name":   func(c *Config) { c.Region = "us-east" },
		"no name":              func(c *Config) { c.Region = "" },
		"a bad name":           func(c *Config) { c.Region = "New York" },
		"a follower of nobody": func(c *Config) { c.RegionJoin, c.RegionFollower = nil, true },
	} {
		if err := ask(change); !errors.As(err, &in) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Under another name than it has a member doesn't start.
	g := w.regions[1]
	g.close("eu-west-1")
	c := g.config("eu-west-1")
	c.Region = "eu-north"
	if _, err := Start(c); !errors.As(err, &in) || !strings.Contains(err.Error(), "eu-west") {
		t.Errorf("a member of region eu-west that calls it eu-north: %v", err)
	}
	g.start("eu-west-1")
	w.write(1, view("p", 1, "x"))
	w.converge()
}

func TestARegionIsForgotten(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.write(2, view("p", 1, "x"))
	w.converge()
	w.regions[2].kill("ap-south-1")
	if err := w.leader(1).RemoveRegion(t.Context(), "us-east", ""); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("home is forgotten: %v", err)
	}
	if err := w.leader(1).RemoveRegion(t.Context(), "ap-south", "nobody"); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("nobody takes the place: %v", err)
	}
	for range 2 {
		if err := w.leader(1).RemoveRegion(t.Context(), "ap-south", "eu-west"); err != nil {
			t.Fatal(err)
		}
	}
	w.until("both know", func() bool {
		for i := range 2 {
			s := w.leader(i).Regions()
			if len(s) != 3 || s[2].Role != tidal.RegionRemoved || s[2].Successor != "eu-west" || s[2].Unreachable {
				return false
			}
		}
		return true
	})
	// Should it come back it's told, and takes no writes that nobody would ever hear of.
	w.regions[2].start("ap-south-1")
	if err := w.regions[2].ends("ap-south-1"); !errors.Is(err, tidal.ErrRemoved) || !strings.Contains(err.Error(), "region 2 was removed") {
		t.Errorf("it says %v", err)
	}
	_ = w.regions[2].members["ap-south-1"].Close(t.Context()) // it says why it stopped
	delete(w.regions[2].members, "ap-south-1")
	// What it had written can be undone, by its successor.
	w.write(0, tidal.Request{Records: []tidal.Record{tidal.Undo{Lane: "p", Number: 1}}})
	w.regions = w.regions[:2]
	w.until("its event is taken back", func() bool { return w.settled("x", 0) })
}

// TestARequestThatTwoRegionsTookCountsOnce: the answer is lost while the regions are cut off from each other, and the client goes
// on in another one. What counts once for good is the copy that was stamped first.
func TestARequestThatTwoRegionsTookCountsOnce(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.converge()
	w.cut(2, true)
	key := func(n int) tidal.Request {
		return tidal.Request{Records: []tidal.Record{tidal.Signal{Type: "view", Item: "z", User: "u", Key: fmt.Sprint("key ", n)}}}
	}
	for n := range 10 {
		first, second := 0, 2
		if n%2 == 1 {
			first, second = second, first
		}
		w.write(first, view("lane", uint64(n+1), "y"))
		w.write(second, view("lane", uint64(n+1), "y"))
		w.write(first, key(n))
		w.write(second, key(n))
	}
	w.cut(2, false)
	w.until("each request counts once", func() bool { return w.settled("y", 10) && w.settled("z", 10) })
	w.converge()
	for region := range w.regions {
		if got := w.write(region, view("lane", 10, "y")); !got.Duplicate {
			t.Errorf("a retry in region %d is answered with %+v", region, got)
		}
	}
}

// TestWhatRegionsAddToTheSchemaIsUnited has two regions add while they're cut off from each other.
func TestWhatRegionsAddToTheSchemaIsUnited(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.cut(1, true)
	for region, name := range []string{"like", "share"} {
		s := w.leader(region).DB().Schema().Clone()
		s.Signals = append(s.Signals, schema.SignalType{Name: name, Meaning: schema.Positive, HalfLives: []time.Duration{time.Hour}})
		if err := w.leader(region).DB().Extend(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		w.write(region, tidal.Request{Records: []tidal.Record{tidal.Signal{Type: name, Item: "x", User: "u"}}})
	}
	other := w.leader(1).DB().Schema().Clone()
	other.Signals[0].HalfLives = []time.Duration{time.Minute}
	if err := w.leader(1).DB().Extend(t.Context(), other); !errors.Is(err, tidal.ErrSchemaChange) {
		t.Errorf("more than an addition: %v", err)
	}
	w.cut(1, false)
	w.until("both know both", func() bool {
		ok := true
		w.each(func(_ string, m *Member) {
			for _, name := range []string{"like", "share"} {
				_, _, known := m.DB().Schema().Signal(name)
				ok = ok && known
			}
		})
		return ok
	})
	w.converge()
	for region := range w.regions {
		for _, name := range []string{"like", "share"} {
			c, err := w.leader(region).DB().Cell(t.Context(), "x", name, time.Time{})
			if err != nil || c.Total != 1 {
				t.Errorf("region %d counts %s %d times, %v", region, name, c.Total, err)
			}
		}
	}
	for region := range w.regions {
		for _, name := range []string{"like", "share"} {
			w.write(region, tidal.Request{Records: []tidal.Record{tidal.Signal{Type: name, Item: "x", User: "u"}}})
		}
	}
	w.converge()
}

// TestAMemberClosesWhileItShips ends members in the middle of it, all at once.
func TestAMemberClosesWhileItShips(t *testing.T) {
	w := newWorld(t, 2, 1)
	var writers sync.WaitGroup
	for region := range 2 {
		db := w.leader(region).DB()
		for n := range 4 {
			writers.Go(func() {
				for i := uint64(1); ; i++ {
					if _, err := db.Write(context.Background(), view(fmt.Sprint(region, n), i, "x")); err != nil {
						if !errors.Is(err, tidal.ErrClosed) && !errors.Is(err, tidal.ErrUnknown) && !errors.Is(err, tidal.ErrNotLeader) {
							t.Errorf("a write ends with %v", err)
						}
						return
					}
				}
			})
		}
	}
	w.until("much came over", func() bool {
		return w.leader(0).DB().Stats().Vector.Get(tidal.Position{Region: 1}.Origin()) > 500
	})
	for i, f := range w.regions {
		f.close(w.address(i, 0))
	}
	writers.Wait()
	for i, f := range w.regions {
		c := f.config(w.address(i, 0))
		f.run(c)
	}
	w.converge()
}

// TestARegionThatHasMovedIsFound: both have other addresses when they are back, and know only what they were told to ask.
func TestARegionThatHasMovedIsFound(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.write(0, view("p", 1, "x"))
	w.converge()
	for i, f := range w.regions {
		f.close(w.address(i, 0))
	}
	for i, f := range w.regions {
		address := fmt.Sprint("moved-", i)
		f.dirs[address] = f.dirs[w.address(i, 0)]
		c := f.config(address)
		if i == 1 {
			c.Region, c.RegionJoin = regionNames[1], []string{"moved-0"}
		}
		f.run(c)
	}
	w.write(0, view("p", 2, "x"))
	w.write(1, view("q", 1, "x"))
	w.converge()
	w.counts("x", 3)
}

// TestNoNumberIsGivenByHalfADatabase: the old home is cut off from the others, of which one is home by now. Only that side takes
// a new region in.
func TestNoNumberIsGivenByHalfADatabase(t *testing.T) {
	w := newWorld(t, 3, 1)
	for i := range uint64(3) {
		w.write(int(i), view("p", i+1, "x"))
	}
	w.converge()
	w.cut(0, true)
	if err := w.leader(1).Promote(t.Context(), "eu-west"); err != nil {
		t.Fatal(err)
	}
	w.until("the old home misses both others", func() bool {
		all := w.leader(0).Regions()
		// It may lack something for long that it has just heard of.
		silent := all[1].Heard > w.silence+time.Second && all[2].Heard > w.silence+time.Second
		return silent && all[0].Role == tidal.RegionHome
	})
	f := newFleetOn(t, w.net)
	c := f.config("sa-east-1")
	c.Region, c.RegionJoin, c.Schema = "sa-east", []string{"us-east-1"}, nil
	refused(t, c, says("eu-west"))
	c.RegionJoin, c.JoinTimeout = []string{"eu-west-1"}, patience
	f.run(c)
	w.cut(0, false)
	w.regions = append(w.regions, f)
	w.known()
	w.converge()
	want := []tidal.RegionRole{tidal.RegionActive, tidal.RegionHome, tidal.RegionActive, tidal.RegionActive}
	if roles := w.roles(0); !slices.Equal(roles, want) {
		t.Errorf("at the end the roles are %v", roles)
	}
}

// TestRegionsOfThreeMembersComeTogether cuts one of three regions with three members each off, and another one's leader ends.
func TestRegionsOfThreeMembersComeTogether(t *testing.T) {
	if testing.Short() {
		t.Skip("nine members take their time; not in short mode")
	}
	w := newWorld(t, 3, 3)
	w.cut(2, true)
	for i := range uint64(6) {
		for region := range w.regions {
			w.write(region, view(fmt.Sprint("lane ", region), i+1, "x"))
		}
		w.write(0, view("both", i+1, "y"))
		w.write(2, view("both", i+1, "y"))
		if i == 3 {
			address, _ := w.regions[1].leader()
			w.regions[1].kill(address)
		}
	}
	w.cut(2, false)
	w.until("each request counts once", func() bool { return w.settled("y", 6) && w.settled("x", 18) })
	w.converge()
	w.until("members that don't lead know of other regions, too", func() bool {
		for _, m := range w.regions[2].members {
			if slices.ContainsFunc(m.Regions(), func(s tidal.RegionStatus) bool { return s.Unreachable || s.Vector.Len() == 0 }) {
				return false
			}
		}
		return true
	})
}
