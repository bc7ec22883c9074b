package tidal_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/hidden"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// TestNothingHiddenIsEverServed hides, un-hides, blocks, moves items between creators, deletes and erases at random, while
// lists of all kinds are asked for, from one goroutine and from several, with users in memory and on disk, over restarts
// and crashes; the checker of histories must find nothing in what happened.
func TestNothingHiddenIsEverServed(t *testing.T) {
	s := seed(t)
	for i, c := range []struct {
		name              string
		users, goroutines int
		steps             int
		memory            int64
	}{
		{"one by one", 6, 1, 1500, -1},
		{"side by side", 6, 4, 500, -1},
		{"users on disk", 300, 1, 1500, 20_000},
		{"users on disk, side by side", 300, 4, 500, 20_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHider(t, s+uint64(i), c.users, c.memory)
			steps := c.steps
			if testing.Short() {
				steps /= 5
			}
			for round := range 5 {
				var wait sync.WaitGroup
				for g := range c.goroutines {
					rng := rand.New(rand.NewPCG(s+uint64(i), uint64(100*round+g)))
					wait.Go(func() {
						for range steps / 5 {
							h.step(rng)
						}
					})
				}
				wait.Wait()
				switch round {
				case 0:
					h.checkpoint()
				case 1:
					h.reopen()
				case 2, 3:
					h.crash()
				}
			}
			h.judge(c.memory > 0)
		})
	}
}

// hider asks and hides, and keeps the history of it.
type hider struct {
	t     *testing.T
	users int
	dir   string
	clock *clock
	opts  *tidal.Options
	db    *tidal.DB

	time atomic.Int64
	mu   sync.Mutex
	ops  []hidden.Op
	// kept are queries that continue or repeat a list that was made before.
	kept []*query.Query
	// asked counts lists by kind, found the items in them.
	asked map[string]int
	found int
}

const hiderItems = 60

func newHider(t *testing.T, seed uint64, users int, memory int64) *hider {
	h := &hider{t: t, users: users, dir: t.TempDir(), clock: newClock(), asked: map[string]int{}}
	h.opts = h.clock.options()
	h.opts.CheckpointBytes, h.opts.UserMemory = -1, memory
	h.db = open(t, h.dir, rankSchema(wanderer()), h.opts)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range hiderItems {
		h.put(rng, fmt.Sprint("item ", i))
	}
	for range 200 { // something to rank by
		h.signal(rng, pick(rng, "view", "like", "share"))
	}
	return h
}

// wanderer is a profile that explores every pool.
func wanderer() schema.Profile {
	p := schema.Profile{
		Name: "wander", Version: 1, Score: []schema.Step{{Name: "a", Op: schema.Add, Expr: "1 + total(positive)"}},
	}
	for i, pool := range []schema.Pool{schema.PoolNew, schema.PoolUnfollowed, schema.PoolCandidates, schema.PoolAll} {
		p.Explore = append(p.Explore, schema.Slot{Name: fmt.Sprint("slot", i), Share: 0.125, Pool: pool})
	}
	return p
}

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func (h *hider) user(rng *rand.Rand) string {
	return fmt.Sprint("user ", min(rng.IntN(h.users), rng.IntN(h.users)))
}
func (h *hider) item(rng *rand.Rand) string    { return fmt.Sprint("item ", rng.IntN(hiderItems)) }
func (h *hider) creator(rng *rand.Rand) string { return fmt.Sprint("creator ", rng.IntN(8)) }

// do runs an operation and enters it into the history.
func (h *hider) do(op hidden.Op, run func() []string) {
	op.Begin = h.time.Add(1)
	op.Items = run()
	op.End = h.time.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
	h.found += len(op.Items)
}

func (h *hider) write(op hidden.Op, records ...tidal.Record) {
	h.do(op, func() []string {
		if _, err := h.db.Write(ctx, tidal.Request{Records: records}); err != nil {
			h.t.Errorf("write %+v: %v", records, err)
		}
		return nil
	})
}

func (h *hider) put(rng *rand.Rand, item string) {
	f := tidal.Fields{
		"published": schema.Time(h.clock.ago(time.Duration(rng.IntN(40)) * time.Hour).UnixMilli()),
		"category":  schema.String(pick(rng, "jazz", "rock")),
		"vec":       schema.Vector([]float32{rng.Float32(), rng.Float32(), 1}),
	}
	c := ""
	if rng.IntN(6) > 0 {
		c = h.creator(rng)
		f["creator"] = schema.String(c)
	}
	h.write(hidden.Op{Op: hidden.Item, Target: item, Creator: c}, tidal.Put{Kind: tidal.Item, ID: item, Fields: f})
}

