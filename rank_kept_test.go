package tidal_test

import (
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// What hides keep out of a list is counted: on its first page as it's found, and on a later one as it has been hidden since.
func TestAListSaysHowMuchHidesKeptOut(t *testing.T) {
	db := open(t, t.TempDir(), schema.Events(), nil)
	var records []tidal.Record
	for _, item := range []string{"a", "b", "c", "d"} {
		records = append(records, tidal.Put{Kind: tidal.Item, ID: item, Fields: tidal.Fields{"creator": schema.String("by " + item)}})
	}
	records = append(
		records, tidal.Relate{User: "ada", What: tidal.Hides, Target: "a"}, tidal.Relate{User: "ada", What: tidal.Mutes, Target: "by b"},
	)
	if _, err := db.Write(t.Context(), tidal.Request{Records: records}); err != nil {
		t.Fatal(err)
	}
	rank := func(user, cursor string) *tidal.Answer {
		t.Helper()
		q := query.Rank("new").For(user).Limit(1).Query()
		q.Cursor = cursor
		a, err := db.Rank(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if got := rank("ben", "").Stats; got.Hidden != 0 || got.Passed != 4 {
		t.Errorf("%+v", got)
	}
	first := rank("ada", "")
	if first.Stats.Hidden != 2 || first.Stats.Passed != 2 {
		t.Errorf("%+v", first.Stats)
	}
	other := map[string]string{"c": "d", "d": "c"}[first.Items[0].Item]
	if _, err := db.Write(t.Context(), tidal.Request{Records: []tidal.Record{tidal.Relate{User: "ada", What: tidal.Hides, Target: other}}}); err != nil {
		t.Fatal(err)
	}
	if next := rank("ada", first.Cursor()); next.Stats.Hidden != 1 || len(next.Items) != 0 {
		t.Errorf("%+v, %d items", next.Stats, len(next.Items))
	}
}
