package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// shore is one region: its engine, and what it stamped.
type shore struct {
	*feed
	e     *engine.Engine
	log   [][]byte
	heard map[*shore]int // batches of others that it has
}

// copied is one signal, or other record, of a request that may have been accepted in several regions.
type copied struct {
	written
	request, index int
	hlc            hlc.Timestamp
}

// strait is three regions that take the same requests in, undo what they see, and hear of each other in any order.
type strait struct {
	t       *testing.T
	rng     *rand.Rand
	shores  []*shore
	records [][]record.Proposed // by request
	keyed   []bool
	at      map[id.Position]copied
	undone  map[id.Position]bool // by whoever wrote it
	ranges  int
}

func newStrait(t *testing.T, rng *rand.Rand) *strait {
	s := &strait{t: t, rng: rng, at: map[id.Position]copied{}, undone: map[id.Position]bool{}}
	for _, origin := range []id.Origin{home, there, third} {
		x := &shore{feed: newFeed(t, origin, nil), e: engine.New(engine.Config{Origin: origin}), heard: map[*shore]int{}}
		x.level = record.Level
		s.shores = append(s.shores, x)
		s.write(x, plain(version(testSchema())))
		x.schema = testSchema().Hash()
	}
	for r := range 40 {
		var records []record.Proposed
		for i := range 1 + rng.IntN(4) {
			item := fmt.Sprintf("%d-%d", r, i)
			p := signal(view, "u", item)
			switch rng.IntN(4) {
			case 0:
				p = mark(record.MarkLiked, true, "u", item)
			case 1:
				p = entity(record.KindPatch, id.KindItem, item, "title", "t")
			}
			records = append(records, p)
		}
		s.records = append(s.records, records)
		s.keyed = append(s.keyed, len(records) == 1 && rng.IntN(2) == 0)
	}
	return s
}

// write stamps a batch and applies it where it was stamped.
func (s *strait) write(x *shore, records ...written) {
	s.t.Helper()
	x.clock += hlc.Timestamp(s.rng.IntN(3))
	first := x.next
	data := x.batch(records...)
	for i := range records {
		w := records[i]
		s.at[x.origin.At(first+id.Seq(i))] = copied{
			written: w, request: -1, hlc: x.clock - hlc.Timestamp(len(records)-1-i),
		}
	}
	x.log = append(x.log, data)
	apply(s.t, x.e, data, engine.Applied)
}

// accept takes a request in, unless the region knows that it was.
func (s *strait) accept(x *shore, r int) {
	lane, key := fmt.Sprintf("p%d", r%3), ""
	if s.keyed[r] {
		lane, key = "", fmt.Sprintf("k%d", r)
		if v, err := x.e.Lanes().CheckKey(key, 0); err != nil || v.Duplicate {
			return
		}
	} else if v, err := x.e.Lanes().Check(lane, uint64(r/3+1), 0); err != nil || v.Duplicate {
		return
	}
	var records []written
	for i, p := range s.records[r] {
		w := plain(p)
		w.Key = key
		if lane != "" {
			w.lane = record.Lane{Producer: lane, Request: uint64(r/3 + 1), Index: uint32(i)}
			if i == 0 {
				w.count = uint32(len(s.records[r]))
			}
		}
		records = append(records, w)
	}
	first := x.next
	s.write(x, records...)
	for i := range records {
		c := s.at[x.origin.At(first+id.Seq(i))]
		c.request, c.index = r, i
		s.at[x.origin.At(first+id.Seq(i))] = c
	}
}

// hear brings some of one region's batches to another, as they are or as a range.
func (s *strait) hear(to, from *shore, most int) {
	s.t.Helper()
	news := from.log[to.heard[from]:]
	news = news[:min(len(news), most)]
	to.heard[from] += len(news)
	if len(news) > 1 && s.rng.IntN(2) == 0 {
		s.ranges++
		c, err := engine.DecodeEntry(compacted(s.t, from.e, 0, news...).AppendEntry(nil))
		if err != nil {
			s.t.Fatal(err)
		}
		applyRange(s.t, to.e, c, engine.Applied)
		return
	}
	for _, data := range news {
		if outcome, err := to.e.Offer(data); outcome != engine.Applied || err != nil {
			s.t.Fatalf("offered, a batch is %v, %v", outcome, err)
		}
		apply(s.t, to.e, data, engine.Applied)
	}
}

