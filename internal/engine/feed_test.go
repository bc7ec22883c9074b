package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/schema"
)

// seed returns the seed of the random tests: TIDAL_SEED, or a new one, which is printed.
func seed(t *testing.T) uint64 {
	t.Helper()
	return testseed.Of(t)
}

var (
	home  = id.Origin{Region: 1}
	there = id.Origin{Region: 2}
	third = id.Origin{Region: 3}
)

const hour = int64(3600_000)

// Signal types of the test schema.
const (
	view = iota
	like
	unlike
	hide
	skip
	buy
)

func testSchema() *schema.Schema {
	s := &schema.Schema{
		Name: "test",
		Signals: []schema.SignalType{
			view: {
				Name: "view", HalfLives: []time.Duration{time.Hour}, Windows: []schema.Window{
					schema.Window1h,
					schema.Window24h,
				},
				Meaning: schema.Positive, Seen: true, UniqueUsers: true,
			},
			like:   {Name: "like", Meaning: schema.Positive, Sets: []schema.Mark{schema.Liked}},
			unlike: {Name: "unlike", Clears: []schema.Mark{schema.Liked}},
			hide:   {Name: "hide", Meaning: schema.HardNegative},
			skip:   {Name: "skip", Meaning: schema.Negative},
			buy:    {Name: "buy", Permanent: true},
		},
		Items: schema.EntityType{Fields: []schema.Field{
			{Name: schema.CreatorField, Type: schema.TypeKeyword}, {Name: "title", Type: schema.TypeText},
		}},
	}
	if err := s.Validate(); err != nil {
		panic(err)
	}
	return s
}

// grown is the schema with one more signal type.
func grown(s *schema.Schema, name string) *schema.Schema {
	next, err := s.Extend(func(n *schema.Schema) { n.Signals = append(n.Signals, schema.SignalType{Name: name}) })
	if err != nil {
		panic(err)
	}
	return next
}

// feed stamps the batches of one origin.
type feed struct {
	tb     testing.TB
	origin id.Origin
	next   id.Seq
	clock  hlc.Timestamp
	schema schema.Hash
	level  uint32
}

func newFeed(tb testing.TB, origin id.Origin, s *schema.Schema) *feed {
	f := &feed{tb: tb, origin: origin, next: 1, clock: hlc.Make(1_000_000, 0), level: 1}
	if s != nil {
		f.schema = s.Hash()
	}
	return f
}

// written is one record with what its leader added.
type written struct {
	record.Proposed
	stamp    hlc.Timestamp
	lane     record.Lane
	count    uint32
	clamped  bool
	assigned bool
}

func at(ms int64, p record.Proposed) written {
	p.Time, p.HasTime = ms, true
	return written{Proposed: p}
}

func plain(p record.Proposed) written { return at(1_000_000, p) }

// batch stamps records as the origin's next batch.
func (f *feed) batch(records ...written) []byte {
	f.tb.Helper()
	b := record.NewBuilder()
	err := b.Reset(record.Head{
		Origin: f.origin, First: f.next, Timestamp: 1_000_000 * 1e6, Base: f.clock + 1, Schema: f.schema, Level: f.level,
	})
	if err != nil {
		f.tb.Fatal(err)
	}
	for i := range records {
		w := &records[i]
		f.clock++
		m := record.Meta{
			Time: w.Time, HLC: f.clock, Stamp: w.stamp, Lane: w.lane, Count: w.count, Key: w.Key,
			TimeClamped: w.clamped, TimeAssigned: w.assigned,
		}
		if m.Key != "" {
			m.Count = 1
		}
		if err := b.AddProposed(&m, &w.Proposed); err != nil {
			f.tb.Fatal(err)
		}
		f.next++
	}
	data, err := b.Finish(nil)
	if err != nil {
		f.tb.Fatal(err)
	}
	return data
}

// start is an engine of the home origin that knows the test schema, and the feeds of three origins under it.
func start(tb testing.TB) (e *engine.Engine, own, far, farther *feed) {
	tb.Helper()
	s := testSchema()
	e = engine.New(engine.Config{Origin: home})
	own = newFeed(tb, home, nil)
	apply(tb, e, own.batch(plain(version(s))), engine.Applied)
	own.schema = s.Hash()
	return e, own, newFeed(tb, there, s), newFeed(tb, third, s)
}

func apply(tb testing.TB, e *engine.Engine, data []byte, want engine.Outcome) engine.Result {
	tb.Helper()
	res, err := e.Apply(data)
	if err != nil {
		tb.Fatal(err)
	}
	if res.Outcome != want {
		tb.Fatalf("batch %v…%d is %v, want %v", res.Origin.At(res.First), res.Last, res.Outcome, want)
	}
	return res
}

func version(s *schema.Schema) record.Proposed {
	return record.Proposed{
		Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Parent: s.Parent, Encoded: s.Encode()},
	}
}

func signal(kind uint16, user, item string) record.Proposed {
	return record.Proposed{Kind: record.KindSignal, Signal: record.Signal{
		Type: kind, Weight: fixed.One, Item: item, User: user,
	}}
}

func relation(which record.RelationKind, on bool, user, target string) record.Proposed {
	return record.Proposed{Kind: record.KindRelation, Relation: record.Relation{
		Which: which, On: on, User: user, Target: target,
	}}
}

func mark(which record.MarkKind, on bool, user, item string) record.Proposed {
	return record.Proposed{Kind: record.KindMark, Mark: record.Mark{Which: which, On: on, User: user, Item: item}}
}

func entity(kind record.Kind, what id.Kind, name string, fields ...string) record.Proposed {
	p := record.Proposed{Kind: kind, Entity: record.Entity{Kind: what, ID: name}}
	for i := 0; i < len(fields); i += 2 {
		f := record.Field{Name: fields[i]}
		if fields[i+1] != "" {
			f.Value = schema.String(fields[i+1]).Encode()
		}
		p.Entity.Fields = append(p.Entity.Fields, f)
	}
	return p
}

func compensate(p id.Position, ms int64, s record.Signal, hash schema.Hash) record.Proposed {
	return record.Proposed{Kind: record.KindCompensate, Compensation: record.Compensation{
		Original: p, Time: ms, Signal: s, Schema: hash,
	}}
}

// cell reads a cell; an unknown item has an empty one.
func cell(tb testing.TB, e *engine.Engine, item, kind string) *algebra.SignalState {
	tb.Helper()
	var c algebra.SignalState
	if _, err := e.ReadCell(item, kind, &c); err != nil && !errors.Is(err, fault.ErrNotFound) {
		tb.Fatal(err)
	}
	return &c
}

// dump is everything replicated, one record a line.
func dump(e *engine.Engine) string {
	var out []byte
	e.Records(func(r engine.Record) bool {
		out = fmt.Appendf(out, "%v of %v %q gen %v sub %q: %x\n", r.Kind, r.OwnerKind, r.Owner, r.Gen, r.Sub, r.Value)
		return true
	})
	return string(out)
}