func (h *hider) signal(rng *rand.Rand, typ string) {
	s := tidal.Signal{
		Type: typ, Item: h.item(rng), User: h.user(rng), Time: h.clock.ago(time.Duration(rng.IntN(100)) * time.Minute),
	}
	if _, err := h.db.Signal(ctx, s); err != nil {
		h.t.Errorf("%+v: %v", s, err)
	}
}

func (h *hider) step(rng *rand.Rand) {
	h.clock.ms.Add(rng.Int64N(30_000))
	user := h.user(rng)
	switch k := rng.IntN(40); {
	case k < 2:
		h.put(rng, h.item(rng))
	case k == 2:
		item, c := h.item(rng), h.creator(rng)
		h.write(hidden.Op{Op: hidden.Item, Target: item, Creator: c},
			tidal.Patch{Kind: tidal.Item, ID: item, Fields: tidal.Fields{"creator": schema.String(c)}})
	case k == 3:
		item := h.item(rng)
		h.write(hidden.Op{Op: hidden.Item, Target: item}, tidal.Delete{Kind: tidal.Item, ID: item})
	case k < 7:
		item := h.item(rng)
		h.write(hidden.Op{Op: hidden.Hide, User: user, Which: "hide", Target: item},
			pick[tidal.Record](rng, tidal.Signal{Type: "hide", User: user, Item: item},
				tidal.Relate{User: user, What: tidal.Hides, Target: item}))
	case k == 7:
		item := h.item(rng)
		h.write(hidden.Op{Op: hidden.Unhide, User: user, Which: "hide", Target: item},
			tidal.Relate{User: user, What: tidal.Hides, Target: item, Off: true})
	case k < 11:
		what, which, c := tidal.Mutes, "mute", h.creator(rng)
		if rng.IntN(2) == 0 {
			what, which = tidal.Blocks, "block"
		}
		op := hidden.Op{Op: hidden.Hide, User: user, Which: which, Target: c}
		if rng.IntN(2) == 0 {
			op.Op = hidden.Unhide
		}
		h.write(op, tidal.Relate{User: user, What: what, Target: c, Off: op.Op == hidden.Unhide})
	case k == 11:
		what := tidal.Relate{User: user, What: tidal.Follows, Target: h.creator(rng), Off: rng.IntN(3) == 0}
		if _, err := h.db.Write(ctx, tidal.Request{Records: []tidal.Record{what}}); err != nil {
			h.t.Error(err)
		}
	case k == 12 && rng.IntN(5) == 0:
		h.write(hidden.Op{Op: hidden.Erase, User: user}, tidal.Erase{User: user})
	case k < 20:
		h.signal(rng, pick(rng, "view", "like", "share", "skip", "save", "complete"))
	default:
		h.list(rng, user)
	}
}

// list asks for a list of any kind.
func (h *hider) list(rng *rand.Rand, user string) {
	q, kind := h.query(rng, user), "new"
	if rng.IntN(3) == 0 {
		h.mu.Lock()
		if len(h.kept) > 0 {
			q = h.kept[rng.IntN(len(h.kept))]
			if kind = "again"; q.Cursor != "" {
				kind = "next page"
			}
		}
		h.mu.Unlock()
	}
	h.do(hidden.Op{Op: hidden.List, User: q.User}, func() []string {
		a, err := h.db.Rank(ctx, q)
		if err != nil {
			h.t.Errorf("%s: %v", q, err)
			return nil
		}
		h.keep(rng, q, a)
		h.mu.Lock()
		h.asked[kind]++
		h.mu.Unlock()
		return idsOf(a)
	})
}

// keep remembers how a list goes on, and how it's asked for again.
func (h *hider) keep(rng *rand.Rand, q *query.Query, a *tidal.Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next, again := *q, *q
	next.Cursor, next.AsOf = a.Cursor(), ""
	again.Cursor, again.AsOf = "", a.AsOf()
	for _, x := range []query.Query{next, again} {
		if x.Cursor+x.AsOf == "" {
			continue
		}
		if len(h.kept) < 40 {
			h.kept = append(h.kept, &x)
		} else {
			h.kept[rng.IntN(len(h.kept))] = &x
		}
	}
}

