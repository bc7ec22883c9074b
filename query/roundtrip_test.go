package query

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/schema"
)

// without returns q as if it hadn't been read from anything.
func without(q *Query) *Query {
	c := *q
	c.from = nil
	return &c
}

func TestWhatAFilterPrintsParsesToTheSameFilter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawExpr(t, shape{}, 5)
		text := x.String()
		back, err := ParseFilter(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(back, x) {
			t.Fatalf("%s parses to %#v, was %#v", text, back, x)
		}
	})
}

func TestWhatAQueryPrintsParsesToTheSameQuery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuery(t)
		text := q.String()
		back, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(without(back), q) {
			t.Fatalf("%s parses to %#v, was %#v", text, back, q)
		}
		data := q.AppendJSON(nil)
		var compact bytes.Buffer
		if err := json.Compact(&compact, data); err != nil || compact.String() != string(data) {
			t.Fatalf("%s isn't compact JSON: %v", data, err)
		}
		escaped, err := json.Marshal(q) // as other programs would send it, with \u003c and the like
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range [][]byte{data, escaped} {
			var back Query
			if err := json.Unmarshal(form, &back); err != nil {
				t.Fatalf("%s: %v", form, err)
			}
			if !reflect.DeepEqual(without(&back), q) {
				t.Fatalf("%s parses to %#v, was %#v", form, back, q)
			}
		}
	})
}

// A filter's text may stand in its JSON.
func TestAFilterInJSONMayBeAText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawExpr(t, shape{}, 4)
		data := append(appendQuoted([]byte(`{"rank":"items","filter":{"not":`), x.String()), "}}"...)
		q, err := ParseJSON(data)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !reflect.DeepEqual(q.Filter, Not{x}) {
			t.Fatalf("%s parses to %#v, was %#v", data, q.Filter, x)
		}
	})
}

func TestThePlanOfAPlansTextIsThePlan(t *testing.T) {
	s := shop()
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuery(t)
		before := q.String()
		plan, err := q.Compile(s)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		if q.String() != before {
			t.Fatalf("Compile changed %s to %s", before, q)
		}
		text, err := Parse(plan.String())
		if err != nil {
			t.Fatal(err)
		}
		object, err := ParseJSON(plan.AppendJSON(nil))
		if err != nil {
			t.Fatal(err)
		}
		for _, again := range []*Query{q, &plan.Query, text, object} {
			got, err := again.Compile(s)
			if err != nil {
				t.Fatalf("%s: %v", again, err)
			}
			if !reflect.DeepEqual(got, plan) {
				t.Fatalf("%s compiles to %s (%s), want %s (%s)", again, got, got.Fingerprint, plan, plan.Fingerprint)
			}
		}
	})
}

func TestTheFingerprintIsThatOfTheListNotOfThePage(t *testing.T) {
	s := shop()
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuery(t)
		q.AsOf, q.Pins = "", nil
		plan := mustCompile(t, q, s)
		page := *q
		page.Cursor, page.Limit, page.Explain = "elsewhere", 1+q.Limit%MaxLimit, !q.Explain
		if got := mustCompile(t, &page, s); got.Fingerprint != plan.Fingerprint {
			t.Fatalf("%s and %s differ", plan, got)
		}
		other := *q
		other.Exclude = append([]string{"one more, which no list of these has"}, q.Exclude...)
		if got := mustCompile(t, &other, s); got.Fingerprint == plan.Fingerprint {
			t.Fatalf("%s and %s have the same", plan, got)
		}
	})
}

func mustCompile(t *rapid.T, q *Query, s *schema.Schema) *Plan {
	plan, err := q.Compile(s)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return plan
}
