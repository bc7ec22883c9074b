package eval_test

import (
	"fmt"
	"testing"

	"github.com/tidaldb/tidal/internal/eval"
)

// A half of the users names the item, and the other half says how good it is.
func TestSlotsNameAndJudgeTheBestItem(t *testing.T) {
	const like, skip = 0, 2
	l := &eval.Log{Schema: shop(), Items: []string{"a", "b"}}
	read := func(ref string) (eval.Shown, bool) {
		return eval.Shown{Feed: ref, Slot: "fresh", Propensity: 0.5}, true
	}
	for n := range 800 {
		item := uint32(n % 2)
		kind := uint16(skip)
		if n/2%5 < 1+2*int(item) { // a is liked by a fifth of the users, b by three
			kind = like
		}
		if n%2 == 0 {
			l.Users = append(l.Users, fmt.Sprint("u", n/2))
		}
		l.Events = append(l.Events, eval.Event{
			Time: int64(n), Type: kind, Weight: 1, User: uint32(n / 2), Item: item, Creator: eval.Nobody, Ref: fmt.Sprint(n),
		})
	}
	d := data(t, l)
	got := eval.Slots(d, read)
	if len(got) != 1 || got[0].Slot != "fresh" || got[0].Places != 800 || got[0].Users != 400 || got[0].Items != 2 ||
		got[0].Best == nil {
		t.Fatalf("%+v", got)
	}
	s, b := got[0], *got[0].Best
	if b.Item != "b" || b.Matched < 150 || b.Matched > 250 || b.Estimate.Low > 0.6 || b.Estimate.High < 0.6 ||
		s.Draw.Low > 0.4 || s.Draw.High < 0.4 || s.Draw.High-s.Draw.Low > 0.15 {
		t.Errorf("drawn %+v, best %+v", s.Draw, b)
	}
	if got := eval.Slots(d, func(string) (eval.Shown, bool) { return eval.Shown{}, false }); len(got) != 0 {
		t.Errorf("without references: %+v", got)
	}
}
