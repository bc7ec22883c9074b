package harness

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/shard"
	"github.com/tidaldb/tidal/schema"
)

// Config says what a cluster is made of.
type Config struct {
	// Seed is what chance decides by.
	Seed uint64
	// Regions are their names; the first is home. At least one.
	Regions []string
	// Followers are those of them that take no writes.
	Followers []string
	// Shards is how many each region has, and Replicas how many each shard; 0 is 1.
	Shards, Replicas int
	// Schema is what signals are declared in. nil is one with "view", "like" and "hide".
	Schema *schema.Schema
	// Near is how long a packet travels within a region, Far between regions; 0 is 200 µs and 20 ms.
	Near, Far time.Duration
	// Start is what the clocks say when the cluster is built; the zero time is the beginning of 2026.
	Start time.Time
}

// SimulatedCluster is a cluster of regions in one process. Create it with [Build].
type SimulatedCluster struct {
	cfg        Config
	router     shard.Router
	regions    []*region
	partitions []*NetworkPartition
	damages    []*Damage
	events     events
	now        time.Duration
	tickets    uint64
	producers  map[string]uint64
	failed     error // a replica had to stop
}

// buildLimit is how long in virtual time a cluster may take until it serves.
const buildLimit = time.Minute

// Build makes a cluster and waits until every shard of every region serves.
func Build(cfg Config) (*SimulatedCluster, error) {
	cfg.Shards, cfg.Replicas = cmp.Or(cfg.Shards, 1), cmp.Or(cfg.Replicas, 1)
	cfg.Near, cfg.Far = cmp.Or(cfg.Near, 200*time.Microsecond), cmp.Or(cfg.Far, 20*time.Millisecond)
	if cfg.Start.IsZero() {
		cfg.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if cfg.Schema == nil {
		cfg.Schema = defaultSchema()
	}
	if len(cfg.Regions) == 0 {
		return nil, fault.Refuse("regions", "there are none")
	}
	router, err := shard.Hash(cfg.Shards)
	if err != nil {
		return nil, err
	}
	c := &SimulatedCluster{cfg: cfg, router: router, producers: map[string]uint64{}}
	for i, name := range cfg.Regions {
		r := &region{number: id.Region(i), name: name}
		for s := range cfg.Shards {
			g := &group{c: c, region: r, shard: id.Shard(s)}
			for n := range cfg.Replicas {
				g.nodes = append(g.nodes, &node{c: c, g: g, number: uint64(n + 1), dead: true})
			}
			r.groups = append(r.groups, g)
		}
		c.regions = append(c.regions, r)
	}
	for i, r := range c.regions {
		for _, g := range r.groups {
			if err := g.begin(); err != nil {
				return nil, err
			}
		}
		if i == 0 {
			if err := c.describe(); err != nil {
				return nil, err
			}
		}
	}
	took, err := c.AwaitConvergence(buildLimit)
	if err != nil {
		return nil, fmt.Errorf("cluster isn't ready after %v: %w", took, err)
	}
	return c, nil
}

func defaultSchema() *schema.Schema {
	s := &schema.Schema{
		Name: "simulated", Version: 1,
		Signals: []schema.SignalType{
			{Name: "view", HalfLives: []time.Duration{6 * time.Hour}, Windows: []schema.Window{schema.Window24h, schema.WindowAll}},
			{Name: "like", HalfLives: []time.Duration{24 * time.Hour}, Meaning: schema.Positive},
			{Name: "hide", Meaning: schema.HardNegative},
		},
		Items: schema.EntityType{Fields: []schema.Field{{Name: "title", Type: schema.TypeText}}},
	}
	if err := s.Validate(); err != nil {
		panic(fmt.Sprintf("harness: schema: %v", err)) // it's written here
	}
	return s
}

// begin founds the group, and lets the others join.
func (g *group) begin() error {
	if err := g.nodes[0].open(nil); err != nil {
		return err
	}
	for _, n := range g.nodes[1:] {
		if err := g.takeIn(n); err != nil {
			return err
		}
	}
	return nil
}

// takeIn lets a node join, and waits until it votes.
func (g *group) takeIn(n *node) error {
	c := g.c
	member := consensus.Member{Address: n.address()}
	known := func() bool { return len(g.nodes[0].step.Core.Members().List()) == int(n.number) }
	for end := c.now + buildLimit; !known(); {
		if c.now >= end {
			return fmt.Errorf("%s isn't taken in", n.name())
		}
		if l := g.leader(); l != nil { // it refuses as long as the change before isn't through
			c.tickets++
			l.step.Core.Change(l.clock(), c.tickets, consensus.Change{Kind: consensus.AddLearner, Member: member})
			l.settle()
		}
		if err := c.until(10*tick, known); err != nil {
			return err
		}
	}
	err := n.open(&host.Joined{
		Cluster: clusterID, Region: g.region.number, Shard: g.shard, Replica: n.number,
		Members: g.nodes[0].step.Core.Members().List(),
	})
	if err != nil {
		return err
	}
	votes := func() bool { return len(g.nodes[0].step.Core.Members().Voters()) == int(n.number) }
	if err := c.until(buildLimit, votes); err != nil {
		return err
	}
	if !votes() {
		return fmt.Errorf("%s doesn't vote", n.name())
	}
	return nil
}

// describe enters schema and regions at home, from where all others learn them.
func (c *SimulatedCluster) describe() error {
	home := c.regions[0]
	s := c.cfg.Schema
	for _, g := range home.groups {
		records := []record.Proposed{
			{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level}},
			{Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Parent: s.Parent, Encoded: s.Encode()}},
		}
		if err := g.write("schema", records); err != nil {
			return err
		}
		if len(c.regions) == 1 {
			continue
		}
		records = []record.Proposed{{Kind: record.KindHome, Home: record.Home{Number: home.number}}}
		for _, r := range c.regions {
			info := record.RegionInfo{Number: r.number, Name: r.name}
			for _, name := range c.cfg.Followers {
				info.Follower = info.Follower || name == r.name
			}
			records = append(records, record.Proposed{Kind: record.KindRegion, Region: info})
			where := record.Proposed{Kind: record.KindEndpoints, Endpoints: record.Endpoints{Number: r.number}}
			for _, n := range r.groups[g.shard].nodes {
				where.Endpoints.Members = append(where.Endpoints.Members, record.Endpoint{Replica: n.number, Address: n.address()})
			}
			records = append(records, where)
		}
		if err := g.write("regions", records); err != nil {
			return err
		}
	}
	return nil
}