// takeBack does as a leader does: it takes some of what is pending back.
func (s *strait) takeBack(x *shore, most int) {
	for _, p := range x.e.Pending(most) {
		c, ok := s.at[p]
		kind := x.e.TakesBack(p)
		switch {
		case !ok || kind == 0:
			s.t.Fatalf("pending at region %d is %v, by %v", x.origin.Region, p, kind)
		case c.Kind != record.KindSignal && kind == record.KindDuplicate:
			s.t.Fatalf("%v fell, and is no signal", p)
		case c.Kind != record.KindSignal:
			s.write(x, plain(record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: p, Void: true}}))
		default:
			w := plain(compensate(p, c.Time, c.Signal, testSchema().Hash()))
			w.Kind = kind
			s.write(x, w)
		}
	}
}

// undo undoes an event that a region knows.
func (s *strait) undo(x *shore, p id.Position) {
	c := s.at[p]
	if !x.e.Vector().Covers(p) || x.e.Negated(p) || c.request < 0 {
		return
	}
	if !x.e.AnswersFor(p.Origin()) {
		s.undone[p] = c.Kind == record.KindSignal
		s.write(x, plain(record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: p}}))
	} else if err := x.e.Undoable(p); err != nil {
		s.t.Fatalf("%v isn't negated, and %v", p, err)
	} else if c.Kind == record.KindSignal {
		s.undone[p] = true
		s.write(x, plain(compensate(p, c.Time, c.Signal, testSchema().Hash())))
	}
	if c.Kind == record.KindSignal && (!x.e.Undone(p) || !errors.Is(x.e.Undoable(p), fault.ErrUndone) &&
		x.e.AnswersFor(p.Origin())) {
		s.t.Fatalf("%v was undone, and doesn't count as undone", p)
	}
}

func (s *strait) step() {
	x, y := s.shores[s.rng.IntN(3)], s.shores[s.rng.IntN(3)]
	switch n := s.rng.IntN(10); {
	case n < 4:
		s.accept(x, s.rng.IntN(len(s.records)))
	case n < 7 && x != y:
		s.hear(x, y, 1+s.rng.IntN(6))
	case n < 8:
		s.takeBack(x, s.rng.IntN(3))
	case n < 9 && y.next > 2:
		s.undo(x, y.origin.At(2+id.Seq(s.rng.Uint64N(uint64(y.next-2)))))
	}
}

// settle lets everything arrive, and everything be taken back.
func (s *strait) settle() {
	for range 4 {
		for _, x := range s.shores {
			for _, y := range s.shores {
				if x != y {
					s.hear(x, y, len(y.log))
				}
			}
		}
		for _, x := range s.shores {
			s.takeBack(x, 1<<20)
		}
	}
}

// check holds what is counted against what was accepted: each request once, unless the copy that stands was undone.
func (s *strait) check() (twice int) {
	stands := map[[2]int]id.Position{}
	for p, c := range s.at {
		if c.request < 0 {
			continue
		}
		key := [2]int{c.request, c.index}
		q, other := stands[key]
		if o := s.at[q]; !other || s.firstOf(c).hlc < s.firstOf(o).hlc ||
			s.firstOf(c).hlc == s.firstOf(o).hlc && p.Origin().Compare(q.Origin()) < 0 {
			stands[key] = p
		}
		if other {
			twice++
		}
	}
	digest := s.shores[0].e.Digest()
	for _, x := range s.shores {
		if d := x.e.Digest(); d != digest || len(x.e.Pending(1)) > 0 {
			s.t.Fatalf("region %d: digest %v, want %v; pending %v\n%s\n%s", x.origin.Region, d, digest, x.e.Pending(9),
				dump(x.e), dump(s.shores[0].e))
		}
		for key, p := range stands {
			c, want := s.at[p], uint64(1)
			if c.Kind != record.KindSignal {
				continue
			}
			if s.undone[p] {
				want = 0
			}
			if got := cell(s.t, x.e, c.Signal.Item, "view").Total(); uint64(got) != want {
				s.t.Fatalf("region %d: record %d of request %d counts %d times, want %d; the copy at %v stands",
					x.origin.Region, key[1], key[0], got, want, p)
			}
			if x.e.Negated(p) != s.undone[p] || x.e.Undone(p) != s.undone[p] {
				s.t.Fatalf("region %d: %v is negated: %v, undone: %v", x.origin.Region, p, x.e.Negated(p), x.e.Undone(p))
			}
		}
		for p, c := range s.at {
			if c.request >= 0 && c.Kind == record.KindSignal && stands[[2]int{c.request, c.index}] != p && !x.e.Negated(p) {
				s.t.Fatalf("region %d: the copy at %v counts", x.origin.Region, p)
			}
		}
	}
	return twice
}

