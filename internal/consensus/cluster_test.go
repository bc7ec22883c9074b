package consensus_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/cryptotest"

	"github.com/tidaldb/tidal/internal/consensus"
)

// storm runs three replicas, and those that join them, on a network that loses, delays, repeats and reorders messages,
// and on disks that crash with some, half or none of what was in flight. Logs let go of entries, also before everybody
// has them.
type storm struct {
	rng      *rand.Rand
	replicas []*replica // number n at n − 1
	mail     []consensus.Message
	leaders  map[uint64]uint64   // term → who led it
	gone     map[uint64]bool     // who was removed, for good
	chosen   []consensus.Entry   // chosen[i] is what anybody applied at index i
	members  []consensus.Members // as of that entry
	asked    []uint64            // what each read must at least see
	proposed int
	count    tally
}

// tally says what storms were like.
type tally struct{ entries, crashes, changes, reads, installs, transfers int }

func (t *tally) add(u tally) {
	t.entries += u.entries
	t.crashes += u.crashes
	t.changes += u.changes
	t.reads += u.reads
	t.installs += u.installs
	t.transfers += u.transfers
}

const mostReplicas = 7

// TestReplicasApplyOneLogThroughStorms: one leader a term, one entry and one configuration an index, nothing applied that
// isn't durable at home, nothing applied ever lost, no read that misses what anybody had applied; and when the storm is
// over, every member has everything.
func TestReplicasApplyOneLogThroughStorms(t *testing.T) {
	first, rounds := uint64(1), uint64(200)
	if testing.Short() {
		rounds = 20
	}
	if s := os.Getenv("TIDAL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, rounds = n, 1
	}
	var sum tally
	for seed := first; seed < first+rounds; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, seed) // Raft draws its election timeouts there
			s, err := runStorm(seed)
			if err != nil {
				t.Fatalf("%v\nreplay: TIDAL_SEED=%d go test ./internal/consensus -run Storms", err, seed)
			}
			s.count.entries = len(s.chosen)
			sum.add(s.count)
		})
	}
	n := int(rounds)
	if calm := sum.entries < n*20 || sum.crashes < n || sum.changes < n || sum.reads < n || sum.installs < n/4 ||
		sum.transfers < n/8; rounds > 1 && calm {
		t.Errorf("%+v in %d storms: too calm to mean anything", sum, rounds)
	}
	t.Logf("%+v", sum)
}

func runStorm(seed uint64) (*storm, error) {
	s, err := newStorm(seed)
	if err != nil {
		return s, err
	}
	for range 3000 {
		if err := s.step(); err != nil {
			return s, err
		}
		if err := s.check(); err != nil {
			return s, err
		}
	}
	return s, s.settle()
}

// newStorm returns three replicas that have said nothing yet.
func newStorm(seed uint64) (*storm, error) {
	s := &storm{rng: rand.New(rand.NewPCG(seed, 0)), leaders: map[uint64]uint64{}, gone: map[uint64]bool{}}
	base, err := group(1, 2, 3)
	if err != nil {
		return s, err
	}
	s.chosen = make([]consensus.Entry, base.Applied+1)
	s.members = slices.Repeat([]consensus.Members{base.Members}, len(s.chosen))
	for n := range uint64(3) {
		r := &replica{id: n + 1, cfg: config(n + 1)}
		r.cfg.Restored = base
		r.disk.founded(base)
		if err := r.start(); err != nil {
			return s, err
		}
		s.replicas = append(s.replicas, r)
	}
	return s, nil
}

func (s *storm) step() error {
	r := s.replicas[s.rng.IntN(len(s.replicas))]
	switch n := s.rng.IntN(1000); {
	case n < 60:
		r.Tick()
	case n < 64:
		s.count.crashes++
		return s.crash(r)
	case n < 80:
		return r.Campaign()
	case n < 230:
		s.proposed++
		_ = r.Propose([]byte(strconv.Itoa(s.proposed))) // refused unless it leads, and counted by nobody
	case n < 250:
		return s.disturb(r)
	case n < 450:
		return s.take(r)
	case n < 600 && len(r.appends) > 0:
		return r.persist()
	case n < 700 && len(r.applies) > 0:
		return s.apply(r)
	case len(s.mail) > 0:
		return s.deliver()
	}
	return nil
}

// disturb does what is rare: changes of members, reads, transfers, and logs that let go.
func (s *storm) disturb(r *replica) error {
	for _, x := range s.replicas { // mostly at who leads, or believes so
		if x.Role().Leader && s.rng.IntN(2) == 0 {
			r = x
		}
	}
	switch n := s.rng.IntN(20); {
	case n < 8:
		return s.change(r)
	case n < 14:
		s.asked = append(s.asked, uint64(len(s.chosen))-1)
		r.ReadIndex(uint64(len(s.asked)) - 1)
	case n < 16:
		r.Transfer(1 + s.rng.Uint64N(uint64(len(s.replicas))))
		s.count.transfers++
	case len(r.applied) > 0:
		at := r.applied[s.rng.IntN(len(r.applied))]
		r.disk.gone = max(r.disk.gone, at.Index-s.rng.Uint64N(3))
		s.checkpointed(r, at)
	}
	return nil
}

