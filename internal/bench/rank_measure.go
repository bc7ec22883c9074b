package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/hidden"
	"github.com/tidaldb/tidal/query"
)

// What happens beside the lists, one in so many of them.
const (
	oneHides    = 10 // a user hides an item of what they were shown
	oneReturns  = 8  // somebody asks who hid something lately
	writers     = 4  // requests under way at once
	hidesAtOnce = 4  // in one request, instead of as many signals
	warmLists   = 20 // a client's, at least, before it is measured
)

// asker is one client that asks for lists, one at a time.
type asker struct {
	s     *ranking
	rng   *rand.Rand
	lists int
	shown []hidden.Op

	took, late *hdrhistogram.Histogram
	user       int // who asks next, and what
	next       *query.Query

	n          int
	items      int
	short      int
	candidates int
	scored     int
	stages     [5]time.Duration
}

func (s *ranking) begin() {
	s.history = &history{began: time.Now(), w: s.w}
	s.history.decided()
	s.seen = &hides{}
	for n := range s.Clients {
		s.clients = append(s.clients, &asker{s: s, rng: s.w.dice(1<<56 + uint64(n)), late: newHistogram()})
	}
}

// reset forgets what was measured.
func (c *asker) reset() {
	*c = asker{s: c.s, rng: c.rng, lists: c.lists, shown: c.shown, late: c.late, took: newHistogram()}
}

// prepare invents who asks for what next, which is no part of a list's time.
func (c *asker) prepare(k *rankedKind) {
	c.user = c.s.w.userDraw(c.rng)
	if c.rng.IntN(oneReturns) == 0 {
		if u, ok := c.s.seen.someone(c.rng.IntN(1 << 20)); ok {
			c.user = u
		}
	}
	c.next = k.query(c.s.w, c.user, c.rng)
}

// ask gets the list that was prepared. Its time begins at due.
func (c *asker) ask(ctx context.Context, k *rankedKind, due time.Time) error {
	user, begin := c.user, c.s.history.now()
	a, err := c.s.db.Rank(ctx, c.next)
	took := time.Since(due)
	if err != nil {
		return fmt.Errorf("%s: %w", k.name, err)
	}
	c.lists++
	if err := c.took.RecordValue(min(took.Nanoseconds(), c.took.HighestTrackableValue())); err != nil {
		return err
	}
	c.note(a)
	if k.user {
		c.shown = append(c.shown, hidden.Op{
			Op: hidden.List, User: userName(user), Items: names25(a.Items), Begin: begin, End: c.s.history.now(),
		})
		if len(a.Items) > 0 && c.rng.IntN(oneHides) == 0 {
			item, err := strconv.Atoi(strings.TrimPrefix(a.Items[c.rng.IntN(len(a.Items))].Item, "item-"))
			if err != nil {
				return fmt.Errorf("%s shows what was never put: %w", k.name, err)
			}
			c.s.seen.want(wish{user, item})
		}
	}
	return nil
}

func names25(items []tidal.RankedItem) []string {
	out := make([]string, len(items))
	for i := range items {
		out[i] = items[i].Item
	}
	return out
}

func (c *asker) note(a *tidal.Answer) {
	c.n++
	c.items += len(a.Items)
	if len(a.Items) < listLength {
		c.short++
	}
	c.candidates += a.Stats.Candidates
	c.scored += a.Stats.Scored
	for i, d := range [...]time.Duration{a.Stats.User, a.Stats.Find, a.Stats.First, a.Stats.Second, a.Stats.Mix} {
		c.stages[i] += d
	}
}

