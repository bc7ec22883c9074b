package ship

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// A toy world around cores: groups whose log is a list, replicas that apply it later or sooner, and a network that may do
// anything to a packet. What a group applies is checked as it happens: each origin's events in order, each once, with the
// contents that were stamped.

const second = 40 // ticks

type world struct {
	t     testing.TB
	rng   *rand.Rand
	now   int64
	towns []*town
	wire  []parcel
	cut   map[[2]id.Region]bool
	truth map[id.Origin][]Batch // what was stamped
	// Faults: of 100 packets, how many are lost, repeated, and delivered out of turn.
	lose, repeat, shuffle int
	builder               *record.Builder
	starts                uint64
	largest               int // bytes that waited in one core
	dataSent, dataBytes   int
}

type parcel struct {
	bytes []byte
	to    Peer
	from  Peer
}

// town is a region: a group of one replica or more.
type town struct {
	w         *world
	number    id.Region
	origin    id.Origin
	log       []entry // committed
	released  int     // entries that are gone; ranges takes their place if set
	ranges    bool
	houses    []*house
	leader    int // of houses, −1 for none
	committed id.VersionVector
}

type entry struct {
	Batch
	isRange bool
}

// house is one replica.
type house struct {
	town    *town
	peer    Peer
	core    *Core
	applied int
	vector  id.VersionVector
	held    []Proposal // proposed, not committed
	work    []Work
	events  []Event
	down    bool
}

func newWorld(t testing.TB, seed uint64, regions, replicas int) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: 1, cut: map[[2]id.Region]bool{}, truth: map[id.Origin][]Batch{},
		builder: record.NewBuilder(),
	}
	for i := range regions {
		x := &town{w: w, number: id.Region(i), origin: id.Origin{Region: id.Region(i)}, leader: 0}
		for n := range replicas {
			x.houses = append(x.houses, &house{town: x, peer: Peer{x.number, uint64(n + 1)}})
		}
		w.towns = append(w.towns, x)
	}
	for _, x := range w.towns {
		for _, h := range x.houses {
			h.start()
		}
	}
	return w
}

func (w *world) clock() Now { return Now{Wall: w.now, Mono: w.now} }

func (w *world) table() []Region {
	var out []Region
	for _, x := range w.towns {
		r := Region{Number: x.number}
		for _, h := range x.houses {
			r.Replicas = append(r.Replicas, h.peer.Replica)
		}
		out = append(out, r)
	}
	return out
}

// start begins anew with what is applied.
func (h *house) start() {
	w := h.town.w
	w.starts++
	h.core = New(Config{
		Self: h.peer, Origin: h.town.origin, Cluster: [16]byte{1}, Seed: w.starts, Window: 64 << 10, Keep: 32 << 10,
	})
	h.held, h.work, h.down = nil, nil, false
	h.core.Regions(w.clock(), w.table())
	h.core.Applied(w.clock(), h.vector, nil)
	h.lead()
}

func (h *house) leads() bool { return !h.down && h.town.leader == int(h.peer.Replica)-1 }

func (h *house) lead() {
	h.core.Lead(h.town.w.clock(), h.leads(), uint64(h.town.leader+1))
	h.take()
}

// batch stamps some records.
func (x *town) batch(n int, pad int) Batch {
	w := x.w
	first := id.Seq(1)
	if all := w.truth[x.origin]; len(all) > 0 {
		first = all[len(all)-1].Last + 1
	}
	err := w.builder.Reset(record.Head{Origin: x.origin, First: first, Timestamp: 1, Base: hlc.Timestamp(first), Level: 1})
	for i := range n {
		if err == nil {
			err = w.builder.AddSignal(&record.Meta{HLC: hlc.Timestamp(first) + hlc.Timestamp(i)}, &record.Signal{
				Weight: 1 << 24, Item: fmt.Sprintf("%0*d", 1+pad, first),
			})
		}
	}
	data, err2 := w.builder.Finish(nil)
	if err != nil || err2 != nil {
		w.t.Fatal(err, err2)
	}
	b := Batch{Origin: x.origin, First: first, Last: first + id.Seq(n) - 1, Data: data}
	w.truth[x.origin] = append(w.truth[x.origin], b)
	return b
}

// write commits an own batch.
func (x *town) write() {
	if x.leader < 0 || x.houses[x.leader].down {
		return
	}
	x.log = append(x.log, entry{Batch: x.batch(1+x.w.rng.IntN(3), x.w.rng.IntN(400))})
	x.committed = x.committed.With(x.origin, x.log[len(x.log)-1].Last)
	h := x.houses[x.leader]
	h.apply(len(x.log))
}

