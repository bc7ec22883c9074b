package harness

import (
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// Direction says what a [NetworkPartition] cuts.
type Direction uint8

// The directions.
const (
	// Symmetric lets nothing through either way, OneWay nothing from the first region to the second.
	Symmetric Direction = iota
	OneWay
)

// NetworkPartition cuts two regions off from each other until it is released. What is lost meanwhile is asked for again behind
// it: healing re-delivers.
type NetworkPartition struct {
	c        *SimulatedCluster
	from, to *region
	way      Direction
	released bool
	dropped  uint64
}

// Partition cuts two regions off from each other.
func (c *SimulatedCluster) Partition(from, to string, way Direction) (*NetworkPartition, error) {
	a, err := c.named(from)
	if err != nil {
		return nil, err
	}
	b, err := c.named(to)
	if err != nil {
		return nil, err
	}
	p := &NetworkPartition{c: c, from: a, to: b, way: way}
	c.partitions = append(c.partitions, p)
	return p, nil
}

// Release heals it. Releasing twice is allowed.
func (p *NetworkPartition) Release() { p.released = true }

// Dropped is how many packets it has swallowed.
func (p *NetworkPartition) Dropped() uint64 { return p.dropped }

// Isolate cuts a region off from all others. Each partition has to be released.
func (c *SimulatedCluster) Isolate(name string) (list []*NetworkPartition, err error) {
	for _, r := range c.regions {
		if r.name == name {
			continue
		}
		p, err := c.Partition(name, r.name, Symmetric)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// dropped reports whether a packet between two regions is lost.
func (c *SimulatedCluster) dropped(from, to *region) bool {
	for _, p := range c.partitions {
		if !p.released && (p.from == from && p.to == to || p.way == Symmetric && p.from == to && p.to == from) {
			p.dropped++
			return true
		}
	}
	return false
}

// ShardCrash is the loss of a whole primary: process, memory and disk.
type ShardCrash struct {
	c    *SimulatedCluster
	g    *group
	lost *node
	at   time.Duration
}

// Crash ends the primary of a shard in a region, for good.
func (c *SimulatedCluster) Crash(region string, shard id.Shard) (*ShardCrash, error) {
	r, err := c.named(region)
	if err != nil {
		return nil, err
	}
	if int(shard) >= len(r.groups) {
		return nil, fault.Refuse("shard", "%d; there are %d", shard, len(r.groups))
	}
	g := r.groups[shard]
	n := g.leader()
	if n == nil {
		return nil, fmt.Errorf("%s, shard %d: %w", region, shard, fault.ErrNotLeader)
	}
	n.dead = true
	return &ShardCrash{c, g, n, c.now}, nil
}

// Promoted waits until a follower leads in the place of the primary, at most for a limit, and returns how long that took from
// the crash on.
func (x *ShardCrash) Promoted(limit time.Duration) (time.Duration, error) {
	if err := x.c.until(limit, func() bool { return x.g.leader() != nil }); err != nil {
		return 0, err
	}
	if x.g.leader() == nil {
		return 0, fmt.Errorf("nobody leads %v after the crash of %s", x.c.now-x.at, x.lost.name())
	}
	return x.c.now - x.at, nil
}

// Stop ends whoever leads a shard as a power cut does, and returns what brings it back on what its disk holds.
func (c *SimulatedCluster) Stop(region string, shard id.Shard) (back func() error, err error) {
	x, err := c.Crash(region, shard)
	if err != nil {
		return nil, err
	}
	return x.lost.reopen, nil
}
