package client

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidaldb/tidal/internal/testseed"
)

// Numbers under way never lie 64 or more apart, nobody gets another one's, and whoever gives up waiting leaves no trace.
func TestNumbersUnderWayLieWithinTheWindow(t *testing.T) {
	seed := testseed.Of(t)
	synctest.Test(t, func(t *testing.T) {
		n := &numbers{next: 1}
		var mu sync.Mutex
		var given []uint64
		gaveUp := 0
		var writers sync.WaitGroup
		for w := range 400 {
			writers.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(w)))
				<-time.After(time.Duration(rng.IntN(50)) * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(1000))*time.Millisecond)
				defer cancel()
				number, err := n.take(ctx, 0)
				mu.Lock()
				if err != nil {
					gaveUp++
					mu.Unlock()
					return
				}
				given = append(given, number)
				mu.Unlock()
				n.mu.Lock()
				if last := n.out[len(n.out)-1]; last-n.out[0] >= window || !slices.IsSorted(n.out) {
					t.Errorf("under way are %d", n.out)
				}
				n.mu.Unlock()
				<-time.After(time.Duration(rng.IntN(200)) * time.Millisecond)
				n.done(number)
			})
		}
		writers.Wait()
		slices.Sort(given)
		// Whoever gave up in the very moment in which it got its number leaves that one out.
		for i, number := range given {
			if number <= uint64(i) || number > uint64(i+1+gaveUp) || i > 0 && number == given[i-1] {
				t.Fatalf("number %d follows %d others, and %d gave up", number, i, gaveUp)
			}
		}
		if len(n.out) != 0 || len(n.waiting) != 0 || gaveUp == 0 || len(given) < 64 {
			t.Errorf("%d are under way, %d wait; %d were given, %d gave up", len(n.out), len(n.waiting), len(given), gaveUp)
		}
	})
}

// One slow write doesn't let the others run away from it.
func TestAStuckWriteHoldsTheNumbersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &numbers{next: 1}
		for range window {
			if _, err := n.take(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		for number := uint64(2); number <= window; number++ {
			n.done(number)
		}
		got := make(chan uint64, 1)
		go func() {
			number, _ := n.take(context.Background(), 0)
			got <- number
		}()
		synctest.Wait()
		select {
		case number := <-got:
			t.Fatalf("number %d was given out while 1 is under way", number)
		default:
		}
		n.done(1)
		if number := <-got; number != window+1 {
			t.Errorf("number %d comes behind %d", number, window)
		}
	})
}

// Numbers that a caller keeps are given as they are asked for, and those that the client chooses come behind.
func TestWantedNumbers(t *testing.T) {
	n := &numbers{next: 1}
	for _, x := range []struct{ want, get uint64 }{{5, 5}, {0, 6}, {2, 2}, {0, 7}, {5, 5}} {
		got, err := n.take(t.Context(), x.want)
		if err != nil || got != x.get {
			t.Errorf("asked for %d, got %d, %v", x.want, got, err)
		}
	}
	n.skip(3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := n.take(ctx, 0); err == nil { // it waits: 68 lies too far above 2, which is under way
		t.Errorf("got %d", got)
	}
	n.done(2)
	if got, err := n.take(t.Context(), 0); err != nil || got != 68 {
		t.Errorf("got %d, %v, not 68", got, err)
	}
}