// apply applies the log up to an entry.
func (h *house) apply(to int) {
	w := h.town.w
	var news []Batch
	for ; h.applied < to; h.applied++ {
		e := &h.town.log[h.applied]
		have := h.vector.Get(e.Origin)
		if e.First > have+1 {
			w.t.Fatalf("%v applies %v behind %d", h.peer, e.Origin.At(e.First), have)
		}
		if e.Last <= have {
			continue // proposed twice by two leaders: without effect
		}
		if e.First <= have {
			w.t.Fatalf("%v applies %v to %d, and has %d", h.peer, e.Origin.At(e.First), e.Last, have)
		}
		if !e.isRange {
			w.check(&e.Batch)
			news = append(news, e.Batch)
		}
		h.vector = h.vector.With(e.Origin, e.Last)
	}
	h.core.Applied(w.clock(), h.vector, news)
	h.take()
}

// check holds a batch against what was stamped.
func (w *world) check(b *Batch) {
	all := w.truth[b.Origin]
	i, ok := slices.BinarySearchFunc(all, b.First, func(x Batch, seq id.Seq) int { return int(x.First) - int(seq) })
	if !ok || all[i].Last != b.Last || string(all[i].Data) != string(b.Data) {
		w.t.Fatalf("%v to %d was never stamped so", b.Origin.At(b.First), b.Last)
	}
}

// take does what a core wants done, but for what takes time.
func (h *house) take() {
	w := h.town.w
	if h.down {
		return
	}
	room := 48<<10 - sizeOf(h.held)
	out := h.core.Take(max(room, 0))
	for i := range out.Send {
		p := &out.Send[i]
		if p.Kind == PacketData && len(p.Items) > 0 {
			w.dataSent += len(p.Items)
			w.dataBytes += p.size()
		}
		w.wire = append(w.wire, parcel{p.Append(nil), p.To, p.From})
	}
	h.held = append(h.held, out.Propose...)
	h.work = append(h.work, out.Work...)
	h.events = append(h.events, out.Events...)
	if len(out.Ahead) > 0 {
		w.t.Fatalf("%v: somebody is ahead: %v", h.peer, out.Ahead)
	}
	w.largest = max(w.largest, h.core.waits())
}

func sizeOf(list []Proposal) (n int) {
	for _, p := range list {
		n += len(p.Data)
	}
	return n
}

// waits is how many bytes a core keeps for others and for its own group.
func (c *Core) waits() int {
	n := 0
	for _, r := range c.table {
		if r.source != nil {
			n += r.source.queued + r.source.earlyBytes
		}
	}
	return n + int(c.hot.bytes)
}

// commit has a leader's first proposals committed.
func (h *house) commit(n int) {
	x, w := h.town, h.town.w
	for _, p := range h.held[:min(n, len(h.held))] {
		e := entry{isRange: isToyRange(p.Data)}
		if e.isRange {
			e.Origin, e.First, e.Last, _ = placeToy(p.Data)
		} else {
			b, err := record.Open(p.Data)
			if err != nil {
				w.t.Fatal(err)
			}
			e.Origin, e.First, e.Last = b.Origin(), b.Header.First, b.Header.Last
		}
		e.Data = p.Data
		out := Outcome{Ticket: p.Ticket, What: Taken}
		switch have := x.committed.Get(e.Origin); {
		case w.rng.IntN(50) == 0 && w.lose > 0:
			out.What = Full
		case e.First > have+1:
			out.What = Missing
		case e.Last <= have:
		case e.First <= have:
			out.What = Overlapping
		default:
			x.log = append(x.log, e)
			x.committed = x.committed.With(e.Origin, e.Last)
		}
		h.core.Proposed(w.clock(), out)
	}
	h.held = h.held[min(n, len(h.held)):]
	h.apply(len(x.log))
}

// Toy ranges: the events first to last of an origin.
func toyRange(o id.Origin, first, last id.Seq) []byte {
	return fmt.Appendf(nil, "range %v %d", o.At(first), last)
}

func isToyRange(b []byte) bool { return string(b[:min(6, len(b))]) == "range " }

func placeToy(b []byte) (o id.Origin, first, last id.Seq, err error) {
	var at string
	if _, err = fmt.Sscanf(string(b), "range %s %d", &at, &last); err != nil {
		return o, 0, 0, err
	}
	p, err := id.ParsePosition(at)
	return p.Origin(), p.Seq, last, err
}

// The log of a house, for its own core.

func (h *house) First(id.Origin) id.Seq { return 0 }

func (h *house) Bytes(id.Origin, id.Seq) int64 { return 0 }

func (h *house) Read(o id.Origin, after id.Seq, maxBytes int) (out [][]byte, err error) {
	size := 0
	next := after + 1
	for i := h.town.released; i < h.applied; i++ {
		e := &h.town.log[i]
		if e.Origin != o || e.Last < next {
			continue
		}
		if e.isRange || e.First > next || len(out) > 0 && size+len(e.Data) > maxBytes {
			break
		}
		out, size, next = append(out, e.Data), size+len(e.Data), e.Last+1
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%v: %w", o.At(after), fault.ErrGone)
	}
	return out, nil
}

func (h *house) Range(o id.Origin, after id.Seq, _ int) ([]byte, error) {
	have := h.vector.Get(o)
	if !h.town.ranges || have <= after {
		return nil, fmt.Errorf("%v: %w", o.At(after), fault.ErrGone)
	}
	// A range in the files may begin before.
	return toyRange(o, max(1, after-min(after, 5)), have), nil
}

