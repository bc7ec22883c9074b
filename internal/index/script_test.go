package index

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/datadriven"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// TestScript runs testdata/plans.txt: filters, and their plans as pictures. Rewrite it with -rewrite.
//
//	items count=
//	NAME TYPE EVERY VALUE…     a field: every EVERY-th item has it, and takes the next of the values, in turn
//	set NAME count= [bitmap]   what a condition, collection/NAME or cohort/NAME holds for: the first items
//	plan [mode=]               a filter in the text form
//	suggest field= prefix= k=
func TestScript(t *testing.T) {
	s := script{x: New()}
	datadriven.RunTest(t, "testdata/plans.txt", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "items":
			s = script{x: New(), sets: map[string]Set{}}
			s.items(t, d)
			return fmt.Sprintf("%d items\n", s.x.Len())
		case "set":
			set := firstItems{}
			d.ScanArgs(t, "count", &set.n)
			set.bitmap = d.HasArg("bitmap")
			name := d.CmdArgs[0].Key
			if kind, of, ok := strings.Cut(name, "/"); ok {
				name = kind + " " + of
			}
			s.sets[name] = set
			return ""
		case "plan":
			return s.plan(t, d)
		case "suggest":
			var field, prefix string
			k := 3
			d.ScanArgs(t, "field", &field)
			d.MaybeScanArgs(t, "prefix", &prefix)
			d.MaybeScanArgs(t, "k", &k)
			return fmt.Sprintln(s.x.Suggest(field, prefix, k))
		}
		return "unknown command"
	})
}

type script struct {
	x      *Index
	schema schema.Schema
	sets   map[string]Set
}

func (s *script) items(t *testing.T, d *datadriven.TestData) {
	count := 0
	d.ScanArgs(t, "count", &count)
	type rule struct {
		field  schema.Field
		every  int
		values []schema.Value
	}
	var rules []rule
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		of, err := schema.ParseFieldType(words[1])
		if err != nil {
			t.Fatal(err)
		}
		r := rule{field: schema.Field{Name: words[0], Type: of}}
		if r.every, err = strconv.Atoi(words[2]); err != nil {
			t.Fatal(err)
		}
		for _, text := range words[3:] {
			r.values = append(r.values, scriptValue(t, r.field, text))
		}
		rules = append(rules, r)
		s.schema.Items.Fields = append(s.schema.Items.Fields, r.field)
	}
	slices.SortFunc(rules, func(a, b rule) int { return strings.Compare(a.field.Name, b.field.Name) })
	s.x.Declare(&s.schema)
	for n := range count {
		var changes []algebra.Change
		for _, r := range rules {
			if n%r.every == 0 {
				v := r.values[n/r.every%len(r.values)]
				changes = append(changes, algebra.Change{Name: r.field.Name, Value: v.Encode()})
			}
		}
		e := algebra.Entity{}.ApplyPut(algebra.Stamp{HLC: 1 << 16}, changes)
		s.x.Put(state.Ord(n), &e, true)
	}
}

// scriptValue reads a value; tags are joined by "+", a place is LAT,LON.
func scriptValue(t *testing.T, f schema.Field, text string) schema.Value {
	switch f.Type {
	case schema.TypeKeyword, schema.TypeText:
		return schema.String(text)
	case schema.TypeTags:
		return schema.Tags(strings.Split(text, "+"))
	case schema.TypeBool:
		return schema.Bool(text == "true")
	case schema.TypeGeo:
		var lat, lon float64
		if _, err := fmt.Sscanf(text, "%g,%g", &lat, &lon); err != nil {
			t.Fatal(err)
		}
		return schema.Geo(lat, lon)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	switch f.Type {
	case schema.TypeFloat:
		return schema.Float(n)
	case schema.TypeTime:
		return schema.Time(int64(n))
	}
	return schema.Int(int64(n))
}

func (s *script) plan(t *testing.T, d *datadriven.TestData) string {
	e, err := query.ParseFilter(d.Input)
	if err == nil {
		e, err = query.CompileFilter(e, &s.schema.Items, false)
	}
	if err != nil {
		return err.Error() + "\n"
	}
	f, err := s.x.Plan(e, s)
	if err != nil {
		return err.Error() + "\n"
	}
	var mode string
	if d.MaybeScanArgs(t, "mode", &mode); mode != "" {
		f = f.Force(map[string]Mode{"bitmap": Bitmap, "predicate": Predicate, "mixed": Mixed}[mode])
	}
	passing := 0
	f.Each(func(state.Ord) bool { passing++; return true })
	return f.String() + fmt.Sprintf("passing: %d\n", passing)
}

// Now is the tenth second.
func (s *script) Now() int64                      { return 10_000 }
func (s *script) Condition(c query.Condition) Set { return s.sets[c.String()] }
func (s *script) Collection(name string) Set      { return s.sets["collection "+name] }
func (s *script) Cohort(name string) Set          { return s.sets["cohort "+name] }

// firstItems is the first n items.
type firstItems struct {
	n      int
	bitmap bool
}

func (f firstItems) Has(n state.Ord) bool { return int(n) < f.n }
func (f firstItems) Estimate() int        { return f.n }
func (f firstItems) Items() (*roaring.Bitmap, bool) {
	if !f.bitmap {
		return nil, false
	}
	b := roaring.New()
	b.AddRange(0, uint64(f.n))
	return b, true
}
