package tidal_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// listCollection reads all pages of a collection.
func listCollection(t *testing.T, db *tidal.DB, user, name string, limit int) []tidal.CollectedItem {
	t.Helper()
	var all []tidal.CollectedItem
	q := tidal.CollectionQuery{User: user, Name: name, Limit: limit}
	for {
		page, err := db.Collection(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if len(page) < limit {
			return all
		}
		q.After = page[limit-1].Item
	}
}

func itemsOf(list []tidal.CollectedItem) (items []string) {
	for _, c := range list {
		items = append(items, c.Item)
	}
	return items
}

// TestACollectionIsWhatItsUserSays goes through the life of two collections: put, put again, taken out, item deleted,
// user erased, and what each shows of it.
func TestACollectionIsWhatItsUserSays(t *testing.T) {
	db, c := fresh(t)
	collect := func(name string, off bool, items ...string) {
		t.Helper()
		for _, item := range items {
			c.ms.Add(1000)
			write(t, db, tidal.Collect{User: "ada", Collection: name, Item: item, Off: off})
		}
	}
	state := func() string {
		t.Helper()
		lists, err := db.Collections(t.Context(), "ada")
		if errors.Is(err, tidal.ErrNotFound) {
			return "unknown"
		}
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, l := range lists {
			items := itemsOf(listCollection(t, db, "ada", l.Name, 100))
			if len(items) != l.Items {
				t.Errorf("%s has %d items, said to be %d", l.Name, len(items), l.Items)
			}
			out = append(out, fmt.Sprint(l.Name, items))
		}
		return strings.Join(out, " ")
	}
	is := func(want string) {
		t.Helper()
		if got := state(); got != want {
			t.Errorf("collections are %q, want %q", got, want)
		}
	}
	is("unknown")
	collect("Später", false, "a", "b", "c")
	collect("gifts", false, "b")
	is("Später[c b a] gifts[b]")
	collect("Später", false, "a")
	is("Später[a c b] gifts[b]")
	page, err := db.Collection(t.Context(), tidal.CollectionQuery{User: "ada", Name: "Später", Limit: 1})
	if err != nil || len(page) != 1 || !page[0].Added.Equal(c.now()) {
		t.Errorf("a was added at %v, %v; want %v", page, err, c.now())
	}
	write(t, db, tidal.Signal{Type: "like", Item: "b", User: "ada"})
	user, err := db.User(t.Context(), tidal.UserQuery{ID: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	var ties []string
	for _, tie := range user.Ties {
		ties = append(ties, fmt.Sprint(tie.Kind, " ", tie.ID, tie.Collections, tie.Marks, tie.Relations))
	}
	want := []string{"item a[Später] [] []", "item b[Später gifts] [liked] []", "item c[Später] [] []"}
	if !slices.Equal(ties, want) {
		t.Errorf("ties are %q, want %q", ties, want)
	}
	collect("Später", true, "c", "x")
	collect("gifts", true, "b")
	is("Später[a b]")
	write(t, db, tidal.Put{Kind: tidal.Item, ID: "a", Fields: tidal.Fields{"title": schema.String("A")}})
	write(t, db, tidal.Delete{Kind: tidal.Item, ID: "a"})
	is("Später[a b]")
	if list, err := db.Collection(t.Context(), tidal.CollectionQuery{User: "ada", Name: "gifts"}); err != nil || len(list) != 0 {
		t.Errorf("an empty collection: %v, %v", list, err)
	}
	write(t, db, tidal.Erase{User: "ada"})
	is("unknown")
	collect("Später", false, "d")
	is("Später[d]")
}

func TestQueriesForCollectionsAreChecked(t *testing.T) {
	db, _ := fresh(t)
	write(t, db, tidal.Collect{User: "ada", Collection: "later", Item: "a"})
	for name, c := range map[string]struct {
		q     tidal.CollectionQuery
		field string
	}{
		"limit below":      {tidal.CollectionQuery{User: "ada", Name: "later", Limit: -1}, "limit"},
		"limit above":      {tidal.CollectionQuery{User: "ada", Name: "later", Limit: 10_001}, "limit"},
		"after a stranger": {tidal.CollectionQuery{User: "ada", Name: "later", After: "b"}, "after"},
	} {
		var in *tidal.InputError
		if _, err := db.Collection(t.Context(), c.q); !errors.As(err, &in) || in.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, user := range []string{"", "eve"} {
		if _, err := db.Collection(t.Context(), tidal.CollectionQuery{User: user, Name: "later"}); !errors.Is(err, tidal.ErrNotFound) {
			t.Errorf("of user %q: %v", user, err)
		}
		if _, err := db.Collections(t.Context(), user); !errors.Is(err, tidal.ErrNotFound) {
			t.Errorf("of user %q: %v", user, err)
		}
	}
}

// TestCollectionsOfUsersOnDisk reads those of many users, of whom most aren't in memory, before and after a restart.
func TestCollectionsOfUsersOnDisk(t *testing.T) {
	opts := newClock().options()
	opts.UserMemory = 20_000
	dir := t.TempDir()
	db := open(t, dir, testSchema(), opts)
	for n := range 900 {
		write(t, db, tidal.Collect{
			User: fmt.Sprint("user ", n%300), Collection: "later", Item: fmt.Sprint("item ", n/300), Off: n%7 == 0,
		})
	}
	check := func() {
		t.Helper()
		for user := range 300 {
			var want []string
			for k := 2; k >= 0; k-- {
				if (k*300+user)%7 != 0 {
					want = append(want, fmt.Sprint("item ", k))
				}
			}
			if got := itemsOf(listCollection(t, db, fmt.Sprint("user ", user), "later", 2)); !slices.Equal(got, want) {
				t.Fatalf("user %d has %v, want %v", user, got, want)
			}
		}
	}
	if m := db.Stats().UserMemory; m.Cold < 50 {
		t.Errorf("users: %+v", m)
	}
	check()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, nil, opts)
	check()
}

// TestACollectRequestCountsOnce retries one under a lane.
func TestACollectRequestCountsOnce(t *testing.T) {
	db, c := fresh(t)
	r := tidal.Request{Lane: "app", Number: 1, Records: []tidal.Record{
		tidal.Collect{User: "ada", Collection: "later", Item: "a"},
	}}
	if _, err := db.Write(ctx, r); err != nil {
		t.Fatal(err)
	}
	c.ms.Add(time.Hour.Milliseconds())
	write(t, db, tidal.Collect{User: "ada", Collection: "later", Item: "a", Off: true})
	if again, err := db.Write(ctx, r); err != nil || !again.Duplicate {
		t.Errorf("retry: %+v, %v", again, err)
	}
	r.Records = []tidal.Record{tidal.Collect{User: "ada", Collection: "later", Item: "b"}}
	if _, err := db.Write(ctx, r); !errors.Is(err, tidal.ErrKeyReused) {
		t.Errorf("another item under the number: %v", err)
	}
	if got := listCollection(t, db, "ada", "later", 10); len(got) != 0 {
		t.Errorf("the collection has %v", got)
	}
}

// TestACollectionIsAFilter asks for lists of what is in a collection, and of what isn't.
func TestACollectionIsAFilter(t *testing.T) {
	db, _ := fresh(t)
	var records []tidal.Record
	for _, item := range []string{"a", "b", "c", "d"} {
		records = append(records, tidal.Put{Kind: tidal.Item, ID: item, Fields: tidal.Fields{"title": schema.String(item)}})
	}
	write(t, db, append(records,
		tidal.Collect{User: "ada", Collection: "later", Item: "a"}, tidal.Collect{User: "ada", Collection: "later", Item: "b"},
		tidal.Collect{User: "ada", Collection: "later", Item: "c"}, tidal.Collect{User: "ada", Collection: "gifts", Item: "d"},
		tidal.Collect{User: "eve", Collection: "later", Item: "d"}, tidal.Collect{User: "ada", Collection: "later", Item: "x"},
		tidal.Collect{User: "ada", Collection: "later", Item: "c", Off: true})...)
	is := func(filter, want string) {
		t.Helper()
		q, err := query.Parse(`RANK items FOR USER "ada" USING new FILTER ` + filter + ` LIMIT 10`)
		if err != nil {
			t.Fatal(err)
		}
		a, err := db.Rank(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		var items []string
		for _, x := range a.Items {
			items = append(items, x.Item)
		}
		slices.Sort(items)
		if got := strings.Join(items, " "); got != want {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
	is(`collection "later"`, "a b")
	is(`collection "gifts" OR collection "later"`, "a b d")
	is(`NOT collection "later"`, "c d")
	is(`collection "none"`, "")
	write(t, db, tidal.Delete{Kind: tidal.Item, ID: "a"})
	is(`collection "later"`, "b")
	write(t, db, tidal.Erase{User: "ada"})
	is(`collection "later"`, "")
}
