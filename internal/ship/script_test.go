package ship

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// TestScripts runs the stories of testdata/scripts: one replica, 0.1, which is the leader of region 0, and whatever other replicas
// say to it. Below each command stands what the replica does about it. -rewrite writes that anew.
//
//	core [regions=3] [replicas=1] [window=BYTES] [keep=BYTES]   begins anew, with regions 0, 1, …
//	stamp origin=1:0 n=2 [pad=BYTES] [anew]        a batch of two events of an origin comes to be; nobody has it yet. With anew it's of
//	        [after=2]                              another history of the origin, which begins behind the batch that ends there
//	applied origin=0:0 upto=4 [cold] [anew]        its batches up to there are in 0.1's log and applied; without cold also in memory
//	tick [n=1] [alive=1]                           25 ms pass; alive is a region whose subscription gives signs of life meanwhile
//	await from=1                                   time passes until 0.1 has subscribed there again; what it does elsewhere isn't shown
//	subscribe|accept|refuse|data|ack|leave|news|pulse from=1   a packet from that region, of replica 1, which leads it, or from=1.2
//	        [has=(1:0:4,0:0:2)]                    what it says that it has; else what it said last
//	        [ends=(0:0:2)] [ends-anew=(0:0:2)]     by which batches its origins end, in the first history or in the other one
//	        [hearsay=2]                            it says so of that region
//	        subscribe: [after=(0:0:2)] [window=BYTES] [relay=2:0] [cluster=another] [tenant=another] [process=2]
//	        refuse: reason=busy|session|region|cluster
//	        data: [origin=1:0 batch=2] [to=3]      batches 2 to 3 of the origin, in one packet; without any it's a sign of life
//	              [anew] [damaged] [shifted] [oversized] [skipped]
//	        ack: [taken=BYTES]                     else all that was sent to it
//	proposed taken|missing|full|forked|lost        what became of the first proposal
//	read                                           does the work that is asked for, with 0.1's log
//	status region=1
//	heard                                          whether all other regions have answered, and nothing waits to be compared
//	covered at=0:0:2                               in how many other regions an event is
//	leads [no]                                     whether 0.1 leads its region; else 0.2 does
//
// Sessions are called A, B, … in the order of which they come up.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := &script{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.command(t, d) })
	})
}

// script is a story under way.
type script struct {
	t        *testing.T
	core     *Core
	now      int64
	world    *world // it makes batches
	anew     *world // it makes those of another history
	log      []Batch
	vector   id.VersionVector
	proposed []uint64
	work     []Work
	sessions []uint64
	mine     map[id.Region]uint64 // under which 0.1 has subscribed
	number   map[id.Region]uint64
	theirs   map[id.Region]uint64 // under which a region has subscribed here
	sent     map[id.Region]uint64
	seen     map[id.Region]uint64 // the last packet with data that it got
	// subscriptions at 0.1 there have been.
	subscriptions uint64
	done          map[id.Region]uint64 // bytes of which 0.1 has said that it's done with them
	has           map[id.Region]id.VersionVector
	peer          Peer // whom a command is about
	out           strings.Builder
}

func (s *script) command(t *testing.T, d *datadriven.TestData) string {
	s.t = t
	s.out.Reset()
	switch d.Cmd {
	case "core":
		s.begin(d)
	case "stamp":
		s.stamp(d)
	case "applied":
		s.applied(d)
	case "tick":
		alive := id.Region(number(t, d, "alive", 0))
		for range number(t, d, "n", 1) {
			if alive != 0 {
				p := Packet{To: Peer{0, 1}, From: Peer{alive, 1}, Kind: PacketData, Session: s.mine[alive], Number: s.number[alive]}
				p.Pulse = Pulse{Leads: true, Leader: 1, Vector: s.has[alive]}
				s.core.Receive(s.clock(), &p)
			}
			s.tick()
		}
	case "await":
		return s.await(s.from(d))
	case "proposed":
		what := map[string]What{"taken": Taken, "missing": Missing, "full": Full, "forked": Forked, "lost": Lost}[d.CmdArgs[0].Key]
		if len(s.proposed) == 0 {
			return "nothing is proposed\n"
		}
		ticket := s.proposed[0]
		s.proposed = s.proposed[1:]
		s.core.Proposed(s.clock(), Outcome{Ticket: ticket, What: what, Err: errors.New("so the group says")})
	case "read":
		work := s.work
		s.work = nil
		for _, w := range work {
			s.core.Done(s.clock(), Do(s, placeToy, w))
		}
	case "covered":
		p, err := id.ParsePosition(text(t, d, "at"))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("in %d other regions\n", s.core.Covered(p))
	case "heard":
		return fmt.Sprintf("%v\n", s.core.Heard())
	case "leads":
		leader := uint64(1)
		if d.HasArg("no") {
			leader = 2
		}
		s.core.Lead(s.clock(), leader == 1, leader)
	case "status":
		return s.status(id.Region(number(t, d, "region", 1)))
	default:
		s.packet(d)
	}
	s.take()
	return s.out.String()
}