func (h *house) do(w Work) WorkResult {
	if w.Kind == WorkRead {
		return Do(h, placeToy, w)
	}
	return WorkResult{Work: w, Entry: toyRange(w.Origin, w.After+1, w.Last)}
}

// step lets one thing happen.
func (w *world) step() {
	x := w.towns[w.rng.IntN(len(w.towns))]
	h := x.houses[w.rng.IntN(len(x.houses))]
	switch k := w.rng.IntN(100); {
	case k < 50:
		w.deliver()
	case k < 60:
		x.write()
	case k < 75:
		if len(h.held) > 0 && h.leads() {
			h.commit(1 + w.rng.IntN(4))
		} else if h.applied < len(x.log) && !h.down {
			h.apply(h.applied + 1 + w.rng.IntN(len(x.log)-h.applied))
		}
	case k < 85:
		if len(h.work) > 0 && !h.down {
			i := w.rng.IntN(len(h.work))
			r := h.do(h.work[i])
			h.work = slices.Delete(h.work, i, i+1)
			h.core.Done(w.clock(), r)
			h.take()
		}
	default:
		w.tick()
	}
}

func (w *world) tick() {
	w.now += 25_000_000
	for _, x := range w.towns {
		for _, h := range x.houses {
			if !h.down {
				h.core.Tick(w.clock())
				h.take()
			}
		}
	}
}

// deliver delivers a packet, or doesn't.
func (w *world) deliver() {
	if len(w.wire) == 0 {
		return
	}
	i := 0
	if w.rng.IntN(100) < w.shuffle {
		i = w.rng.IntN(len(w.wire))
	}
	p := w.wire[i]
	if w.rng.IntN(100) >= w.repeat {
		w.wire = slices.Delete(w.wire, i, i+1)
	}
	if w.rng.IntN(100) < w.lose || w.cut[[2]id.Region{p.from.Region, p.to.Region}] {
		return
	}
	h := w.towns[p.to.Region].houses[p.to.Replica-1]
	if h.down {
		return
	}
	got, err := DecodePacket(p.bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	h.core.Receive(w.clock(), &got)
	h.take()
}

// calm lets everything come to rest, for some ticks.
func (w *world) calm(ticks int) {
	w.lose, w.repeat, w.shuffle = 0, 0, 0
	for range ticks {
		w.tick()
		w.still()
		if w.agreed() {
			return
		}
	}
}

// still does all that is to be done at one moment.
func (w *world) still() {
	for busy := true; busy; {
		busy = len(w.wire) > 0
		for len(w.wire) > 0 {
			w.deliver()
		}
		for _, x := range w.towns {
			for _, h := range x.houses {
				if h.down {
					continue
				}
				if h.applied < len(x.log) {
					h.apply(len(x.log))
					busy = true
				}
				for len(h.work) > 0 {
					r := h.do(h.work[0])
					h.work = h.work[1:]
					h.core.Done(w.clock(), r)
					h.take()
					busy = true
				}
				if len(h.held) > 0 && h.leads() {
					h.commit(len(h.held))
					busy = true
				}
			}
		}
	}
}

func (w *world) agreed() bool {
	for _, x := range w.towns {
		for o, all := range w.truth {
			if x.committed.Get(o) != all[len(all)-1].Last {
				return false
			}
		}
		for _, h := range x.houses {
			if !h.down && h.applied < len(x.log) {
				return false
			}
		}
	}
	return true
}

func (w *world) picture() string {
	s := ""
	for _, x := range w.towns {
		s += fmt.Sprintf("region %d, led by %d: %v\n", x.number, x.leader+1, x.committed)
		for _, h := range x.houses {
			s += fmt.Sprintf("  %v: down %v, %+v\n  %v\n", h.peer, h.down, h.core.Status(), h.events)
		}
	}
	return s
}

// mustAgree lets the world come to rest, after which everybody must have everything.
func (w *world) mustAgree(ticks int) {
	w.t.Helper()
	w.cut = map[[2]id.Region]bool{}
	for _, x := range w.towns {
		for _, h := range x.houses {
			if h.down {
				h.start()
			}
		}
		if x.leader < 0 {
			x.elect(0)
		}
	}
	w.calm(ticks)
	if !w.agreed() {
		w.t.Fatalf("the regions don't agree:\n%s", w.picture())
	}
}

// elect makes a replica the leader. It has applied all by then.
func (x *town) elect(n int) {
	old := x.leader
	x.leader = n
	if old >= 0 {
		if h := x.houses[old]; !h.down {
			for _, p := range h.held {
				h.core.Proposed(x.w.clock(), Outcome{Ticket: p.Ticket, What: Lost})
			}
			h.held = nil
			h.lead()
		}
	}
	if n >= 0 {
		h := x.houses[n]
		h.apply(len(x.log))
		h.lead()
	}
}
