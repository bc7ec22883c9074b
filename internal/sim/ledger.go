package sim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/sim/oracle"
	"github.com/tidaldb/tidal/internal/sim/workload"
	"github.com/tidaldb/tidal/internal/wal"
	"github.com/tidaldb/tidal/schema"
)

// ledger keeps what was asked and answered, and holds logs and states against it. It knows nothing of lanes and keys:
// each record in the log says, in its trace id, which request of whom it belongs to, and in which attempt.
type ledger struct {
	ops      []*op      // by number − 1
	attempts []*attempt // by number − 1
	// signals were acknowledged and can be taken back; tried says how often that was asked for.
	signals []id.Position
	tried   map[id.Position]int

	// What the log held at the last audit, and what follows from it.
	seen        uint64 // its last entry
	entries     []entry
	events      []*workload.Event
	schemas     map[schema.Hash]*schema.Schema
	compensated map[id.Position]bool
	last        mark
	before      before
	// state is what the definition makes of the first folded events.
	state  *oracle.State
	folded int
	asked  []record.Proposed // room for asAsked
}

// entry is one batch of the log.
type entry struct {
	index  uint64
	data   []byte
	events int  // of all entries up to this one
	last   mark // behind it
	began  []*op
}

// mark is where an origin's batches have come to.
type mark struct {
	seq id.Seq
	hlc hlc.Timestamp
}

func newLedger() *ledger {
	return &ledger{
		schemas: map[schema.Hash]*schema.Schema{}, compensated: map[id.Position]bool{}, tried: map[id.Position]int{},
		state: oracle.New(),
	}
}

// ask enters a new request.
func (l *ledger) ask(o *op) *op {
	l.ops = append(l.ops, o)
	o.number = uint64(len(l.ops))
	return o
}

// try enters an attempt of a request.
func (l *ledger) try(o *op) *attempt {
	a := &attempt{op: o}
	l.attempts = append(l.attempts, a)
	a.number = uint64(len(l.attempts))
	o.attempts++
	return a
}

// trace is the trace id that the records of an attempt carry.
func (a *attempt) trace() (t [16]byte) {
	binary.BigEndian.PutUint64(t[:8], a.op.number)
	binary.BigEndian.PutUint64(t[8:], a.number)
	return t
}

// forget notes that nobody will answer what a process had open.
func (l *ledger) forget(p *process) {
	for _, a := range p.open {
		a.end = unknown
		a.lost()
	}
}

// audit holds a recovered replica against all that was asked and answered.
func (l *ledger) audit(b *host.Base) error {
	if err := l.reconcile(b); err != nil {
		return err
	}
	return l.fold(b)
}

// auditAfresh is audit, but that the oracle folds all events at once, in any order.
func (l *ledger) auditAfresh(b *host.Base, rng *rand.Rand) error {
	if err := l.reconcile(b); err != nil {
		return err
	}
	return l.foldAfresh(b, rng)
}

// foldAfresh compares the state with what the definition makes of all events at once, in any order.
func (l *ledger) foldAfresh(b *host.Base, rng *rand.Rand) error {
	events := slices.Clone(l.events)
	rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	var err error
	if l.state, err = oracle.Fold(events, oracle.Definition()); err != nil {
		return err
	}
	l.folded = len(l.events)
	return l.fold(b)
}

// reconcile reads the log and holds it against what was asked and answered, and against the process before.
func (l *ledger) reconcile(b *host.Base) error {
	if err := l.read(b.Log, b.Origin()); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if err := l.accounts(); err != nil {
		return err
	}
	if got := b.Engine.Vector().Get(b.Origin()); got != l.last.seq {
		return fmt.Errorf("state is at %d, its log at %d", got, l.last.seq)
	}
	return l.sameDigest(b)
}

// read takes in the log's batches. What was there at the last audit is compared and not decoded again.
func (l *ledger) read(log *wal.Log, origin id.Origin) error {
	// What the log let go was taken in before.
	known := sort.Search(len(l.entries), func(i int) bool { return l.entries[i].index >= log.FirstIndex() })
	if log.FirstIndex() > l.seen+1 {
		return fmt.Errorf("it begins at entry %d, of what was before only %d is known", log.FirstIndex(), l.seen)
	}
	l.seen = log.LastIndex()
	for next := log.FirstIndex(); next <= log.LastIndex(); {
		entries, err := log.Entries(next, log.LastIndex()+1, 1<<20)
		if err != nil {
			return err
		}
		next += uint64(len(entries))
		for _, e := range entries {
			if e.Kind != wal.KindBatch {
				continue
			}
			if known < len(l.entries) && l.entries[known].index == e.Index && bytes.Equal(l.entries[known].data, e.Data) {
				known++
				continue
			}
			l.cut(known)
			if err := l.enter(e, origin); err != nil {
				return fmt.Errorf("entry %d: %w", e.Index, err)
			}
			known++
		}
	}
	l.cut(known)
	return nil
}

// cut drops the entries from place n on: the log has lost them.
func (l *ledger) cut(n int) {
	if n == len(l.entries) {
		return
	}
	for _, e := range l.entries[n:] {
		for _, o := range e.began {
			o.logged, o.records, o.by = id.Position{}, nil, nil
		}
	}
	l.entries = l.entries[:n]
	events := 0
	l.last = mark{}
	if n > 0 {
		events, l.last = l.entries[n-1].events, l.entries[n-1].last
	}
	l.events = l.events[:events]
	if events < l.folded {
		l.state, l.folded = oracle.New(), 0
	}
	clear(l.compensated)
	for _, e := range l.events {
		if e.Body.Kind == record.KindCompensate {
			l.compensated[e.Body.Compensation.Original] = true
		}
	}
}

