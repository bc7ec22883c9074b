package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/sim/oracle"
	"github.com/tidaldb/tidal/internal/sim/workload"
	"github.com/tidaldb/tidal/internal/state"
)

// Orders says how many orders [Interleave] tries.
type Orders struct {
	// Count is the number of orders, at least 1; 0 means 4.
	Count int
	// Rules is the definition that the oracle goes by; the zero value means the true one.
	Rules *oracle.Rules
	// Trace keeps what happened, step by step, in the report.
	Trace bool
}

// Report says what a run met. Without errors it is what makes the run worth something.
type Report struct {
	// Events and Batches are in the logs; Records in the final state.
	Events, Batches, Records int
	// Duplicates, Gaps and Parked were offered or met, over all orders; Same counts version vectors at which at least
	// two orders were compared.
	Duplicates, Gaps, Parked, Same int
	// Digest and Cells are of the final state.
	Digest, Cells state.Digest
	// Trace has one line per step.
	Trace string
}

// run is one workload under many orders.
type run struct {
	work   *workload.Workload
	rules  oracle.Rules
	cuts   [][]int // by waypoint and log: how many batches all orders have delivered when they pass it
	report Report
	trace  *strings.Builder
	// seen is what the first order to get there found, by version vector.
	seen map[string][2]state.Digest
}

// Interleave generates the seed's workload and applies it in several orders. Each keeps the order of every origin's
// batches; besides, batches are offered twice, and before their turn, which must be without effect. Orders pass the
// same few waypoints, so that they meet at version vectors in the middle, too; there and at the end digests must agree,
// and the state must be the oracle's, record by record.
func Interleave(seed uint64, o Orders) (*Report, error) {
	r := &run{
		work:  workload.Generate(seed),
		rules: oracle.Definition(),
		seen:  map[string][2]state.Digest{},
	}
	if o.Rules != nil {
		r.rules = *o.Rules
	}
	if o.Trace {
		r.trace = &strings.Builder{}
	}
	for _, log := range r.work.Logs {
		r.report.Batches += len(log.Batches)
		for _, b := range log.Batches {
			r.report.Events += len(b.Events)
		}
	}
	r.plan(rand.New(rand.NewPCG(seed, 1)))
	if o.Count == 0 {
		o.Count = 4
	}
	var err error
	for n := 0; n < o.Count && err == nil; n++ {
		if err = r.order(seed, uint64(n)); err != nil {
			err = fmt.Errorf("seed %d, order %d: %w", seed, n, err)
		}
	}
	if r.trace != nil {
		r.report.Trace = r.trace.String()
	}
	return &r.report, err
}

// plan chooses the waypoints: rising cuts through all logs, the last one at their ends.
func (r *run) plan(rng *rand.Rand) {
	from := make([]int, len(r.work.Logs))
	for left := 3; left > 0; left-- {
		cut := make([]int, len(from))
		for i, log := range r.work.Logs {
			ahead := len(log.Batches) - from[i]
			cut[i] = from[i] + ahead
			if left > 1 {
				cut[i] = from[i] + rng.IntN(ahead+1)
			}
		}
		r.cuts = append(r.cuts, cut)
		from = cut
	}
}

// applier is one engine, and how far each log was delivered to it.
type applier struct {
	*run
	rng    *rand.Rand
	engine *engine.Engine
	own    id.Origin
	next   []int
	parked []bool // by log: a batch waits, so all that follow do
}

func (r *run) order(seed, n uint64) error {
	p := &applier{
		run:    r,
		rng:    rand.New(rand.NewPCG(seed, 2+n)),
		own:    id.Origin{Region: 9},
		next:   make([]int, len(r.work.Logs)),
		parked: make([]bool, len(r.work.Logs)),
	}
	if n%2 == 1 {
		p.own = r.work.Logs[p.rng.IntN(len(r.work.Logs))].Origin
	}
	p.engine = engine.New(engine.Config{Origin: p.own})
	r.tracef("order %d of %v", n, p.own)
	for _, cut := range r.cuts {
		for {
			ready := p.behind(cut)
			if len(ready) == 0 {
				break
			}
			if err := p.step(ready[p.rng.IntN(len(ready))]); err != nil {
				return err
			}
		}
		if err := p.compare(); err != nil {
			return err
		}
	}
	return p.finished()
}

// behind returns the logs that have batches to deliver before the cut. What a group stamped itself it knew the schema
// of, so its own log never comes before that.
func (p *applier) behind(cut []int) []int {
	var logs []int
	for i, n := range p.next {
		log := &p.work.Logs[i]
		if n < cut[i] && (log.Origin != p.own || p.knows(&log.Batches[n])) {
			logs = append(logs, i)
		}
	}
	return logs
}

// step delivers the next batch of a log, and now and then something that must have no effect.
func (p *applier) step(log int) error {
	if p.rng.IntN(4) == 0 {
		if err := p.nuisance(); err != nil {
			return err
		}
	}
	b := &p.work.Logs[log].Batches[p.next[log]]
	want := engine.Applied
	if p.parked[log] || !p.knows(b) {
		want = engine.Parked
	}
	got, err := p.engine.Apply(b.Data)
	p.tracef("%v…%d %v %v", b.Origin.At(b.First), b.Last, got.Outcome, err)
	if err != nil {
		return err
	}
	if got.Outcome != want || got.Origin != b.Origin || got.First != b.First || got.Last != b.Last {
		return fmt.Errorf("batch %v…%d: %+v, want %v", b.Origin.At(b.First), b.Last, got, want)
	}
	p.next[log]++
	if want == engine.Parked {
		p.report.Parked++
	}
	p.wake()
	return p.checkVector()
}

