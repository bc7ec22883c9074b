package replica_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/cryptotest"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

// squall is a fleet whose network loses, repeats and reorders packets, whose disks hang and whose processes crash, with
// clients that send what they wish to whom they believe to lead, until it is acknowledged.
type squall struct {
	*fleet
	*harbour
	rng    *rand.Rand
	sent   map[sending]*hope
	chosen map[uint64]consensus.Entry // what anybody applied at an index
	acked  uint64                     // the last entry that was acknowledged
	asked  map[sending]uint64         // what a read must at least see
	count  weather
	err    error
}

// harbour is where the clients are, and what they wish.
type harbour struct {
	wishes []*hope
	lanes  map[string]uint64
}

// weather says what squalls were like.
type weather struct{ acked, retried, unknown, crashes, fenced, changes, reads, leaders int }

func (w *weather) add(x weather) {
	w.acked += x.acked
	w.retried += x.retried
	w.unknown += x.unknown
	w.crashes += x.crashes
	w.fenced += x.fenced
	w.changes += x.changes
	w.reads += x.reads
	w.leaders += x.leaders
}

// sending names a ticket: numbers of tickets are a replica's own.
type sending struct {
	replica, ticket uint64
}

// hope is a wish in a group.
type hope struct {
	wish
	open  int  // attempts without an answer
	undo  bool // it takes an event back
	far   bool // it's sent to several regions, each of which may have a copy
	doubt bool // an attempt may have been written without an acknowledgement
}

// TestWhateverHappensToAGroupEachRequestCountsOnce: requests with lanes and keys count once, whoever led and whatever
// broke; an acknowledged one is on a quorum of disks at that moment; who was told that nothing was written finds nothing;
// reads by index see what was acknowledged; and in the end all members hold the same.
func TestWhateverHappensToAGroupEachRequestCountsOnce(t *testing.T) {
	first, rounds := uint64(1), uint64(60)
	if testing.Short() {
		rounds = 8
	}
	if s := os.Getenv("TIDAL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, rounds = n, 1
	}
	var sum weather
	for seed := first; seed < first+rounds; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, seed) // Raft draws its election timeouts there
			defer func() {
				if t.Failed() {
					t.Logf("replay: TIDAL_SEED=%d go test ./internal/replica -run Group", seed)
				}
			}()
			sum.add(runSquall(t, seed))
		})
	}
	n := int(rounds)
	if calm := sum.acked < 20*n || sum.retried < n || sum.unknown < n/4 || sum.crashes < n || sum.fenced < n/8 ||
		sum.changes < n/2 || sum.reads < n || sum.leaders < 2*n; rounds > 1 && calm {
		t.Errorf("%+v in %d runs: too calm to mean anything", sum, rounds)
	}
	t.Logf("%+v", sum)
}

func runSquall(t *testing.T, seed uint64) weather {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := newSquall(rng, &harbour{lanes: map[string]uint64{}}, founded(t, 3, rough(rng)))
	for range 4000 {
		s.step()
		if s.err != nil {
			t.Fatal(s.err)
		}
	}
	s.settle()
	s.verify()
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.count
}

// rough makes queues short and disks be given up early.
func rough(rng *rand.Rand) func(*replica.Config) {
	return func(c *replica.Config) {
		c.StallTicks = 5 + rng.IntN(15)
		c.MaxWaiting, c.Consensus.MaxUncommitted = 3+rng.IntN(30), 500+rng.Uint64N(20_000)
	}
}

func newSquall(rng *rand.Rand, h *harbour, f *fleet) *squall {
	s := &squall{
		fleet: f, harbour: h, rng: rng, sent: map[sending]*hope{}, chosen: map[uint64]consensus.Entry{},
		asked: map[sending]uint64{},
	}
	for _, r := range s.rigs {
		r.quiet = true
	}
	s.stepped = s.look
	return s
}

