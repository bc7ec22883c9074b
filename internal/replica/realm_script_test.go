package replica_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/cockroachdb/datadriven"
	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// TestRegionScripts runs the stories of testdata/regions: commands to groups of several regions, and the picture that each
// gives. -rewrite writes the pictures anew. Regions are counted from 1; who is meant is who leads, or a node.
//
//	regions n=2 [members=1]            groups; the first one brings the schema
//	ship    from=1 to=2                offers what 1 has and 2 lacks
//	        [skip=n] [only=n]          without the first n batches; n of them
//	        [damaged] [forked]         with a bit turned over; with other content under its number
//	        [range]                    one range instead of batches
//	        [of=3]                     batches of that region alone
//	        [held]                     without the appends that come of it
//	ahead   region=1 seq=9 [incarnation=1]
//	originals region=1                 answers what was wanted
//	settle                             ships everything everywhere
//	counts  ITEM                       in every region
//	status  region=1
//	roles
//	marks, hidden USER ITEM            in every region
//	and, for one region, the commands of TestGroupScripts: propose, run, tick, elect, cut, hold, restart, stop
func TestRegionScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/regions", func(t *testing.T, path string) {
		cryptotest.SetGlobalRandom(t, 1) // Raft draws its election timeouts there
		s := &realmScript{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.command(t, d)
		})
	})
}

type realmScript struct {
	*realm
	groups []*groupScript
	out    strings.Builder
}

func (s *realmScript) command(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	if d.Cmd == "regions" {
		n, members := 2, 1
		d.MaybeScanArgs(t, "n", &n)
		d.MaybeScanArgs(t, "members", &members)
		s.realm, s.groups = newRealm(t, n, members, nil), nil
		for _, f := range s.regions {
			g := &groupScript{fleet: f, told: map[uint64]int{}}
			f.stepped = g.tell
			s.groups = append(s.groups, g)
			for _, r := range f.rigs {
				r.said.Reset()
			}
		}
		return ""
	}
	s.tb = t
	for _, g := range s.groups {
		g.t, g.tb = t, t
		g.out.Reset()
		for _, r := range g.rigs {
			r.tb = t
		}
	}
	if err := s.step(t, d); err != nil {
		fmt.Fprintf(&s.out, "error: %v\n", err)
	}
	for n, g := range s.groups {
		for _, r := range g.rigs {
			g.tell(r)
		}
		for line := range strings.Lines(g.out.String()) {
			fmt.Fprintf(&s.out, "%d.%s", n+1, line)
		}
	}
	return s.out.String()
}

func (s *realmScript) step(t *testing.T, d *datadriven.TestData) error {
	region := 0
	d.MaybeScanArgs(t, "region", &region)
	switch d.Cmd {
	case "ship":
		s.shipSome(t, d)
	case "settle":
		s.settle()
	case "counts":
		for n := range s.regions {
			fmt.Fprintf(&s.out, "%d: %s\n", n+1, s.counts(n+1, d.CmdArgs[0].Key))
		}
	case "status":
		r := s.lead(region)
		x := r.core.Status()
		fmt.Fprintf(&s.out, "vector=%v foreign=%d excess=%d×%dms behind=%v\n", r.engine.Vector(), x.Foreign, x.Excess.Times,
			x.Excess.Largest, x.Behind)
	case "ahead":
		p := s.lead(region).cfg.Origin.At(0)
		d.ScanArgs(t, "seq", &p.Seq)
		d.MaybeScanArgs(t, "incarnation", &p.Incarnation)
		s.lead(region).core.Ahead(s.lead(region).now(), p)
		s.lead(region).take()
	case "roles":
		for n := range s.regions {
			fmt.Fprintf(&s.out, "%d: %v\n", n+1, s.lead(n+1).engine.Role())
		}
	case "marks", "hidden":
		for n := range s.regions {
			e := s.lead(n + 1).engine
			marks, err := e.Marks(d.CmdArgs[0].Key, d.CmdArgs[1].Key)
			pair, err2 := e.Relation(d.CmdArgs[0].Key, byte(record.HideItem), d.CmdArgs[1].Key)
			if err != nil || err2 != nil {
				return errors.Join(err, err2)
			}
			fmt.Fprintf(&s.out, "%d: liked=%v hidden=%v\n", n+1, marks.Liked.On, pair.Holds())
		}
	case "originals":
		s.lead(region).originals()
	default:
		g := s.groups[region-1]
		if !d.HasArg("node") {
			if r := g.leader(); r != nil && d.Cmd != "tick" {
				d.CmdArgs = append(d.CmdArgs, datadriven.CmdArg{Key: "node", Vals: []string{fmt.Sprint(r.cfg.Consensus.Replica)}})
			}
		}
		return g.step(d)
	}
	return nil
}

func (s *realmScript) shipSome(t *testing.T, d *datadriven.TestData) {
	var from, to, skip, of int
	only := 1 << 30
	d.ScanArgs(t, "from", &from)
	d.ScanArgs(t, "to", &to)
	d.MaybeScanArgs(t, "skip", &skip)
	d.MaybeScanArgs(t, "only", &only)
	d.MaybeScanArgs(t, "of", &of)
	a, b := s.lead(from), s.lead(to)
	var list [][]byte
	for _, data := range a.shipped() {
		if at, _ := placeOf(t, data); of == 0 || int(at.Region) == of {
			list = append(list, data)
		}
	}
	if d.HasArg("range") {
		o := id.Origin{Region: id.Region(max(of, from)), Shard: origin.Shard}
		list = [][]byte{a.compacted(o, id.Seq(skip))}
		skip = 0
	}
	for _, data := range list[min(skip, len(list)):min(skip+only, len(list))] {
		data = append([]byte(nil), data...)
		if d.HasArg("damaged") {
			data[len(data)-1] ^= 1
		}
		if d.HasArg("forked") {
			data = forge(t, data)
		}
		b.offer(data)
	}
	if !d.HasArg("held") {
		b.flush()
		s.region(to).run()
	}
	s.region(to).after(b)
}

// counts are the events of an item that a region counts.
func (s *realmScript) counts(n int, item string) string {
	e := s.lead(n).engine
	var out []string
	for _, name := range []string{"view", "like"} {
		var cell algebra.SignalState
		if _, err := e.ReadCell(item, name, &cell); err != nil {
			return err.Error()
		}
		out = append(out, fmt.Sprintf("%s=%d", name, cell.Total()))
	}
	d := e.Digest()
	return fmt.Sprintf("%s digest=%x pending=%v", strings.Join(out, " "), d[:4], e.Pending(9))
}

// forge is a batch of the same events in the same place with another content.
func forge(tb failer, data []byte) []byte {
	b, err := record.Open(data)
	if err != nil {
		tb.Fatal(err)
	}
	head, build := b.Head(), record.NewBuilder()
	head.Timestamp += 1e6
	if err := build.Reset(head); err != nil {
		tb.Fatal(err)
	}
	for rec, err := range b.Records() {
		if err == nil {
			err = build.AddRecord(&rec)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	out, err := build.Finish(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
