package replica_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/cryptotest"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// ocean is a squall in each of several regions, with the same clients: they send what they wish to whom they like, in any
// region. Between the regions batches and ranges are carried by somebody who loses, repeats, reorders and damages them.
type ocean struct {
	*realm
	*harbour
	squalls []*squall
	rng     *rand.Rand
	damaged map[sending]bool // by region and ticket
	count   tides
	err     error
}

// tides say what oceans were like.
type tides struct {
	weather
	applied, duplicates, gaps, overlaps, ranges, damaged, copies, undone int
}

func (w *tides) add(x tides) {
	w.weather.add(x.weather)
	w.applied += x.applied
	w.duplicates += x.duplicates
	w.gaps += x.gaps
	w.overlaps += x.overlaps
	w.ranges += x.ranges
	w.damaged += x.damaged
	w.copies += x.copies
	w.undone += x.undone
}

// TestWhateverHappensBetweenRegionsEachRequestCountsOnce: requests with lanes and keys count once in all regions, whichever
// regions accepted them; events that were undone, wherever, don't count; and in the end all members of all regions hold the
// same.
func TestWhateverHappensBetweenRegionsEachRequestCountsOnce(t *testing.T) {
	first, rounds := uint64(1), uint64(12)
	if testing.Short() {
		rounds = 3
	}
	if s := os.Getenv("TIDAL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, rounds = n, 1
	}
	var sum tides
	for seed := first; seed < first+rounds; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, seed) // Raft draws its election timeouts there
			defer func() {
				if t.Failed() {
					t.Logf("replay: TIDAL_SEED=%d go test ./internal/replica -run Regions", seed)
				}
			}()
			sum.add(runOcean(t, seed))
		})
	}
	n := int(rounds)
	if calm := sum.acked < 20*n || sum.retried < n || sum.crashes < n || sum.leaders < 2*n || sum.applied < 50*n ||
		sum.duplicates < 10*n || sum.gaps < n || sum.ranges < n/2 || sum.damaged < n/2 || sum.copies < n/2 ||
		sum.undone < n; rounds > 1 && calm {
		t.Errorf("%+v in %d runs: too calm to mean anything", sum, rounds)
	}
	t.Logf("%+v", sum)
}

func runOcean(t *testing.T, seed uint64) tides {
	rng := rand.New(rand.NewPCG(seed, 1))
	members := []int{1, 3}[rng.IntN(2)]
	o := &ocean{
		realm: newRealm(t, 2+rng.IntN(2), members, rough(rng)), harbour: &harbour{lanes: map[string]uint64{}}, rng: rng,
		damaged: map[sending]bool{},
	}
	for _, f := range o.regions {
		o.squalls = append(o.squalls, newSquall(rng, o.harbour, f))
	}
	for range 5000 {
		o.step()
		o.verdict(t)
	}
	o.calm(t)
	o.undoSome(t)
	o.verify()
	o.verdict(t)
	return o.count
}

func (o *ocean) breaks(format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf(format, args...)
	}
}

// verdict ends the test when anything was broken, and reads what became of what was carried.
func (o *ocean) verdict(t *testing.T) {
	for n, s := range o.squalls {
		for _, r := range s.rigs {
			o.look(uint64(n), r)
		}
		if s.err != nil {
			o.breaks("region %d: %w", n+1, s.err)
		}
	}
	if o.err != nil {
		t.Fatal(o.err)
	}
}

func (o *ocean) look(region uint64, r *rig) {
	for ticket, x := range r.became {
		delete(r.became, ticket)
		key := sending{region<<32 | r.cfg.Consensus.Replica, ticket}
		damaged := o.damaged[key]
		delete(o.damaged, key)
		switch {
		case errors.Is(x.Err, fault.ErrNotLeader), errors.Is(x.Err, fault.ErrOverloaded), errors.Is(x.Err, fault.ErrUnknown):
		case damaged && x.Err == nil:
			o.breaks("region %d took a damaged entry: %+v", region+1, x)
		case damaged:
			o.count.damaged++
		case errors.Is(x.Err, fault.ErrOverlap):
			o.count.overlaps++
		case x.Err != nil:
			o.breaks("region %d: entry %v…%d: %w", region+1, x.Result.Origin.At(x.Result.First), x.Result.Last, x.Err)
		case x.Result.Outcome == engine.Gap:
			o.count.gaps++
		case x.Result.Outcome == engine.Duplicate:
			o.count.duplicates++
		case x.Result.Outcome == engine.Applied:
			o.count.applied++
		}
	}
}

