package harness

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/ship"
	"github.com/tidaldb/tidal/internal/sim/disk"
	"github.com/tidaldb/tidal/internal/sim/newregion"
	"github.com/tidaldb/tidal/internal/store"
)

// directory is where a replica's database is on its disk.
const directory = "/data"

// tick is the length of one step of Raft's clock, syncing how long a disk takes.
const (
	tick    = 25 * time.Millisecond
	syncing = 100 * time.Microsecond
)

// segmentBytes is the size of a log file: each is in memory whole.
const segmentBytes = 1 << 20

// node is one replica of one shard in one region.
type node struct {
	c       *SimulatedCluster
	g       *group
	number  uint64
	disk    *disk.Disk
	memory  *store.Memory
	base    *host.Base
	step    *host.Stepper
	journal *host.Journal
	queue   []*consensus.Append // for the disk
	busy    bool
	dead    bool
	life    int                       // raised at each start: what is to be done for an earlier one isn't done
	replies map[uint64]*replica.Reply // nil as long as there is none
}

// group are the replicas of one shard in one region.
type group struct {
	c      *SimulatedCluster
	region *region
	shard  id.Shard
	nodes  []*node
}

// region is one region of the cluster.
type region struct {
	number id.Region
	name   string
	groups []*group // by shard
}

// clusterID is every cluster's.
var clusterID = [16]byte{'s', 'i', 'm', 'u', 'l', 'a', 't', 'e', 'd'}

func (n *node) name() string { return fmt.Sprintf("%s/%d/%d", n.g.region.name, n.g.shard, n.number) }

func (n *node) address() string {
	return fmt.Sprintf("%s-%d-%d:1", n.g.region.name, n.g.shard, n.number)
}

// open makes the node's directory and opens it: the first of a group founds it.
func (n *node) open(joined *host.Joined) error {
	c := n.c
	n.disk = disk.New(rand.New(rand.NewPCG(c.cfg.Seed, n.number)))
	n.memory = store.NewMemory()
	n.replies = map[uint64]*replica.Reply{}
	if joined == nil {
		if err := n.found(); err != nil {
			return err
		}
	}
	return n.start(joined)
}

// reopen brings back a node that was stopped, on what its disk and its checkpoint hold durably.
func (n *node) reopen() error {
	n.disk.Crash(true)
	n.memory.Crash(0)
	n.queue, n.busy = nil, false
	n.replies = map[uint64]*replica.Reply{}
	return n.start(nil)
}

func (n *node) start(joined *host.Joined) (err error) {
	c := n.c
	n.life++
	n.dead = false
	n.base, err = host.OpenBase(host.Options{
		FS: n.disk, Dir: directory, Random: strings.NewReader(strings.Repeat("simulated cluster", 8)),
		Now:          func() time.Time { return time.Unix(0, n.clock().Wall) },
		Store:        func(who store.Identity, _ bool) (*store.Store, error) { return store.OpenMemory(n.memory, who) },
		SegmentBytes: segmentBytes,
		Joined:       joined, Joining: joined != nil, Founder: consensus.Member{Number: n.number, Address: n.address()},
		Ticks: host.Ticks{Election: 12, Heartbeat: 3}, Regions: true,
	})
	if err != nil {
		return fmt.Errorf("%s: open: %w", n.name(), err)
	}
	n.journal = host.NewJournal(n.base.Log, func() int64 { return int64(c.now) })
	n.step, err = host.NewStepper(n.base, host.Edge{
		Now: n.clock, Persist: n.persist, Reply: n.reply, Send: n.send, Ship: n.ship,
		Read: func(replica.ReadReply) {}, Changed: func(replica.ChangeReply) {},
	})
	if err != nil {
		return fmt.Errorf("%s: %w", n.name(), err)
	}
	n.settle()
	n.tick()
	return c.failed
}

