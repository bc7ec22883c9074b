package tidal_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// crowd opens a database in which users may take so many bytes, and writes about 300 users there.
func crowd(t *testing.T, userMemory int64) (db *tidal.DB, dir string, opts *tidal.Options) {
	t.Helper()
	dir = t.TempDir()
	opts = newClock().options()
	opts.UserMemory = userMemory
	s := testSchema()
	s.Users.Fields = []schema.Field{{Name: "town", Type: schema.TypeKeyword}}
	db = open(t, dir, s, opts)
	for n := range 600 {
		user := fmt.Sprintf("user %03d", n*7%300)
		records := []tidal.Record{
			tidal.Signal{Type: "view", Item: fmt.Sprintf("item %d", n%50), User: user},
			tidal.Relate{User: user, What: tidal.Follows, Target: fmt.Sprintf("creator %d", n%5), Off: n%3 == 0},
		}
		switch n % 4 {
		case 0:
			records = append(records, tidal.Put{
				Kind: tidal.User, ID: user, Fields: tidal.Fields{"town": schema.String(fmt.Sprint("town ", n%9))},
			})
		case 1:
			records = append(records, tidal.SetMark{User: user, Item: "item 3", Mark: schema.Liked})
		}
		if n%40 == 39 {
			records = []tidal.Record{tidal.Erase{User: user}}
		}
		write(t, db, records...)
	}
	return db, dir, opts
}

// TestUsersOnDiskAreReadAsThoseInMemory compares two databases that were written alike, one with hardly any memory for
// users.
func TestUsersOnDiskAreReadAsThoseInMemory(t *testing.T) {
	whole, _, _ := crowd(t, -1)
	small, dir, opts := crowd(t, 20_000)
	m := small.Stats().UserMemory
	if m.Cold < 100 || m.Evicted == 0 || m.Bytes+m.Queued > 20_000 || m.Budget != 20_000 {
		t.Errorf("users in the small one: %+v", m)
	}
	if m := whole.Stats().UserMemory; m.Cold != 0 || m.Evicted != 0 || m.Resident < 285 {
		t.Errorf("users in the large one: %+v", m)
	}
	sameUsers(t, whole, small)
	if whole.DigestCells() != small.DigestCells() {
		t.Error("cells differ")
	}
	if m := small.Stats().UserMemory; m.Warmed < 100 {
		t.Errorf("reads made nobody resident: %+v", m)
	}
	before := small.Digest()
	if err := small.Close(); err != nil {
		t.Fatal(err)
	}
	small = open(t, dir, nil, opts)
	sameUsers(t, whole, small)
	if small.Digest() != before || (before == tidal.Digest{}) {
		t.Error("the digest is another one after a restart")
	}
}

// sameUsers compares all that can be asked about users, but for positions and stamps.
func sameUsers(t *testing.T, whole, small *tidal.DB) {
	t.Helper()
	for _, limit := range []int{7, 1000} {
		a, b := listAll(t, whole, tidal.User, limit), listAll(t, small, tidal.User, limit)
		same := func(x, y tidal.Entity) bool { return x.ID == y.ID && reflect.DeepEqual(x.Fields, y.Fields) }
		if !slices.EqualFunc(a, b, same) || len(a) < 50 {
			t.Errorf("in pages of %d: %d users, want %d", limit, len(b), len(a))
		}
	}
	for n := range 301 { // the last one is unknown
		q := tidal.UserQuery{ID: fmt.Sprintf("user %03d", n)}
		a, errA := whole.User(t.Context(), q)
		b, errB := small.User(t.Context(), q)
		for _, x := range []*tidal.UserState{&a, &b} {
			x.Touched = a.Touched
			for i := range x.Recents {
				x.Recents[i].Position = tidal.Position{}
			}
		}
		if fmt.Sprint(errA) != fmt.Sprint(errB) || !reflect.DeepEqual(a, b) {
			t.Fatalf("%s is\n%+v, %v, want\n%+v, %v", q.ID, b, errB, a, errA)
		}
	}
}
