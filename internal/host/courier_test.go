package host_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// carrier is one replica of a test of couriers: its directory, and the work that waits to be done there.
type carrier struct {
	number  uint64
	base    *host.Base
	courier *replica.Courier
	work    []replica.SnapWork
}

// known is what a carrier's log says.
func (c *carrier) known() replica.Known {
	return replica.Known{
		Commit: c.base.Log.HardState().Commit,
		Has: func(index, term uint64) bool {
			got, err := c.base.Log.Term(index)
			return err == nil && got == term
		},
	}
}

// parcels is a network between couriers that loses, repeats, delays and spoils.
type parcels struct {
	t        *testing.T
	rng      *rand.Rand
	s        *source
	opts     host.Options // of the receiver
	carriers []*carrier   // two that may lead, and the receiver
	leader   int
	wire     []replica.Packet
	faults   bool
	served   bool // the leader was told that the receiver has it
	counts   struct{ chunks, lost, spoilt, changes, restarts int }
}

const electionTicks = 4

func (p *parcels) receiver() *carrier { return p.carriers[2] }

// wants has the leader send a snapshot, as Raft does.
func (p *parcels) wants() { p.carriers[p.leader].courier.Wanted(3, 5) }

// gather takes what a courier wants done.
func (p *parcels) gather(c *carrier) {
	e := c.courier.Take()
	c.work = append(c.work, e.Work...)
	p.wire = append(p.wire, e.Send...)
	for _, r := range e.Reports {
		switch {
		case c != p.carriers[p.leader]:
		case r.OK:
			p.served = true
		default:
			p.wants()
			p.gather(c)
		}
	}
}

// do does a piece of a carrier's work.
func (p *parcels) do(c *carrier) {
	if len(c.work) == 0 {
		return
	}
	w := c.work[0]
	c.work = c.work[1:]
	r, err := c.base.Snapshots().Do(w)
	if err != nil {
		p.t.Fatalf("task %d at %d: %v", w.Kind, c.number, err)
	}
	c.courier.Done(r)
	p.gather(c)
}

// deliver takes a packet off the wire, any of them.
func (p *parcels) deliver() {
	if len(p.wire) == 0 {
		return
	}
	i := 0
	if p.faults {
		i = p.rng.IntN(len(p.wire))
	}
	x := p.wire[i]
	again := p.faults && p.rng.IntN(8) == 0
	if !again {
		p.wire = append(p.wire[:i:i], p.wire[i+1:]...)
	}
	if p.faults && p.rng.IntN(6) == 0 {
		p.counts.lost++
		return
	}
	packet, err := replica.DecodePacket(x.Append(nil)) // as it comes from a socket
	if err != nil {
		p.t.Fatal(err)
	}
	if packet.Kind == replica.PacketSnapChunk {
		p.counts.chunks++
		if p.faults && p.rng.IntN(6) == 0 {
			p.counts.spoilt++
			packet.Snap.Chunk = bytes.Clone(packet.Snap.Chunk)
			packet.Snap.Chunk[p.rng.IntN(len(packet.Snap.Chunk))] ^= 1 << p.rng.IntN(8)
		}
	}
	to := p.carriers[packet.To-1]
	to.courier.Receive(packet, to.known())
	p.gather(to)
}

// tick lets a tick pass everywhere.
func (p *parcels) tick() {
	for i, c := range p.carriers {
		status := &consensus.Status{Commit: 1 << 40}
		if status.Leader = i == p.leader; status.Leader {
			status.Peers = []consensus.PeerStatus{{Number: 3, State: "snapshot"}}
		}
		c.courier.Tick(status, c.known())
		p.gather(c)
	}
}

// change has the other one lead.
func (p *parcels) change() {
	p.counts.changes++
	p.leader = 1 - p.leader
	p.served = false
	p.wants()
	p.gather(p.carriers[p.leader])
}

// restart kills the receiver and opens its directory again: what was staged is gone.
func (p *parcels) restart() {
	p.counts.restarts++
	c := p.receiver()
	if err := c.base.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.open(c)
}

func (p *parcels) open(c *carrier) {
	b, err := host.OpenBase(p.opts)
	if err != nil {
		p.t.Fatal(err)
	}
	c.base, c.work, c.courier = b, nil, replica.NewCourier(c.number, electionTicks)
}