// found makes the directory of the first member of a group: out of what the home region's group of the shard has, unless it's
// that one.
func (n *node) found() error {
	who := newregion.Who{Cluster: clusterID, Region: n.g.region.number, Shard: n.g.shard, Replica: n.number, SegmentBytes: segmentBytes}
	home := n.c.regions[0].groups[n.g.shard]
	if home == n.g {
		return newregion.Identify(n.disk, directory, who)
	}
	log := home.nodes[0].base.Log
	entries, err := log.Entries(log.FirstIndex(), home.nodes[0].base.Applied()+1, math.MaxInt)
	if err != nil {
		return err
	}
	return newregion.Make(n.disk, directory, who, entries)
}

func (n *node) clock() replica.Now {
	return replica.Now{Wall: n.c.cfg.Start.Add(n.c.now).UnixNano(), Mono: int64(n.c.now)}
}

// alive has something done after a while, if the node still lives.
func (n *node) alive(d time.Duration, do func()) {
	life := n.life
	n.c.after(d, func() {
		if !n.dead && n.life == life {
			do()
		}
	})
}

func (n *node) tick() {
	n.alive(tick, func() {
		n.tick()
		n.step.Core.Tick(n.clock())
		n.settle()
	})
}

// settle does what the core wants.
func (n *node) settle() {
	if err := n.step.Settle(); err != nil {
		n.c.fail(fmt.Errorf("%s: %w", n.name(), err))
	}
}

// persist takes an append to the disk, many of them with one sync.
func (n *node) persist(a *consensus.Append) {
	n.queue = append(n.queue, a)
	if !n.busy {
		n.busy = true
		n.alive(syncing, n.write)
	}
}

func (n *node) write() {
	written := make([]host.Written, len(n.queue))
	for i, a := range n.queue {
		written[i] = n.journal.Write(a)
	}
	n.queue, n.busy = nil, false
	n.journal.Sync(written)
	n.journal.Mark()
	if err := n.step.Persisted(written); err != nil {
		n.c.fail(fmt.Errorf("%s: %w", n.name(), err))
		return
	}
	n.settle()
}

func (n *node) reply(r replica.Reply) { n.replies[r.Ticket] = &r }

// send takes a packet to another replica of the group.
func (n *node) send(p replica.Packet) {
	n.c.after(n.c.cfg.Near, func() {
		to := n.g.node(p.To)
		if to == nil || to.dead || to.step.Received() {
			return
		}
		if err := to.step.Receive(p); err != nil {
			n.c.fail(fmt.Errorf("%s: packet: %w", to.name(), err))
			return
		}
		to.settle()
	})
}

// ship takes a packet to another region.
func (n *node) ship(p *ship.Packet) {
	c := n.c
	to := c.region(p.To.Region)
	if to == nil || c.dropped(n.g.region, to) {
		return
	}
	p = c.damaged(p, n.g.region, to)
	way := c.cfg.Far
	if to == n.g.region {
		way = c.cfg.Near
	}
	c.after(way, func() {
		if c.dropped(n.g.region, to) {
			return
		}
		if m := to.groups[n.g.shard].node(p.To.Replica); m != nil && !m.dead && !m.step.Received() {
			m.step.ReceiveShip(p)
			m.settle()
		}
	})
}

// node is the one of a number, nil for none.
func (g *group) node(number uint64) *node {
	if number < 1 || number > uint64(len(g.nodes)) {
		return nil
	}
	return g.nodes[number-1]
}

// leader is the one that takes writes, nil for none.
func (g *group) leader() *node {
	for _, n := range g.nodes {
		if !n.dead && n.step.Core.Leading() {
			return n
		}
	}
	return nil
}

// reader is one that answers reads: whoever leads, or any that lives.
func (g *group) reader() *node {
	if n := g.leader(); n != nil {
		return n
	}
	for _, n := range g.nodes {
		if !n.dead {
			return n
		}
	}
	return nil
}
