package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/fleet"
)

// clockFile in the environment has the test binary behave as tidal, by a clock that is ahead by what the file of that name says. Days
// pass at all servers at once when it's written.
const clockFile = "TIDAL_TEST_CLOCK"

func clockAhead(file string) func() time.Time {
	return func() time.Time {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		by, err := time.ParseDuration(string(text))
		if err != nil {
			panic(err)
		}
		return time.Now().Add(by)
	}
}

// ages are three regions of one real server each, in which days pass when a test says so. Their logs are let go as soon as that is
// allowed.
type ages struct {
	*testing.T
	ctx   context.Context
	w     *fleet.World
	clock string // of all but ap-south, which has one of its own
	lanes map[string]*client.Client
	own   []string
}

// apart is what is added to the name of the file of ap-south's clock.
const apart = "-" + apSouth

const (
	usEast  = "us-east"
	euWest  = "eu-west"
	apSouth = "ap-south"
)

func newAges(t *testing.T) *ages {
	t.Helper()
	unraced(t)
	t.Parallel()
	if err := fleet.Worlds(); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	a := &ages{T: t, ctx: ctx, clock: filepath.Join(t.TempDir(), "clock"), lanes: map[string]*client.Client{}}
	a.pass("", 0)
	a.pass(apart, 0)
	exe, err := os.Executable()
	a.must(err)
	o := fleet.WorldOptions{Options: fleet.Options{
		Dir: t.TempDir(), Nodes: 1, Say: t.Logf, Plain: true, // certificates would grow old, too
		Program: func(ctx context.Context, args ...string) (*exec.Cmd, error) {
			c := exec.CommandContext(ctx, exe, args...)
			clock := a.clock
			if slices.Contains(args, apSouth) {
				clock += apart
			}
			c.Env = append(os.Environ(), clockFile+"="+clock)
			return c, nil
		},
		Settings: []string{"--log-limit", "16KiB", "--checkpoint-bytes", "1MiB"},
	}}
	a.w, err = fleet.StartWorld(ctx, o)
	a.must(err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(a.w.Logs())
		}
		if err := a.w.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func (a *ages) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

// pass lets clocks be that far ahead from now on.
func (a *ages) pass(whose string, by time.Duration) {
	a.Helper()
	next := a.clock + ".next"
	a.must(os.WriteFile(next, []byte(by.String()), 0o600))
	a.must(os.Rename(next, a.clock+whose))
}

func (a *ages) node(region string) *fleet.Node { return a.w.Region(region).Nodes[0] }

// someMiB are requests of which two regions' are more than the checkpoint waits for.
const someMiB = 60

// perRequest is how many signals a request of a lane has.
const perRequest = 512

// write has a client of a region write so many requests. All lanes view one item, by few users: as a sum that takes next to nothing.
func (a *ages) write(region string, requests int) {
	a.Helper()
	c := a.lanes[region]
	if c == nil {
		lane := "of " + region
		var err error
		c, err = client.New(client.Options{Addrs: []string{a.node(region).URL}, Lane: lane, Timeout: -1})
		a.must(err)
		a.Cleanup(c.Close)
		a.lanes[region], a.own = c, append(a.own, lane)
	}
	for range requests {
		records := make([]client.Record, perRequest)
		for i := range records {
			records[i] = client.Signal{Type: "view", Item: "film", User: fmt.Sprintf("user-%d", i%4)}
		}
		_, err := c.Write(a.ctx, client.Request{Records: records})
		a.must(err)
	}
}

func (a *ages) do(region string, r client.Record) {
	a.Helper()
	c, err := client.New(client.Options{Addrs: []string{a.node(region).URL}, Lane: "by hand " + region, Timeout: -1})
	a.must(err)
	defer c.Close()
	a.own = append(a.own, "by hand "+region)
	_, err = c.Do(a.ctx, r)
	a.must(err)
}

// counts waits until servers count so many requests of all lanes.
func (a *ages) counts(requests int, regions ...string) {
	a.Helper()
	for _, region := range regions {
		a.must(a.count(a.ctx, requests, region))
	}
}

// count waits until a server does, or ctx ends.
func (a *ages) count(ctx context.Context, requests int, region string) error {
	c, err := client.New(client.Options{Addrs: []string{a.node(region).URL}, Timeout: -1})
	if err != nil {
		return err
	}
	defer c.Close()
	return fleet.Until(ctx, region+" counts all", func(ctx context.Context) error {
		cell, err := c.Cell(ctx, client.CellQuery{Item: "film", Type: "view"})
		if want := int64(requests * perRequest); err == nil && cell.Total != want {
			err = fmt.Errorf("it counts %d, not %d", cell.Total, want)
		}
		return err
	})
}

// further has a region get what two others write while nothing that it says reaches them, so that they believe it to stand further
// back. That works for as long as they go on sending to who doesn't answer; else it's tried again. It returns how many requests
// there are then.
func (a *ages) further(region string, requests int, others ...string) int {
	a.Helper()
	for {
		a.must(a.w.Part(region, others...))
		for _, other := range others {
			a.write(other, 1)
		}
		requests += len(others)
		ctx, cancel := context.WithTimeout(a.ctx, 3*time.Second)
		err := a.count(ctx, requests, region)
		cancel()
		if err == nil {
			return requests
		}
		a.w.Mend()
		a.counts(requests, append(others, region)...)
	}
}

// age lets time pass, starts regions anew, one after the other, and has them write until their checkpoints have followed: what is old in
// their logs goes, and what others may lack of it is kept in pieces.
func (a *ages) age(by time.Duration, regions ...string) {
	a.Helper()
	a.pass("", by)
	a.pass(apart, by)
	for _, region := range regions {
		a.must(a.node(region).Stop(a.ctx))
		a.must(a.node(region).Start(a.ctx))
	}
	for _, region := range regions {
		a.write(region, someMiB)
	}
	for _, region := range regions {
		n := a.node(region)
		a.must(fleet.Until(a.ctx, region+" lets its log go", func(context.Context) error {
			pieces, err := filepath.Glob(filepath.Join(n.Dir, "pieces", "*.piece"))
			begins, err2 := filepath.Glob(filepath.Join(n.Dir, "wal", "wal-*-00000000000000000001.seg"))
			if err = errors.Join(err, err2); err == nil && (len(pieces) == 0 || len(begins) > 0) {
				err = fmt.Errorf("pieces %v, and the log begins with %v", pieces, begins)
			}
			return err
		}))
	}
}

// missed waits until servers have been without word from a region for so long that nothing is on its way to it any more: what it said
// last is where it stands.
func (a *ages) missed(away string, regions ...string) {
	a.Helper()
	for _, region := range regions {
		n := a.node(region)
		a.must(fleet.Until(a.ctx, region+" misses "+away, func(ctx context.Context) error {
			s, err := n.Status(ctx)
			if err != nil {
				return err
			}
			for _, r := range s.GetRegions() {
				if r.GetName() == away && r.GetUnreachable() {
					return nil
				}
			}
			return errors.New("it doesn't")
		}))
	}
}

// stretch is some events of a region, as a log has them.
type stretch struct{ first, last uint64 }

// log says which events of a region came to a server in batches and in ranges.
func (a *ages) log(n *fleet.Node, region string) (batches, ranges []stretch) {
	a.Helper()
	text, err := n.Tool(a.ctx, "wal", "dump", "--dir", n.Dir, "--records")
	a.must(err)
	number := slices.IndexFunc(a.w.Regions, func(f *fleet.Fleet) bool { return f.Name() == region })
	line := regexp.MustCompile(fmt.Sprintf(`(?m)^(batch v2|range) origin=%d:0 seq=(\d+)-(\d+) `, number))
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		first, err1 := strconv.ParseUint(m[2], 10, 64)
		last, err2 := strconv.ParseUint(m[3], 10, 64)
		a.must(errors.Join(err1, err2))
		if m[1] == "range" {
			ranges = append(ranges, stretch{first, last})
		} else {
			batches = append(batches, stretch{first, last})
		}
	}
	return batches, ranges
}

