package tidal

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// Sweep is one round of what ends sessions whose time is up.
func Sweep(ctx context.Context, db *DB) error { return db.sweep(ctx) }

// TestTheSweeperEndsSessionsByItself lets the time pass that it takes, and no more.
func TestTheSweeperEndsSessionsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		db, err := Open(t.TempDir(), schema.Events(), nil)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := db.StartSession(ctx, SessionStart{ID: "s", User: "ada", TTL: 30 * time.Second}); err != nil {
			t.Fatal(err)
		}
		ended := func() bool {
			all, err := db.sessionsOf(ctx, "ada")
			if err != nil || len(all) != 1 {
				t.Fatalf("%d sessions, %v", len(all), err)
			}
			return !all[0].End.Stamp.IsZero() // written down, that is
		}
		<-time.After(29 * time.Second)
		synctest.Wait()
		if ended() {
			t.Error("it ended before its time")
		}
		<-time.After(61 * time.Second) // 60 after its end
		synctest.Wait()
		if !ended() {
			t.Error("a minute after its end nobody has noticed")
		}
		x, err := db.SessionSummary(ctx, "ada", "s")
		if err != nil || !x.AutoClosed || x.Closed.Sub(begun).Round(time.Second) != 30*time.Second {
			t.Errorf("%+v, %v", x, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheBucketLetsThroughWhatItShould(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := newBucket(&schema.SessionPolicy{Rate: 2, Burst: 4})
	take := func(after time.Duration, n int, want bool, wantWait time.Duration) {
		t.Helper()
		at = at.Add(after)
		if ok, wait := b.take(n, at); ok != want || wait != wantWait {
			t.Errorf("%d at %v: %v, wait %v; want %v, %v", n, at, ok, wait, want, wantWait)
		}
	}
	take(0, 3, true, 0)
	take(0, 2, false, 500*time.Millisecond)
	take(0, 1, true, 0)
	take(499*time.Millisecond, 1, false, time.Millisecond)
	take(time.Millisecond, 1, true, 0)
	take(-time.Hour, 1, false, 500*time.Millisecond) // a clock that goes back fills nothing, also when it comes back
	take(time.Hour, 1, false, 500*time.Millisecond)
	take(time.Hour, 4, true, 0)
	take(time.Hour, 5, false, 0) // never
	b.give(9)
	take(0, 4, true, 0)
	if free := newBucket(&schema.SessionPolicy{}); free.rate != 0 {
		t.Error("no rate is a rate")
	}
	if one := newBucket(&schema.SessionPolicy{Rate: 0.1}); one.size() != 1 {
		t.Errorf("a burst of %d", one.size())
	}
	if three := newBucket(&schema.SessionPolicy{Rate: 2.5}); three.size() != 3 {
		t.Errorf("a burst of %d", three.size())
	}
}

// TestFoldedVectorsKeepTheirAngles compares cosines before and after.
func TestFoldedVectorsKeepTheirAngles(t *testing.T) {
	a, b := make([]float32, 1536), make([]float32, 1536)
	for i := range a {
		a[i] = float32((i*7919)%101) - 50
		b[i] = a[i]
		if i%2 == 0 {
			b[i] = float32((i*104729)%103) - 51
		}
	}
	cosine := func(x, y []float32) float64 {
		d, ok := distance(quantise(x), quantise(y))
		if !ok {
			t.Fatal("no distance")
		}
		return 1 - d
	}
	whole, folded := cosine(a, b), cosine(fold(a, 256), fold(b, 256))
	if len(fold(a, 256)) != 256 || whole-folded > 0.15 || folded-whole > 0.15 {
		t.Errorf("the cosine was %.3f, and is %.3f", whole, folded)
	}
	if same := cosine(fold(a, 256), fold(a, 256)); same < 0.999 {
		t.Errorf("a vector and itself: %.3f", same)
	}
	if short := fold(a[:3], 256); len(short) != 3 {
		t.Errorf("a short vector has %d parts", len(short))
	}
	if quantise(make([]float32, 3)) != nil {
		t.Error("nothing is something")
	}
	if _, ok := distance([]byte{1}, []byte{1, 2}); ok {
		t.Error("vectors of two lengths have a distance")
	}
}
