package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// TestAListingIsASortOfWhatExists puts and deletes items at random, and compares lists that are made in parts of any
// size, from any id on, with a sort of a set.
func TestAListingIsASortOfWhatExists(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 0))
	e, own, _, _ := start(t)
	exist := map[string]bool{}
	for range 300 {
		name := fmt.Sprint(rng.IntN(120))
		kind := record.KindPut
		if rng.IntN(3) == 0 {
			kind = record.KindDelete
		}
		exist[name] = kind == record.KindPut
		apply(t, e, own.batch(plain(entity(kind, id.KindItem, name)), plain(entity(record.KindPut, id.KindUser, "u"+name)),
			plain(signal(view, "", "only seen "+name))), engine.Applied)
	}
	for range 300 {
		after, limit, parts := fmt.Sprint(rng.IntN(140)), 1+rng.IntN(150), 1+rng.IntN(200)
		var want []string
		for name, is := range exist {
			if is && name > after {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		want = want[:min(limit, len(want))]
		l := engine.NewListing(id.KindItem, after, limit)
		for !e.Advance(l, parts) {
		}
		if got := l.IDs(); !slices.Equal(got, want) {
			t.Fatalf("%d behind %s in parts of %d: %v, want %v", limit, after, parts, got, want)
		}
	}
}

// TestTiesFollowWhatWasAppliedLast compares ties with single reads of each mark and relation.
func TestTiesFollowWhatWasAppliedLast(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 1))
	e, own, far, _ := start(t)
	for range 400 {
		item, creator, on := fmt.Sprint("i", rng.IntN(9)), fmt.Sprint("c", rng.IntN(5)), rng.IntN(2) == 0
		p := []record.Proposed{
			relation(record.HideItem, on, "u", item),
			relation(record.RelationKind(2+rng.IntN(3)), on, "u", creator),
			mark(record.MarkKind(2+rng.IntN(3)), on, "u", item),
			signal(view, "u", item),
			signal(hide, "u", item),
			relation(record.CollectItem, on, "u", record.CollectionTarget(fmt.Sprint("list ", rng.IntN(3)), item)),
		}[rng.IntN(6)]
		from := own
		if rng.IntN(2) == 0 {
			from = far
		}
		apply(t, e, from.batch(at(rng.Int64N(1e6), p)), engine.Applied)
	}
	var want []string
	for n := range 9 {
		name := fmt.Sprint("i", n)
		m, err := e.Marks("u", name)
		if err != nil {
			t.Fatal(err)
		}
		related, lists := holding(t, e, name, record.HideItem), []string(nil)
		for k := range 3 {
			list := fmt.Sprint("list ", k)
			if len(holding(t, e, record.CollectionTarget(list, name), record.CollectItem)) > 0 {
				lists = append(lists, list)
			}
		}
		if len(related)+len(lists) > 0 || !m.Seen.IsZero() || m.Liked.On || m.Saved.On || m.InProgress.On {
			want = append(want, fmt.Sprint(id.KindItem, name, related, m, lists))
		}
	}
	for n := range 5 {
		name := fmt.Sprint("c", n)
		if related := holding(t, e, name, record.MuteCreator, record.BlockCreator, record.FollowCreator); len(related) > 0 {
			want = append(want, fmt.Sprint(id.KindCreator, name, related, engine.Tie{}.Marks, []string(nil)))
		}
	}
	var got []string
	for last := (engine.Tie{}); ; {
		page, err := e.Ties("u", last.Kind, last.ID, 4)
		if err != nil {
			t.Fatal(err)
		}
		for _, tie := range page {
			got = append(got, fmt.Sprint(tie.Kind, tie.ID, tie.Relations, tie.Marks, tie.Collections))
		}
		if len(page) < 4 {
			break
		}
		last = page[3]
	}
	if !slices.Equal(got, want) {
		t.Errorf("ties are\n%v\nwant\n%v", got, want)
	}
	if ties, err := e.Ties("nobody", 0, "", 4); err != nil || len(ties) != 0 || e.Knows("nobody") || !e.Knows("u") {
		t.Errorf("of nobody: %v, %v", ties, err)
	}
}

func holding(t *testing.T, e *engine.Engine, target string, kinds ...record.RelationKind) []record.RelationKind {
	t.Helper()
	var out []record.RelationKind
	for _, which := range kinds {
		pair, err := e.Relation("u", byte(which), target)
		if err != nil {
			t.Fatal(err)
		}
		if pair.Holds() {
			out = append(out, which)
		}
	}
	return out
}
