package tidal_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

func TestSuggestCountsWhatExists(t *testing.T) {
	db, _ := fresh(t)
	put := func(item, category string, tags ...string) tidal.Record {
		return tidal.Put{Kind: tidal.Item, ID: item, Fields: tidal.Fields{
			"category": schema.String(category), "tags": schema.Tags(tags),
		}}
	}
	write := func(records ...tidal.Record) {
		t.Helper()
		if _, err := db.Write(ctx, tidal.Request{Records: records}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(field, prefix string, limit int, want ...tidal.Suggestion) {
		t.Helper()
		got, err := db.Suggest(t.Context(), field, prefix, limit)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s %q: %v, %v; want %v", field, prefix, got, err, want)
		}
	}
	write(put("a", "jazz", "sea", "sun"), put("b", "jazz", "sea"), put("c", "java"), put("d", "folk", "sun", "sea"))
	want("category", "ja", 0, tidal.Suggestion{Value: "jazz", Items: 2}, tidal.Suggestion{Value: "java", Items: 1})
	want("category", "", 2, tidal.Suggestion{Value: "jazz", Items: 2}, tidal.Suggestion{Value: "folk", Items: 1})
	want("tags", "s", 1, tidal.Suggestion{Value: "sea", Items: 3})
	write(tidal.Delete{Kind: tidal.Item, ID: "a"}, put("b", "folk"))
	want("category", "ja", 0, tidal.Suggestion{Value: "java", Items: 1})
	want("category", "f", 0, tidal.Suggestion{Value: "folk", Items: 2})
	for _, c := range []struct {
		field string
		limit int
		at    string
	}{{"title", 5, "field"}, {"nothing", 5, "field"}, {"category", 101, "limit"}, {"category", -1, "limit"}} {
		_, err := db.Suggest(t.Context(), c.field, "", c.limit)
		var in *tidal.InputError
		if !errors.As(err, &in) || in.Field != c.at {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