// checkpointed makes an entry the one of which a replica can send snapshots, unless that lies further on.
func (s *storm) checkpointed(r *replica, at consensus.Entry) {
	if at.Index < r.served.Index {
		return
	}
	r.served = at
	r.Checkpointed(at.Index, at.Term, s.members[at.Index])
}

// change asks for some change of members. Most replicas refuse it because they don't lead.
func (s *storm) change(r *replica) error {
	number := 1 + s.rng.Uint64N(uint64(len(s.replicas)))
	c := consensus.Change{Kind: consensus.ChangeKind(1 + s.rng.IntN(4)), Member: consensus.Member{Number: number}}
	switch c.Kind {
	case consensus.AddLearner:
		c.Member.Number = r.Members().Highest() + 1
		c.Member.Address = fmt.Sprint("host", c.Member.Number)
	case consensus.Readdress:
		c.Member.Address = fmt.Sprint("moved", s.proposed)
	case consensus.Remove:
		if len(r.Members().Voters()) < 3 {
			return nil // of two that become one both must live until that is sure: see docs/decisions/0037
		}
	case consensus.Promote:
	}
	if taken := c.Member.Number <= mostReplicas && r.Change(c) == nil; !taken {
		return nil
	}
	s.count.changes++
	for uint64(len(s.replicas)) < c.Member.Number {
		n := &replica{id: uint64(len(s.replicas)) + 1, cfg: config(uint64(len(s.replicas)) + 1)}
		n.cfg.Joining = true
		n.disk.founded(consensus.Restored{})
		s.replicas = append(s.replicas, n)
		if err := n.start(); err != nil {
			return err
		}
	}
	return nil
}

func (s *storm) take(r *replica) error {
	rd, ok := r.take()
	if !ok {
		return nil
	}
	s.mail = append(s.mail, rd.Messages...)
	for _, x := range rd.Reads {
		if s.count.reads++; x.Index < s.asked[x.Ticket] {
			return fmt.Errorf("replica %d: read %d at entry %d, and %d was applied before it was asked", r.id, x.Ticket,
				x.Index, s.asked[x.Ticket])
		}
	}
	for _, x := range rd.Snapshots {
		if err := s.snapshot(r, x); err != nil {
			return err
		}
	}
	return nil
}

// snapshot brings one to a follower, if it wants it, or loses it.
func (s *storm) snapshot(from *replica, x consensus.SnapshotWanted) error {
	to := s.replicas[x.To-1]
	if s.rng.IntN(4) == 0 {
		from.ReportSnapshot(x.To, false)
		return nil
	}
	if x.Index > from.served.Index || x.Term != s.chosen[x.Index].Term {
		return fmt.Errorf("a snapshot of %d/%d is wanted, and %d/%d can be served", x.Index, x.Term, from.served.Index,
			from.served.Term)
	}
	from.ReportSnapshot(x.To, true)
	// What is in flight to the disk is over before the log is replaced, and what is held isn't thrown away.
	for len(to.appends) > 0 {
		if err := to.persist(); err != nil {
			return err
		}
	}
	if to.Status().Commit >= x.Index || to.disk.holds(consensus.Entry{Index: x.Index, Term: x.Term}) {
		return nil
	}
	s.count.installs++
	h := to.disk.hard
	to.disk.founded(consensus.Restored{
		HardState: consensus.HardState{Term: max(h.Term, x.Term), Vote: h.Vote, Commit: x.Index},
		Applied:   x.Index, AppliedTerm: x.Term, Members: s.members[x.Index],
	})
	if h.Term < x.Term {
		to.disk.hard.Vote = 0
		to.disk.sync()
	}
	to.applied = slices.Clone(s.chosen[4 : x.Index+1])
	return to.restart(x.Index)
}

// deliver hands on one message out of order; some are lost on the way, some come twice.
func (s *storm) deliver() error {
	i := s.rng.IntN(min(len(s.mail), 8))
	m := s.mail[i]
	if s.rng.IntN(20) > 0 {
		s.mail = slices.Delete(s.mail, i, i+1)
	}
	if s.rng.IntN(25) == 0 {
		return nil
	}
	return s.step1(m)
}

// step1 brings a message as it comes out of the wire.
func (s *storm) step1(m consensus.Message) error {
	again, err := consensus.DecodeMessage(consensus.AppendMessage(nil, m))
	if err != nil {
		return fmt.Errorf("%s doesn't travel: %w", describeMessage(m), err)
	}
	return s.replicas[m.GetTo()-1].Step(again)
}

