package tidal_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// TestBadInputIsRefusedWithRecordAndFieldAndLeavesNothing hands in what is wrong in every way that the types allow.
func TestBadInputIsRefusedWithRecordAndFieldAndLeavesNothing(t *testing.T) {
	db, _ := fresh(t)
	write(t, db, tidal.Signal{Type: "view", User: "ada", Item: "jazz"}, tidal.Put{Kind: tidal.Item, ID: "jazz"})
	good := tidal.Signal{Type: "view", User: "ada", Item: "jazz"}
	signal := func(change func(*tidal.Signal)) tidal.Record {
		s := good
		change(&s)
		return s
	}
	put := func(name string, v schema.Value) tidal.Record {
		return tidal.Put{Kind: tidal.Item, ID: "jazz", Fields: tidal.Fields{name: v}}
	}
	long := strings.Repeat("x", 513)
	nine := strings.Split("abcdefghi", "")
	big := make([]tidal.Record, 3000)
	for i := range big {
		s := good
		s.Item, s.User = fmt.Sprint(i, long[:500]), ""
		big[i] = s
	}
	many := make([]tidal.Record, 1<<16+1)
	for i := range many {
		many[i] = good
	}
	type bad struct {
		field  string
		record tidal.Record
	}
	cases := map[string]bad{
		"unknown type":        {"type", signal(func(s *tidal.Signal) { s.Type = "stare" })},
		"no type":             {"type", signal(func(s *tidal.Signal) { s.Type = "" })},
		"weight NaN":          {"weight", signal(func(s *tidal.Signal) { s.Weight = math.NaN() })},
		"weight +Inf":         {"weight", signal(func(s *tidal.Signal) { s.Weight = math.Inf(1) })},
		"weight −Inf":         {"weight", signal(func(s *tidal.Signal) { s.Weight = math.Inf(-1) })},
		"weight negative":     {"weight", signal(func(s *tidal.Signal) { s.Weight = -1 })},
		"weight too high":     {"weight", signal(func(s *tidal.Signal) { s.Weight = 1_000_000.01 })},
		"weight rounds to 0":  {"weight", signal(func(s *tidal.Signal) { s.Weight = 1e-9 })},
		"no item":             {"item", signal(func(s *tidal.Signal) { s.Item = "" })},
		"long item":           {"item", signal(func(s *tidal.Signal) { s.Item = long })},
		"long user":           {"user", signal(func(s *tidal.Signal) { s.User = long })},
		"long creator":        {"creator", signal(func(s *tidal.Signal) { s.Creator = long })},
		"nine cohorts":        {"cohorts", signal(func(s *tidal.Signal) { s.Cohorts = nine })},
		"empty cohort":        {"cohorts", signal(func(s *tidal.Signal) { s.Cohorts = []string{""} })},
		"long cohort":         {"cohorts", signal(func(s *tidal.Signal) { s.Cohorts = []string{long[:65]} })},
		"long ref":            {"ref", signal(func(s *tidal.Signal) { s.Ref = []byte(long[:257]) })},
		"time out of range":   {"time", signal(func(s *tidal.Signal) { s.Time = time.UnixMilli(math.MaxInt64) })},
		"time before that":    {"time", signal(func(s *tidal.Signal) { s.Time = time.UnixMilli(math.MinInt64) })},
		"nil record":          {"", nil},
		"field unknown":       {"fields.colour", put("colour", schema.String("red"))},
		"field of wrong type": {"fields.title", put("title", schema.Int(7))},
		"field not a number":  {"fields.price", put("price", schema.Float(math.NaN()))},
		"creator empty":       {"fields.creator", put("creator", schema.String(""))},
		"creator too long":    {"fields.creator", put("creator", schema.String(long))},
		"vector too short":    {"fields.vec", put("vec", schema.Vector([]float32{1, 2}))},
		"vector with NaN":     {"fields.vec", put("vec", schema.Vector([]float32{1, 2, float32(math.NaN())}))},
		"vector is text":      {"fields.vec", put("vec", schema.String("1,2,3"))},
		"put without id":      {"id", tidal.Put{Kind: tidal.Item}},
		"put of no kind":      {"kind", tidal.Put{ID: "jazz"}},
		"patch of kind 9":     {"kind", tidal.Patch{Kind: 9, ID: "jazz"}},
		"delete of kind 9":    {"kind", tidal.Delete{Kind: 9, ID: "jazz"}},
		"delete long id":      {"id", tidal.Delete{Kind: tidal.Item, ID: long}},
		"erase nobody":        {"user", tidal.Erase{}},
		"erase long id":       {"user", tidal.Erase{User: long}},
		"relation 0":          {"relation", tidal.Relate{User: "ada", Target: "jazz"}},
		"relation 9":          {"relation", tidal.Relate{User: "ada", Target: "jazz", What: 9}},
		"relation 5":          {"relation", tidal.Relate{User: "ada", Target: "jazz", What: 5}},
		"collect for nobody":  {"user", tidal.Collect{Collection: "later", Item: "jazz"}},
		"collect nothing":     {"item", tidal.Collect{User: "ada", Collection: "later"}},
		"no collection":       {"collection", tidal.Collect{User: "ada", Item: "jazz"}},
		"collection of lines": {"collection", tidal.Collect{User: "ada", Collection: "a\nb", Item: "jazz"}},
		"relate nobody":       {"user", tidal.Relate{Target: "jazz", What: tidal.Hides}},
		"relate to nothing":   {"target", tidal.Relate{User: "ada", What: tidal.Hides}},
		"mark 99":             {"mark", tidal.SetMark{User: "ada", Item: "jazz", Mark: 99}},
		"mark of nobody":      {"user", tidal.SetMark{Item: "jazz", Mark: schema.Liked}},
		"mark on nothing":     {"item", tidal.SetMark{User: "ada", Mark: schema.Liked}},
	}
	stats, digest, before := db.Stats(), db.Digest(), db.Stats().Vector
	check := func(t *testing.T, r tidal.Request, record int, field string) {
		t.Helper()
		receipt, err := db.Write(ctx, r)
		var in *tidal.InputError
		if !errors.As(err, &in) || !errors.Is(err, tidal.ErrInput) {
			t.Fatalf("got %+v, %v, want an input error", receipt, err)
		}
		if in.Record != record || in.Field != field || in.Reason == "" {
			t.Errorf("error names record %d, field %q (%v), want %d and %q", in.Record, in.Field, err, record, field)
		}
		if receipt != (tidal.Receipt{}) {
			t.Errorf("a refused request has receipt %+v", receipt)
		}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			check(t, tidal.Request{Records: []tidal.Record{c.record}}, 0, c.field)
			check(t, tidal.Request{Lane: "p", Number: 1, Records: []tidal.Record{good, good, c.record, good}}, 2,
				c.field)
		})
	}
	keyed := signal(func(s *tidal.Signal) { s.Key = "k" })
	for name, c := range map[string]struct {
		field  string
		record int
		r      tidal.Request
	}{
		"no records":          {"records", -1, tidal.Request{}},
		"more than 1 MiB":     {"records", -1, tidal.Request{Records: big}},
		"too many records":    {"records", -1, tidal.Request{Records: many}},
		"lane without number": {"number", -1, tidal.Request{Lane: "p", Records: []tidal.Record{good}}},
		"number without lane": {"number", -1, tidal.Request{Number: 1, Records: []tidal.Record{good}}},
		"long lane":           {"lane", -1, tidal.Request{Lane: long[:129], Number: 1, Records: []tidal.Record{good}}},
		"key in a lane":       {"key", -1, tidal.Request{Lane: "p", Number: 1, Records: []tidal.Record{keyed}}},
		"key among others":    {"key", 1, tidal.Request{Records: []tidal.Record{good, keyed}}},
		"long key": {
			"key", 0,
			tidal.Request{Records: []tidal.Record{signal(func(s *tidal.Signal) { s.Key = long[:129] })}},
		},
	} {
		t.Run(name, func(t *testing.T) { check(t, c.r, c.record, c.field) })
	}
	if after := db.Stats(); db.Digest() != digest || !after.Vector.Equal(before) || after.LogBytes != stats.LogBytes ||
		after.Items != stats.Items || after.Users != stats.Users {
		t.Errorf("refused requests left something: %+v, before %+v", db.Stats(), stats)
	}
	// None of them used up its lane's number.
	if r, err := db.Write(ctx, tidal.Request{Lane: "p", Number: 1, Records: []tidal.Record{good}}); err != nil ||
		r.Duplicate {
		t.Errorf("first request of the lane: %+v, %v", r, err)
	}
}

