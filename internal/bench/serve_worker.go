package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	tidalclient "github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/hidden"
)

// serveWorker is one connection: a client of the server with a lane of its own, and one request at a time.
type serveWorker struct {
	s   *serving
	c   *tidalclient.Client
	rng *rand.Rand

	// Over the whole run.
	writes  uint64 // requests, the last of which has this number
	acked   int    // signals
	unknown int    // signals of which nobody knows
	shown   []hidden.Op

	// Since reset.
	took       [tasks]*hdrhistogram.Histogram
	late       *hdrhistogram.Histogram
	lists      int
	items      int
	candidates int
	degraded   int
	inServer   time.Duration
	signals    int
	errors     int
	complaints []string
}

func newServeWorker(s *serving, c *tidalclient.Client, n int) *serveWorker {
	w := &serveWorker{s: s, c: c, rng: s.w.dice(1<<54 + uint64(n))}
	w.reset()
	return w
}

// reset forgets what was measured.
func (w *serveWorker) reset() {
	*w = serveWorker{
		s: w.s, c: w.c, rng: w.rng, writes: w.writes, acked: w.acked, unknown: w.unknown, shown: w.shown, late: newHistogram(),
		errors: w.errors, complaints: w.complaints, // a failed warm-up is a failure
	}
	for i := range w.took {
		w.took[i] = newHistogram()
	}
}

// work does what falls due until nothing does.
func (w *serveWorker) work(ctx context.Context, plan *schedule) error {
	for {
		t, due, ok := plan.next()
		if !ok {
			return nil
		}
		do := w.prepare(t, due)
		if early := time.Until(due); early > 0 {
			select {
			case <-time.After(early):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			record(w.late, time.Since(due))
		}
		err := do(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errOurs):
			return err
		case err != nil:
			w.errors++
			if len(w.complaints) < 3 {
				w.complaints = append(w.complaints, err.Error())
			}
		}
	}
}

// errOurs is a failure that isn't the server's.
var errOurs = errors.New("the benchmark is wrong")

// record takes a time down; what takes more than a minute counts as a minute.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Nanoseconds(), 1), h.HighestTrackableValue()))
}

// prepare invents a request, which is no part of its time. Its time begins when it is due.
func (w *serveWorker) prepare(t task, due time.Time) func(context.Context) error {
	switch t {
	case sendsSignals:
		batch := make([]tidalclient.Signal, Batch)
		for i := range batch {
			x := w.s.w.signal(due.UnixMilli(), w.rng)
			batch[i] = tidalclient.Signal{Type: x.Type, Item: x.Item, User: x.User, Time: x.Time}
		}
		return func(ctx context.Context) error {
			if err := w.write(ctx, batch...); err != nil {
				return err
			}
			w.signals += Batch
			record(w.took[t], time.Since(due))
			return nil
		}
	case reacts:
		wishes := w.s.seen.take(1)
		if len(wishes) == 0 {
			return func(context.Context) error { return nil } // nobody has seen a list yet
		}
		return func(ctx context.Context) error { return w.react(ctx, wishes, due) }
	}
	user := w.s.w.userDraw(w.rng)
	if w.rng.IntN(oneReturns) == 0 {
		if u, ok := w.s.seen.someone(w.rng.IntN(1 << 20)); ok {
			user = u
		}
	}
	return func(ctx context.Context) error {
		a, err := w.ask(ctx, user)
		if err != nil {
			return err
		}
		record(w.took[t], time.Since(due))
		return w.note(user, a)
	}
}

// write sends signals as one request.
func (w *serveWorker) write(ctx context.Context, batch ...tidalclient.Signal) error {
	w.writes++
	r, err := w.c.Signals(ctx, batch...)
	switch {
	case errors.Is(err, tidalclient.ErrUnknown):
		w.unknown += len(batch)
	case err == nil && r.Number != w.writes:
		return fmt.Errorf("%w: request %d has number %d", errOurs, w.writes, r.Number)
	case err == nil:
		w.acked += len(batch)
	}
	return err
}

// ask gets a user's list, and writes down what was shown.
func (w *serveWorker) ask(ctx context.Context, user int) (*tidalclient.Answer, error) {
	name := userName(user)
	begin := w.s.history.now()
	a, err := w.c.Rank(ctx, tidalclient.Query{User: name, Profile: cmp.Or(w.s.kind.profile, w.s.kind.name), Limit: listLength})
	if err != nil {
		return nil, err
	}
	items := make([]string, len(a.Items))
	for i := range a.Items {
		items[i] = a.Items[i].Item
	}
	w.shown = append(w.shown, hidden.Op{Op: hidden.List, User: name, Items: items, Begin: begin, End: w.s.history.now()})
	return a, nil
}

// note counts a list, and has its user wish to hide something now and then.
func (w *serveWorker) note(user int, a *tidalclient.Answer) error {
	w.lists++
	w.items += len(a.Items)
	st := &a.Stats
	w.candidates += st.Candidates
	w.inServer += st.User + st.Find + st.First + st.Second + st.Mix
	if st.Degradation != "full" {
		w.degraded++
	}
	if len(a.Items) == 0 || w.rng.IntN(oneHides) != 0 {
		return nil
	}
	name := a.Items[w.rng.IntN(len(a.Items))].Item
	item, err := strconv.Atoi(strings.TrimPrefix(name, "item-"))
	if err != nil {
		return fmt.Errorf("%w: %q was shown and never put", errOurs, name)
	}
	w.s.seen.want(wish{user, item})
	return nil
}

// react has a user hide an item and asks for their next list. The time ends with the list, which can't have the item.
func (w *serveWorker) react(ctx context.Context, wishes []wish, due time.Time) error {
	x := wishes[0]
	begin := w.s.history.now()
	err := w.write(ctx, tidalclient.Signal{Type: "hide", User: userName(x.user), Item: itemName(x.item)})
	if err != nil {
		return err
	}
	w.s.history.hide(wishes, begin, w.s.history.now())
	w.s.seen.hid(wishes)
	if _, err := w.ask(ctx, x.user); err != nil {
		return err
	}
	record(w.took[reacts], time.Since(due))
	return nil
}
