package sim_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/sim/oracle"
	"github.com/tidaldb/tidal/internal/sim/workload"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/schema"
)

var groupings = flag.Uint64("sim.groupings", 100, "how many seeds TestGroupings runs, each by batches and by ranges")

// TestGroupings: what the events are, and not how they were put together, makes the state. One workload of several
// origins, with deletes, erases, compensations, late events and a schema version in the middle, is
//
//   - applied batch by batch;
//   - folded in ranges of random length, which are merged into a store in memory and on Pebble, and loaded again;
//   - the same on Pebble with small memtables, where flushes, compactions of random keys and restarts come between;
//   - compacted in ranges that overlap what the receiver has, and applied or folded in the place of batches;
//   - sent as a snapshot in the middle, behind which the rest is applied.
//
// All have one digest, which is that of the definition's state; and those that went the same way through a group's log
// have one set of lanes, keys, stamps and counters. TIDAL_SEED=n runs one seed, and
// go test ./internal/sim -sim.groupings=n more of them.
func TestGroupings(t *testing.T) {
	first, count := uint64(1), *groupings
	if testing.Short() {
		count = min(count, 30)
	}
	if s := os.Getenv("TIDAL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, count = n, 1
	}
	var met grouped
	for seed := first; seed < first+count; seed++ {
		if err := group(seed, flaw{}, &met); err != nil {
			t.Fatalf("seed %d: %v\nreplay: TIDAL_SEED=%d go test ./internal/sim -run '^TestGroupings$'", seed, err, seed)
		}
	}
	t.Logf("%+v", met)
	if count >= 30 && !met.enough() {
		t.Errorf("the seeds met too little: %+v", met)
	}
}

// TestRangesSortAsStoresDo: a range that is merged into a store lies there in the range's own order.
func TestRangesSortAsStoresDo(t *testing.T) {
	for seed := uint64(1); seed <= 8; seed++ {
		g := &grouping{rng: rand.New(rand.NewPCG(seed, 78)), grouped: &grouped{}, work: workload.Generate(seed)}
		g.cfg.Origin = id.Origin{Region: 9}
		if err := g.fold(); err != nil {
			t.Fatal(err)
		}
		for _, log := range g.work.Logs {
			c, err := compact(g.whole, 0, log.Batches)
			if err != nil {
				t.Fatal(err)
			}
			memory := store.NewMemory()
			m := &materialiser{grouping: g, log: []entry{{rng: c}}, open: func() (*store.Store, error) {
				return store.OpenMemory(memory, store.Identity{})
			}}
			if err := m.run(); err != nil {
				t.Fatal(err)
			}
			name := func(owner id.Kind, ownerID string, kind algebra.Kind, gen hlc.Timestamp, sub string) string {
				return fmt.Sprintf("%v of %v %q@%v %q", kind, owner, ownerID, gen, sub)
			}
			var want, got []string
			for r := range c.Records {
				want = append(want, name(r.OwnerKind, r.Owner, r.Kind, r.Gen, r.Sub))
			}
			for r, err := range m.store.Records() {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, name(r.OwnerKind, r.Owner, r.Kind, r.Gen, r.Sub))
			}
			if !slices.Equal(got, want) || len(got) == 0 {
				t.Errorf("seed %d, %v: the store has\n%q\nthe range\n%q", seed, log.Origin, got, want)
			}
		}
	}
}