func (s *script) clock() Now { return Now{Wall: s.now, Mono: s.now} }

func (s *script) tick() {
	s.now += 25_000_000
	s.core.Tick(s.clock())
	s.take()
}

// await lets time pass until there's another subscription at a region.
func (s *script) await(at Peer) string {
	had := s.mine[at.Region]
	for range 2000 {
		s.tick()
		if s.mine[at.Region] == had {
			continue
		}
		var lines []string
		for line := range strings.Lines(s.out.String()) {
			if strings.HasPrefix(line, fmt.Sprintf("to %d.", at.Region)) {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines[max(0, len(lines)-1):], "")
	}
	return "nobody is asked\n"
}

// from is whom a command is about: "1" or "1.2".
func (s *script) from(d *datadriven.TestData) Peer {
	word := "1"
	d.MaybeScanArgs(s.t, "from", &word)
	p := Peer{Replica: 1}
	if _, err := fmt.Sscanf(word, "%d.%d", &p.Region, &p.Replica); err != nil {
		if _, err = fmt.Sscanf(word, "%d", &p.Region); err != nil {
			s.t.Fatalf("%s: %q is nobody", d.Pos, word)
		}
	}
	return p
}

func (s *script) begin(d *datadriven.TestData) {
	n := number(s.t, d, "regions", 3)
	*s = script{
		t: s.t, now: 1, world: newWorld(s.t, 1, n, number(s.t, d, "replicas", 1)), mine: map[id.Region]uint64{}, number: map[id.Region]uint64{},
		theirs: map[id.Region]uint64{}, sent: map[id.Region]uint64{}, seen: map[id.Region]uint64{}, done: map[id.Region]uint64{},
		has: map[id.Region]id.VersionVector{},
	}
	s.anew = newWorld(s.t, 1, n, 1)
	s.core = New(Config{
		Self: Peer{0, 1}, Cluster: [16]byte{1}, Seed: 1, Window: int64(number(s.t, d, "window", 0)), Keep: int64(number(s.t, d, "keep", 0)),
	})
	s.core.Regions(s.clock(), s.world.table())
	s.core.Lead(s.clock(), true, 1)
}

// stamp makes a batch.
func (s *script) stamp(d *datadriven.TestData) {
	o := origin(s.t, d, "origin")
	w, pad := s.world, number(s.t, d, "pad", 0)
	if d.HasArg("anew") {
		w, pad = s.anew, pad+1
		for _, b := range s.world.truth[o] {
			if d.HasArg("after") && b.Last <= id.Seq(number(s.t, d, "after", 0)) {
				w.truth[o] = append(w.truth[o], b)
			}
		}
	}
	x := &town{w: w, origin: o}
	b := x.batch(number(s.t, d, "n", 1), pad)
	fmt.Fprintf(&s.out, "batch %d of %v: %d…%d\n", len(w.truth[o]), o, b.First, b.Last)
}

// truth are the batches of an origin, of the history that a command is about.
func (s *script) truth(d *datadriven.TestData, o id.Origin) []Batch {
	if d.HasArg("anew") {
		return s.anew.truth[o]
	}
	return s.world.truth[o]
}

// ends are the marks that a packet brings.
func (s *script) ends(d *datadriven.TestData, from id.Region) (out []Mark) {
	from = id.Region(number(s.t, d, "hearsay", int(from)))
	for key, w := range map[string]*world{"ends": s.world, "ends-anew": s.anew} {
		v, _ := vector(s.t, d, key)
		for o, seq := range v.All {
			for _, b := range w.truth[o] {
				if b.Last == seq {
					out = append(out, markOf(from, &b))
				}
			}
		}
	}
	return out
}

func (s *script) applied(d *datadriven.TestData) {
	o, upto := origin(s.t, d, "origin"), id.Seq(number(s.t, d, "upto", 0))
	var news []Batch
	for _, b := range s.truth(d, o) {
		if b.First > s.vector.Get(o) && b.Last <= upto {
			s.log = append(s.log, b)
			news = append(news, b)
		}
	}
	if d.HasArg("cold") {
		news = nil
	}
	s.vector = s.vector.With(o, upto)
	s.core.Applied(s.clock(), s.vector, news)
}

// packet has somebody send one.
func (s *script) packet(d *datadriven.TestData) {
	s.peer = s.from(d)
	from := s.peer.Region
	if list, ok := vector(s.t, d, "has"); ok {
		s.has[from] = list
	}
	p := Packet{To: Peer{0, 1}, From: s.peer, Session: s.mine[from]}
	p.Pulse = Pulse{Leads: s.peer.Replica == 1, Leader: 1, Vector: s.has[from], Marks: s.ends(d, from)}
	switch d.Cmd {
	case "subscribe":
		s.subscriptions++
		s.theirs[from] = uint64(number(s.t, d, "process", 1))<<32 + s.subscriptions
		s.sent[from], s.seen[from] = 0, 0
		p.Kind, p.Session, p.Subscribe = PacketSubscribe, s.theirs[from], s.wish(d, from)
	case "accept":
		p.Kind = PacketAccept
	case "refuse":
		p.Kind, p.Text = PacketRefuse, "so it says"
		word := text(s.t, d, "reason")
		p.Reason = map[string]Reason{"busy": ReasonBusy, "session": ReasonSession, "region": ReasonRegion, "cluster": ReasonCluster}[word]
	case "data":
		p.Kind, p.Items = PacketData, s.items(d)
		if d.HasArg("skipped") {
			s.number[from]++
		}
		if len(p.Items) > 0 {
			s.number[from]++
		}
		p.Number = s.number[from]
	case "ack":
		p.Kind, p.Session, p.Number = PacketAck, s.theirs[from], s.seen[from]
		p.Taken = uint64(number(s.t, d, "taken", int(s.sent[from])))
	case "leave":
		p.Kind, p.Session = PacketLeave, s.theirs[from]
	case "news":
		p.Kind, p.Session = PacketNews, 0
	case "pulse": // of a subscription that is there or not
		p.Kind, p.Session = PacketAck, 1
	default:
		s.t.Fatalf("%s: there is no command %q", d.Pos, d.Cmd)
	}
	s.core.Receive(s.clock(), &p)
}

func (s *script) wish(d *datadriven.TestData, from id.Region) *Subscription {
	w := &Subscription{Cluster: [16]byte{1}, Origin: id.Origin{Region: from}, Own: true, Window: int64(number(s.t, d, "window", 1<<20))}
	if d.HasArg("cluster") {
		w.Cluster[0] = 2
	}
	if d.HasArg("tenant") {
		w.Tenant = text(s.t, d, "tenant")
	}
	if d.HasArg("relay") {
		w.Relay = []id.Origin{origin(s.t, d, "relay")}
	}
	w.After, _ = vector(s.t, d, "after")
	return w
}

// items are batches of an origin, as they should be or not.
func (s *script) items(d *datadriven.TestData) (out []Item) {
	if !d.HasArg("origin") {
		return nil
	}
	o := origin(s.t, d, "origin")
	from := number(s.t, d, "batch", 1)
	for n := from; n <= number(s.t, d, "to", from); n++ {
		it := item(s.truth(d, o)[n-1])
		it.Data = slices.Clone(it.Data)
		switch {
		case d.HasArg("damaged"):
			it.Data[len(it.Data)-1] ^= 1
		case d.HasArg("shifted"): // into the place of the one before
			it.First, it.Last = it.First-1, it.Last-1
		case d.HasArg("oversized"):
			it.Range, it.Data = true, make([]byte, MaxPacket+8<<20)
		}
		out = append(out, it)
	}
	return out
}

// take prints what is to be done.
func (s *script) take() {
	out := s.core.Take(1 << 20)
	for i := range out.Send {
		s.send(&out.Send[i])
	}
	for i := range out.Propose {
		p := &out.Propose[i]
		s.proposed = append(s.proposed, p.Ticket)
		fmt.Fprintf(&s.out, "proposes %s\n", s.stamped(p.Data))
	}
	for _, w := range out.Work {
		s.work = append(s.work, w)
		if w.Kind == WorkMarks {
			fmt.Fprintf(&s.out, "wants to know what its log has at %s, for %v\n", places(w.Marks), name(w.Peer))
			continue
		}
		fmt.Fprintf(&s.out, "wants to read %v behind %d, for %v\n", w.Origin, w.After, name(w.Peer))
	}
	for _, p := range out.Ahead {
		fmt.Fprintf(&s.out, "lacks %v of its own\n", p)
	}
	for _, f := range out.Forked {
		fmt.Fprintf(&s.out, "is forked at %v, where region %d holds something else\n", f.Position, f.Region)
	}
	for _, e := range out.Events {
		fmt.Fprintf(&s.out, "logs: %s from %v: %s (%d so far)\n", e.Cause, name(e.Peer), e.Text, e.Count)
	}
}

// send prints a packet, but for what is only a sign of life.
func (s *script) send(p *Packet) {
	to := p.To.Region
	switch {
	case p.Kind == PacketAck && p.Taken > s.done[to]:
		s.done[to] = p.Taken
		fmt.Fprintf(&s.out, "to %v: done with %d bytes\n", name(p.To), p.Taken)
		return
	case p.Kind == PacketRefuse && p.Reason == ReasonSession: // who only says something has none
		return
	case p.Kind == PacketNews && len(p.Pulse.Knows) == 0:
		fmt.Fprintf(&s.out, "to %v: tells of", name(p.To))
		for _, m := range p.Pulse.Marks {
			if s.core.isForked(m.Origin) {
				fmt.Fprintf(&s.out, " %v", m)
			}
		}
		s.out.WriteByte('\n')
		return
	case p.Kind == PacketAck || p.Kind == PacketNews || p.Kind == PacketData && len(p.Items)+len(p.Gone) == 0:
		return
	case p.Kind == PacketSubscribe:
		s.mine[to], s.number[to], s.done[to] = p.Session, 0, 0
	case p.Kind == PacketData:
		s.sent[to] += uint64(p.size())
		s.seen[to] = p.Number
	}
	fmt.Fprintf(&s.out, "to %v: %v", name(p.To), p.Kind)
	if p.Kind == PacketSubscribe {
		fmt.Fprintf(&s.out, " %s behind %v", s.session(p.Session), printed(p.Subscribe.After))
		for _, o := range p.Subscribe.Relay {
			fmt.Fprintf(&s.out, ", with %v", o)
		}
	}
	for i := range p.Items {
		it := &p.Items[i]
		fmt.Fprintf(&s.out, " %s", stretch(Batch{Origin: it.Origin, First: it.First, Last: it.Last}))
	}
	for _, o := range p.Gone {
		fmt.Fprintf(&s.out, ", %v is gone", o)
	}
	if p.Text != "" {
		fmt.Fprintf(&s.out, ": %v, %s", p.Reason, p.Text)
	}
	s.out.WriteByte('\n')
}

func (s *script) session(n uint64) string {
	i := slices.Index(s.sessions, n)
	if i < 0 {
		i = len(s.sessions)
		s.sessions = append(s.sessions, n)
	}
	return string(rune('A' + i))
}

// stamped says which batch some bytes are.
func (s *script) stamped(data []byte) string {
	for _, w := range []*world{s.world, s.anew} {
		for _, list := range w.truth {
			for _, b := range list {
				if string(b.Data) == string(data) {
					return stretch(b)
				}
			}
		}
	}
	s.t.Fatalf("nobody has stamped %q", data)
	return ""
}

// status prints what is known of a region.
func (s *script) status(n id.Region) string {
	st := s.core.Status()
	var b strings.Builder
	for _, r := range st.Regions {
		if r.Number != n {
			continue
		}
		fmt.Fprintf(&b, "has %v; here %d of its are missing, there %d of these", printed(r.Vector), r.Behind.Events, r.Lacks.Events)
		if !r.Reachable {
			b.WriteString(", not reached")
		}
		if r.Open {
			fmt.Fprintf(&b, ", sends from %v", name(r.Source))
		}
		if len(r.Relays) > 0 {
			fmt.Fprintf(&b, ", relays %v", r.Relays)
		}
		if r.TooFarBehind {
			b.WriteString(", can't give all")
		}
		if len(r.Forked) > 0 {
			fmt.Fprintf(&b, ", is forked at %v", r.Forked)
		}
		for c, times := range r.Refused {
			if times > 0 {
				fmt.Fprintf(&b, ", %s %d", Cause(c), times)
			}
		}
	}
	var to []string
	for _, p := range st.Subscribers {
		to = append(to, name(p))
	}
	if len(to) > 0 {
		fmt.Fprintf(&b, "; to %s is sent", strings.Join(to, " "))
	}
	return b.String() + "\n"
}

// The replica's log, see [Log].

// First, Bytes, Read and Range are what a log is asked for.
func (s *script) First(id.Origin) id.Seq { return 0 }

func (s *script) Bytes(id.Origin, id.Seq) int64 { return 0 }

func (s *script) Read(o id.Origin, after id.Seq, maxBytes int) (out [][]byte, err error) {
	size := 0
	for _, b := range s.log {
		if b.Origin == o && b.Last > after && (size == 0 || size+len(b.Data) <= maxBytes) {
			out, size = append(out, b.Data), size+len(b.Data)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the log has nothing behind %v: %w", o.At(after), fault.ErrGone)
	}
	return out, nil
}

func (s *script) Range(o id.Origin, after id.Seq, _ int) ([]byte, error) {
	return nil, fmt.Errorf("the log has nothing behind %v: %w", o.At(after), fault.ErrGone)
}

// Arguments and what is printed.

func number(t *testing.T, d *datadriven.TestData, key string, standard int) int {
	d.MaybeScanArgs(t, key, &standard)
	return standard
}

func text(t *testing.T, d *datadriven.TestData, key string) (out string) {
	d.ScanArgs(t, key, &out)
	return out
}

func origin(t *testing.T, d *datadriven.TestData, key string) id.Origin {
	o, err := id.ParseOrigin(text(t, d, key))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// vector reads a list of positions.
func vector(t *testing.T, d *datadriven.TestData, key string) (v id.VersionVector, ok bool) {
	for _, a := range d.CmdArgs {
		if a.Key != key {
			continue
		}
		ok = true
		for _, word := range a.Vals {
			p, err := id.ParsePosition(word)
			if err != nil {
				t.Fatal(err)
			}
			v = v.With(p.Origin(), p.Seq)
		}
	}
	return v, ok
}

func name(p Peer) string { return fmt.Sprintf("%d.%d", p.Region, p.Replica) }

func stretch(b Batch) string { return fmt.Sprintf("%v…%d", b.Origin.At(b.First), b.Last) }

// places are where batches end.
func places(list []Mark) string {
	var words []string
	for _, m := range list {
		words = append(words, m.position().String())
	}
	return strings.Join(words, ", ")
}

// printed is a vector; of an origin of which nothing is wanted it has the highest number.
func printed(v id.VersionVector) string {
	if v.Len() == 0 {
		return "nothing"
	}
	return strings.ReplaceAll(v.String(), fmt.Sprint(uint64(math.MaxUint64)), "∞")
}