// enter takes in one batch.
func (l *ledger) enter(e wal.Entry, origin id.Origin) error {
	b, err := record.Open(e.Data)
	if err != nil {
		return err
	}
	if b.Origin() != origin || b.Header.First != l.last.seq+1 {
		return fmt.Errorf("batch begins at %v, behind %v", b.Origin().At(b.Header.First), origin.At(l.last.seq))
	}
	entry := entry{index: e.Index, data: e.Data}
	version := l.schemas[b.Ext.Schema]
	for rec, err := range b.Records() {
		if err != nil {
			return err
		}
		if rec.Seq != l.last.seq+1 || rec.Meta.HLC <= l.last.hlc {
			return fmt.Errorf("record %d stamped %v follows %d stamped %v", rec.Seq, rec.Meta.HLC, l.last.seq, l.last.hlc)
		}
		l.last = mark{rec.Seq, rec.Meta.HLC}
		x := &workload.Event{Position: origin.At(rec.Seq), Schema: version, Meta: rec.Meta}
		if err := x.Body.DecodeBody(rec.Kind, rec.Body); err != nil {
			return err
		}
		if err := l.attribute(x, &entry); err != nil {
			return fmt.Errorf("record %d: %w", rec.Seq, err)
		}
		l.events = append(l.events, x)
	}
	if b.Header.Last != l.last.seq {
		return fmt.Errorf("batch says that it ends at %d, its records at %d", b.Header.Last, l.last.seq)
	}
	entry.events, entry.last = len(l.events), l.last
	l.entries = append(l.entries, entry)
	return nil
}

// attribute finds the request that a record belongs to. It is there once, whole, and was not refused.
func (l *ledger) attribute(x *workload.Event, entry *entry) error {
	number := binary.BigEndian.Uint64(x.Meta.Trace[:8])
	try := binary.BigEndian.Uint64(x.Meta.Trace[8:])
	if number-1 >= uint64(len(l.ops)) || try-1 >= uint64(len(l.attempts)) {
		return errors.New("nobody asked for it")
	}
	o, a := l.ops[number-1], l.attempts[try-1]
	switch {
	case a.op != o:
		return errors.New("nobody asked for it")
	case a.end == refused:
		return fmt.Errorf("%v was refused, and is there", o)
	case o.by == nil:
		o.by, o.logged = a, x.Position
		entry.began = append(entry.began, o)
	case o.by != a || len(o.records) == len(o.request):
		return fmt.Errorf("%v counts twice, at %v and %v", o, o.logged, x.Position)
	}
	o.records = append(o.records, x)
	switch x.Body.Kind {
	case record.KindCompensate:
		at := x.Body.Compensation.Original
		if l.compensated[at] {
			return fmt.Errorf("%v is taken back twice", at)
		}
		l.compensated[at] = true
	case record.KindSchemaVersion:
		s, err := schema.Decode(x.Body.Schema.Encoded)
		if err != nil {
			return err
		}
		l.schemas[s.Hash()] = s
	}
	return nil
}

// accounts goes through the requests: what was accepted is in the log, where the receipt said, with what was asked.
func (l *ledger) accounts() error {
	for _, o := range l.ops {
		switch {
		case o.acked && o.by == nil:
			return fmt.Errorf("%v was acknowledged at %v and is lost", o, o.receipt.First)
		case o.acked && o.receipt.First != o.logged:
			return fmt.Errorf("%v was acknowledged at %v and is at %v", o, o.receipt.First, o.logged)
		case o.by != nil && o.by.end == refused:
			return fmt.Errorf("%v was refused, and is in the log at %v", o, o.logged)
		case o.by == nil || o.audited == o.logged:
			continue
		case len(o.records) != len(o.request):
			return fmt.Errorf("%v has %d records in the log, %d were asked for", o, len(o.records), len(o.request))
		}
		if err := l.asAsked(o, o.records); err != nil {
			return err
		}
		o.audited = o.logged
	}
	return nil
}

// asAsked compares what a log holds with what was asked for.
func (l *ledger) asAsked(o *op, records []*workload.Event) error {
	l.asked = slices.Grow(l.asked[:0], len(records))
	got := l.asked[:len(records)]
	for i, x := range records {
		got[i] = x.Body
		got[i].Key = x.Meta.Key
		got[i].Time, got[i].HasTime = x.Meta.Time, !x.Meta.TimeAssigned
		if x.Meta.TimeAssigned {
			got[i].Time = 0
		}
		if x.Meta.TimeClamped {
			got[i].Time = o.request[i].Time
		}
	}
	if record.ContentHash(got) != o.content {
		return fmt.Errorf("%v holds other content in the log than was asked for", o)
	}
	return nil
}

// sameDigest compares with what the last process knew, if both know the same. Apart from what was still on its way to
// the disk they do.
func (l *ledger) sameDigest(b *host.Base) error {
	old := l.before
	l.before.engine, l.before.known = nil, false
	if old.engine == nil && !old.known || !old.vector.Equal(b.Engine.Vector()) {
		return nil
	}
	if old.engine != nil {
		old.digest = old.engine.Digest()
	}
	now, err := b.Digest()
	if err != nil {
		return err
	}
	if now != old.digest {
		return fmt.Errorf("digest was %v, and is %v after the replay of the same events", old.digest, now)
	}
	return nil
}

// fold compares the state with what the definition makes of the log's events. Those of the last audit are known to be
// the same: read has compared their bytes.
func (l *ledger) fold(b *host.Base) error {
	if err := l.state.Add(l.events[l.folded:]); err != nil {
		return err
	}
	l.folded = len(l.events)
	var failed error
	err := l.state.Compare(func(yield func(engine.Record) bool) { failed = b.Records(yield) })
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}
