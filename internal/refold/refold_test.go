package refold

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/schema"
)

// seed is TIDAL_SEED, or that of the clock; a failing test prints it.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	s := testseed.Of(t)
	return rand.New(rand.NewPCG(s, 0))
}

const base = 1_700_000_000_000 // Unix milliseconds

// invent makes events of all types over more than a year, a few items and users of which meet often. The numbers of
// requests rise.
func invent(rng *rand.Rand, s *schema.Schema, n int) []Event {
	events := make([]Event, n)
	for i := range events {
		e := &events[i]
		e.Type = s.Signals[rng.IntN(len(s.Signals))].Name
		e.Item = fmt.Sprintf("item-%d", rng.IntN(1+rng.IntN(12)))
		if rng.IntN(5) > 0 {
			e.User = fmt.Sprintf("user-%d", rng.IntN(1+rng.IntN(40)))
		}
		if rng.IntN(3) == 0 {
			e.Creator = fmt.Sprintf("creator-%d", rng.IntN(3))
		}
		for range rng.IntN(3) {
			e.Cohorts = append(e.Cohorts, fmt.Sprintf("cohort-%d", rng.IntN(4)))
		}
		e.Weight = []float64{0, 1, 2.5, 3.14159, 999_999.5, 1.0 / (1 << 24)}[rng.IntN(6)]
		spans := []int64{1, 3 * hour, 40 * day, 500 * day, 4000 * day}
		e.Time = base - rng.Int64N(spans[rng.IntN(len(spans))])
		e.Request = uint64(i / 7)
	}
	return events
}

func puts() []Put {
	var all []Put
	for i := range 6 {
		all = append(all, Put{Kind: tidal.Item, ID: fmt.Sprintf("item-%d", i%5), Request: uint64(i), Fields: map[string]schema.Value{
			"title": schema.String(fmt.Sprintf("Title %d", i)), "price": schema.Float(float64(i)),
		}})
	}
	return append(all, Put{Kind: tidal.Creator, ID: "creator-0", Request: 6, Fields: map[string]schema.Value{}})
}

