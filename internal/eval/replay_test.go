package eval_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/eval"
	"github.com/tidaldb/tidal/internal/explore"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// Signals that answer a list become places with one reward each, and a policy is estimated from those where it would
// have shown the same item.
func TestExploredPlacesAreReplayed(t *testing.T) {
	const like, view, skip = 0, 1, 2
	l := &eval.Log{Schema: shop(), Users: []string{"ada", "bob"}, Items: []string{"a", "b"}}
	add := func(user, item uint32, kind uint16, ref string) {
		l.Events = append(l.Events, eval.Event{
			Time: int64(len(l.Events)), Type: kind, Weight: 1, User: user, Item: item, Creator: eval.Nobody, Ref: ref,
		})
	}
	add(0, 0, view, "f1 new 0.5")  // looked at,
	add(0, 0, like, "f1 new 0.5")  // and then liked: one place, rewarded
	add(1, 1, skip, "f2 new 0.25") // not rewarded
	add(1, 0, like, "f3 new 0.5")
	add(0, 1, view, "scored")             // no place of exploration
	add(0, 1, like, "")                   // answers nothing
	add(eval.Nobody, 1, like, "f4 new 1") // nobody's
	d := data(t, l)
	read := func(ref string) (eval.Shown, bool) {
		part := strings.Fields(ref)
		if len(part) != 3 {
			return eval.Shown{}, false
		}
		return eval.Shown{Feed: part[0], Slot: part[1], Propensity: map[string]float64{"0.5": 0.5, "0.25": 0.25, "1": 1}[part[2]]}, true
	}
	var got []explore.Logged[eval.Place, string]
	for entry := range eval.Explored(d, read) {
		got = append(got, entry)
	}
	want := []explore.Logged[eval.Place, string]{
		{Context: eval.Place{Feed: "f1", Slot: "new", User: "ada", Time: 0}, Shown: "a", Propensity: 0.5, Reward: 1},
		{Context: eval.Place{Feed: "f2", Slot: "new", User: "bob", Time: 2}, Shown: "b", Propensity: 0.25, Reward: 0},
		{Context: eval.Place{Feed: "f3", Slot: "new", User: "bob", Time: 3}, Shown: "a", Propensity: 0.5, Reward: 1},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("place %d: %+v, want %+v", i, got[i], want[i])
		}
	}
	always := func(item string) func(eval.Place) string { return func(eval.Place) string { return item } }
	if a := explore.Replay(eval.Explored(d, read), always("a"), nil); a.Matched != 2 || a.Mean != 1 {
		t.Errorf("always a: %+v", a)
	}
	if b := explore.Replay(eval.Explored(d, read), always("b"), nil); b.Matched != 1 || b.Mean != 0 {
		t.Errorf("always b: %+v", b)
	}
}

// References of a database's own lists lead from the log back to the places that exploration filled, with the chance
// that each item had.
func TestReferencesOfListsLeadToExploredPlaces(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	db, err := tidal.Open(dir, schema.Events(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		if _, err := db.Write(t.Context(), one(tidal.Put{Kind: tidal.Item, ID: fmt.Sprintf("item-%d", i)})); err != nil {
			t.Fatal(err)
		}
	}
	half := 0.5
	want := map[string]float64{}
	for n := range 3 {
		user := fmt.Sprintf("user-%d", n)
		list, err := db.Rank(t.Context(), &query.Query{User: user, Limit: 10, Explore: &half})
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range list.Items {
			if _, err := db.Signal(t.Context(), tidal.Signal{Type: "like", User: user, Item: x.Item, Ref: list.Ref(i)}); err != nil {
				t.Fatal(err)
			}
			if x.Slot != "" {
				want[user+" "+x.Item+" "+x.Slot] = float64(float32(x.Propensity)) // as references hold it
			}
		}
	}
	if len(want) == 0 {
		t.Fatal("no place was filled by exploration")
	}
	l, err := eval.ReadLog(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for entry := range eval.Explored(data(t, l), eval.Refs(db)) {
		got[entry.Context.User+" "+entry.Shown+" "+entry.Context.Slot] = entry.Propensity
		if entry.Reward != 1 {
			t.Errorf("%+v", entry)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, ok := eval.Refs(db)("forged"); ok {
		t.Error("a forged reference was taken")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