func TestTheLimitsThemselvesAreAllowed(t *testing.T) {
	db, c := fresh(t)
	long := strings.Repeat("x", 512)
	r := write(t, db, tidal.Signal{
		Type: "view", Item: long, User: long, Creator: long, Weight: 1_000_000, Time: c.now(),
		Cohorts: []string{"h", "g", "f", "e", "d", "c", "b", "a", "a"}, Ref: []byte(long[:256]),
	}, tidal.Signal{Type: "view", Item: "default weight"}, tidal.Signal{Type: "view", Item: "weighted", Weight: 1})
	if r.Count != 3 {
		t.Errorf("receipt is %+v", r)
	}
	a, err := db.Cell(t.Context(), "default weight", "view", c.now())
	if err != nil {
		t.Fatal(err)
	}
	b, err := db.Cell(t.Context(), "weighted", "view", c.now())
	if err != nil {
		t.Fatal(err)
	}
	if a.Scores["1d"] != b.Scores["1d"] || math.Abs(a.Scores["1d"]-1) > 1e-6 {
		t.Errorf("weight 0 scores %v, weight 1 %v", a.Scores, b.Scores)
	}
	for i, q := range []tidal.TopQuery{{Type: "view", Limit: -1}, {Type: "view", Limit: 10001}, {
		Type:     "view",
		HalfLife: time.Hour,
	}, {Type: "hide"}} {
		if _, err := db.Top(t.Context(), q); !errors.Is(err, tidal.ErrInput) {
			t.Errorf("query %d: %v", i, err)
		}
	}
	if _, err := db.Top(t.Context(), tidal.TopQuery{Type: "stare"}); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("query of an unknown type: %v", err)
	}
}
