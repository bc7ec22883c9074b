package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/schema"
)

func isNotFound(err error) bool { return errors.Is(err, tidal.ErrNotFound) }

// ledger is the model: what was sent, once each, and what of it was acknowledged.
type ledger struct {
	mu    sync.Mutex
	acked map[string]bool // by item, each of which has one signal
}

func (l *ledger) note(item string, acked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[item] = l.acked[item] || acked
}

// count is how many were acknowledged.
func (l *ledger) count() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ok := range l.acked {
		if ok {
			n++
		}
	}
	return n
}

// compare holds the database against the model: what was acknowledged counts once, all else at most once.
func (l *ledger) compare(t *testing.T, s *served) (acked, unknown int) {
	t.Helper()
	for item, ok := range l.acked {
		switch got := s.total(t, item, "like"); {
		case ok && got != 1:
			t.Errorf("%s was acknowledged and counts %d times", item, got)
		case got > 1:
			t.Errorf("%s counts %d times", item, got)
		}
		if ok {
			acked++
		} else {
			unknown++
		}
	}
	return acked, unknown
}

// Whatever the network does, a signal counts once if it was acknowledged, and at most once if it wasn't.
func TestWhateverTheNetworkDoesEachSignalCountsOnce(t *testing.T) {
	seed := testseed.Of(t)
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	var acked, unknown int
	var cuts, replays, stalls int64
	for round := range rounds {
		rng := rand.New(rand.NewPCG(seed, uint64(round)))
		f := faults{
			refuse: rng.Float64() * 0.5, cut: 0.5 + rng.Float64()/2, delay: rng.Float64() * 0.5, stall: rng.Float64() * 0.4,
			replay: rng.Float64(), longest: 20 * time.Millisecond,
		}
		s := serve(t, schema.Events())
		p := newProxy(t, s.addr, rng.Uint64(), f)
		l := &ledger{acked: map[string]bool{}}
		var clients sync.WaitGroup
		for n := range 3 {
			o := client.Options{Addr: p.addr(), Timeout: time.Duration(100+rng.IntN(1500)) * time.Millisecond, Attempt: 100 * time.Millisecond}
			c := connect(t, o)
			clients.Go(func() { writeSingly(t, c, l, fmt.Sprintf("round-%d-single-%d", round, n)) })
			clients.Go(func() { writeStream(t, c, l, fmt.Sprintf("round-%d-stream-%d", round, n), 1+n*7) })
		}
		clients.Wait()
		p.stop() // what is on its way arrives, or never
		a, u := l.compare(t, s)
		acked, unknown = acked+a, unknown+u
		cuts, replays, stalls = cuts+p.cuts.Load(), replays+p.replays.Load(), stalls+p.stalls.Load()
	}
	t.Logf("%d acknowledged, %d not; %d connections cut, %d stalled, %d repeated", acked, unknown, cuts, stalls, replays)
	if acked == 0 || cuts == 0 || replays == 0 {
		t.Error("the test tests nothing")
	}
}

// writeSingly writes signals one to a request, several requests at once.
func writeSingly(t *testing.T, c *client.Client, l *ledger, name string) {
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := range 25 {
				item := fmt.Sprintf("%s-%d-%d", name, w, n)
				_, err := c.Signal(t.Context(), client.Signal{Type: "like", Item: item, User: name})
				checkFailure(t, err)
				l.note(item, err == nil)
			}
		})
	}
	writers.Wait()
}

// writeStream writes signals through streams, and begins a new one where one has failed.
func writeStream(t *testing.T, c *client.Client, l *ledger, name string, inFlight int) {
	var signals []client.Signal
	for n := range 400 {
		signals = append(signals, client.Signal{Type: "like", Item: fmt.Sprintf("%s-%d", name, n), User: name})
	}
	for len(signals) > 0 {
		told := int64(0)
		s, err := c.Stream(t.Context(), client.StreamOptions{Batch: 16, InFlight: inFlight, Done: func(b client.Batch) {
			checkFailure(t, b.Err)
			for _, x := range b.Signals {
				l.note(x.Item, b.Err == nil)
			}
			told += int64(len(b.Signals))
		}})
		if err != nil {
			t.Error(err)
			return
		}
		sent, _ := s.Send(t.Context(), signals...)
		if err := s.Close(); err != nil {
			checkFailure(t, err)
		}
		if told != int64(sent) {
			t.Errorf("of %d signals that the stream took, it told what became of %d", sent, told)
		}
		signals = signals[sent:]
	}
}

// checkFailure accepts what a bad network may lead to, and nothing else.
func checkFailure(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil, errors.Is(err, client.ErrUnknown), errors.Is(err, client.ErrUnavailable),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, client.ErrOverloaded), errors.Is(err, client.ErrStreamFailed):
	default:
		t.Errorf("a bad network led to %v", err)
	}
}