// load writes in a region meanwhile.
func (a *ages) load(region string) *fleet.Load {
	a.Helper()
	l, err := fleet.StartLoad(a.ctx, fleet.LoadOptions{Addrs: a.w.Region(region).URLs(), Writers: 2, Pause: 5 * time.Millisecond})
	a.must(err)
	return l
}

// agree ends loads, and holds all servers against each other and against what clients were told.
func (a *ages) agree(loads ...*fleet.Load) {
	a.Helper()
	ledgers := []*fleet.Ledger{{Others: a.own}}
	for _, l := range loads {
		a.must(l.Progress(a.ctx, 3))
		ledger, err := l.Stop(a.ctx)
		a.must(err)
		for _, text := range ledger.Errors {
			a.Errorf("a client was refused: %s", text)
		}
		ledgers = append(ledgers, ledger)
	}
	v, err := a.w.Compare(a.ctx, ledgers...)
	a.must(err)
	for _, text := range v.Problems {
		a.Error(text)
	}
	if v.Digest == "" || v.Acked == 0 {
		a.Errorf("%d requests were acknowledged, the digest is %q", v.Acked, v.Digest)
	}
}

// hidden checks that no server shows ada what she hid, and that each shows the rest.
func (a *ages) hidden(items ...string) {
	a.Helper()
	for _, f := range a.w.Regions {
		var list *fleet.List
		a.must(fleet.Until(a.ctx, f.Name()+" answers", func(ctx context.Context) (err error) {
			list, err = f.Nodes[0].Rank(ctx, `RANK items FOR USER "ada" USING new LIMIT 10`, "")
			return err
		}))
		var shown []string
		for _, x := range list.GetItems() {
			shown = append(shown, x.GetItem())
		}
		if !slices.Contains(shown, "film") || slices.ContainsFunc(items, func(id string) bool { return slices.Contains(shown, id) }) {
			a.Errorf("%s shows %v to who has hidden %v", f.Name(), shown, items)
		}
	}
}