func (s *squall) breaks(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func (s *squall) step() {
	r := s.rigs[s.rng.IntN(len(s.rigs))]
	n := r.cfg.Consensus.Replica
	switch x := s.rng.IntN(1000); {
	case x < 150:
		s.tick(r)
	case x < 220:
		s.send(s.fresh(), s.guess())
	case x < 270:
		if len(s.wishes) > 0 {
			s.retry(s.wishes[s.rng.IntN(len(s.wishes))])
		}
	case x < 470 && !s.held[n] && len(r.appends) > 0:
		r.check(r.persist())
	case x < 640 && len(r.applies) > 0:
		s.apply(r)
	case x < 970 && len(s.mail) > 0:
		s.hand()
	case x >= 970:
		s.trouble(r)
	}
	s.after(r)
}

// trouble is what is rare.
func (s *squall) trouble(r *rig) {
	n := r.cfg.Consensus.Replica
	switch x := s.rng.IntN(20); {
	case x < 3:
		s.crash(r)
	case x < 5:
		s.cut = map[uint64]bool{}
		if s.rng.IntN(2) == 0 {
			s.cut[n] = true
		}
	case x == 5:
		s.held = map[uint64]bool{}
	case x == 6:
		if lead := s.leader(); lead != nil {
			n = lead.cfg.Consensus.Replica
		}
		s.held[n] = true
	case x < 9:
		r.wall += s.rng.Int64N(3000) - 1500
	case x < 11:
		r.core.Transfer(r.now(), s.rng.Uint64N(uint64(len(s.rigs))+1))
		r.take()
	case x < 15:
		r.tickets++
		s.asked[sending{n, r.tickets}] = s.acked
		r.core.ReadIndex(r.now(), r.tickets)
		r.take()
	default:
		s.reform()
	}
}

// reform changes the members, of which there are at most five and, but for a while, at least three.
func (s *squall) reform() {
	r := s.leader()
	if r == nil {
		return
	}
	r.tickets++
	c := consensus.Change{Kind: consensus.Remove, Member: consensus.Member{Number: 1 + s.rng.Uint64N(uint64(len(s.rigs)))}}
	switch {
	case s.rng.IntN(2) == 0 && len(s.rigs) < 5:
		c = consensus.Change{Kind: consensus.AddLearner, Member: consensus.Member{Address: "new"}}
		if r.core.Members().Highest() == uint64(len(s.rigs)) {
			s.add().quiet = true
		}
	case len(r.core.Members().Voters()) <= 3:
		return
	}
	r.core.Change(r.now(), r.tickets, c)
	r.take()
	s.after(r)
}

// hand delivers one packet out of order; some are lost, some come twice.
func (s *squall) hand() {
	i := s.rng.IntN(min(len(s.mail), 6))
	p := s.mail[i]
	if s.rng.IntN(25) > 0 {
		s.mail = slices.Delete(s.mail, i, i+1)
	}
	if s.rng.IntN(25) > 0 {
		s.deliver(p)
	}
}

func (s *squall) apply(r *rig) {
	for _, e := range r.applies[0].Entries {
		if at := s.holders(e); !slices.Contains(at, r.cfg.Consensus.Replica) {
			s.breaks("replica %d applies entry %d/%d, which isn't on its disk", r.cfg.Consensus.Replica, e.Index, e.Term)
		}
		if c, ok := s.chosen[e.Index]; ok && (c.Term != e.Term || string(c.Data) != string(e.Data)) {
			s.breaks("entry %d is of term %d at replica %d and of term %d elsewhere", e.Index, e.Term,
				r.cfg.Consensus.Replica, c.Term)
		}
		s.chosen[e.Index] = e
	}
	r.check(r.apply())
}

// crash ends a process. Its requests have no answer, and may have been written.
func (s *squall) crash(r *rig) {
	s.count.crashes++
	n := r.cfg.Consensus.Replica
	for key, w := range s.sent {
		if key.replica == n {
			w.open--
			w.doubt = true
			delete(s.sent, key)
		}
	}
	for key := range s.asked {
		if key.replica == n {
			delete(s.asked, key)
		}
	}
	delete(s.held, n)
	clear(r.reads)
	clear(r.changes)
	r.fenced, r.mail = nil, nil
	r.restart(s.rng.IntN(len(r.appends)+1), s.rng.IntN(2) == 0)
	s.after(r)
}

// look reads what a rig answered, and starts it anew when it has fallen silent.
func (s *squall) look(r *rig) {
	n := r.cfg.Consensus.Replica
	for ticket, reply := range r.replies {
		delete(r.replies, ticket)
		if w := s.sent[sending{n, ticket}]; w != nil {
			delete(s.sent, sending{n, ticket})
			w.open--
			s.answered(r, w, reply)
		}
	}
	for ticket, x := range r.reads {
		delete(r.reads, ticket)
		least := s.asked[sending{n, ticket}]
		delete(s.asked, sending{n, ticket})
		if x.Err == nil && x.Index < least {
			s.breaks("read at replica %d gives entry %d, and entry %d was acknowledged before", n, x.Index, least)
		}
		if x.Err == nil {
			s.count.reads++
		}
	}
	for ticket, x := range r.changes {
		delete(r.changes, ticket)
		if x.Err == nil {
			s.count.changes++
		}
	}
	if r.fenced != nil {
		s.count.fenced++
		if len(r.open) > 0 {
			s.breaks("replica %d is silent, and %d requests wait", n, len(r.open))
		}
		s.crash(r)
	}
}

func (s *squall) answered(r *rig, w *hope, reply replica.Reply) {
	switch {
	case w.undo && (reply.Err == nil || errors.Is(reply.Err, fault.ErrUndone)):
		w.acked = true
	case reply.Err == nil:
		s.acknowledged(r, w, reply.Receipt)
	case errors.Is(reply.Err, fault.ErrUnknown):
		s.count.unknown++
		w.doubt = true
		if errors.Is(reply.Err, fault.ErrNotLeader) {
			s.breaks("whether %s was written isn't known, and its sender is told that it wasn't: %w", w.item, reply.Err)
		}
	case errors.Is(reply.Err, fault.ErrNotLeader), errors.Is(reply.Err, fault.ErrOverloaded),
		errors.Is(reply.Err, fault.ErrClock):
	case errors.Is(reply.Err, fault.ErrRetryTooOld) && !s.inWindow(w):
	case errors.Is(reply.Err, fault.ErrInput): // the schema isn't there yet
	default:
		s.breaks("request for %s: %w", w.item, reply.Err)
	}
}

// acknowledged holds a receipt against the disks and against earlier ones.
func (s *squall) acknowledged(r *rig, w *hope, receipt replica.Receipt) {
	s.count.acked++
	if w.acked && (receipt.First != w.first && !w.far || !w.retriable()) {
		s.breaks("request for %s was written at %v, and now at %v", w.item, w.first, receipt.First)
	}
	w.acked, w.first = true, receipt.First
	i := slices.IndexFunc(r.disk.entries, func(e consensus.Entry) bool { return contains(r.tb, e, receipt.First) })
	if i < 0 {
		s.breaks("request for %s is acknowledged, and isn't on the disk of replica %d", w.item, r.cfg.Consensus.Replica)
		return
	}
	e := r.disk.entries[i]
	s.acked = max(s.acked, e.Index)
	// The group may have others by now, of whom this replica hasn't heard: only most of these members held it for sure.
	voters, at := r.core.Members().Voters(), s.holders(e)
	held := 0
	for _, v := range voters {
		if slices.Contains(at, v) {
			held++
		}
	}
	if held < len(voters)/2 {
		s.breaks("request for %s is acknowledged on the disks %v, and %v vote", w.item, at, voters)
	}
}

func contains(tb failer, e consensus.Entry, p id.Position) bool {
	if e.Kind != consensus.Batch {
		return false
	}
	at, last := placeOf(tb, e.Data)
	return at.Origin() == p.Origin() && at.Seq <= p.Seq && p.Seq <= last
}

func (s *squall) fresh() *hope {
	w := &hope{wish: wish{item: fmt.Sprint("item", len(s.wishes)), count: 1 + s.rng.IntN(3)}}
	switch x := s.rng.IntN(6); x {
	case 0, 1, 2:
		w.producer = fmt.Sprint("p", x)
		s.lanes[w.producer]++
		w.number = s.lanes[w.producer]
	case 3:
		w.key, w.count = w.item, 1
	}
	s.wishes = append(s.wishes, w)
	return w
}

func (s *squall) inWindow(w *hope) bool { return w.producer == "" || s.lanes[w.producer] < w.number+60 }

// guess is mostly who leads.
func (s *squall) guess() *rig {
	if r := s.leader(); r != nil && s.rng.IntN(6) > 0 {
		return r
	}
	return s.rigs[s.rng.IntN(len(s.rigs))]
}

func (s *squall) retry(w *hope) {
	if w.retriable() && s.inWindow(w) {
		s.count.retried++
		s.send(w, s.guess())
	}
}

func (s *squall) send(w *hope, r *rig) {
	var records []record.Proposed
	for i := range w.count {
		p := signal(uint16(i%2), "ada", w.item)
		p.Key = w.key
		records = append(records, p)
	}
	req := inLane(r.request(records...), w.producer, w.number)
	if have, _ := r.engine.Schema(); have == nil {
		return // as a driver refuses it: there are no signals yet
	}
	s.sent[sending{r.cfg.Consensus.Replica, r.tickets + 1}] = w
	w.open++
	r.propose(req)
	if s.rng.IntN(2) == 0 {
		r.flush()
	}
	s.after(r)
}

// settle ends all trouble, and retries until every request that may be is acknowledged.
func (s *squall) settle() {
	s.cut, s.held = map[uint64]bool{}, map[uint64]bool{}
	for _, r := range s.rigs {
		r.wall = 2_000_000
	}
	for range 60 {
		s.pass()
	}
	for round := 0; s.err == nil; round++ {
		lead, open := s.leader(), 0
		for _, w := range s.wishes {
			if w.open == 0 && !w.acked && w.retriable() && s.inWindow(w) && lead != nil {
				s.send(w, lead)
			}
			if w.open > 0 || !w.acked && w.retriable() && s.inWindow(w) {
				open++
			}
		}
		s.pass()
		if open == 0 && s.alike() {
			return
		}
		if round > 300 {
			s.breaks("after the squall %d requests are open:\n%s", open, s)
		}
	}
}

// pass lets a tick pass and all that comes of it.
func (s *squall) pass() {
	for _, r := range s.rigs {
		s.tick(r)
		for s.err == nil && len(r.appends)+len(r.applies)+len(s.mail) > 0 {
			s.drain()
		}
	}
}

func (s *squall) drain() {
	for _, r := range s.rigs {
		for len(r.appends) > 0 {
			r.check(r.persist())
			s.after(r)
		}
		for len(r.applies) > 0 {
			s.apply(r)
			s.after(r)
		}
	}
	mail := s.mail
	s.mail = nil
	for _, p := range mail {
		s.deliver(p)
	}
}

// alike reports whether all members have applied the same.
func (s *squall) alike() bool {
	lead := s.leader()
	if lead == nil {
		return false
	}
	for _, m := range lead.core.Members().List() {
		if s.rigs[m.Number-1].core.Status().Applied != lead.core.Status().Last {
			return false
		}
	}
	return true
}

// verify reads the log that all agree on.
func (s *squall) verify() {
	if s.err != nil {
		return
	}
	lead := s.leader()
	terms := map[uint64]bool{}
	for _, e := range lead.disk.entries {
		terms[e.Term] = true
	}
	s.count.leaders = len(terms)
	for _, m := range lead.core.Members().List() {
		r := s.rigs[m.Number-1]
		if r.engine.Digest() != lead.engine.Digest() {
			s.breaks("replica %d has another digest than replica %d", m.Number, lead.cfg.Consensus.Replica)
		}
		r.legal()
		if len(r.open) > 0 {
			s.breaks("replica %d has %d open requests", m.Number, len(r.open))
		}
	}
	found := map[string][]id.Seq{}
	for _, rec := range lead.log() {
		if rec.Kind == record.KindSignal {
			var x record.Signal
			lead.check(record.DecodeSignal(rec.Body, &x))
			found[x.Item] = append(found[x.Item], rec.Seq)
		}
	}
	for _, w := range s.wishes {
		s.compare(w, found[w.item])
	}
}

func (s *squall) compare(w *hope, seqs []id.Seq) {
	switch {
	case len(seqs) == 0 && !w.acked:
	case len(seqs) != w.count && w.retriable(), len(seqs) > w.count:
		s.breaks("%s stands in the log %d times, want %d", w.item, len(seqs), w.count)
	case !w.acked && !w.doubt:
		s.breaks("%s stands in the log, and its sender was told that nothing was written", w.item)
	case w.acked && seqs[0] != w.first.Seq:
		s.breaks("%s stands at %d, its receipt says %v", w.item, seqs[0], w.first)
	}
}
