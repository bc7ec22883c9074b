package ranker

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/index"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/rank"
	"github.com/tidaldb/tidal/schema"
)

// TestNoPlanChangesAnExactAnswer makes lists of all items by one filter after another, each in every mode of filters, from
// the filter's items and from the profile's source, and compares: which way was taken must not show.
func TestNoPlanChangesAnExactAnswer(t *testing.T) {
	rng := dice(t)
	s := schema.Events()
	s.Profiles = []schema.Profile{{
		Name: "every", Version: 1, Candidates: []schema.Source{{Kind: schema.FromAll}}, Gates: []string{"count(skip, 24h) < 3"},
		Score: []schema.Step{
			{Name: "a", Op: schema.Add, Expr: "score(view) + random + affinity"},
			{Name: "b", Op: schema.Multiply, Expr: "if(seen, 0.5, 1) + velocity(like, 24h)"},
		},
	}}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	h := filled(t, rng, s)
	program, err := rank.Compile(s.Profiles[0], s, rank.Params{})
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for range 150 {
		text := randomFilter(rng, 3)
		x, err := query.ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := (&query.Query{User: "u1", Filter: x, Limit: 500}).Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		job := &Job{
			Views: h.views, Program: program, At: h.now.UnixMilli(), Seed: rng.Uint64(),
			Ask: &Ask{User: "u1", Filter: plan.Filter, Limit: 500, Diversity: &schema.Diversity{}},
		}
		var want *List
		for _, mode := range []index.Mode{0, index.Bitmap, index.Predicate, index.Mixed} {
			for _, few := range []bool{true, false} {
				got := h.run(t, job, mode, few)
				if want == nil {
					want = got
					shown += len(got.Items)
				}
				if !reflect.DeepEqual(got.Items, want.Items) {
					t.Fatalf("%s: in mode %v, few %v:\n%v\nwant\n%v", text, mode, few, got.Items, want.Items)
				}
			}
		}
		if !slices.IsSortedFunc(want.Items, func(a, b Item) int {
			return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.ID, b.ID))
		}) {
			t.Errorf("%s: isn't sorted: %v", text, want.Items)
		}
	}
	if shown < 1000 {
		t.Errorf("only %d items were listed", shown)
	}
}

type filledHost struct {
	r     *host.Replica
	views *Views
	now   time.Time
}