// begin has every region write, and all of them agree.
func (a *ages) begin() {
	a.Helper()
	for _, item := range []string{"film", "song", "play"} {
		a.do(usEast, client.Put{Kind: client.Item, ID: item, Fields: client.Fields{"title": item}})
	}
	for _, region := range []string{usEast, euWest, apSouth} {
		a.write(region, 10)
	}
	a.counts(30, usEast, euWest, apSouth)
}

// begins returns with which events of a region the pieces begin that its server keeps.
func (a *ages) begins(region string) (out []uint64) {
	a.Helper()
	pieces, err := filepath.Glob(filepath.Join(a.node(region).Dir, "pieces", "*.piece"))
	a.must(err)
	number := slices.IndexFunc(a.w.Regions, func(f *fleet.Fleet) bool { return f.Name() == region })
	for _, path := range pieces {
		var whose int
		var first, last uint64
		_, err := fmt.Sscanf(filepath.Base(path), "%d-0-0-%d-%d.piece", &whose, &first, &last)
		a.must(err)
		if whose == number {
			out = append(out, first)
		}
	}
	return out
}

// TestARegionThatWasAwayForAWeekComesBack: the other regions' logs have let go of what it lacks, and keep it beside, as sums: they know
// how far it was when it was last heard of, although they were started anew since. It had got somewhat further, so that it stands amidst
// a sum, and takes out of that what it has.
func TestARegionThatWasAwayForAWeekComesBack(t *testing.T) {
	a := newAges(t)
	a.begin()
	ap := a.node(apSouth)
	a.do(apSouth, client.Signal{Type: "hide", Item: "song", User: "ada"})
	a.counts(30, usEast, euWest, apSouth)
	n := a.further(apSouth, 30, usEast, euWest) - 30
	a.must(ap.Kill())
	a.w.Reset() // what it has said is on the way still
	a.w.Mend()
	stood := map[string]uint64{}
	for _, region := range []string{usEast, euWest} {
		batches, _ := a.log(ap, region)
		stood[region] = batches[len(batches)-1].last
	}
	a.do(usEast, client.Signal{Type: "hide", Item: "play", User: "ada"})
	a.write(usEast, someMiB)
	a.write(euWest, someMiB)
	a.counts(30+n+2*someMiB, usEast, euWest)
	a.missed(apSouth, usEast, euWest)
	a.age(8*24*time.Hour, usEast, euWest)

	begins := map[string][]uint64{usEast: a.begins(usEast), euWest: a.begins(euWest)}
	loads := []*fleet.Load{a.load(usEast), a.load(euWest)}
	a.must(ap.Start(a.ctx))
	a.counts(30+n+4*someMiB, usEast, euWest, apSouth)
	a.write(apSouth, 5)
	a.counts(35+n+4*someMiB, usEast, euWest, apSouth)
	a.w.Region(apSouth).Ranged()
	a.agree(loads...)
	a.hidden("song", "play")
	for _, region := range []string{usEast, euWest} {
		batches, ranges := a.log(ap, region)
		next := stood[region] + 1
		if !slices.ContainsFunc(ranges, func(x stretch) bool { return x.first == next }) || slices.Contains(begins[region], next) {
			t.Errorf("of %s it had all up to %d, and has got %d batches and the ranges %v; pieces began with %v", region, next-1, len(batches),
				ranges, begins[region])
		}
	}
}

