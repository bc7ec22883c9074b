package sim

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hidden"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/schema"
)

// readers are the clients that read what they and others wrote, anywhere, and what they saw: histories that are checked
// at the end.
type readers struct {
	sessions []*session
	number   uint64 // of the last read
	moments  int64  // a clock that orders what clients see
	// hides is the history of hides and of what was shown, registers that of the registers.
	hides     []hidden.Op
	registers []registered
}

// moment is a point in the order of what clients see.
func (f *fleet) moment() int64 {
	f.readers.moments++
	return f.readers.moments
}

// What sessions are about. Nobody else writes these.
const (
	shownItems     = 4
	registersThere = 2
)

// session is a client that does one thing after another for a user of its own: it hides and shows items, sets
// registers, and reads both, with the token of what it has seen at any machine, or with the group's word.
type session struct {
	writer
	user  string
	seen  id.Seq           // its token: the last event that it wrote or saw
	now   *op              // what it writes
	look  *lookup          // what it reads
	value int64            // the last that it set a register to
	hides [shownItems]bool // what it has hidden, for nobody else does so for its user
}

func newReaders(f *fleet) readers {
	var r readers
	for n := range 3 {
		s := &session{writer: *f.newWriter(fmt.Sprintf("session-%d", n)), user: fmt.Sprintf("reader-%d", n)}
		s.value = int64(n+1) << 32
		r.sessions = append(r.sessions, s)
	}
	return r
}

func (r *readers) schedule() {
	for _, s := range r.sessions {
		s.later(s.f.between(0, 300*milli))
	}
}

func (s *session) later(d int64) { s.f.jobs.enter(s.f.now+d, work{kind: toAct, client: s}) }

// act goes on with what is under way, or begins something.
func (s *session) act() {
	f := s.f
	switch {
	case s.now != nil:
		s.later(f.between(20*milli, 200*milli)) // first: a crash may end what comes now
		s.resend()
	case s.look != nil:
		s.later(f.between(50*milli, 200*milli))
		if f.now > s.look.asked+s.patience {
			s.look.failed()
		}
	case f.closing:
	case f.rng.IntN(5) < 2:
		s.later(f.between(2*milli, 150*milli))
		s.begin()
	default:
		s.later(f.between(2*milli, 150*milli))
		s.read()
	}
}

// idle reports whether it waits for nothing.
func (s *session) idle() bool { return s.now == nil && s.look == nil }

// begin writes something.
func (s *session) begin() {
	f := s.f
	if s.target() == nil {
		return
	}
	var p record.Proposed
	var told func(o *op)
	if f.rng.IntN(2) == 0 {
		on := f.rng.IntN(2) == 0
		item := f.rng.IntN(shownItems)
		p.Kind = record.KindRelation
		p.Relation = record.Relation{Which: record.HideItem, On: on, User: s.user, Target: shown(item)}
		what := hidden.Unhide
		if on {
			what = hidden.Hide
		}
		place := len(f.readers.hides)
		f.readers.hides = append(f.readers.hides, hidden.Op{
			Op: what, User: s.user, Which: "hide", Target: shown(item), Begin: f.moment(),
		})
		told = func(o *op) {
			f.readers.hides[place].End = o.ret
			s.hides[item] = on
		}
	} else {
		s.value++
		k := f.rng.IntN(registersThere)
		p.Kind = record.KindPatch
		p.Entity = record.Entity{Kind: id.KindItem, ID: register(k), Fields: []record.Field{
			{Name: "price", Value: schema.Int(s.value).Encode()},
		}}
		place := len(f.readers.registers)
		f.readers.registers = append(f.readers.registers, registered{
			register: k, set: true, value: s.value, call: f.moment(), ret: math.MaxInt64,
		})
		told = func(o *op) { f.readers.registers[place].ret = o.ret }
	}
	o := s.ask([]record.Proposed{p})
	o.told = func() {
		s.now = nil
		if o.acked {
			s.seen = max(s.seen, o.receipt.First.Seq)
			told(o)
		}
	}
	s.now = o
	s.resend()
}

func shown(n int) string    { return fmt.Sprintf("shown-%d", n) }
func register(n int) string { return fmt.Sprintf("register-%d", n) }

// lookup is one read.
type lookup struct {
	session *session
	ticket  uint64
	strong  bool
	known   bool   // the group said which entry has to be applied
	index   uint64 // that entry
	seen    id.Seq // event that has to be visible
	asked   int64
	call    int64
	what    int // a register, or below 0 a list
}

