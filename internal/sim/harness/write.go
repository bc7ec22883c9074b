package harness

import (
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// Signal is one event.
type Signal struct {
	// Item is what it's about, Type its type's name. Both must be given.
	Item, Type string
	// User is whose it is, Cohorts whom it counts for; both may be empty.
	User    string
	Cohorts []string
	// Weight is how much it counts for; 0 is 1.
	Weight float64
	// At is when it happened; the zero time is now.
	At time.Time
	// Key makes it count once, wherever it is written; empty for none.
	Key string
}

// WriteSignal writes a signal in a region, and returns its position once it is durable and visible there. A region that takes
// no writes refuses with [fault.ErrReadOnly].
func (c *SimulatedCluster) WriteSignal(region string, s Signal) (id.Position, error) {
	at, err := c.WriteSignals(region, []Signal{s})
	if err != nil {
		return id.Position{}, err
	}
	return at[0], nil
}

// WriteSignals is [SimulatedCluster.WriteSignal] for many that are written at the same time.
func (c *SimulatedCluster) WriteSignals(region string, signals []Signal) ([]id.Position, error) {
	r, err := c.named(region)
	if err != nil {
		return nil, err
	}
	requests := make([][][]record.Proposed, len(r.groups)) // by shard
	places := make([][]int, len(r.groups))
	for i := range signals {
		p, err := c.proposed(&signals[i])
		if err != nil {
			return nil, err
		}
		s := c.shard(signals[i].Item)
		requests[s] = append(requests[s], []record.Proposed{p})
		places[s] = append(places[s], i)
	}
	out := make([]id.Position, len(signals))
	for s, g := range r.groups {
		if len(requests[s]) == 0 {
			continue
		}
		receipts, err := g.writeAll("signals", requests[s])
		if err != nil {
			return nil, err
		}
		for k, x := range receipts {
			out[places[s][k]] = x.First
		}
	}
	return out, nil
}

// proposed is a signal as a group takes it.
func (c *SimulatedCluster) proposed(s *Signal) (record.Proposed, error) {
	p := record.Proposed{Kind: record.KindSignal, Key: s.Key}
	p.Signal = record.Signal{Item: s.Item, User: s.User, Cohorts: s.Cohorts, Weight: fixed.One}
	found := false
	for i, t := range c.cfg.Schema.Signals {
		if t.Name == s.Type {
			p.Signal.Type, found = uint16(i), true
		}
	}
	if !found {
		return p, fault.Refuse("type", "%q isn't in the schema", s.Type)
	}
	if s.Weight != 0 {
		w, err := fixed.ParseWeight(s.Weight)
		if err != nil {
			return p, err
		}
		p.Signal.Weight = w
	}
	if !s.At.IsZero() {
		p.Time, p.HasTime = s.At.UnixMilli(), true
	}
	return p, nil
}

// SetHidden hides an item from a user, or shows it again.
func (c *SimulatedCluster) SetHidden(region, user, item string, hidden bool) error {
	r, err := c.named(region)
	if err != nil {
		return err
	}
	p := record.Proposed{Kind: record.KindRelation}
	p.Relation = record.Relation{Which: record.HideItem, On: hidden, User: user, Target: item}
	return r.groups[c.shard(item)].write("hides", []record.Proposed{p})
}

// Hidden reports whether an item is hidden from a user, as far as a region knows.
func (c *SimulatedCluster) Hidden(region, user, item string) (bool, error) {
	e, err := c.engine(region, item)
	if err != nil {
		return false, err
	}
	return e.Holds(user, byte(record.HideItem), item), nil
}

// Undo takes a signal back, in any region.
func (c *SimulatedCluster) Undo(region string, item string, at id.Position) error {
	r, err := c.named(region)
	if err != nil {
		return err
	}
	p := record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: at}}
	if at.Region == r.number {
		p = record.Proposed{Kind: record.KindCompensate}
		p.Compensation.Original = at
	}
	return r.groups[c.shard(item)].write("undos", []record.Proposed{p})
}

// engine is that of a replica that answers about an item in a region.
func (c *SimulatedCluster) engine(region, item string) (*engine.Engine, error) {
	r, err := c.named(region)
	if err != nil {
		return nil, err
	}
	n := r.groups[c.shard(item)].reader()
	if n == nil {
		return nil, fault.ErrClosed
	}
	return n.base.Engine, nil
}
