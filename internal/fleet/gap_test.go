package fleet

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/testseed"
)

// The longest gaps are those that a look at all acknowledgements at once finds.
func TestGapsAreTheLongestOnes(t *testing.T) {
	testseed.Of(t)
	rapid.Check(t, func(t *rapid.T) {
		const clients = 3
		var g gaps
		g.init(clients)
		now := time.Unix(1_000_000, 0)
		type ack struct {
			client int
			at     time.Time
		}
		var all []ack
		from := 0 // the first of those measured
		for range rapid.IntRange(0, 60).Draw(t, "acks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * time.Millisecond)
			if rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
				g.reset()
				from = len(all)
			}
			client := rapid.IntRange(0, clients-1).Draw(t, "client")
			g.acked(client, now)
			all = append(all, ack{client, now})
		}
		end := now.Add(time.Duration(rapid.IntRange(0, 500).Draw(t, "end")) * time.Millisecond)
		var want Gap
		last, total := map[int]time.Time{}, time.Time{}
		for i, a := range all {
			if before, ok := last[a.client]; ok && i >= from {
				want.Client = max(want.Client, a.at.Sub(before))
			}
			if !total.IsZero() && i >= from {
				want.Any = max(want.Any, a.at.Sub(total))
			}
			last[a.client], total = a.at, a.at
		}
		for _, at := range last {
			want.Client = max(want.Client, end.Sub(at))
		}
		if !total.IsZero() {
			want.Any = max(want.Any, end.Sub(total))
		}
		if got := g.measured(end); got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
		if g.count() != len(all) {
			t.Fatalf("%d acknowledgements, want %d", g.count(), len(all))
		}
	})
}

func TestProgressIsThatOfEveryClient(t *testing.T) {
	var g gaps
	g.init(2)
	done := make(chan error, 1)
	go func() { done <- g.progress(t.Context(), 2) }()
	now := time.Unix(0, 0)
	for range 10 {
		g.acked(0, now)
	}
	select {
	case err := <-done:
		t.Fatalf("one client of two is enough: %v", err)
	default:
	}
	for {
		g.acked(1, now) // it may begin to wait only now
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
			g.acked(0, now)
		}
	}
}

func TestProgressEndsWithItsContext(t *testing.T) {
	var g gaps
	g.init(1)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := g.progress(ctx, 1); !errors.Is(err, why) {
		t.Error(err)
	}
}