func (o *ocean) step() {
	n := o.rng.IntN(len(o.squalls))
	s := o.squalls[n]
	switch x := o.rng.IntN(100); {
	case x < 4:
		o.carry(n)
	case x < 6:
		for _, r := range s.rigs {
			if o.rng.IntN(2) == 0 {
				r.originals()
				s.after(r)
			}
		}
	default:
		s.step()
	}
	for _, w := range o.wishes {
		w.far = true
	}
}

// carry offers some of what another region's replica has to whom is believed to lead a region.
func (o *ocean) carry(n int) {
	s := o.squalls[n]
	to := s.guess()
	m := (n + 1 + o.rng.IntN(len(o.squalls)-1)) % len(o.squalls)
	from := o.squalls[m].rigs[o.rng.IntN(len(o.squalls[m].rigs))]
	list := to.news(from)
	if len(list) > 0 && o.rng.IntN(6) == 0 {
		at, _ := placeOf(o.tb, list[0])
		if data := from.compacted(at.Origin(), to.engine.Received(at.Origin())); data != nil {
			o.count.ranges++
			list = append([][]byte{data}, list...)
		}
	}
	for i, data := range list {
		switch o.rng.IntN(30) {
		case 0:
			continue // lost
		case 1:
			j := o.rng.IntN(i + 1)
			data, list[j] = list[j], data // late, or again
		case 2:
			data = append([]byte(nil), data...)
			data[o.rng.IntN(len(data))] ^= 1 << o.rng.IntN(8)
			o.damaged[sending{uint64(n)<<32 | to.cfg.Consensus.Replica, to.tickets + 1}] = true
		case 3:
			to.offer(data)
		}
		to.offer(data)
	}
	if o.rng.IntN(2) == 0 {
		to.flush()
	}
	s.after(to)
}

// calm ends all trouble, and retries and carries until nothing is open and all regions are alike.
func (o *ocean) calm(t *testing.T) {
	for _, s := range o.squalls {
		s.cut, s.held = map[uint64]bool{}, map[uint64]bool{}
		for _, r := range s.rigs {
			r.wall = 2_000_000
		}
	}
	for round := 0; ; round++ {
		open := o.pass(t)
		if round > 60 {
			open += o.resend()
			if open == 0 && o.alike() {
				return
			}
		}
		if round > 500 {
			for _, s := range o.squalls {
				t.Log(s.fleet)
			}
			t.Fatalf("after the storm %d requests are open", open)
		}
	}
}

// pass lets a tick pass everywhere, and carries what is to be carried. It returns how much of that there was.
func (o *ocean) pass(t *testing.T) (carried int) {
	for n, s := range o.squalls {
		s.pass()
		to := s.leader()
		if to == nil {
			continue
		}
		for m := range o.squalls {
			if from := o.squalls[m].leader(); m != n && from != nil {
				carried += len(to.news(from))
				o.ship(from, to)
				s.after(to)
			}
		}
		carried += len(to.wanted)
		to.originals()
		s.after(to)
	}
	o.verdict(t)
	return carried
}

// resend sends what isn't acknowledged to any region, and returns how many requests are open.
func (o *ocean) resend() (open int) {
	for _, w := range o.wishes {
		s := o.squalls[o.rng.IntN(len(o.squalls))]
		due := !w.acked && w.retriable() && s.inWindow(w)
		if lead := s.leader(); due && w.open == 0 && lead != nil {
			s.send(w, lead)
		}
		if due || w.open > 0 {
			open++
		}
	}
	return open
}

// alike reports whether all members of all regions have applied the same events and nothing is to be taken back.
func (o *ocean) alike() bool {
	var all id.VersionVector
	for _, s := range o.squalls {
		if !s.alike() {
			return false
		}
		all = all.Merge(s.leader().engine.Vector())
	}
	for _, s := range o.squalls {
		if e := s.leader().engine; !e.Vector().Equal(all) || len(e.Pending(1)) > 0 {
			return false
		}
	}
	return true
}

