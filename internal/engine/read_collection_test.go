package engine_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/record"
)

// TestCollectionsHoldWhatWasPutThereLast compares pages of collections, of any length, with a map of the relations that
// hold.
func TestCollectionsHoldWhatWasPutThereLast(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 2))
	e, own, far, _ := start(t)
	targets := map[string]bool{}
	for range 500 {
		list, item, on := fmt.Sprint("list ", rng.IntN(3)), fmt.Sprint("i", rng.IntN(30)), rng.IntN(3) > 0
		target := record.CollectionTarget(list, item)
		targets[target] = true
		from := own
		if rng.IntN(2) == 0 {
			from = far
		}
		apply(t, e, from.batch(
			at(rng.Int64N(1e6), relation(record.CollectItem, on, "u", target)),
			at(rng.Int64N(1e6), signal(hide, "u", item))), engine.Applied)
	}
	want, counts := map[string][]engine.Collected{}, map[string]int{}
	for target := range targets {
		pair, err := e.Relation("u", byte(record.CollectItem), target)
		if err != nil {
			t.Fatal(err)
		}
		if list, item, _ := record.SplitCollection(target); pair.Holds() {
			want[list] = append(want[list], engine.Collected{Item: item, Since: pair.On})
			counts[list]++
		}
	}
	if got, err := e.Collections("u"); err != nil || !maps.Equal(got, counts) {
		t.Errorf("collections are %v, %v; want %v", got, err, counts)
	}
	for list, want := range want {
		slices.SortFunc(want, func(a, b engine.Collected) int {
			return cmp.Or(cmp.Compare(b.Since, a.Since), cmp.Compare(a.Item, b.Item))
		})
		for limit := 1; limit <= len(want)+1; limit++ {
			var got []engine.Collected
			for after := ""; ; after = got[len(got)-1].Item {
				page, err := e.Collection("u", list, after, limit)
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, page...); len(page) < limit {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s in pages of %d is\n%v\nwant\n%v", list, limit, got, want)
			}
		}
	}
	if got, err := e.Collection("nobody", "list 0", "", 5); err != nil || len(got) != 0 {
		t.Errorf("a list of nobody has %v, %v", got, err)
	}
}

// TestAPageGoesOnBehindAnItemThatWasTakenOut: it keeps the place that it had.
func TestAPageGoesOnBehindAnItemThatWasTakenOut(t *testing.T) {
	e, own, _, _ := start(t)
	put := func(on bool, item string) {
		p := relation(record.CollectItem, on, "u", record.CollectionTarget("later", item))
		apply(t, e, own.batch(plain(p)), engine.Applied)
	}
	for _, item := range []string{"a", "b", "c", "d"} {
		put(true, item)
	}
	put(false, "c")
	behind := func(after string) (items []string) {
		page, err := e.Collection("u", "later", after, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			items = append(items, c.Item)
		}
		return items
	}
	if got := fmt.Sprint(behind(""), behind("c"), behind("a")); got != "[d b a] [b a] []" {
		t.Errorf("behind nothing, c and a there are %s", got)
	}
	put(true, "a")
	if got := fmt.Sprint(behind(""), behind("d")); got != "[a d b] [b]" {
		t.Errorf("with a put there once more there are %s", got)
	}
	if _, err := e.Collection("u", "later", "x", 10); !errors.Is(err, fault.ErrInput) {
		t.Errorf("behind an item that was never there: %v", err)
	}
}