// fail ends everything: a replica can't go on.
func (c *SimulatedCluster) fail(err error) {
	if c.failed == nil {
		c.failed = err
	}
}

// region is the one of a number, nil for none.
func (c *SimulatedCluster) region(number id.Region) *region {
	if int(number) >= len(c.regions) {
		return nil
	}
	return c.regions[number]
}

func (c *SimulatedCluster) named(name string) (*region, error) {
	for _, r := range c.regions {
		if r.name == name {
			return r, nil
		}
	}
	return nil, fault.Refuse("region", "%q is none of this cluster's", name)
}

// writeLimit is how long a write may take in virtual time.
const writeLimit = 30 * time.Second

// errNoAnswer says that a group hasn't answered within [writeLimit].
var errNoAnswer = errors.New("no answer")

// write has records written under a lane of their own, at whoever leads, and waits until they are durable and visible there. A
// retry counts once.
func (g *group) write(producer string, records []record.Proposed) error {
	_, err := g.writeAll(producer, [][]record.Proposed{records})
	return err
}

// writeAll has requests written, all of them at once, and waits for all. The receipts are in order.
func (g *group) writeAll(producer string, requests [][]record.Proposed) ([]replica.Receipt, error) {
	producer += "@" + g.region.name
	first := g.c.producers[producer] + 1
	g.c.producers[producer] += uint64(len(requests))
	return g.writeFrom(producer, first, requests)
}