// firstOf is the first record of the request's copy.
func (s *strait) firstOf(c copied) copied {
	c.hlc -= hlc.Timestamp(c.index)
	return c
}

// TestWhatSeveralRegionsAcceptCountsOnce: requests are accepted in up to three regions, events are undone where they were
// stamped and elsewhere, and all of it arrives in any order, as batches and as ranges. In the end each request counts once
// everywhere, and not at all if the copy that stands was undone.
func TestWhatSeveralRegionsAcceptCountsOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 45))
	twice, undone, ranges := 0, 0, 0
	for range 60 {
		s := newStrait(t, rng)
		for range 250 {
			s.step()
		}
		s.settle()
		twice += s.check()
		ranges += s.ranges
		for _, on := range s.undone {
			if on {
				undone++
			}
		}
	}
	t.Logf("%d records were accepted again, %d undone, %d ranges", twice, undone, ranges)
	if twice < 600 || undone < 300 || ranges < 300 {
		t.Error("too tame to mean anything")
	}
}

// TestTheSuccessorAnswersForARemovedRegion: what a removed region was asked to take back, and what fell there, are its
// successor's, whether the removal comes before or behind what asks for it.
func TestTheSuccessorAnswersForARemovedRegion(t *testing.T) {
	for _, early := range []bool{true, false} {
		e, own, far, farther := start(t)
		own.level, far.level, farther.level = 3, 3, 3
		asked := func(f *feed, request uint64, item string) []byte {
			w := plain(signal(view, "u", item))
			w.lane, w.count = record.Lane{Producer: "p", Request: request}, 1
			return f.batch(w)
		}
		removed := plain(record.Proposed{Kind: record.KindRegion, Region: record.RegionInfo{
			Number: there.Region, Name: "there", Removed: true, Successor: home.Region,
		}})
		if early {
			apply(t, e, own.batch(removed), engine.Applied)
		}
		apply(t, e, asked(farther, 1, "i"), engine.Applied)
		far.clock += 1000
		apply(t, e, asked(far, 1, "i"), engine.Applied) // it falls
		apply(t, e, asked(far, 2, "j"), engine.Applied)
		undo := record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: there.At(2)}}
		apply(t, e, farther.batch(plain(undo)), engine.Applied)
		if !early {
			if p := e.Pending(9); len(p) > 0 || e.AnswersFor(there) {
				t.Errorf("pending before the region is removed: %v", p)
			}
			apply(t, e, own.batch(removed), engine.Applied)
		}
		if p := e.Pending(9); !slices.Equal(p, []id.Position{there.At(1), there.At(2)}) {
			t.Errorf("removed first: %v: pending are %v", early, p)
		}
		if a, b := e.TakesBack(there.At(1)), e.TakesBack(there.At(2)); a != record.KindDuplicate || b != record.KindCompensate {
			t.Errorf("taken back by %v and %v", a, b)
		}
	}
}

// TestANewIncarnationAnswersForItsOldOne: events of the frozen incarnation that fall or are undone are taken back by the
// new one, and those of an incarnation that is newer than oneself aren't one's own.
func TestANewIncarnationAnswersForItsOldOne(t *testing.T) {
	next := id.Origin{Region: home.Region, Incarnation: 7}
	s := testSchema()
	e := engine.New(engine.Config{Origin: next})
	old, far := newFeed(t, home, nil), newFeed(t, there, s)
	apply(t, e, old.batch(plain(version(s))), engine.Applied)
	old.schema, far.level = s.Hash(), 3
	w := plain(signal(view, "u", "i"))
	w.lane, w.count = record.Lane{Producer: "p", Request: 1}, 1
	apply(t, e, far.batch(w), engine.Applied)
	old.clock += 1000
	apply(t, e, old.batch(w), engine.Applied)
	undo := record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: home.At(3)}}
	apply(t, e, far.batch(plain(undo)), engine.Applied) // it comes before its event
	if p := e.Pending(9); !slices.Equal(p, []id.Position{home.At(2), home.At(3)}) {
		t.Errorf("pending are %v", p)
	}
	if e.AnswersFor(id.Origin{Region: home.Region, Incarnation: 8}) || e.AnswersFor(there) || !e.AnswersFor(next) {
		t.Error("answers for others, or not for itself")
	}
}
