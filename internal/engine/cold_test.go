package engine_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// checkpoint plays the store: an engine that has applied everything up to a mark, and the group-local records of a fold
// that has.
type checkpoint struct {
	engine *engine.Engine
	fold   *engine.Fold
	locals map[string][]byte
	mark   uint64
	says   uint64 // what views take for their mark
}

func (c *checkpoint) Mark() uint64 { return c.says }

func (c *checkpoint) Users(after string, yield func(engine.Record) bool) error {
	c.engine.Records(func(r engine.Record) bool {
		return r.OwnerKind != id.KindUser || r.Owner <= after || yield(r)
	})
	return nil
}

func (c *checkpoint) user(name string) (out []engine.Record) {
	c.engine.Records(func(r engine.Record) bool {
		if r.OwnerKind == id.KindUser && r.Owner == name {
			out = append(out, r)
		}
		return true
	})
	return out
}

// crowd writes about many users.
type crowd struct{ author }

func newCrowd(t *testing.T, rng *rand.Rand, origin id.Origin, users int) *crowd {
	c := &crowd{author{feed: newFeed(t, origin, testSchema()), rng: rng, gens: map[string]hlc.Timestamp{}}}
	for i := range users {
		c.users = append(c.users, fmt.Sprintf("user %02d", i))
	}
	return c
}

func (c *crowd) next() []byte {
	var records []written
	for i := range 1 + c.rng.IntN(6) {
		seq, stamp := c.feed.next+id.Seq(i), c.clock+1+hlc.Timestamp(i)
		if c.rng.IntN(10) > 0 {
			records = append(records, c.record(seq, stamp))
			continue
		}
		user := c.pick(c.users...)
		switch c.rng.IntN(5) {
		case 0:
			records = append(records, plain(entity(record.KindDelete, id.KindUser, user)))
			c.gens["user "+user] = stamp
		case 1, 2:
			records = append(records, plain(entity(record.KindPut, id.KindUser, user, "name", fmt.Sprint(seq), "town", "t")))
		default:
			records = append(records, plain(entity(record.KindPatch, id.KindUser, user, "name", c.pick("", "x", "y"))))
		}
	}
	data := c.batch(records...)
	c.clock += hlc.Timestamp(c.rng.Uint64N(1 << 20))
	return data
}

// world is an engine under a small budget, one without, and a store that follows both. An entry's mark is its place
// in the log, from 1.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	budget  int64
	log     []entry
	whole   *engine.Engine // applies everything and keeps everything
	small   *engine.Engine
	store   checkpoint
	cuts    []uint64 // ends of windows that are not in the store
	crowds  []*crowd
	planted func(w *world) // what goes wrong when the store has followed; nil is what should happen
	before  uint64         // the mark before the last commit
}

func newWorld(t *testing.T, rng *rand.Rand) *world {
	w := &world{t: t, rng: rng, budget: 200 + rng.Int64N(1<<uint(8+rng.IntN(7)))}
	cfg := engine.Config{Origin: home}
	w.whole, w.store.engine, w.store.fold = engine.New(cfg), engine.New(cfg), engine.NewFold(cfg)
	w.store.locals = map[string][]byte{}
	w.open()
	own := newFeed(t, home, nil)
	w.apply(own.batch(plain(version(testSchema()))))
	users := 1 + rng.IntN(40)
	for n := range 3 {
		w.crowds = append(w.crowds, newCrowd(t, rng, id.Origin{Region: id.Region(2 + n)}, users))
	}
	return w
}

// open makes the small engine of the store and of the log behind it.
func (w *world) open() {
	w.small = engine.New(engine.Config{Origin: home, UserMemory: w.budget})
	w.store.engine.Records(func(r engine.Record) bool {
		if err := w.small.Load(r); err != nil {
			w.t.Fatal(err)
		}
		return true
	})
	keys := make([]string, 0, len(w.store.locals))
	for key := range w.store.locals {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := w.small.LoadLocal([]byte(key), w.store.locals[key]); err != nil {
			w.t.Fatal(err)
		}
	}
	w.small.Loaded(w.store.fold.Vector())
	w.small.Stored(w.store.mark)
	w.store.says = w.store.mark
	w.cuts = nil
	for i := w.store.mark; i < uint64(len(w.log)); i++ {
		w.log[i].applyTo(w.t, w.small)
		w.after(i + 1)
	}
}

// after does what a driver does behind an entry.
func (w *world) after(mark uint64) {
	if w.small.Pressed() || w.rng.IntN(20) == 0 {
		w.small.Cut(mark)
		w.cuts = append(w.cuts, mark)
	}
}

// entry is one of the log: a batch, or a range of several.
type entry struct {
	batch   []byte
	stretch *engine.Compacted
}

// applier is an engine or a fold.
type applier interface {
	Apply(batch []byte) (engine.Result, error)
	ApplyRange(c *engine.Compacted) (engine.Result, error)
}