// run makes a list as Run does, by a filter in a mode; 0 is the one that was chosen. Few takes the filter's items for
// candidates if it can tell them.
func (h *filledHost) run(t *testing.T, j *Job, mode index.Mode, few bool) *List {
	t.Helper()
	out := &List{}
	err := h.r.ReadUser(context.Background(), j.Ask.User, func(e *engine.Engine) error {
		job := *j
		job.Engine = e
		r := &Ranker{job: &job, program: job.Program}
		if err := r.begin(); err != nil {
			return err
		}
		if mode != 0 {
			r.filter = r.filter.Force(mode)
		}
		if few {
			if err := r.gather(); err != nil {
				return err
			}
		} else if r.sources(); r.err != nil {
			return r.err
		}
		r.cut()
		if err := r.second(); err != nil {
			return err
		}
		return r.assemble(out)
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func filled(t *testing.T, rng *rand.Rand, s *schema.Schema) *filledHost {
	t.Helper()
	h := &filledHost{views: NewViews(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	h.r, err = host.Open(context.Background(), host.Options{
		Dir: t.TempDir(), Now: func() time.Time { return h.now }, Views: func() engine.Views { return h.views }, RangeBytes: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.r.Close(); err != nil {
			t.Error(err)
		}
	})
	first := s.Clone()
	first.Version = 1
	h.write(t, record.Proposed{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level}},
		record.Proposed{Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Encoded: first.Encode()}})
	creators := map[string]string{}
	for i := range 250 {
		item := fmt.Sprintf("i%03d", i)
		creators[item] = fmt.Sprint("c", rng.IntN(8))
		fields := map[string]schema.Value{
			"category": schema.String([]string{"jazz", "rock", "soul"}[rng.IntN(3)]), "creator": schema.String(creators[item]),
			"duration": schema.Int(rng.Int64N(300)), "price": schema.Float(rng.Float64()),
			"published": schema.Time(h.now.UnixMilli() - rng.Int64N(2000*3600_000)),
			"tags":      schema.Tags([]string{"t" + fmt.Sprint(rng.IntN(3)), "t" + fmt.Sprint(rng.IntN(9))}),
		}
		x := record.Entity{Kind: id.KindItem, ID: item}
		for _, name := range []string{"category", "creator", "duration", "price", "published", "tags"} {
			if rng.IntN(6) > 0 {
				x.Fields = append(x.Fields, record.Field{Name: name, Value: fields[name].Encode()})
			} else if name == "creator" {
				creators[item] = ""
			}
		}
		h.write(t, record.Proposed{Kind: record.KindPut, Entity: x})
	}
	one, err := fixed.ParseWeight(1)
	if err != nil {
		t.Fatal(err)
	}
	for range 600 {
		item := fmt.Sprintf("i%03d", rng.IntN(250))
		typ, _, _ := s.Signal([]string{"view", "like", "save", "skip", "start"}[rng.IntN(5)])
		h.write(t, record.Proposed{
			Kind: record.KindSignal, HasTime: true, Time: h.now.UnixMilli() - rng.Int64N(40*3600_000),
			Signal: record.Signal{
				Type: uint16(typ), Weight: one, Item: item, User: fmt.Sprint("u", rng.IntN(4)), Creator: creators[item],
			},
		})
	}
	for range 12 {
		which := []record.RelationKind{record.HideItem, record.FollowCreator, record.MuteCreator}[rng.IntN(3)]
		target := fmt.Sprint("c", rng.IntN(8))
		if which == record.HideItem {
			target = fmt.Sprintf("i%03d", rng.IntN(250))
		}
		h.write(t, record.Proposed{
			Kind: record.KindRelation, Relation: record.Relation{Which: which, On: true, User: "u1", Target: target},
		})
	}
	return h
}

func (h *filledHost) write(t *testing.T, records ...record.Proposed) {
	t.Helper()
	req := &replica.Request{Records: records, Content: record.ContentHash(records)}
	err := h.r.Read(func(e *engine.Engine) error {
		_, req.Schema = e.Schema()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.r.Write(context.Background(), req); err != nil {
		t.Fatal(err)
	}
}

func randomFilter(rng *rand.Rand, depth int) string {
	if depth > 0 && rng.IntN(3) > 0 {
		a, b := randomFilter(rng, depth-1), randomFilter(rng, depth-1)
		switch rng.IntN(4) {
		case 0:
			return "NOT (" + a + ")"
		case 1:
			return "(" + a + " OR " + b + ")"
		}
		return "(" + a + " AND " + b + ")"
	}
	switch rng.IntN(8) {
	case 0:
		return fmt.Sprintf("category = %q", []string{"jazz", "rock", "soul"}[rng.IntN(3)])
	case 1:
		return fmt.Sprintf("duration >= %d", rng.IntN(300))
	case 2:
		return fmt.Sprintf("price < %.2f", rng.Float64())
	case 3:
		return fmt.Sprintf("published WITHIN %dh", 1+rng.IntN(2000))
	case 4:
		return fmt.Sprintf("tags = \"t%d\"", rng.IntN(9))
	case 5:
		return "has(price)"
	case 6:
		return []string{"unseen", "seen", "liked", "saved", "followed", "unblocked", "in_progress"}[rng.IntN(7)]
	}
	return fmt.Sprintf("creator IN (\"c%d\", \"c%d\")", rng.IntN(8), 8+rng.IntN(2))
}