func (s *storm) apply(r *replica) error {
	before := len(r.applied)
	if err := r.apply(); err != nil {
		return fmt.Errorf("replica %d: %w", r.id, err)
	}
	for _, e := range r.applied[before:] {
		if err := s.choose(r, e); err != nil {
			return err
		}
	}
	if m := r.Members(); r.Sure() {
		for n := range m.Highest() {
			if _, member := m.Get(n + 1); !member {
				s.gone[n+1] = true
			}
		}
	}
	here, there := r.Members(), s.members[r.applied[len(r.applied)-1].Index]
	if string(here.AppendBinary(nil)) != string(there.AppendBinary(nil)) {
		return fmt.Errorf("replica %d has the members %v, others %v", r.id, here.List(), there.List())
	}
	return nil
}

func (s *storm) choose(r *replica, e consensus.Entry) error {
	switch {
	case e.Index < uint64(len(s.chosen)):
		if c := s.chosen[e.Index]; c.Term != e.Term || string(c.Data) != string(e.Data) {
			return fmt.Errorf("replica %d applied %d/%d:%s, others %d/%d:%s",
				r.id, e.Index, e.Term, e.Data, c.Index, c.Term, c.Data)
		}
	case e.Index > uint64(len(s.chosen)):
		return fmt.Errorf("replica %d applied %d before %d", r.id, e.Index, len(s.chosen))
	default:
		m, err := s.members[e.Index-1].After(e)
		if err != nil {
			return err
		}
		s.chosen, s.members = append(s.chosen, e), append(s.members, m)
	}
	return nil
}

// crash lets some of the appends in flight reach the disk, or takes back what was never synced.
func (s *storm) crash(r *replica) error {
	for len(r.appends) > 0 && s.rng.IntN(2) == 0 {
		r.disk.write(r.appends[0])
		r.appends = r.appends[1:]
	}
	switch {
	case s.rng.IntN(3) == 0:
		r.disk.losePower()
	case len(r.appends) > 0 && s.rng.IntN(2) == 0:
		r.disk.write(&consensus.Append{Entries: r.appends[0].Entries})
	}
	// The store's checkpoint is anywhere up to what was applied, and not in front of what the log has let go of.
	applied := max(r.disk.base.Applied, r.disk.gone)
	if len(r.applied) > 0 && s.rng.IntN(4) == 0 {
		applied = max(applied, r.applied[s.rng.IntN(len(r.applied))].Index)
	}
	r.cfg.Life[0]++
	if err := r.restart(applied); err != nil {
		return fmt.Errorf("replica %d doesn't restart: %w", r.id, err)
	}
	return nil
}

func (s *storm) check() error {
	for _, r := range s.replicas {
		role := r.Role()
		if !role.Leader {
			continue
		}
		if who, ok := s.leaders[role.Term]; ok && who != r.id {
			return fmt.Errorf("replicas %d and %d both lead term %d", who, r.id, role.Term)
		}
		s.leaders[role.Term] = r.id
	}
	return nil
}

// settle ends the storm: everybody restarts once more and hears everything; all members must come to hold all that was
// chosen. Who was removed for good is gone.
func (s *storm) settle() error {
	s.mail = nil
	for _, r := range s.replicas {
		r.cfg.Life[0]++
		if err := r.restart(max(r.disk.base.Applied, r.disk.gone)); err != nil {
			return err
		}
	}
	for round := 0; ; round++ {
		for _, r := range s.replicas {
			if !s.gone[r.id] {
				r.Tick()
			}
		}
		if err := s.calm(); err != nil {
			return err
		}
		done := true
		for _, m := range s.members[len(s.members)-1].List() {
			r := s.replicas[m.Number-1]
			if role := r.Role(); role.Leader && len(r.applied) > 0 {
				at := r.applied[len(r.applied)-1]
				s.checkpointed(r, at)
			}
			done = done && r.Role().LeaderID != 0 && r.Status().Applied == uint64(len(s.chosen))-1
		}
		if done {
			return nil
		}
		if round == 500 {
			var at []uint64
			for _, r := range s.replicas {
				at = append(at, r.Status().Applied)
			}
			return fmt.Errorf("after the storm: chosen up to %d, applied %d, members %v", len(s.chosen)-1, at,
				s.members[len(s.members)-1].List())
		}
	}
}

func (s *storm) calm() error {
	for idle := false; !idle; {
		idle = true
		for _, r := range s.replicas {
			before := len(s.mail)
			if err := s.take(r); err != nil {
				return err
			}
			idle = idle && len(s.mail) == before && len(r.appends)+len(r.applies) == 0
			for len(r.appends) > 0 {
				if err := r.persist(); err != nil {
					return err
				}
			}
			for len(r.applies) > 0 {
				if err := s.apply(r); err != nil {
					return err
				}
			}
		}
		mail := s.mail
		s.mail = nil
		for _, m := range mail {
			if s.gone[m.GetTo()] || s.gone[m.GetFrom()] {
				continue
			}
			if err := s.step1(m); err != nil {
				return err
			}
			idle = false
		}
	}
	return s.check()
}