func (x *entry) applyTo(t *testing.T, to applier) {
	t.Helper()
	var res engine.Result
	var err error
	if x.stretch != nil {
		res, err = to.ApplyRange(x.stretch)
	} else {
		res, err = to.Apply(x.batch)
	}
	if err != nil || res.Outcome != engine.Applied {
		t.Fatalf("%v of %v: %v, %v", res.First, res.Origin, res.Outcome, err)
	}
}

// apply enters some batches of one origin: more than one as a range. The engine that keeps everybody gets them one by
// one.
func (w *world) apply(batches ...[]byte) {
	x := entry{batch: batches[0]}
	if len(batches) > 1 {
		x = entry{stretch: compacted(w.t, w.whole, 0, batches...)}
	}
	w.log = append(w.log, x)
	for _, data := range batches {
		apply(w.t, w.whole, data, engine.Applied)
	}
	x.applyTo(w.t, w.small)
	w.after(uint64(len(w.log)))
}

// commit brings the store after the first window. The small engine isn't told yet.
func (w *world) commit() {
	if len(w.cuts) == 0 {
		if w.store.mark == uint64(len(w.log)) {
			return
		}
		w.small.Cut(uint64(len(w.log)))
		w.cuts = append(w.cuts, uint64(len(w.log)))
	}
	if w.cuts[0] <= w.store.mark {
		return
	}
	w.before = w.store.mark
	for ; w.store.mark < w.cuts[0]; w.store.mark++ {
		w.log[w.store.mark].applyTo(w.t, w.store.engine)
		w.log[w.store.mark].applyTo(w.t, w.store.fold)
	}
	w.store.fold.Locals(func(key, value []byte) {
		if value == nil {
			delete(w.store.locals, string(key))
		} else {
			w.store.locals[string(key)] = bytes.Clone(value)
		}
	})
	w.store.fold.Reset()
	w.store.says = max(w.store.says, w.store.mark)
}

// told tells the small engine what the store has.
func (w *world) told() {
	for len(w.cuts) > 0 && w.cuts[0] <= w.store.mark {
		w.cuts = w.cuts[1:]
	}
	if w.planted != nil {
		w.planted(w)
		return
	}
	w.small.Stored(w.store.mark)
	for w.small.Trim(1 + w.rng.IntN(20)) {
	}
}

// warm makes a user resident, sometimes first with what a reader found before the store followed.
func (w *world) warm(user string) error {
	if !w.small.Cold(user) {
		return nil
	}
	mark, records := w.store.says, w.store.user(user)
	if w.rng.IntN(4) == 0 {
		w.commit()
		if w.rng.IntN(2) == 0 {
			w.told()
		}
	}
	for range 10 {
		ok, err := w.small.Warm(user, mark, records)
		if ok || err != nil {
			return err
		}
		mark, records = w.store.says, w.store.user(user)
	}
	return errors.New("what the store has stays behind what the engine was told of it")
}

// sameUser reads a user on both engines; first what stamping asks of it, which waits for no store.
func (w *world) sameUser(user string) error {
	if a, b := w.whole.Generation(id.KindUser, user), w.small.Generation(id.KindUser, user); a != b {
		return fmt.Errorf("%s has generation %v, want %v", user, b, a)
	}
	for _, p := range []record.Proposed{
		signal(like, user, "i"), mark(record.MarkSaved, true, user, "j"), relation(record.HideItem, true, user, "k"),
		entity(record.KindPut, id.KindUser, user),
		{Kind: record.KindErase, Erase: record.Erase{User: user}},
	} {
		if least, got := w.whole.RegisterStamp(&p), w.small.RegisterStamp(&p); got < least || !w.small.Cold(user) && got > least {
			return fmt.Errorf("register stamp of %v for %s is %v, want %v", p.Kind, user, got, least)
		}
	}
	if err := w.warm(user); err != nil {
		return err
	}
	a, b := userText(w.whole, user), userText(w.small, user)
	w.small.Trim(64)
	if a != b {
		return fmt.Errorf("%s is\n%s\nwant\n%s", user, b, a)
	}
	return nil
}

// userText is everything that can be read of a user.
func userText(e *engine.Engine, user string) string {
	recents, err1 := e.Interactions(user)
	ties, err2 := e.Ties(user, 0, "", 1000)
	x, exists, err3 := e.Entity(id.KindUser, user)
	marks, err4 := e.Marks(user, "i")
	rel, err5 := e.Relation(user, byte(record.HideItem), "j")
	return fmt.Sprintf("%v %v\n%v\n%v\n%v %v\n%v %v\n%v %v", e.Knows(user), e.Generation(id.KindUser, user), recents, ties,
		exists, x.Fields, marks, rel, cmp.Or(err1, err2, err3, err4, err5), "")
}