// step does one thing.
func (p *parcels) step() {
	switch n := p.rng.IntN(100); {
	case n < 45:
		p.deliver()
	case n < 85:
		p.do(p.carriers[p.rng.IntN(3)])
	case n < 98 || !p.faults:
		p.tick()
	case n < 99:
		p.change()
	default:
		p.restart()
	}
}

// installed puts what is ready in the place of everything.
func (p *parcels) installed() bool {
	c := p.receiver()
	_, at, ok := c.courier.Ready()
	if !ok {
		return false
	}
	if c.known().Holds(at) {
		p.t.Fatalf("entry %d is here, and a snapshot of it is ready", at.Index)
	}
	j := host.NewJournal(c.base.Log, func() int64 { return 0 })
	if err := c.base.Snapshots().Install(j.Reset); err != nil {
		p.t.Fatal(err)
	}
	c.courier.Installed()
	p.gather(c)
	return true
}

// TestASnapshotArrivesWhateverHappens sends snapshots over a bad network, from leaders that change, to a receiver that
// restarts, with the checkpoint in memory and on disk. It arrives, it's the leader's state, and the leader hears of it.
func TestASnapshotArrivesWhateverHappens(t *testing.T) {
	runs := 24
	if testing.Short() {
		runs = 4
	}
	s := newSource(t, 0)
	defer func() { mustClose(t, s.r) }()
	disk := s.opts.FS.(*crashable.FS)
	first := seed(t)
	var sum parcels
	for i := range runs {
		rng := rand.New(rand.NewPCG(first, uint64(i)))
		had := []string{"nothing", "less", "conflicts"}[rng.IntN(3)]
		p := &parcels{t: t, rng: rng, s: s, faults: true, opts: s.opts}
		p.opts.FS = s.target(t, had)
		if rng.IntN(2) == 0 {
			memory, made := store.NewMemory(), false
			p.opts.Store = func(who store.Identity, make bool) (*store.Store, error) {
				if made = made || make; !made {
					return nil, nil
				}
				return store.OpenMemory(memory, who)
			}
		}
		for number := range uint64(2) { // both hold the same
			opts := s.opts
			opts.FS = disk.CrashClone(pebblevfs.CrashCloneCfg{})
			b, err := host.OpenBase(opts)
			if err != nil {
				t.Fatal(err)
			}
			p.carriers = append(p.carriers, &carrier{
				number: number + 1, base: b, courier: replica.NewCourier(number+1, electionTicks),
			})
		}
		c := &carrier{number: 3}
		p.open(c)
		p.carriers = append(p.carriers, c)
		p.run(fmt.Sprintf("run %d (%s)", i, had))
		sum.counts.chunks += p.counts.chunks
		sum.counts.lost += p.counts.lost
		sum.counts.spoilt += p.counts.spoilt
		sum.counts.changes += p.counts.changes
		sum.counts.restarts += p.counts.restarts
	}
	t.Logf("%+v", sum.counts)
	if sum.counts.spoilt == 0 || sum.counts.changes == 0 || sum.counts.restarts == 0 {
		t.Errorf("too little went wrong: %+v", sum.counts)
	}
}

// run has trouble for a while, and then none.
func (p *parcels) run(name string) {
	p.t.Helper()
	p.wants()
	p.gather(p.carriers[0])
	arrived := false
	trouble := 200 + p.rng.IntN(1500)
	for step := 0; !arrived || !p.served; step++ {
		if step == trouble {
			p.faults = false
		}
		if step > trouble+20000 {
			p.t.Fatalf("%s: after %d steps: arrived %v, served %v", name, step, arrived, p.served)
		}
		p.step()
		if !arrived && p.installed() {
			arrived = true
			p.s.contains(p.t, p.receiver().base)
		}
	}
	p.s.contains(p.t, p.receiver().base) // also where it was opened again since
	p.tick()                             // by which whoever led learns that it doesn't
	for _, c := range p.carriers {
		if keep := c.courier.Keep(); c != p.carriers[p.leader] && keep != 0 {
			p.t.Errorf("%s: replica %d keeps its log from entry %d, and doesn't lead", name, c.number, keep)
		}
	}
	var err error
	for _, c := range p.carriers {
		err = errors.Join(err, c.base.Close())
	}
	if err != nil {
		p.t.Fatalf("%s: %v", name, err)
	}
}
