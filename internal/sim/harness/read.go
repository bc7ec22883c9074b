package harness

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// ReadDecayScore returns an item's score under the first half-life of a type, now, as a region has it. An item that nothing is
// known of has 0.
func (c *SimulatedCluster) ReadDecayScore(region, item, typeName string) (float64, error) {
	e, err := c.engine(region, item)
	if err != nil {
		return 0, err
	}
	var cell algebra.SignalState
	t, err := e.ReadCell(item, typeName, &cell)
	if errors.Is(err, fault.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	score, _ := cell.Score(t.HalfLives[0].Milliseconds(), c.cfg.Start.Add(c.now).UnixMilli())
	return score.Float(), nil
}

// Ranked is an item of an answer, with its score.
type Ranked struct {
	Item  string
	Score float64
}

// Answer is what a region answers to [SimulatedCluster.Rank].
type Answer struct {
	Items []Ranked
	// Unreachable are the regions that weren't heard of for 5 s: what they wrote since may be missing.
	Unreachable []string
}

// silent is how long a region may not be heard of before answers say so.
const silent = 5 * time.Second

// Rank returns what a cohort's signals of a type say are the best items for a user, of all shards, as a region has them. What is
// hidden from the user isn't among them.
func (c *SimulatedCluster) Rank(region, cohort, typeName, user string, limit int) (Answer, error) {
	var out Answer
	r, err := c.named(region)
	if err != nil {
		return out, err
	}
	q := c.cfg.Start.Add(c.now).UnixMilli()
	for _, g := range r.groups {
		n := g.reader()
		if n == nil {
			return out, fmt.Errorf("shard %d of %s: %w", g.shard, region, fault.ErrClosed)
		}
		if err := rankIn(n.base.Engine, cohort, typeName, user, q, &out); err != nil {
			return out, err
		}
		for _, s := range n.step.Ship().Status().Regions {
			name := c.region(s.Number).name
			if !s.Heard || s.Silent > silent {
				if !slices.Contains(out.Unreachable, name) {
					out.Unreachable = append(out.Unreachable, name)
				}
			}
		}
	}
	slices.SortFunc(out.Items, func(a, b Ranked) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Item, b.Item)) })
	out.Items = out.Items[:min(limit, len(out.Items))]
	slices.Sort(out.Unreachable)
	return out, nil
}

func rankIn(e *engine.Engine, cohort, typeName, user string, q int64, out *Answer) error {
	for item := range e.Items {
		if user != "" && e.Holds(user, byte(record.HideItem), item) {
			continue
		}
		var cell algebra.SignalState
		t, err := e.ReadCohortCell(cohort, item, typeName, &cell)
		if err != nil {
			return err
		}
		if score, ok := cell.Score(t.HalfLives[0].Milliseconds(), q); ok && score.Float() > 0 {
			out.Items = append(out.Items, Ranked{item, score.Float()})
		}
	}
	return nil
}

// AwaitConvergence waits until all regions hold the same events and have nothing to compensate, at most for a limit of virtual
// time, and returns how long it took. Then it compares the digests of all replicas, byte for byte.
func (c *SimulatedCluster) AwaitConvergence(limit time.Duration) (time.Duration, error) {
	began := c.now
	if err := c.until(limit, func() bool { return c.apart() == "" }); err != nil {
		return c.now - began, err
	}
	if why := c.apart(); why != "" {
		return c.now - began, fmt.Errorf("regions don't converge: %s", why)
	}
	return c.now - began, c.sameDigests()
}

// apart says what keeps the regions from being one; empty if nothing does.
func (c *SimulatedCluster) apart() string {
	for s := range c.cfg.Shards {
		var v id.VersionVector
		first := ""
		for _, r := range c.regions {
			for _, n := range r.groups[s].nodes {
				if n.dead {
					continue
				}
				e := n.base.Engine
				if len(e.Pending(1)) > 0 {
					return fmt.Sprintf("%s has %v to compensate", n.name(), e.Pending(1)[0])
				}
				if first == "" {
					first, v = n.name(), e.Vector()
				} else if !e.Vector().Equal(v) {
					return fmt.Sprintf("%s holds %v, %s %v", first, v, n.name(), e.Vector())
				}
			}
		}
	}
	return ""
}

func (c *SimulatedCluster) sameDigests() error {
	for s := range c.cfg.Shards {
		var first *node
		for _, r := range c.regions {
			for _, n := range r.groups[s].nodes {
				if n.dead {
					continue
				}
				if first == nil {
					first = n
				}
				if a, b := first.base.Engine.Digest(), n.base.Engine.Digest(); a != b {
					return fmt.Errorf("%s has the digest %v, %s %v", first.name(), a, n.name(), b)
				}
			}
		}
	}
	return nil
}

// HasLeader reports whether a shard of a region takes writes.
func (c *SimulatedCluster) HasLeader(region string, shard id.Shard) bool {
	r, err := c.named(region)
	return err == nil && int(shard) < len(r.groups) && r.groups[shard].leader() != nil
}

// Lag is how many events a region lacks of what all others have, of all shards.
func (c *SimulatedCluster) Lag(region string) (events int, err error) {
	r, err := c.named(region)
	if err != nil {
		return 0, err
	}
	for s, g := range r.groups {
		var all id.VersionVector
		for _, other := range c.regions {
			if n := other.groups[s].reader(); n != nil {
				all = all.Merge(n.base.Engine.Vector())
			}
		}
		if n := g.reader(); n != nil {
			for origin, seq := range all.All {
				events += int(seq - n.base.Engine.Vector().Get(origin))
			}
		}
	}
	return events, nil
}

// shard is the one that an item's signals go to.
func (c *SimulatedCluster) shard(item string) id.Shard {
	return c.router.Shard(id.KindItem, item)
}