// same compares everything.
func (w *world) same() error {
	v := &w.store
	got, err := w.small.DigestWith(v)
	if err != nil {
		return err
	}
	cells, err := w.small.DigestCellsWith(v)
	if err != nil {
		return err
	}
	var text []byte
	err = w.small.RecordsWith(v, func(r engine.Record) bool {
		text = fmt.Appendf(text, "%v of %v %q gen %v sub %q: %x\n", r.Kind, r.OwnerKind, r.Owner, r.Gen, r.Sub, r.Value)
		return true
	})
	switch {
	case err != nil:
		return err
	case string(text) != dump(w.whole):
		return fmt.Errorf("records differ:\n%s\nwant\n%s", text, dump(w.whole))
	case got != w.whole.Digest() || cells != w.whole.DigestCells():
		return errors.New("digests differ")
	}
	return nil
}

// run lives through a number of steps and returns the first difference.
func (w *world) run(steps int) error {
	for range steps {
		switch n := w.rng.IntN(100); {
		case n < 60:
			c := w.crowds[w.rng.IntN(len(w.crowds))]
			batches := [][]byte{c.next()}
			for w.rng.IntN(10) == 0 {
				batches = append(batches, c.next())
			}
			w.apply(batches...)
		case n < 72:
			c := w.crowds[0]
			if err := w.sameUser(c.pick(append(c.users, "nobody")...)); err != nil {
				return err
			}
		case n < 84:
			w.commit()
		case n < 96:
			w.told()
		case n < 98:
			if err := w.same(); err != nil {
				return err
			}
		default:
			w.open()
		}
	}
	for _, user := range w.crowds[0].users {
		if err := w.sameUser(user); err != nil {
			return err
		}
	}
	return w.same()
}

// TestColdUsersAreTheSame lives through random histories under small budgets, with users who are evicted, queued for,
// read, written and erased, stores that follow and crashes, beside an engine that keeps everybody.
func TestColdUsersAreTheSame(t *testing.T) {
	s := seed(t)
	runs := 150
	if testing.Short() {
		runs = 10
	}
	var sum engine.UserMemory
	for i := range runs {
		w := newWorld(t, rand.New(rand.NewPCG(s, uint64(i))))
		if err := w.run(200); err != nil {
			t.Fatalf("run %d: %v", i, err)
		}
		m := w.small.UserMemory()
		sum.Evicted, sum.Warmed = sum.Evicted+m.Evicted, sum.Warmed+m.Warmed
	}
	t.Logf("%d users were evicted, %d came back", sum.Evicted, sum.Warmed)
	if sum.Evicted < uint64(runs) || sum.Warmed < uint64(runs)/4 {
		t.Error("hardly anybody was cold")
	}
}

// TestNobodyIsForgottenWhoWasCold adds many ids to the set of those who may be cold, and asks for them.
func TestNobodyIsForgottenWhoWasCold(t *testing.T) {
	e := engine.New(engine.Config{Origin: home, UserMemory: 1})
	const users = 20_000
	for n := range users {
		r := engine.Record{
			Kind: algebra.KindRelation, OwnerKind: id.KindUser, Owner: fmt.Sprint("user ", n), Sub: "\x01i",
			Value: algebra.MaxPair{On: hlc.Timestamp(n + 1)}.AppendBinary(nil), Gen: hlc.Timestamp(n % 3),
		}
		if err := e.Load(r); err != nil {
			t.Fatal(err)
		}
	}
	e.Loaded(id.VersionVector{})
	cold := 0
	for n := range users {
		user := fmt.Sprint("user ", n)
		if e.Generation(id.KindUser, user) != hlc.Timestamp(n%3) {
			t.Errorf("%s lost its generation", user)
		}
		if e.Cold(user) {
			cold++
		}
		if e.Cold(fmt.Sprint("stranger ", n)) {
			t.Errorf("stranger %d is taken for cold; the hashes of %d ids of 2⁶⁴ don't meet by chance", n, users)
		}
	}
	if m := e.UserMemory(); m.Cold != cold || m.Cold+m.Resident != users || e.Known(id.KindUser) != users {
		t.Errorf("%d are cold: %+v", cold, m)
	}
}

// TestAWrongWindowIsNoticed plants mistakes in what the driver tells: windows that go too early are missing, windows that
// go too late count twice, and so on. Each is found by the comparison that finds nothing above.
func TestAWrongWindowIsNoticed(t *testing.T) {
	s := seed(t)
	for name, planted := range map[string]func(w *world){
		"a window goes while it's open": func(w *world) {
			w.store.says = uint64(len(w.log))
			w.small.Cut(w.store.says)
			w.small.Stored(w.store.says)
			w.small.Trim(1000)
		},
		"a window goes before the store has it": func(w *world) {
			for _, w.store.says = range w.cuts {
				w.small.Stored(w.store.says)
			}
			w.small.Trim(1000)
		},
		"a window stays although the store has it": func(w *world) {
			w.store.says = w.before
			w.small.Stored(w.before)
			w.small.Trim(1000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 40 {
				w := newWorld(t, rand.New(rand.NewPCG(s, uint64(i))))
				w.planted = planted
				if err := caught(func() error { return w.run(200) }); err != nil {
					t.Logf("run %d: %.80s…", i, err)
					return
				}
			}
			t.Error("nothing was found in 40 runs")
		})
	}
}

// caught turns a panic into an error: a mistake may also be found so.
func caught(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return f()
}