// written writes everything, one request after the other, and returns the directory.
func written(t *testing.T, s *schema.Schema, events []Event, entities []Put) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	db, err := tidal.Open(dir, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	put := func(records []tidal.Record) {
		if _, err := db.Write(t.Context(), tidal.Request{Records: records}); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range entities {
		put([]tidal.Record{tidal.Put{Kind: p.Kind, ID: p.ID, Fields: p.Fields}})
	}
	for len(events) > 0 {
		var records []tidal.Record
		request := events[0].Request
		for len(events) > 0 && events[0].Request == request {
			e := events[0]
			events = events[1:]
			records = append(records, tidal.Signal{
				Type: e.Type, Item: e.Item, User: e.User, Creator: e.Creator, Weight: e.Weight, Time: time.UnixMilli(e.Time),
				Cohorts: e.Cohorts,
			})
		}
		put(records)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// compared folds and compares, whole and in parts, which has to come to the same.
func compared(t *testing.T, dir string, apart uint64, events []Event, entities []Put) Result {
	t.Helper()
	in := func(parts int) Result {
		r, err := Directory(t.Context(), dir, Options{apart, parts}, func(f *Fold) error {
			for _, e := range events {
				if err := f.Add(e); err != nil {
					return err
				}
			}
			for _, p := range entities {
				if err := f.Put(p); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	whole, parts := in(0), in(3)
	whole.Differences, parts.Differences = whole.Differences[:len(parts.Differences)], whole.Differences
	if !reflect.DeepEqual(whole, parts) {
		t.Errorf("in parts: %+v\nwhole: %+v", parts, whole)
	}
	return whole
}

func TestADatabaseHoldsExactlyWhatItsEventsMake(t *testing.T) {
	rng := seed(t)
	events := invent(rng, schema.Events(), 4000)
	dir := written(t, schema.Events(), events, puts())
	r := compared(t, dir, 1, events, puts())
	if r.Different != 0 || r.Lost != 0 || r.Double != 0 || r.Signals != 4000 || r.Entities != 6 || r.Untimed != 0 {
		t.Fatalf("%+v", r)
	}
	// Counted here once more, from the events alone.
	cells, pairs := map[[4]string]bool{}, map[[2]string]bool{}
	for _, e := range events {
		_, kind, _ := schema.Events().Signal(e.Type)
		cells[[4]string{"item", e.Item, e.Type}] = true
		for _, c := range e.Cohorts {
			cells[[4]string{"cohort", e.Item, e.Type, c}] = true
		}
		if e.User != "" && e.Creator != "" && kind.Meaning != schema.Neutral {
			cells[[4]string{"creator", e.User, e.Type, e.Creator}] = true
		}
		if e.User != "" {
			pairs[[2]string{e.User, e.Item}] = true
		}
	}
	if r.Cells != len(cells) || r.UserRecords < len(pairs) || r.ItemLists < 5 {
		t.Errorf("%+v; there are %d cells and %d pairs of a user and an item", r, len(cells), len(pairs))
	}
	// In any order of the requests, as far as this fold knows.
	if r := compared(t, dir, 0, events, puts()); r.Different != 0 {
		t.Errorf("without an order: %+v", r)
	}
}

// Of an entity that was only made nothing but its being there is expected, and that strictly; what was put stays.
func TestEntitiesThatWereOnlyMade(t *testing.T) {
	dir := written(t, schema.Events(), []Event{{Type: "like", Item: "item-0", User: "u", Time: base}}, []Put{
		{Kind: tidal.Item, ID: "item-0", Fields: map[string]schema.Value{"title": schema.String("A")}, Request: 1},
		{Kind: tidal.Item, ID: "item-1", Request: 1},
	})
	for _, c := range []struct {
		name                          string
		make                          []string
		put                           bool
		entities, missing, unexpected int
		different                     int
	}{
		{"as it is", []string{"item-0", "item-1"}, true, 2, 0, 0, 0},
		{"without the fields", []string{"item-0", "item-1"}, false, 2, 0, 0, 1},
		{"one fewer", []string{"item-0"}, true, 1, 0, 1, 1},
		{"one more", []string{"item-0", "item-1", "item-2"}, true, 2, 1, 0, 1},
	} {
		r, err := Directory(t.Context(), dir, Options{Apart: 1}, func(f *Fold) error {
			if err := f.Add(Event{Type: "like", Item: "item-0", User: "u", Time: base}); err != nil {
				return err
			}
			for _, item := range c.make {
				f.Make(tidal.Item, item)
			}
			if !c.put {
				return nil
			}
			return f.Put(Put{Kind: tidal.Item, ID: "item-0", Fields: map[string]schema.Value{"title": schema.String("A")}, Request: 1})
		})
		if err != nil || r.Entities != c.entities || r.Missing != c.missing || r.Unexpected != c.unexpected || r.Different != c.different {
			t.Errorf("%s: %+v %v", c.name, r, err)
		}
	}
}

// The comparison is one: whatever differs between the events and the database is noticed.
func TestEachWayToDifferIsNoticed(t *testing.T) {
	rng := seed(t)
	events := invent(rng, schema.Events(), 2000)
	// Of several signals of a user on an item, one can be missing unnoticed.
	events = append(events, Event{Type: "view", User: "once", Item: "item-0", Weight: 1, Time: base, Request: events[len(events)-1].Request})
	dir := written(t, schema.Events(), events, puts())
	// Of the changes to one event each is tried on one that it matters for.
	first := func(that func(*Event) bool) int {
		return slices.IndexFunc(events, func(e Event) bool { return that(&e) })
	}
	anyone := func(*Event) bool { return true }
	counted := func(e *Event) bool {
		return e.Type == "view" && e.User != "" && e.Time > base-day && (e.Weight == 0 || e.Weight == 1)
	}
	for name, c := range map[string]struct {
		of           func(*Event) bool
		change       func(all []Event, i int) []Event
		lost, double int64
	}{
		"dropped": {anyone, func(all []Event, i int) []Event { return slices.Delete(all, i, i+1) }, 0, 1},
		"twice":   {anyone, func(all []Event, i int) []Event { return append(all, all[i]) }, 1, 0},
		"weight": {func(e *Event) bool { return e.Type == "purchase" }, func(all []Event, i int) []Event {
			all[i].Weight = 1.0 / (1 << 23)
			return all
		}, 0, 0},
		"weight that decays": {counted, func(all []Event, i int) []Event {
			all[i].Weight += 0.5
			return all
		}, 0, 0},
		"minute": {counted, func(all []Event, i int) []Event {
			all[i].Time -= minute
			return all
		}, 0, 0},
		"item": {anyone, func(all []Event, i int) []Event {
			all[i].Item = "another"
			return all
		}, 1, 1},
		"user": {counted, func(all []Event, i int) []Event {
			all[i].User = "another"
			return all
		}, 0, 0},
		"no user": {func(e *Event) bool { return e.User == "once" }, func(all []Event, i int) []Event {
			all[i].User = ""
			return all
		}, 0, 0},
		"creator": {counted, func(all []Event, i int) []Event {
			all[i].Creator += "x"
			return all
		}, 0, 0},
		"cohort": {anyone, func(all []Event, i int) []Event {
			all[i].Cohorts = append(slices.Clone(all[i].Cohorts), "x")
			return all
		}, 0, 0},
		"type": {func(e *Event) bool { return e.Type == "view" }, func(all []Event, i int) []Event {
			all[i].Type = "click"
			return all
		}, 1, 1},
	} {
		i := first(c.of)
		if i < 0 {
			t.Fatalf("%s: no event will do", name)
		}
		r := compared(t, dir, 1, c.change(slices.Clone(events), i), puts())
		if r.Different == 0 || r.Lost != c.lost || r.Double != c.double || len(r.Differences) == 0 {
			t.Errorf("%s (%+v): %+v", name, events[i], r)
		}
	}
	other := puts()
	other[len(other)-2].Fields["title"] = schema.String("Another")
	for name, entities := range map[string][]Put{
		"no entities": nil, "other fields": other, "one more": append(puts(), Put{Kind: tidal.User, ID: "nobody"}),
	} {
		if r := compared(t, dir, 1, events, entities); r.Different == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := compared(t, dir, 1, nil, nil); r.Different != r.Unexpected || r.Unexpected < 100 || r.Double != int64(len(events)) || r.Cells != 0 {
		t.Errorf("no events: %+v", r)
	}
	empty := written(t, schema.Events(), nil, nil)
	if r := compared(t, empty, 1, events, puts()); r.Different != r.Missing || r.Missing < 100 || r.Lost != int64(len(events)) || r.Cells != 0 ||
		len(r.Differences) != maxDifferences {
		t.Errorf("an empty database: %+v", r)
	}
}

// Where times aren't known, what doesn't depend on them still has to be right.
func TestEventsWithoutATimeCountAllTheSame(t *testing.T) {
	rng := seed(t)
	events := invent(rng, schema.Events(), 600)
	dir := written(t, schema.Events(), events, nil)
	unknown := slices.Clone(events)
	for i := range unknown {
		unknown[i].Time, unknown[i].Untimed = 0, true
	}
	if r := compared(t, dir, 1, unknown, nil); r.Different != 0 || r.Untimed != 600 || r.Signals != 600 {
		t.Errorf("%+v", r)
	}
	if r := compared(t, dir, 1, unknown[1:], nil); r.Different == 0 || r.Double != 1 {
		t.Errorf("one is missing: %+v", r)
	}
	unknown[0].User += "x"
	if r := compared(t, dir, 1, unknown, nil); r.Different == 0 {
		t.Errorf("one is somebody else's: %+v", r)
	}
}

// Which of two writes to a mark came last is known within a request, and of requests that lie far enough apart.
func TestOfMarksTheLastWriteCountsWhereItsKnown(t *testing.T) {
	event := func(kind string, request uint64) Event {
		return Event{Type: kind, Item: "i", User: "u", Time: base, Request: request}
	}
	events := []Event{event("like", 1), event("unlike", 3), event("like", 3), event("unlike", 8)}
	dir := written(t, schema.Events(), events, nil)
	for _, c := range []struct {
		apart     uint64
		events    []Event
		different bool
	}{
		{1, events, false},
		{6, events, false},
		{0, []Event{events[3], events[1], events[2], events[0]}, false},
		{1, []Event{event("unlike", 1), event("like", 3), event("unlike", 4), event("like", 8)}, true},
		{5, []Event{event("unlike", 1), event("unlike", 2), event("like", 3), event("like", 8)}, true},
		{6, []Event{event("unlike", 1), event("unlike", 3), event("like", 4), event("like", 8)}, false},
		{1, []Event{event("unlike", 1), event("like", 2), event("unlike", 8), event("like", 8)}, true},
	} {
		if r := compared(t, dir, c.apart, c.events, nil); r.Different > 0 != c.different {
			t.Errorf("%d apart, %+v: %+v", c.apart, c.events, r)
		}
	}
}

func TestASchemaThatGrewIsRefusedWhereItMatters(t *testing.T) {
	small := func() *schema.Schema {
		return &schema.Schema{Name: "s", Signals: []schema.SignalType{{Name: "view", HalfLives: []time.Duration{time.Hour}}}}
	}
	events := []Event{{Type: "view", Item: "i", Time: base}}
	dir := written(t, small(), events, nil)
	grow := func(change func(*schema.Schema)) {
		s := small()
		change(s)
		db, err := tidal.Open(dir, s, nil)
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	another := func(s *schema.Schema) { s.Signals = append(s.Signals, schema.SignalType{Name: "like"}) }
	grow(another)
	if r := compared(t, dir, 1, events, nil); r.Different != 0 {
		t.Errorf("a type that has no events: %+v", r)
	}
	grow(func(s *schema.Schema) {
		another(s)
		s.Signals[0].HalfLives = append(s.Signals[0].HalfLives, 2*time.Hour)
	})
	_, err := Directory(t.Context(), dir, Options{}, func(f *Fold) error { return f.Add(events[0]) })
	if !errors.Is(err, ErrGrown) {
		t.Errorf("a type that has events: %v", err)
	}
}

func TestWhatNoDatabaseTakesIsRefused(t *testing.T) {
	f := New(schema.Events(), 1)
	for _, e := range []Event{
		{Type: "nod", Item: "i"},
		{Type: "view"},
		{Type: "view", Item: "i", Weight: 1e-9},
		{Type: "view", Item: "i", Weight: -1},
		{Type: "view", Item: "i", Weight: 1_000_001},
	} {
		if err := f.Add(e); err == nil {
			t.Errorf("%+v is taken", e)
		}
	}
	if err := f.Put(Put{Kind: tidal.Item, ID: "i", Fields: map[string]schema.Value{"creator": schema.String("c")}}); err == nil {
		t.Error("an item's creator is taken")
	}
	if f.Len() != 0 {
		t.Errorf("%d events", f.Len())
	}
	if _, err := Directory(t.Context(), filepath.Join(t.TempDir(), "none"), Options{}, nil); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("a directory that isn't there: %v", err)
	}
}

// TestWhatIsNoEventsDoing: the region table, and copies of events that were taken back as duplicates, are none of the
// events' doing; an event that was undone is.
func TestWhatIsNoEventsDoing(t *testing.T) {
	records := []engine.Record{
		{Kind: algebra.KindUndone, Owner: "0123456789abcdef", Sub: "00", Value: algebra.UndoneDuplicate.AppendBinary(nil)},
		{Kind: algebra.KindUndone, Owner: "0123456789abcdef", Sub: "01", Value: algebra.UndoneCompensated.AppendBinary(nil)},
		{Kind: algebra.KindRegister, Owner: "regions", Sub: "h", Value: []byte{1}},
	}
	r, err := New(schema.Events(), 1).Compare(slices.Values(records))
	if err != nil || r.Unexpected != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