// TestARegionIsRestoredFromABackupOfTheDayBefore: its only disk is lost, and what it wrote since then, and what others wrote, is no more
// in anybody's log.
func TestARegionIsRestoredFromABackupOfTheDayBefore(t *testing.T) {
	a := newAges(t)
	a.begin()
	ap, file := a.node(apSouth), filepath.Join(t.TempDir(), "backup.tidal")
	_, err := ap.Tool(a.ctx, "backup", "--server", ap.URL, "--out", file)
	a.must(err)
	a.do(apSouth, client.Signal{Type: "hide", Item: "song", User: "ada"})
	a.write(apSouth, 20)
	a.write(usEast, 20)
	a.counts(70, usEast, euWest, apSouth)
	a.must(ap.Kill())
	a.must(os.RemoveAll(ap.Dir))
	a.do(usEast, client.Signal{Type: "hide", Item: "play", User: "ada"})
	a.write(usEast, someMiB-20)
	a.write(euWest, someMiB-20)
	a.counts(30+2*someMiB, usEast, euWest)
	a.age(30*time.Hour, usEast, euWest)

	loads := []*fleet.Load{a.load(usEast), a.load(euWest)}
	_, err = ap.Tool(a.ctx, "restore", "--in", file, "--dir", ap.Dir)
	a.must(err)
	a.must(ap.Start(a.ctx))
	a.counts(30+4*someMiB, usEast, euWest, apSouth)
	a.write(apSouth, 5)
	a.counts(35+4*someMiB, usEast, euWest, apSouth)
	a.w.Region(apSouth).Ranged()
	a.agree(loads...)
	a.hidden("song", "play")
}

// TestAClockThatIsAnHourAheadStallsNobody: what a region stamps by a wrong clock is taken, nobody's own clock goes along, whoever runs
// another region is told, and what was stamped in an hour from now is overridden now.
func TestAClockThatIsAnHourAheadStallsNobody(t *testing.T) {
	a := newAges(t)
	a.begin()
	a.pass(apart, time.Hour)
	a.write(apSouth, 10)
	a.do(apSouth, client.Patch{Kind: client.Item, ID: "film", Fields: client.Fields{"title": "of an hour from now"}})
	a.counts(40, usEast, euWest, apSouth)
	a.titled("of an hour from now")
	a.write(usEast, 1)
	a.do(usEast, client.Patch{Kind: client.Item, ID: "film", Fields: client.Fields{"title": "of now"}})
	a.counts(41, usEast, euWest, apSouth)
	a.titled("of now")
	for _, region := range []string{usEast, euWest} {
		a.must(fleet.Until(a.ctx, region+" says so", func(context.Context) error {
			if log := a.node(region).Log(); strings.Count(log, "clock is ahead") != 1 {
				return fmt.Errorf("it says %s", log)
			}
			return nil
		}))
	}
	for _, region := range []string{usEast, euWest} {
		c := a.lanes[region]
		film, err := c.Get(a.ctx, client.Item, "film")
		a.must(err)
		if ahead := time.Until(film.Touched); ahead < 50*time.Minute {
			t.Errorf("%s has a stamp that isn't ahead: %v", region, ahead)
		}
	}
}

// titled waits until all regions call the film so.
func (a *ages) titled(title string) {
	a.Helper()
	for _, f := range a.w.Regions {
		c, err := client.New(client.Options{Addrs: []string{f.Nodes[0].URL}, Timeout: -1})
		a.must(err)
		defer c.Close()
		a.must(fleet.Until(a.ctx, f.Name()+" calls it "+title, func(ctx context.Context) error {
			film, err := c.Get(ctx, client.Item, "film")
			if err == nil && film.Fields["title"] != title {
				err = fmt.Errorf("it's called %v", film.Fields["title"])
			}
			return err
		}))
	}
}
