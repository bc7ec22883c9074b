package tidal

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// Lists that are asked for while others are made wait, are counted while they do, and so have less done for each.
func TestListsWaitForTheirTurnAndAreCounted(t *testing.T) {
	db, err := Open(t.TempDir(), schema.Events(), &Options{Degrade: Degrade{FewerCandidates: 3}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Write(t.Context(), Request{Records: []Record{Put{Kind: Item, ID: "jazz-101"}}}); err != nil {
		t.Fatal(err)
	}
	q := query.Rank("new").Query()
	if a, err := db.Rank(t.Context(), q); err != nil || a.Stats.Degradation != "full" {
		t.Fatalf("%+v, %v", a, err)
	}
	for range cap(db.turns) { // others are being made
		db.turns <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := db.Rank(ctx, q)
		gaveUp <- err
	}()
	waiting := func(n int64) {
		for db.ranking.Load() != n {
			runtime.Gosched()
		}
	}
	waiting(1)
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	const lists = 5
	answers := make(chan *Answer, lists)
	for range lists {
		go func() {
			a, err := db.Rank(t.Context(), q)
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	waiting(lists)
	for range cap(db.turns) {
		<-db.turns
	}
	degraded := 0
	for range lists {
		if a := <-answers; a != nil && a.Stats.Degradation == "fewer_candidates" {
			degraded++
		}
	}
	if degraded == 0 || len(db.turns) != 0 || db.ranking.Load() != 0 {
		t.Errorf("%d lists had less done, %d turns are held, %d lists are under way", degraded, len(db.turns), db.ranking.Load())
	}
}