func (h *hider) query(rng *rand.Rand, user string) *query.Query {
	profiles := builtinsOf(h.db)
	b := query.Rank(profiles[rng.IntN(len(profiles))]).For(user).Limit(pick(rng, 3, 10, 25, 100))
	if rng.IntN(2) == 0 {
		b.Explore(pick(rng, 0, 0.2, 0.5, 0.5))
	}
	if rng.IntN(3) == 0 {
		b.Where(pick[query.Expr](rng, query.Eq("category", "jazz"), query.Unseen, query.Unblocked,
			query.Negate(query.Unblocked), query.Followed, query.WithinLast("published", 20*time.Hour), query.Eq("creator", h.creator(rng)),
			query.Any(query.Liked, query.Eq("category", "rock"))))
	}
	if rng.IntN(4) == 0 {
		item, other := rng.IntN(hiderItems), rng.IntN(hiderItems)
		if b.Pin(fmt.Sprint("item ", item), 1); other != item {
			b.Pin(fmt.Sprint("item ", other), 3)
		}
	}
	if rng.IntN(4) == 0 {
		b.SimilarTo(h.item(rng))
	}
	if rng.IntN(8) == 0 {
		b.Unmixed()
	}
	if rng.IntN(3) == 0 {
		b.At(h.clock.now().Add(time.Duration(rng.IntN(60)-50) * time.Hour))
	}
	return b.Query()
}

func (h *hider) checkpoint() {
	h.t.Helper()
	if err := h.db.Checkpoint(ctx); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hider) reopen() {
	h.t.Helper()
	h.counter()
	if err := h.db.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.db = open(h.t, h.dir, nil, h.opts)
}

// crash goes on with what lies on the disk while the database is open.
func (h *hider) crash() {
	h.t.Helper()
	h.counter()
	dir := crashCopy(h.t, h.dir)
	if err := h.db.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.dir = dir
	h.db = open(h.t, h.dir, nil, h.opts)
}

func (h *hider) counter() {
	h.t.Helper()
	if n := h.db.Stats().HiddenServed; n != 0 {
		h.t.Errorf("%d hidden items came to the last look", n)
	}
}

// last has some users hide what they are shown first, and look again: what a run is worth doesn't hang on what it drew.
func (h *hider) last() {
	h.t.Helper()
	for n := range 10 {
		user := fmt.Sprint("user ", n)
		look := func() []string {
			return idsOf(rankIt(h.t, h.db, query.Rank("shuffle").For(user).Limit(500).Query()))
		}
		if shown := look(); len(shown) > 0 {
			h.write(hidden.Op{Op: hidden.Hide, User: user, Which: "hide", Target: shown[0]},
				tidal.Relate{User: user, What: tidal.Hides, Target: shown[0]})
			h.do(hidden.Op{Op: hidden.List, User: user}, look)
		}
	}
}

// judge asks the checker, and then whether the checker and the run are worth something.
func (h *hider) judge(cold bool) {
	h.t.Helper()
	h.last()
	h.counter()
	for i, v := range hidden.Check(h.ops) {
		if i < 5 {
			h.t.Errorf("%s: hidden by %+v, in %+v", v, h.ops[v.Hide], h.ops[v.List])
		}
	}
	if m := h.db.Stats().UserMemory; cold && m.Cold == 0 {
		h.t.Errorf("no user is on disk: %+v", m)
	}
	enough := 10
	if testing.Short() {
		enough = 2 // of a fifth of the steps
	}
	if h.asked["new"] < 5*enough || h.asked["next page"] < enough || h.asked["again"] < enough || h.found < 50*enough {
		h.t.Errorf("lists: %v, with %d items", h.asked, h.found)
	}
	// What was hidden would have been shown: the same lists hold it for somebody who hides nothing.
	rest := map[string]bool{}
	for _, id := range idsOf(rankIt(h.t, h.db, query.Rank("shuffle").For("nobody").Limit(500).Query())) {
		rest[id] = true
	}
	missing := 0
	for n := range min(h.users, 20) {
		user := fmt.Sprint("user ", n)
		shown := idsOf(rankIt(h.t, h.db, query.Rank("shuffle").For(user).Limit(500).Query()))
		missing += len(rest) - len(shown)
		if slices.ContainsFunc(shown, func(id string) bool { return !rest[id] }) {
			h.t.Errorf("%s sees what nobody else does", user)
		}
	}
	if missing < 10 {
		h.t.Errorf("only %d items were hidden in the end", missing)
	}
	// A leak would have been found: with everything in every list there are violations in many of them.
	leaky := slices.Clone(h.ops)
	var all []string
	for i := range hiderItems {
		all = append(all, fmt.Sprint("item ", i))
	}
	for i := range leaky {
		if leaky[i].Op == hidden.List {
			leaky[i].Items = all
		}
	}
	lists := map[int]bool{}
	for _, v := range hidden.Check(leaky) {
		lists[v.List] = true
	}
	if len(lists) < 10 {
		h.t.Errorf("a leak would have been found in %d lists only", len(lists))
	}
}