// knows reports whether the engine has the schema version of a batch, by what it should have applied.
func (p *applier) knows(b *workload.Batch) bool {
	if b.Schema == nil {
		return true
	}
	current, _ := p.engine.Schema()
	return current != nil && b.Schema.Version <= current.Version
}

// wake learns which logs go on by themselves after a schema version came.
func (p *applier) wake() {
	for i, log := range p.work.Logs {
		delivered := id.Seq(0)
		if p.next[i] > 0 {
			delivered = log.Batches[p.next[i]-1].Last
		}
		p.parked[i] = p.engine.Vector().Get(log.Origin) < delivered
	}
}

// checkVector holds the vector and the number of parked batches against what was delivered: all of a log up to the
// first batch whose schema version isn't there.
func (p *applier) checkVector() error {
	waiting := 0
	for i, log := range p.work.Logs {
		want := id.Seq(0)
		for n, b := range log.Batches[:p.next[i]] {
			if !p.knows(&b) {
				waiting += p.next[i] - n
				break
			}
			want = b.Last
		}
		if got := p.engine.Vector().Get(log.Origin); got != want {
			return fmt.Errorf("vector says %v, want %d", log.Origin.At(got), want)
		}
	}
	if got := p.engine.Parked(); got != waiting {
		return fmt.Errorf("%d batches are parked, want %d", got, waiting)
	}
	return nil
}

// nuisance offers a batch again, or one before its turn. Neither may leave a trace.
func (p *applier) nuisance() error {
	log := p.rng.IntN(len(p.work.Logs))
	batches, next := p.work.Logs[log].Batches, p.next[log]
	at, want := p.rng.IntN(len(batches)), engine.Gap
	switch {
	case at == next:
		return nil
	case at < next:
		want = engine.Duplicate
	}
	b := &batches[at]
	vector, parked := p.engine.Vector(), p.engine.Parked()
	var before state.Digest
	look := p.rng.IntN(4) == 0
	if look {
		before = p.engine.Digest()
	}
	got, err := p.engine.Apply(b.Data)
	p.tracef("%v…%d %v %v", b.Origin.At(b.First), b.Last, got.Outcome, err)
	switch {
	case b.Origin == p.own && !errors.Is(err, fault.ErrForked):
		return fmt.Errorf("own batch %v out of turn: %v, %w; want ErrForked", b.Origin.At(b.First), got.Outcome, err)
	case b.Origin != p.own && err != nil:
		return err
	case got.Outcome != want:
		return fmt.Errorf("batch %v out of turn: %v, want %v", b.Origin.At(b.First), got.Outcome, want)
	case !p.engine.Vector().Equal(vector) || p.engine.Parked() != parked:
		return fmt.Errorf("batch %v out of turn moved %v to %v", b.Origin.At(b.First), vector, p.engine.Vector())
	case look && p.engine.Digest() != before:
		return fmt.Errorf("batch %v out of turn changed the digest", b.Origin.At(b.First))
	}
	if want == engine.Gap {
		p.report.Gaps++
	} else {
		p.report.Duplicates++
	}
	return nil
}

// compare holds the state against the other orders' at the same vector, and against the oracle's if it's the first
// there.
func (p *applier) compare() error {
	at := p.engine.Vector().String()
	found := [2]state.Digest{p.engine.Digest(), p.engine.DigestCells()}
	p.tracef("at %s: %v", at, found[0])
	first, ok := p.seen[at]
	if ok && first == found {
		p.report.Same++
		return nil
	}
	want, err := oracle.Fold(p.covered(), p.rules)
	if err != nil {
		return err
	}
	if err := want.Compare(p.engine.Records); err != nil {
		return fmt.Errorf("at %s: %w", at, err)
	}
	if ok {
		return fmt.Errorf("at %s: digests %v, in an order before %v, and every record is as it should be",
			at, found, first)
	}
	p.seen[at] = found
	return nil
}

// covered returns the events of the engine's vector.
func (p *applier) covered() []*workload.Event {
	var events []*workload.Event
	vector := p.engine.Vector()
	for _, log := range p.work.Logs {
		for _, b := range log.Batches {
			if !vector.Covers(log.Origin.At(b.Last)) {
				break
			}
			for i := range b.Events {
				events = append(events, &b.Events[i])
			}
		}
	}
	return events
}

func (p *applier) finished() error {
	for _, log := range p.work.Logs {
		if end := log.Batches[len(log.Batches)-1].Last; p.engine.Vector().Get(log.Origin) != end {
			return fmt.Errorf("all was delivered, and the vector is %v", p.engine.Vector())
		}
	}
	p.report.Digest, p.report.Cells = p.engine.Digest(), p.engine.DigestCells()
	p.report.Records = 0
	for range p.engine.Records {
		p.report.Records++
	}
	return nil
}

func (r *run) tracef(format string, args ...any) {
	if r.trace != nil {
		fmt.Fprintf(r.trace, format+"\n", args...)
	}
}