// read asks some machine for something.
func (s *session) read() {
	f := s.f
	m := f.machines[f.rng.IntN(len(f.machines))]
	if !m.up() {
		return
	}
	p := m.process
	if v, _ := p.base.Engine.Schema(); v == nil {
		return
	}
	f.readers.number++
	l := &lookup{
		session: s, ticket: f.readers.number, strong: f.rng.IntN(2) == 0, asked: f.now, call: f.moment(), what: -1,
	}
	if l.strong && f.rng.IntN(2) == 0 {
		l.what = f.rng.IntN(registersThere)
	}
	if !l.strong {
		l.seen = s.seen
	}
	s.look = l
	p.enter()
	p.lookups = append(p.lookups, l)
	if l.strong {
		p.step.Core.ReadIndex(m.clock(), l.ticket)
		p.settle()
		return
	}
	p.look()
}

// strong takes the group's word.
func (p *resident) strong(r replica.ReadReply) {
	if p.resolved(r) {
		return
	}
	for _, l := range p.lookups {
		if l.ticket != r.Ticket || l.known {
			continue
		}
		if r.Err != nil {
			if !errors.Is(r.Err, fault.ErrNotLeader) && !errors.Is(r.Err, fault.ErrOverloaded) && !errors.Is(r.Err, fault.ErrClosed) &&
				!errors.Is(r.Err, fault.ErrDisk) && !errors.Is(r.Err, fault.ErrStalled) {
				p.m.f.breaks(fmt.Errorf("%s: read %d is refused: %w", p.m.name, r.Ticket, r.Err))
			}
			l.failed()
			return
		}
		l.known, l.index = true, r.Index
		p.answers = true
		return
	}
	// Whoever asked has gone.
}

// look answers the reads that wait for no more.
func (p *resident) look() {
	p.answers = false
	if err := p.certain(); err != nil {
		p.m.f.breaks(fmt.Errorf("%s: %w", p.m.name, err))
		return
	}
	keep := p.lookups[:0]
	for _, l := range p.lookups {
		if l.session.look != l {
			continue // given up
		}
		if l.strong && (!l.known || p.base.Applied() < l.index) ||
			!l.strong && p.base.Engine.Vector().Get(p.m.f.origin) < l.seen {
			keep = append(keep, l)
			continue
		}
		if err := p.answer(l); err != nil {
			p.m.f.breaks(fmt.Errorf("%s: read: %w", p.m.name, err))
			return
		}
	}
	p.lookups = keep
}

// failed gives a read up.
func (l *lookup) failed() {
	if l.session.look == l {
		l.session.look = nil
		l.session.f.report.Unknown++
	}
}

// answer reads. What is read must be at least what the session has seen.
func (p *resident) answer(l *lookup) error {
	f, s := p.m.f, l.session
	s.look = nil
	f.report.Ops++
	f.report.Reads++
	if l.strong {
		f.report.Strong++
	}
	at := p.base.Engine.Vector().Get(f.origin)
	if l.strong && at < s.seen {
		return fmt.Errorf("%s has seen event %d, a strong read behind that sees %d", s.user, s.seen, at)
	}
	s.seen = max(s.seen, at)
	if l.what >= 0 {
		return p.register(l)
	}
	var items []string
	err := p.base.ReadUser(context.Background(), s.user, func(e *engine.Engine) error {
		for n := range shownItems {
			hides := e.Holds(s.user, byte(record.HideItem), shown(n))
			if !hides {
				items = append(items, shown(n))
			}
			if hides != s.hides[n] {
				return fmt.Errorf("%s has hidden %s: %v; a list behind that has it hidden: %v", s.user, shown(n), s.hides[n], hides)
			}
		}
		return nil
	})
	if err != nil {
		if errors.Is(err, fault.ErrDisk) {
			return nil // the checkpoint can't be read, and says so
		}
		return err
	}
	f.readers.hides = append(f.readers.hides, hidden.Op{
		Op: hidden.List, User: s.user, Items: items, Begin: l.call, End: f.moment(),
	})
	f.tell(p.m, "list", uint64(at), uint64(len(items)), s.user)
	return nil
}

// register reads one.
func (p *resident) register(l *lookup) error {
	f := p.m.f
	got := registered{register: l.what, call: l.call}
	x, there, err := p.base.Engine.Entity(id.KindItem, register(l.what))
	if err != nil {
		return err
	}
	if b, set := x.Field("price"); there && set {
		v, err := schema.DecodeValue(b)
		if err != nil {
			return err
		}
		got.value, _ = v.Int()
	}
	got.ret = f.moment()
	f.readers.registers = append(f.readers.registers, got)
	f.tell(p.m, "register", uint64(l.what), uint64(got.value), l.session.user)
	return nil
}