// writeUnder has one request written under a number of a lane that other regions may know.
func (g *group) writeUnder(producer string, number uint64, records []record.Proposed) (replica.Receipt, error) {
	receipts, err := g.writeFrom(producer, number, [][]record.Proposed{records})
	if err != nil {
		return replica.Receipt{}, err
	}
	return receipts[0], nil
}

// writeFrom has requests written under the numbers of a lane from the first on.
func (g *group) writeFrom(producer string, first uint64, requests [][]record.Proposed) ([]replica.Receipt, error) {
	c := g.c
	receipts := make([]replica.Receipt, len(requests))
	open := make([]int, len(requests)) // places without an answer
	for i := range open {
		open[i] = i
	}
	end := c.now + writeLimit
	for len(open) > 0 && c.now < end {
		l := g.leader()
		if l == nil {
			if err := c.until(end-c.now, func() bool { return g.leader() != nil }); err != nil {
				return nil, err
			}
			continue
		}
		batch := open[:min(len(open), 60)] // a lane's window
		tickets, err := l.propose(producer, first, requests, batch)
		if err != nil {
			return nil, err
		}
		if open, err = l.collect(tickets, batch, open, receipts); err != nil {
			return nil, err
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("%s, shard %d: %w", g.region.name, g.shard, errNoAnswer)
	}
	return receipts, nil
}

// propose proposes those of the requests that are named, and returns their tickets.
func (n *node) propose(producer string, first uint64, requests [][]record.Proposed, which []int) ([]uint64, error) {
	c := n.c
	var tickets []uint64
	for _, i := range which {
		current, hash := n.base.Engine.Schema()
		req := &replica.Request{
			Producer: producer, Number: first + uint64(i), Schema: hash,
			Content: record.ContentHash(requests[i]), Records: append([]record.Proposed(nil), requests[i]...),
		}
		if req.Records[0].Key != "" {
			req.Producer, req.Number = "", 0 // a request has a key or a lane
		}
		for k := range req.Records {
			r := &req.Records[k]
			if r.Kind != record.KindCompensate {
				continue
			}
			original, err := n.base.Original(r.Compensation.Original)
			if err != nil {
				return nil, err
			}
			r.Compensation = original
		}
		if err := replica.Check(req, current); err != nil {
			return nil, err
		}
		c.tickets++
		req.Ticket = c.tickets
		tickets = append(tickets, req.Ticket)
		n.step.Core.Propose(n.clock(), req)
	}
	if err := n.step.Flush(n.clock()); err != nil {
		return nil, err
	}
	n.settle()
	return tickets, nil
}

// patience is how long a leader's answers are waited for before the next one is asked.
const patience = 2 * time.Second

// collect waits for the answers to tickets, and returns what is still open.
func (n *node) collect(tickets []uint64, which, open []int, receipts []replica.Receipt) ([]int, error) {
	c := n.c
	answered := func() bool {
		for _, t := range tickets {
			if n.replies[t] == nil && !n.dead {
				return false
			}
		}
		return true
	}
	if err := c.until(patience, answered); err != nil {
		return nil, err
	}
	var again []int
	for k, i := range which {
		r := n.replies[tickets[k]]
		delete(n.replies, tickets[k])
		switch {
		case r == nil, errors.Is(r.Err, fault.ErrNotLeader), errors.Is(r.Err, fault.ErrUnknown), errors.Is(r.Err, fault.ErrOverloaded):
			again = append(again, i)
		case r.Err != nil:
			return nil, r.Err
		default:
			receipts[i] = r.Receipt
		}
	}
	if len(again) == len(which) {
		if err := c.Advance(tick); err != nil {
			return nil, err
		}
	}
	return append(again, open[len(which):]...), nil
}
