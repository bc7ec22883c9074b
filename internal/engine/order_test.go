package engine_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// author makes random records of one origin.
type author struct {
	*feed
	rng     *rand.Rand
	signals []written // by position: those that may be taken back
	places  []id.Seq
	gens    map[string]hlc.Timestamp // of deletes that this origin made, by kind and name
	users   []string                 // nil: u, v and w
}

func (a *author) pick(words ...string) string { return words[a.rng.IntN(len(words))] }

func (a *author) record(seq id.Seq, stamp hlc.Timestamp) written {
	item, user := a.pick("i", "j", "k"), a.pick("u", "v", "w")
	if len(a.users) > 0 {
		user = a.pick(a.users...)
	}
	var w written
	switch n := a.rng.IntN(100); {
	case n < 60:
		w = at(1_000_000+a.rng.Int64N(80*24*hour), signal(uint16(a.rng.IntN(6)), user, item))
		s := &w.Signal
		s.Weight = fixed.Weight(1 + a.rng.Int64N(int64(fixed.MaxWeight)))
		s.ItemGen, s.UserGen = a.gens["item "+item], a.gens["user "+user]
		if a.rng.IntN(8) == 0 {
			s.User, s.UserGen = "", 0
		}
		if a.rng.IntN(2) == 0 {
			s.Creator, s.Cohorts = a.pick("c", "d"), []string{a.pick("x", "y")}
		}
		a.signals, a.places = append(a.signals, w), append(a.places, seq)
	case n < 70:
		w = plain(mark(record.MarkKind(1+a.rng.IntN(4)), true, user, item))
		w.Mark.On = w.Mark.Which == record.MarkSeen || a.rng.IntN(2) == 0
		w.Mark.UserGen = a.gens["user "+user]
	case n < 78:
		w = plain(relation(record.RelationKind(1+a.rng.IntN(4)), a.rng.IntN(2) == 0, user, item))
		w.Relation.UserGen = a.gens["user "+user]
	case n < 86:
		w = plain(entity(record.KindPut, id.KindItem, item, "creator", a.pick("c", "d"), "title", fmt.Sprint("t", seq)))
	case n < 92:
		w = plain(entity(record.KindPatch, id.KindItem, item, "title", a.pick("", "p")))
	case n < 95:
		w = plain(entity(record.KindDelete, id.KindItem, item))
		a.gens["item "+item] = stamp
	case n < 97:
		w = plain(record.Proposed{Kind: record.KindErase, Erase: record.Erase{User: user}})
		a.gens["user "+user] = stamp
	default:
		w = plain(relation(record.HideItem, true, user, item))
		if len(a.signals) > 0 {
			i := a.rng.IntN(len(a.signals))
			original := a.signals[i]
			w = plain(compensate(a.origin.At(a.places[i]), original.Time, original.Signal, a.schema))
			a.signals = append(a.signals[:i:i], a.signals[i+1:]...)
			a.places = append(a.places[:i:i], a.places[i+1:]...)
		}
	}
	return w
}

func (a *author) batches(n int) [][]byte {
	var out [][]byte
	for range n {
		var records []written
		for i := range 1 + a.rng.IntN(6) {
			seq, stamp := a.next+id.Seq(i), a.clock+1+hlc.Timestamp(i)
			records = append(records, a.record(seq, stamp))
		}
		out = append(out, a.batch(records...))
		a.clock += hlc.Timestamp(a.rng.Uint64N(1 << 20))
	}
	return out
}

// TestStateIsAFunctionOfTheSetOfEvents delivers the same batches of three origins in many orders, some of them twice
// and some too early: vector, digests and records come out the same.
func TestStateIsAFunctionOfTheSetOfEvents(t *testing.T) {
	s := seed(t)
	runs := 150
	if testing.Short() {
		runs = 15
	}
	for i := range runs {
		rng := rand.New(rand.NewPCG(s, uint64(i)))
		var streams [][][]byte
		for n := range 3 {
			f := newFeed(t, id.Origin{Region: id.Region(2 + n), Incarnation: id.Incarnation(n)}, testSchema())
			a := &author{feed: f, rng: rng, gens: map[string]hlc.Timestamp{}}
			streams = append(streams, a.batches(5+rng.IntN(20)))
		}
		straight, _, _, _ := start(t)
		for _, stream := range streams {
			for _, data := range stream {
				apply(t, straight, data, engine.Applied)
			}
		}
		shuffled, _, _, _ := start(t)
		deliver(t, rng, shuffled, streams)
		if straight.Digest() != shuffled.Digest() || straight.DigestCells() != shuffled.DigestCells() ||
			!straight.Vector().Equal(shuffled.Vector()) {
			t.Fatalf("run %d: states differ:\n%s\n%s", i, dump(straight), dump(shuffled))
		}
		if a, b := dump(straight), dump(shuffled); a != b {
			t.Fatalf("run %d: digests are equal, records aren't:\n%s\n%s", i, a, b)
		}
	}
}

// deliver applies streams in a random interleaving, with repetitions and batches that come too early.
func deliver(t *testing.T, rng *rand.Rand, e *engine.Engine, streams [][][]byte) {
	t.Helper()
	next := make([]int, len(streams))
	for {
		var open []int
		for i := range streams {
			if next[i] < len(streams[i]) {
				open = append(open, i)
			}
		}
		if len(open) == 0 {
			return
		}
		i := open[rng.IntN(len(open))]
		switch n := rng.IntN(10); {
		case n == 0 && next[i] > 0:
			apply(t, e, streams[i][rng.IntN(next[i])], engine.Duplicate)
		case n == 1 && next[i]+1 < len(streams[i]):
			apply(t, e, streams[i][next[i]+1], engine.Gap)
		default:
			apply(t, e, streams[i][next[i]], engine.Applied)
			next[i]++
		}
	}
}

// TestRecordsComeInOrderAndTellStatesApart checks what a dump is compared by.
func TestRecordsComeInOrderAndTellStatesApart(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	e, _, far, _ := start(t)
	a := &author{feed: far, rng: rng, gens: map[string]hlc.Timestamp{}}
	for _, data := range a.batches(40) {
		apply(t, e, data, engine.Applied)
	}
	type place struct {
		owner id.Kind
		name  string
		kind  byte
		sub   string
	}
	var last place
	n := 0
	e.Records(func(r engine.Record) bool {
		p := place{r.OwnerKind, r.Owner, byte(r.Kind), r.Sub}
		order := cmp.Or(cmp.Compare(p.owner, last.owner), cmp.Compare(p.name, last.name), cmp.Compare(p.kind,
			last.kind),
			cmp.Compare(p.sub, last.sub))
		if n > 0 && order <= 0 {
			t.Errorf("%+v comes behind %+v", p, last)
		}
		last = p
		n++
		return true
	})
	if n < 20 {
		t.Errorf("only %d records", n)
	}
	stopped := 0
	e.Records(func(engine.Record) bool {
		stopped++
		return stopped < 3
	})
	if stopped != 3 {
		t.Errorf("a reader that stopped at 3 got %d", stopped)
	}
	before, text := e.Digest(), dump(e)
	apply(t, e, far.batch(plain(mark(record.MarkLiked, true, "new", "i"))), engine.Applied)
	if e.Digest() == before || dump(e) == text {
		t.Error("a new record doesn't show")
	}
}
