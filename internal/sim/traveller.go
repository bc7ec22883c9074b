package sim

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hidden"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// traveller is a client that does one thing after another for a user of its own, in whatever region it is: it hides and
// shows items, sets a register, and reads both with the token of what it has written and seen.
type traveller struct {
	writer
	number int
	life   int // raised when what it had seen is lost with a region
	user   string
	seen   id.VersionVector
	now    *op   // what it writes
	look   *view // what it reads
	value  int64 // that its register was set to last
	sets   int64
	hides  [shownItems]bool // what it has hidden, for nobody else does so for its user
}

// view is one read: it waits until all that its traveller has seen is visible where it was asked.
type view struct {
	of    *traveller
	life  int
	needs id.VersionVector
	until int64
	begin int64
}

func (g *globe) newTraveller(n int) *traveller {
	f := g.regions[n%len(g.regions)]
	t := &traveller{writer: *f.newWriter(fmt.Sprintf("traveller-%d", n)), number: n}
	t.tokens = true
	t.reborn()
	return t
}

// reborn makes it somebody who has seen nothing.
func (t *traveller) reborn() {
	t.life++
	t.user = fmt.Sprintf("traveller-%d-%d", t.number, t.life)
	t.seen, t.hides, t.value = id.VersionVector{}, [shownItems]bool{}, 0
}

func (t *traveller) later(d int64) { t.f.jobs.enter(t.f.now+d, work{kind: toAct, client: t}) }

// travel takes it to some region.
func (t *traveller) travel() {
	g := t.f.province.globe
	to := g.regions[t.f.rng.IntN(len(g.regions))]
	if to.province.begun && !to.province.shut {
		t.f, t.leader = to, nil
	}
}

// act goes on with what is under way, or begins something.
func (t *traveller) act() {
	f := t.f
	switch {
	case t.now != nil:
		t.later(f.between(20*milli, 200*milli)) // first: a crash may end what comes now
		t.resend()
	case t.look != nil:
		t.later(f.between(50*milli, 200*milli))
		if f.now > t.look.until {
			t.look.notYet()
		}
	case f.closing:
	case f.rng.IntN(5) < 2:
		t.later(f.between(2*milli, 200*milli))
		t.begin()
	default:
		t.later(f.between(2*milli, 200*milli))
		if f.rng.IntN(3) == 0 {
			t.travel()
		}
		t.read()
	}
}

// idle reports whether it waits for nothing.
func (t *traveller) idle() bool { return t.now == nil && t.look == nil }

// begin writes something, where it is. It isn't sent to another region as long as it may still be accepted here: a copy that
// came later would rule over what is written in between.
func (t *traveller) begin() {
	f := t.f
	m := t.target()
	if m == nil || m.process.base.Engine.Role() == engine.RoleFollower {
		t.travel()
		return
	}
	var p record.Proposed
	var told func(o *op)
	life := t.life
	if f.rng.IntN(3) > 0 {
		on, item := f.rng.IntN(2) == 0, f.rng.IntN(shownItems)
		p.Kind = record.KindRelation
		p.Relation = record.Relation{Which: record.HideItem, On: on, User: t.user, Target: shown(item)}
		what := hidden.Unhide
		if on {
			what = hidden.Hide
		}
		place := len(f.readers.hides)
		f.readers.hides = append(f.readers.hides, hidden.Op{
			Op: what, User: t.user, Which: "hide", Target: shown(item), Begin: f.moment(),
		})
		told = func(o *op) {
			f.readers.hides[place].End = o.ret
			t.hides[item] = on
		}
	} else {
		t.sets++
		value := t.sets
		p.Kind = record.KindPatch
		p.Entity = record.Entity{Kind: id.KindItem, ID: t.user, Fields: []record.Field{
			{Name: "price", Value: schema.Int(value).Encode()},
		}}
		told = func(*op) { t.value = value }
	}
	o := t.ask([]record.Proposed{p})
	o.only = f
	o.told = func() {
		t.now = nil
		if t.life != life {
			return
		}
		if !o.acked {
			if o.attempts > 1 {
				t.reborn() // it was refused now; before it may have been accepted
			}
			return
		}
		last := o.receipt.First
		if last.Seq > t.seen.Get(last.Origin()) {
			t.seen = t.seen.With(last.Origin(), last.Seq)
		}
		told(o)
	}
	t.now = o
	t.resend()
}

// read asks some machine of the region where it is.
func (t *traveller) read() {
	f := t.f
	m := f.machines[f.rng.IntN(len(f.machines))]
	if !m.up() {
		return
	}
	p := m.process
	if s, _ := p.base.Engine.Schema(); s == nil {
		return
	}
	t.look = &view{of: t, life: t.life, needs: t.seen, until: f.now + t.patience, begin: f.moment()}
	p.views = append(p.views, t.look)
	p.enter()
	p.show()
}

// notYet ends a read that waited too long for what the traveller has seen.
func (v *view) notYet() {
	if t := v.of; t.look == v {
		t.look = nil
		t.f.report.Regions.NotYet++
	}
}

// show answers the reads that wait for no more.
func (p *resident) show() {
	if p.m.f.frozen {
		return
	}
	keep := p.views[:0]
	have := p.base.Engine.Vector()
	for _, v := range p.views {
		if v.of.look != v {
			continue // given up
		}
		if !have.Includes(v.needs) {
			keep = append(keep, v)
			continue
		}
		if err := p.answerView(v, have); err != nil {
			p.m.f.breaks(fmt.Errorf("%s: read of %s: %w", p.m.name, v.of.user, err))
			return
		}
	}
	p.views = keep
}

// answerView reads. What is read must be at least what the traveller has seen, and exactly what it has written.
func (p *resident) answerView(v *view, have id.VersionVector) error {
	f, t := p.m.f, v.of
	t.look = nil
	if t.life != v.life {
		return nil
	}
	f.report.Ops++
	f.report.Reads++
	var items []string
	err := p.base.ReadUser(context.Background(), t.user, func(e *engine.Engine) error {
		for n := range shownItems {
			hides := e.Holds(t.user, byte(record.HideItem), shown(n))
			if !hides {
				items = append(items, shown(n))
			}
			if hides != t.hides[n] {
				return fmt.Errorf("it has hidden %s: %v; behind %v in %v it's hidden: %v", shown(n), t.hides[n], v.needs, have, hides)
			}
		}
		return nil
	})
	if errors.Is(err, fault.ErrDisk) {
		return nil // the checkpoint can't be read, and says so
	}
	if err != nil {
		return err
	}
	got, err := p.price(t.user)
	if err != nil {
		return err
	}
	if got != t.value {
		return fmt.Errorf("it has set its register to %d, and reads %d", t.value, got)
	}
	t.seen = t.seen.Merge(have)
	t.token = max(t.token, p.base.Engine.HighestRegister())
	f.readers.hides = append(f.readers.hides, hidden.Op{
		Op: hidden.List, User: t.user, Items: items, Begin: v.begin, End: f.moment(),
	})
	f.tell(p.m, "list", uint64(len(items)), uint64(got), t.user)
	return nil
}

// price reads a register, 0 if it was never set.
func (p *resident) price(item string) (int64, error) {
	x, there, err := p.base.Engine.Entity(id.KindItem, item)
	if err != nil || !there {
		return 0, err
	}
	b, set := x.Field("price")
	if !set {
		return 0, nil
	}
	v, err := schema.DecodeValue(b)
	if err != nil {
		return 0, err
	}
	n, _ := v.Int()
	return n, nil
}