// TestGroupingsBite makes one mistake at a time, which must be found.
func TestGroupingsBite(t *testing.T) {
	for name, f := range map[string]flaw{
		"overlap applied as it is":   {skipSubtraction: true},
		"generations not raised":     {dropGenerations: true},
		"a range's sums twice":       {rangeTwice: true},
		"requests of a range lost":   {loseRequests: true},
		"group-local records lost":   {loseLocals: true},
		"a range committed twice":    {commitTwice: true},
		"a store one entry too new":  {skipEntry: true},
		"overlap subtracted by half": {shortOverlap: true},
	} {
		t.Run(name, func(t *testing.T) {
			const within = 20
			var met grouped
			for seed := uint64(1); seed <= within; seed++ {
				if err := group(seed, f, &met); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Errorf("not found within %d seeds", within)
		})
	}
}

// flaw is what to do wrong.
type flaw struct {
	skipSubtraction, dropGenerations, rangeTwice, loseRequests, loseLocals, commitTwice, skipEntry, shortOverlap bool
}

// grouped counts what runs met, to see that they were worth something.
type grouped struct {
	Ranges, Overlaps, Own, Waiting, Refused, Commits, Compactions, Restarts, Snapshots, Midway int
}

func (g *grouped) enough() bool {
	return min(g.Ranges, g.Overlaps, g.Own, g.Waiting, g.Refused, g.Commits, g.Compactions, g.Restarts, g.Snapshots,
		g.Midway) > 0
}

// entry is one of a group's log: a batch, or a range in the place of some.
type entry struct {
	batch []byte
	rng   *engine.Compacted
}

// door is how entries get in.
type door interface {
	Apply(batch []byte) (engine.Result, error)
	ApplyRange(c *engine.Compacted) (engine.Result, error)
}

func (x *entry) apply(d door) (res engine.Result, err error) {
	if x.rng != nil {
		return d.ApplyRange(x.rng)
	}
	return d.Apply(x.batch)
}

// grouping is one seed's run.
type grouping struct {
	flaw
	*grouped
	rng  *rand.Rand
	work *workload.Workload
	cfg  engine.Config
	// whole has everything, batch by batch, from nobody's point of view; what has its digest has the right one.
	whole *engine.Engine
	// takenBack is what all regions together want taken back.
	takenBack []id.Position
	entered   []entered
}

func group(seed uint64, f flaw, met *grouped) error {
	g := &grouping{flaw: f, grouped: met, rng: rand.New(rand.NewPCG(seed, 77)), work: workload.Generate(seed)}
	g.cfg.Origin = id.Origin{Region: 9}
	if err := errors.Join(g.fold(), g.takeBacks()); err != nil {
		return err
	}
	if g.rng.IntN(2) == 0 {
		g.cfg.Origin = g.work.Logs[g.rng.IntN(len(g.work.Logs))].Origin
	}
	for _, way := range []struct {
		name   string
		ranges bool
	}{{"batches", false}, {"ranges", true}} {
		r := g.receiver(way.ranges)
		if err := r.receive(); err != nil {
			return fmt.Errorf("%s one by one: %w", way.name, err)
		}
		if err := g.stores(r); err != nil {
			return fmt.Errorf("%s %w", way.name, err)
		}
	}
	return nil
}

// fold makes the whole, and holds it against the definition.
func (g *grouping) fold() error {
	g.whole = engine.New(g.cfg)
	var events []*workload.Event
	for _, log := range g.work.Logs {
		for _, b := range log.Batches {
			if _, err := g.whole.Apply(b.Data); err != nil {
				return err
			}
			for i := range b.Events {
				e := &b.Events[i]
				events = append(events, e)
				if e.Body.Kind == record.KindSchemaVersion {
					v, err := schema.Decode(e.Body.Schema.Encoded)
					if err != nil {
						return err
					}
					g.entered = append(g.entered, entered{e.Position, v.Hash()})
				}
			}
		}
	}
	want, err := oracle.Fold(events, oracle.Definition())
	if err != nil {
		return err
	}
	return want.Compare(g.whole.Records)
}

// takeBacks gathers, region by region, what a group that gets the logs one after the other wants taken back.
func (g *grouping) takeBacks() error {
	for region := range id.Region(3) {
		e := engine.New(engine.Config{Origin: id.Origin{Region: region, Incarnation: 99}})
		for _, log := range g.work.Logs {
			for _, b := range log.Batches {
				if _, err := e.Apply(b.Data); err != nil {
					return err
				}
			}
		}
		g.takenBack = append(g.takenBack, e.Pending(1<<20)...)
	}
	slices.SortFunc(g.takenBack, id.Position.Compare)
	return nil
}

// pending is what of that the receiver answers for.
func (r *receiver) pending() []id.Position {
	var mine []id.Position
	for _, p := range r.takenBack {
		if r.engine.AnswersFor(p.Origin()) {
			mine = append(mine, p)
		}
	}
	return mine
}

// receiver is a group that gets the logs in some order, and writes what it gets into a log of its own.
type receiver struct {
	*grouping
	ranges bool
	engine *engine.Engine
	next   []int // by log: the batch to deliver, behind those that wait
	log    []entry
	keep   hlc.Timestamp
}

func (g *grouping) receiver(ranges bool) *receiver {
	r := &receiver{grouping: g, ranges: ranges, engine: engine.New(g.cfg), next: make([]int, len(g.work.Logs))}
	if g.rng.IntN(3) == 0 { // the rest is too old to be remembered but by the window
		r.keep = hlc.Make(1_700_000_000_000+g.rng.Int64N(20_000), 0)
	}
	return r
}

// receive delivers all logs.
func (r *receiver) receive() error {
	midway := r.rng.IntN(40)
	for n := 0; ; n++ {
		ready := r.ready()
		if len(ready) == 0 {
			break
		}
		if err := r.step(ready[r.rng.IntN(len(ready))]); err != nil {
			return err
		}
		if n == midway {
			if err := r.midway(); err != nil {
				return err
			}
		}
	}
	if got, want := r.engine.Digest(), r.whole.Digest(); got != want {
		return fmt.Errorf("digest %v, want %v", got, want)
	}
	if got, want := r.engine.Vector(), r.whole.Vector(); !got.Equal(want) {
		return fmt.Errorf("vector %v, want %v", got, want)
	}
	if got, want := fmt.Sprintf("%+v", r.engine.Regions()), fmt.Sprintf("%+v", r.whole.Regions()); got != want ||
		r.engine.Home() != r.whole.Home() {
		return fmt.Errorf("regions are %s, want %s", got, want)
	}
	if got, want := r.engine.Pending(1<<20), r.pending(); r.keep == 0 && !slices.Equal(got, want) {
		return fmt.Errorf("pending are %v, want %v", got, want)
	}
	a, b := r.engine.Counters(), r.whole.Counters()
	for _, c := range []*engine.Counters{&a, &b} {
		c.Stale, c.Twice, c.Undecided, c.Reused, c.Fallen = 0, 0, 0, 0, 0 // these depend on the order
	}
	if a != b {
		return fmt.Errorf("counters %+v, want %+v", a, b)
	}
	return r.requests()
}

// ready returns the logs that have batches left. What a group stamped itself it knew the schema of.
func (r *receiver) ready() []int {
	var logs []int
	for i, n := range r.next {
		log := &r.work.Logs[i]
		if n < len(log.Batches) && (log.Origin != r.cfg.Origin || r.knows(&log.Batches[n])) {
			logs = append(logs, i)
		}
	}
	return logs
}

// knows reports whether the receiver has the schema versions that a batch names: its own, and those of what it takes
// back. Behind a range it may have the second version, and not the first.
func (r *receiver) knows(b *workload.Batch) bool {
	if b.Schema != nil && !r.has(b.Schema.Hash()) {
		return false
	}
	return !slices.ContainsFunc(b.Events, func(e workload.Event) bool {
		return e.Body.Kind == record.KindCompensate && !r.has(e.Body.Compensation.Schema)
	})
}

func (r *receiver) has(version schema.Hash) bool {
	return slices.ContainsFunc(r.entered, func(x entered) bool {
		return x.version == version && r.engine.Vector().Covers(x.at)
	})
}

// entered is where a schema version entered a log.
type entered struct {
	at      id.Position
	version schema.Hash
}

// step delivers the next batch of a log, or a range in its place.
func (r *receiver) step(i int) error {
	if r.ranges && r.rng.IntN(2) == 0 {
		return r.stepRange(i)
	}
	x := entry{batch: r.work.Logs[i].Batches[r.next[i]].Data}
	res, err := x.apply(r.engine)
	if err != nil {
		return err
	}
	if res.Outcome != engine.Applied && res.Outcome != engine.Parked {
		return fmt.Errorf("batch %v: %v", res.Origin.At(res.First), res.Outcome)
	}
	r.next[i]++
	r.log = append(r.log, x)
	return nil
}

// stepRange compacts a random stretch that ends behind what is here, takes out what is, and applies the rest.
func (r *receiver) stepRange(i int) error {
	batches := r.work.Logs[i].Batches
	origin := r.work.Logs[i].Origin
	have := 0 // applied
	for have < len(batches) && batches[have].Last <= r.engine.Vector().Get(origin) {
		have++
	}
	from, to := have, have+1+r.rng.IntN(len(batches)-have)
	if have > 0 && r.rng.IntN(2) == 0 {
		from = r.rng.IntN(have)
	}
	c, err := compact(r.whole, r.keep, batches[from:to])
	if err != nil {
		return err
	}
	if err := r.refused(c, batches, have); err != nil {
		return err
	}
	if from < have {
		r.Overlaps++
		if c, err = r.without(c, batches[from:have]); err != nil {
			return err
		}
	}
	if c, err = travel(c); err != nil {
		return err
	}
	r.spoil(c)
	x := entry{rng: c}
	res, err := x.apply(r.engine)
	if err != nil || res.Outcome != engine.Applied {
		return fmt.Errorf("range %v: %v %w", c.Range, res.Outcome, err)
	}
	r.Ranges++
	if origin == r.cfg.Origin {
		r.Own++
	}
	if have < r.next[i] {
		r.Waiting++
	}
	r.next[i] = max(r.next[i], to)
	r.log = append(r.log, x)
	return nil
}

// compact folds batches, knowing the schema versions that an engine knows.
func compact(e *engine.Engine, keep hlc.Timestamp, batches []workload.Batch) (*engine.Compacted, error) {
	c := e.Compactor(keep)
	for _, b := range batches {
		if err := c.Add(b.Data); err != nil {
			return nil, err
		}
	}
	return c.Finish()
}

// travel sends a range as bytes.
func travel(c *engine.Compacted) (*engine.Compacted, error) {
	b := c.AppendBinary(nil)
	back, err := engine.DecodeCompacted(b)
	if err == nil && !bytes.Equal(back.AppendBinary(nil), b) {
		err = errors.New("the bytes of a range changed on the way")
	}
	return back, err
}

// without is what the receiver lacks of a range, of whose beginning it has the batches.
func (r *receiver) without(c *engine.Compacted, held []workload.Batch) (*engine.Compacted, error) {
	if r.skipSubtraction {
		out := *c
		out.Range.First = held[len(held)-1].Last + 1
		out.Requests = nil
		return &out, nil
	}
	overlap, err := compact(r.engine, r.keep, held)
	if errors.Is(err, fault.ErrNotFound) { // of what came as a range, the schema versions needn't be here
		overlap, err = compact(r.whole, r.keep, held)
	}
	if err != nil {
		return nil, err
	}
	if r.shortOverlap {
		overlap.Range.Entries = overlap.Range.Entries[:len(overlap.Range.Entries)/2]
	}
	return c.Without(overlap)
}

func (r *receiver) spoil(c *engine.Compacted) {
	x := &c.Range
	switch {
	case r.dropGenerations:
		var kept []algebra.RangeEntry
		for _, e := range x.Entries {
			if e.Kind != algebra.KindGeneration {
				kept = append(kept, e)
			}
		}
		x.Entries = kept
	case r.rangeTwice:
		for i := range x.Entries {
			e := &x.Entries[i]
			e.Value, _ = algebra.Merge(e.Kind, nil, e.Value, e.Value)
		}
	case r.loseRequests:
		c.Requests = nil
	}
}

// refused offers a range as it is, where that must have no effect.
func (r *receiver) refused(c *engine.Compacted, batches []workload.Batch, have int) error {
	if r.rng.IntN(4) > 0 {
		return nil
	}
	before := r.engine.Digest()
	offer := func(c *engine.Compacted, want engine.Outcome, wantErr error) error {
		r.Refused++
		res, err := r.engine.ApplyRange(c)
		if res.Outcome != want || !errors.Is(err, wantErr) || (err == nil) != (wantErr == nil) {
			return fmt.Errorf("range %v to %v: %v %w, want %v %w", c.Range, r.engine.Vector(), res.Outcome, err, want, wantErr)
		}
		return nil
	}
	if c.Range.First <= r.engine.Vector().Get(c.Range.Origin) {
		if err := offer(c, 0, fault.ErrOverlap); err != nil {
			return err
		}
	}
	if have > 0 {
		old, err := compact(r.whole, r.keep, batches[r.rng.IntN(have):have])
		if err == nil {
			err = offer(old, engine.Duplicate, nil)
		}
		if err != nil {
			return err
		}
	}
	if have+1 < len(batches) {
		early, err := compact(r.whole, r.keep, batches[have+1:])
		if err == nil {
			err = offer(early, engine.Gap, nil)
		}
		if err != nil {
			return err
		}
	}
	if r.engine.Digest() != before {
		return errors.New("a range that was refused changed the digest")
	}
	return nil
}

// midway holds the state in the middle against the definition: a range has the effects of its own events alone.
func (r *receiver) midway() error {
	var events []*workload.Event
	for _, log := range r.work.Logs {
		for _, b := range log.Batches {
			if !r.engine.Vector().Covers(log.Origin.At(b.Last)) {
				break
			}
			if !r.knows(&b) {
				return nil // it came as a range, and the definition needs to know the version of every event
			}
			for i := range b.Events {
				events = append(events, &b.Events[i])
			}
		}
	}
	r.Midway++
	want, err := oracle.Fold(events, oracle.Definition())
	if err == nil {
		err = want.Compare(r.engine.Records)
	}
	if err != nil {
		return fmt.Errorf("at %v: %w", r.engine.Vector(), err)
	}
	return nil
}

// requests tries everything again that was accepted: nothing of it may be taken for new, but a key that is too old.
func (r *receiver) requests() error {
	lanes := r.engine.Lanes()
	for _, log := range r.work.Logs {
		for _, b := range log.Batches {
			for i := range b.Events {
				m := &b.Events[i].Meta
				if m.Lane.Producer != "" && m.Lane.Index == 0 {
					v, err := lanes.Check(m.Lane.Producer, m.Lane.Request, m.Content)
					if err == nil && !v.Duplicate {
						return fmt.Errorf("request %d of %q is new again", m.Lane.Request, m.Lane.Producer)
					}
				}
				if m.Key != "" && m.HLC >= r.keep {
					if v, err := lanes.CheckKey(m.Key, m.Content); err == nil && !v.Duplicate {
						return fmt.Errorf("key %q is new again", m.Key)
					}
				}
			}
		}
	}
	return nil
}