// profiles measures each kind of list in turn, while so many signals a second are written.
func (s *ranking) profiles(ctx context.Context, into map[string]RankFigures, ingest float64) error {
	for i := range rankedLists {
		k := &rankedLists[i]
		if len(s.Only) > 0 && !slices.Contains(s.Only, k.name) {
			continue
		}
		var figures *RankFigures
		var err error
		// The label tells the lists apart in a CPU profile.
		pprof.Do(ctx, pprof.Labels("list", k.name), func(ctx context.Context) { figures, err = s.one(ctx, k, ingest) })
		if err != nil {
			return err
		}
		into[k.name] = *figures
	}
	late := newHistogram()
	for _, c := range s.clients {
		late.Merge(c.late)
	}
	s.result.LateP99 = quantile(late, 99)
	return nil
}

// one measures one kind of list, first beside writes and then what it costs by itself.
func (s *ranking) one(ctx context.Context, k *rankedKind, ingest float64) (f *RankFigures, err error) {
	err = s.besideWrites(ctx, ingest, func() (err error) {
		f, err = s.kind(ctx, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	if f.CPU, err = s.cost(ctx, k); err != nil {
		return nil, err
	}
	s.sayf("%-18s p50 %7.0f µs, p99 %7.0f µs, cpu %7.0f µs, %6.0f candidates, %4.0f lists/s", k.name, f.P50, f.P99,
		f.CPU, f.Candidates, f.Rate)
	return f, nil
}

// kind measures one kind of list: after a warm-up at full speed, which tells what rate is possible, at a fixed rate.
func (s *ranking) kind(ctx context.Context, k *rankedKind) (*RankFigures, error) {
	possible, err := s.closedLoop(ctx, k, s.clients, s.part())
	if err != nil {
		return nil, err
	}
	rate := min(s.Rate, possible/2)
	runtime.GC() // each kind begins with the same debts: none
	for _, c := range s.clients {
		c.reset()
	}
	length := time.Duration(s.Seconds * float64(time.Second))
	interval := float64(time.Second) / rate
	began := time.Now()
	var taken atomic.Int64
	err = together(s.Clients, func(n int) error {
		c := s.clients[n]
		for {
			after := time.Duration(float64(taken.Add(1)-1) * interval)
			if after >= length {
				return nil
			}
			due := began.Add(after)
			c.prepare(k)
			if early := time.Until(due); early > 0 {
				<-time.After(early)
				// A client that is woken late is the machine's delay, and not the list's; one that was busy is.
				now := time.Now()
				_ = c.late.RecordValue(min(now.Sub(due).Nanoseconds(), c.late.HighestTrackableValue()))
				due = now
			}
			if err := c.ask(ctx, k, due); err != nil {
				return err
			}
		}
	})
	for _, c := range s.clients {
		s.history.add(c.shown)
		c.shown = nil
	}
	return s.figures(rate), err
}

// part is how long is taken for what isn't the measurement itself.
func (s *ranking) part() time.Duration {
	return time.Duration(min(1, s.Seconds/4) * float64(time.Second))
}

// cost is the processor time of a list, in microseconds: of one client that asks for one after the other, while nothing
// is written. It has the collector's part in it, and depends less than time does on what else the machine does. 0 is
// unknown.
func (s *ranking) cost(ctx context.Context, k *rankedKind) (float64, error) {
	before, ok := processorTime()
	if !ok {
		return 0, nil
	}
	if _, err := s.closedLoop(ctx, k, s.clients[:1], s.part()); err != nil {
		return 0, err
	}
	after, _ := processorTime()
	return micros((after - before) / time.Duration(s.clients[0].n)), nil
}

// closedLoop lets clients ask for one list after the other, and returns how many they get per second.
func (s *ranking) closedLoop(
	ctx context.Context, k *rankedKind, clients []*asker, length time.Duration,
) (perSecond float64, err error) {
	for _, c := range clients {
		c.reset()
	}
	began := time.Now()
	err = together(len(clients), func(n int) error {
		c := clients[n]
		for c.n < warmLists || time.Since(began) < length {
			c.prepare(k)
			if err := c.ask(ctx, k, time.Now()); err != nil {
				return err
			}
			if c.n >= 2 && time.Since(began) > 4*length {
				return nil
			}
		}
		return nil
	})
	lists := 0
	for _, c := range clients {
		lists += c.n
		s.history.add(c.shown)
		c.shown = nil
	}
	return float64(lists) / time.Since(began).Seconds(), err
}

// figures sums up what the clients measured.
func (s *ranking) figures(rate float64) *RankFigures {
	f, took := &RankFigures{Rate: math.Round(10*rate) / 10}, newHistogram()
	var items, candidates, scored int
	var stages [5]time.Duration
	for _, c := range s.clients {
		took.Merge(c.took)
		f.Lists += c.n
		f.Short += c.short
		items, candidates, scored = items+c.items, candidates+c.candidates, scored+c.scored
		for i := range stages {
			stages[i] += c.stages[i]
		}
	}
	n := max(1, f.Lists)
	mean := func(x int) float64 { return math.Round(10*float64(x)/float64(n)) / 10 }
	stage := func(i int) float64 { return micros(stages[i] / time.Duration(n)) }
	f.P50, f.P99, f.Mean = quantile(took, 50), quantile(took, 99), math.Round(took.Mean()/100)/10
	f.Length, f.Candidates, f.Scored = mean(items), mean(candidates), mean(scored)
	f.Stages = RankStages{User: stage(0), Find: stage(1), First: stage(2), Second: stage(3), Mix: stage(4)}
	return f
}

// fullSpeed measures how many lists of for_you the clients get, with the same writes beside them.
func (s *ranking) fullSpeed(ctx context.Context) error {
	k, _ := rankedList("for_you")
	writing, written := s.writing, s.written
	err := s.besideWrites(ctx, s.Ingest, func() error {
		rate, err := s.closedLoop(ctx, k, s.clients, time.Duration(s.Seconds*float64(time.Second)))
		s.result.RankPerSecond = math.Round(rate)
		return err
	})
	s.writing, s.written = writing, written // the rate of writes is that beside a fixed rate of lists
	return err
}

// besideWrites calls f while signals are written at a rate per second, in requests of Batch. Requests fall due at that
// rate, whatever the answers do. A rate of 0 writes nothing.
func (s *ranking) besideWrites(ctx context.Context, rate float64, f func() error) error {
	if rate == 0 {
		return f()
	}
	stop := make(chan struct{})
	began := time.Now()
	var taken, written atomic.Int64
	seed := s.w.dice(1<<55 + uint64(s.written))
	var dice [writers]*rand.Rand
	for i := range dice {
		dice[i] = rand.New(rand.NewPCG(seed.Uint64(), seed.Uint64()))
	}
	ended := make(chan error, 1)
	go func() {
		ended <- together(writers, func(n int) error {
			for {
				due := began.Add(time.Duration(float64(taken.Add(1)-1) * Batch / rate * float64(time.Second)))
				select {
				case <-stop:
					return nil
				case <-time.After(time.Until(due)):
				}
				if err := s.writeOne(ctx, dice[n]); err != nil {
					return err
				}
				written.Add(Batch)
			}
		})
	}()
	err := f()
	close(stop)
	err = errors.Join(err, <-ended)
	s.writing += time.Since(began)
	s.written += int(written.Load())
	return err
}

// writeOne writes one request: signals of now, and hides that users wish for.
func (s *ranking) writeOne(ctx context.Context, rng *rand.Rand) error {
	wishes := s.seen.take(hidesAtOnce)
	now := time.Now().UnixMilli()
	records := make([]tidal.Record, 0, Batch)
	for _, x := range wishes {
		records = append(records, tidal.Signal{
			Type: "hide", User: userName(x.user), Item: itemName(x.item), Time: time.UnixMilli(now),
		})
	}
	for len(records) < Batch {
		records = append(records, s.w.signal(now, rng))
	}
	begin := s.history.now()
	if _, err := s.db.Write(ctx, tidal.Request{Records: records}); err != nil {
		return err
	}
	s.history.hide(wishes, begin, s.history.now())
	s.seen.hid(wishes)
	return nil
}
