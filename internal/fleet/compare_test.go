package fleet

import (
	"strings"
	"testing"
)

// Each kind of broken word is found, and what is allowed isn't called one.
func TestEveryBrokenWordIsFound(t *testing.T) {
	n := &Node{Name: "a"}
	for _, c := range []struct {
		name  string
		known []Outcome
		there []int
		want  Verdict
		says  string
	}{
		{"all there", []Outcome{Acked, Acked}, []int{4, 4}, Verdict{}, ""},
		{"not known, and not there", []Outcome{Acked, Unknown}, []int{4}, Verdict{}, ""},
		{"not known, and there", []Outcome{Unknown, Acked}, []int{4, 4}, Verdict{}, ""},
		{"refused", []Outcome{Refused, Acked}, []int{0, 4}, Verdict{}, ""},
		{"lost at the end", []Outcome{Acked, Acked}, []int{4}, Verdict{Lost: 1}, "request 2 of lane x is lost: 0 of 4"},
		{"lost between", []Outcome{Acked, Acked, Acked}, []int{4, 0, 4}, Verdict{Lost: 1}, "request 2 of lane x is lost"},
		{"double", []Outcome{Acked}, []int{8}, Verdict{Double: 1}, "counts more than once: 8 of 4"},
		{"double, not known", []Outcome{Unknown}, []int{8}, Verdict{Double: 1}, "counts more than once"},
		{"torn", []Outcome{Acked}, []int{3}, Verdict{Torn: 1}, "is there in part"},
		{"torn, not known", []Outcome{Unknown}, []int{1}, Verdict{Torn: 1}, "is there in part"},
		{"there though refused", []Outcome{Refused}, []int{4}, Verdict{Phantom: 1}, "is there and shouldn't be"},
		{"never sent", []Outcome{Acked}, []int{4, 4}, Verdict{Phantom: 1}, "request 2 of lane x is there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &expected{lanes: map[string]*expectedLane{}}
			e.add(&Ledger{Batch: 4, Lanes: map[string][]Outcome{"x": c.known}})
			var v Verdict
			n.judge(e, map[string][]int{"x": c.there}, &v)
			if v.Lost != c.want.Lost || v.Double != c.want.Double || v.Torn != c.want.Torn || v.Phantom != c.want.Phantom {
				t.Errorf("%+v, want %+v", v, c.want)
			}
			if text := strings.Join(v.Problems, "\n"); c.says == "" && text != "" || !strings.Contains(text, c.says) {
				t.Errorf("says %q, want %q", text, c.says)
			}
		})
	}
	var v Verdict
	n.judge(&expected{}, map[string][]int{"stranger": {4}}, &v)
	if v.Phantom != 1 || !strings.Contains(v.Problems[0], `"stranger"`) {
		t.Errorf("%+v", v)
	}
}

func TestALedgerCounts(t *testing.T) {
	l := &Ledger{Lanes: map[string][]Outcome{"a": {Acked, Unknown}, "b": {Acked, Refused, Acked}}}
	if l.Count(Acked) != 3 || l.Count(Unknown) != 1 || l.Count(Refused) != 1 {
		t.Errorf("%+v", l)
	}
	if ItemOf("x", 1) != ItemOf("x", perItem) || ItemOf("x", perItem) == ItemOf("x", perItem+1) {
		t.Error("items aren't cut where they should be")
	}
}