// undoSome undoes events, each in one region or in several at the same time.
func (o *ocean) undoSome(t *testing.T) {
	events := o.events()
	for i, w := range o.wishes {
		if len(events[w.item]) == 0 || i%7 != 0 {
			continue
		}
		p := events[w.item][0]
		w.count--
		o.count.undone++
		for n := range o.squalls {
			if n == i%len(o.squalls) || o.rng.IntN(3) == 0 {
				o.undo(t, o.squalls[n], p)
			}
		}
	}
	o.calm(t)
}

// undo undoes an event in one region.
func (o *ocean) undo(t *testing.T, s *squall, p id.Position) {
	w := &hope{undo: true}
	for round := 0; !w.acked; round++ {
		if round > 100 {
			t.Fatalf("event %v isn't undone after %d attempts", p, round)
		}
		r := s.leader()
		req := r.request(record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: p}})
		if p.Region == r.cfg.Origin.Region {
			req = r.request(record.Proposed{Kind: record.KindCompensate, Compensation: r.original(p).Compensation})
		}
		s.sent[sending{r.cfg.Consensus.Replica, r.tickets + 1}] = w
		w.open++
		r.propose(req)
		r.flush()
		s.after(r)
		if s.rng.IntN(2) == 0 || !w.acked {
			o.pass(t)
		}
	}
}

// events are the events that count, by item: those in the logs of who stamped them, without those that were taken back.
func (o *ocean) events() map[string][]id.Position {
	taken := map[id.Position]bool{}
	var all []logged
	for _, s := range o.squalls {
		for _, rec := range s.leader().log() {
			all = append(all, rec)
			if rec.Kind != record.KindCompensate && rec.Kind != record.KindDuplicate {
				continue
			}
			var c record.Compensation
			s.leader().check(record.DecodeCompensation(rec.Body, &c))
			if taken[c.Original] {
				o.breaks("event %v was taken back twice", c.Original)
			}
			taken[c.Original] = true
		}
	}
	o.count.copies = len(taken)
	out := map[string][]id.Position{}
	for _, rec := range all {
		var x record.Signal
		if rec.Kind == record.KindSignal && !taken[rec.origin.At(rec.Seq)] {
			if err := record.DecodeSignal(rec.Body, &x); err != nil {
				o.breaks("event %v: %w", rec.origin.At(rec.Seq), err)
			}
			out[x.Item] = append(out[x.Item], rec.origin.At(rec.Seq))
		}
	}
	return out
}

// verify holds what all regions count against what was wished.
func (o *ocean) verify() {
	events := o.events()
	o.count.copies -= o.count.undone
	digest := o.squalls[0].leader().engine.Digest()
	for n, s := range o.squalls {
		o.count.weather.add(s.count)
		terms := map[uint64]bool{}
		for _, e := range s.leader().disk.entries {
			terms[e.Term] = true
		}
		o.count.leaders += len(terms)
		for _, m := range s.leader().core.Members().List() {
			r := s.rigs[m.Number-1]
			if r.engine.Digest() != digest {
				o.breaks("region %d, replica %d: another digest than region 1's leader", n+1, m.Number)
			}
			if r.legal(); len(r.open)+len(r.foreign) > 0 {
				o.breaks("region %d, replica %d: %d requests and %d entries are open", n+1, m.Number, len(r.open), len(r.foreign))
			}
		}
	}
	for _, w := range o.wishes {
		o.compare(w, len(events[w.item]))
	}
}

func (o *ocean) compare(w *hope, counted int) {
	e := o.squalls[0].leader().engine
	cells := int64(0)
	for _, name := range []string{"view", "like"} {
		var cell algebra.SignalState
		if _, err := e.ReadCell(w.item, name, &cell); err != nil && !errors.Is(err, fault.ErrNotFound) {
			o.breaks("%s: %w", w.item, err)
		}
		cells += cell.Total()
	}
	switch {
	case cells != int64(counted):
		o.breaks("%s counts %d times, and its log says %d", w.item, cells, counted)
	case counted == 0 && !w.acked:
	case counted != w.count && w.retriable(), counted > w.count:
		o.breaks("%s counts %d times, want %d", w.item, counted, w.count)
	case !w.acked && !w.doubt:
		o.breaks("%s stands in a log, and its sender was told that nothing was written", w.item)
	}
}
