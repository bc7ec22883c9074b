package host_test

import (
	"fmt"
	"testing"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/reconcile"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/ship"
)

// shore is a region of one replica, stepped on the test's thread. Its disk answers when asked to.
type shore struct {
	t       *testing.T
	seas    *seas
	number  id.Region
	opts    host.Options
	base    *host.Base
	step    *host.Stepper
	journal *host.Journal
	disk    []*consensus.Append
	replies map[uint64]replica.Reply
	foreign map[uint64]replica.ForeignReply
	tickets uint64
	events  []ship.Event
}

// seas is some regions and what is on its way between them. Packets travel as bytes.
type seas struct {
	t      *testing.T
	now    int64
	shores []*shore
	wire   [][]byte
	cut    map[[2]id.Region]bool
	sent   map[ship.PacketKind]int
}

func newSeas(t *testing.T, n int) *seas { return foundSeas(t, n, func(int, *shore) {}) }

// foundSeas is newSeas; it calls a function whenever home has so many regions in its table.
func foundSeas(t *testing.T, n int, known func(int, *shore)) *seas {
	s := &seas{t: t, now: 1, cut: map[[2]id.Region]bool{}, sent: map[ship.PacketKind]int{}}
	for i := range n {
		x := &shore{
			t: t, seas: s, number: id.Region(i), replies: map[uint64]replica.Reply{},
			foreign: map[uint64]replica.ForeignReply{},
		}
		x.opts = host.Options{
			FS: pebblevfs.NewMem(), Dir: "db", Regions: true, RangeBytes: -1, SegmentBytes: smallSegment,
			Now: func() time.Time { return time.Unix(1_700_000_000, s.now) },
		}
		if err := host.RegionDir(x.opts.FS, x.opts.Dir, [16]byte{7}, id.Origin{Region: x.number}); err != nil {
			t.Fatal(err)
		}
		x.open()
		s.shores = append(s.shores, x)
	}
	t.Cleanup(func() {
		for _, x := range s.shores {
			if err := x.base.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	s.run(3)
	home := s.shores[0]
	for i, records := range founding(n) {
		home.mustWrite(records)
		known(i, home)
	}
	home.mustWrite(endpoints(0))
	for _, x := range s.shores[1:] { // they begin with what home has
		e := reconcile.New(home.bank(), x.bank())
		here := reconcile.Survey(home.base.Streams(), place, home.base.Engine.Vector(), id.VersionVector{})
		if err := e.Apply(e.Plan(here, reconcile.State{}), nil); err != nil {
			t.Fatal(err)
		}
		x.mustWrite(endpoints(x.number))
	}
	s.agree(20)
	return s
}

// founding are the requests that a database of some regions begins with at home: the schema, and a row for each.
func founding(regions int) [][]record.Proposed {
	out := [][]record.Proposed{{
		{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level}},
		{Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Encoded: testSchema().Encode()}},
	}}
	for i := range regions {
		out = append(out, []record.Proposed{{Kind: record.KindRegion, Region: record.RegionInfo{
			Number: id.Region(i), Name: fmt.Sprintf("region-%d", i),
		}}})
	}
	return out
}

// endpoints says where a region's only replica is.
func endpoints(n id.Region) []record.Proposed {
	return []record.Proposed{{Kind: record.KindEndpoints, Endpoints: record.Endpoints{
		Number: n, Members: []record.Endpoint{{Replica: 1}},
	}}}
}

func (x *shore) open() {
	x.t.Helper()
	var err error
	if x.base, err = host.OpenBase(x.opts); err != nil {
		x.t.Fatal(err)
	}
	x.journal = host.NewJournal(x.base.Log, func() int64 { return x.seas.now })
	x.disk = nil
	x.step, err = host.NewStepper(x.base, host.Edge{
		Now:     x.now,
		Persist: func(a *consensus.Append) { x.disk = append(x.disk, a) },
		Reply:   func(r replica.Reply) { x.replies[r.Ticket] = r },
		Foreign: func(r replica.ForeignReply) { x.foreign[r.Ticket] = r },
		Ship: func(p *ship.Packet) {
			x.seas.sent[p.Kind]++
			x.seas.wire = append(x.seas.wire, p.Append(nil))
		},
		ShipEvent: func(e *ship.Event) { x.events = append(x.events, *e) },
	})
	if err != nil {
		x.t.Fatal(err)
	}
	x.settle()
}

func (x *shore) now() replica.Now {
	return replica.Now{Wall: 1_700_000_000_000_000_000 + x.seas.now, Mono: x.seas.now}
}

// settle lets the disk answer until there's nothing to do.
func (x *shore) settle() {
	x.t.Helper()
	for {
		if err := x.step.Settle(); err != nil {
			x.t.Fatal(err)
		}
		if len(x.disk) == 0 {
			return
		}
		var group []host.Written
		for _, a := range x.disk {
			group = append(group, x.journal.Write(a))
		}
		x.disk = nil
		x.journal.Sync(group)
		if err := x.step.Persisted(group); err != nil {
			x.t.Fatal(err)
		}
	}
}

// run lets ticks pass, and delivers what is sent.
func (s *seas) run(ticks int) {
	s.t.Helper()
	for range ticks {
		s.now += 25_000_000
		for _, x := range s.shores {
			x.step.Core.Tick(x.now())
			x.settle()
		}
		s.deliver()
	}
}

func (s *seas) deliver() {
	s.t.Helper()
	for len(s.wire) > 0 {
		b := s.wire[0]
		s.wire = s.wire[1:]
		p, err := ship.DecodePacket(b)
		if err != nil {
			s.t.Fatal(err)
		}
		if s.cut[[2]id.Region{p.From.Region, p.To.Region}] {
			continue
		}
		x := s.shores[p.To.Region]
		x.step.ReceiveShip(&p)
		x.settle()
	}
}

// part cuts two regions off from each other, or joins them again.
func (s *seas) part(a, b int, cut bool) {
	s.cut[[2]id.Region{id.Region(a), id.Region(b)}] = cut
	s.cut[[2]id.Region{id.Region(b), id.Region(a)}] = cut
}

// write writes a request.
func (x *shore) write(records []record.Proposed) replica.Reply {
	x.t.Helper()
	x.tickets++
	s, hash := x.base.Engine.Schema()
	req := &replica.Request{Ticket: x.tickets, Records: records, Schema: hash, Content: record.ContentHash(records)}
	if err := replica.Check(req, s); err != nil {
		x.t.Fatal(err)
	}
	x.step.Core.Propose(x.now(), req)
	if err := x.step.Flush(x.now()); err != nil {
		x.t.Fatal(err)
	}
	x.settle()
	return x.replies[x.tickets]
}

func (x *shore) mustWrite(records []record.Proposed) {
	x.t.Helper()
	if r := x.write(records); r.Err != nil {
		x.t.Fatalf("region %d: %v", x.number, r.Err)
	}
}

// agree runs until all regions have the same, which must be within some ticks, and compares their states.
func (s *seas) agree(ticks int) {
	s.t.Helper()
	s.deliver()
	for range ticks {
		if s.same() {
			break
		}
		s.run(1)
	}
	for _, x := range s.shores {
		if !s.same() {
			s.t.Errorf("region %d has %v\nevents %v\nstatus %+v", x.number, x.base.Engine.Vector(), x.events, x.step.Ship().Status())
		} else if got, want := x.base.Engine.Digest(), s.shores[0].base.Engine.Digest(); got != want {
			s.t.Errorf("region %d has digest %v, region 0 has %v", x.number, got, want)
		}
	}
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// same reports whether all regions have the same vector.
func (s *seas) same() bool {
	for _, x := range s.shores[1:] {
		if !x.base.Engine.Vector().Equal(s.shores[0].base.Engine.Vector()) {
			return false
		}
	}
	return true
}

func TestWhatIsWrittenInOneRegionIsAppliedInTheOther(t *testing.T) {
	s := newSeas(t, 2)
	for i := range 20 {
		for k, x := range s.shores {
			x.mustWrite(views("ada", fmt.Sprintf("item %d", i), 1+k))
		}
		s.deliver()
		if !s.shores[0].base.Engine.Vector().Equal(s.shores[1].base.Engine.Vector()) {
			t.Fatalf("after %d writes: %v and %v", i+1, s.shores[0].base.Engine.Vector(), s.shores[1].base.Engine.Vector())
		}
	}
	s.agree(0)
}

func TestARegionBetweenTwoThatAreCutOffRelays(t *testing.T) {
	s := newSeas(t, 3)
	s.part(0, 2, true)
	for i, x := range s.shores {
		x.mustWrite(views("ada", fmt.Sprintf("item %d", i), 1+i))
	}
	s.agree(400)
	s.part(0, 2, false)
	s.shores[0].mustWrite(views("ada", "item", 1))
	s.agree(400)
}
