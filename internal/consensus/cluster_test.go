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

// storm runs three replicas on a network that loses, delays, repeats and reorders messages, and on disks that crash
// with some, half or none of what was in flight.
type storm struct {
	rng      *rand.Rand
	replicas []*replica
	mail     []consensus.Message
	leaders  map[uint64]uint64 // term → who led it
	chosen   []consensus.Entry // chosen[i] is what anybody applied at index i
	proposed int
}

// TestReplicasApplyOneLogThroughStorms: one leader a term, one entry an index, nothing applied that isn't durable at
// home, nothing applied ever lost; and when the storm is over, everybody has everything.
func TestReplicasApplyOneLogThroughStorms(t *testing.T) {
	first, rounds := uint64(1), uint64(150)
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
	entries, crashes := 0, 0
	for seed := first; seed < first+rounds; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, seed) // Raft draws its election timeouts there
			s, n, err := runStorm(seed)
			if err != nil {
				t.Fatalf("%v\nreplay: TIDAL_SEED=%d go test ./internal/consensus -run Storms", err, seed)
			}
			entries += len(s.chosen)
			crashes += n
		})
	}
	if rounds > 1 && (entries < int(rounds)*20 || crashes < int(rounds)) {
		t.Errorf("%d entries and %d crashes in %d storms: too calm to mean anything", entries, crashes, rounds)
	}
	t.Logf("%d entries applied by all, %d crashes", entries, crashes)
}

func runStorm(seed uint64) (*storm, int, error) {
	s := &storm{rng: rand.New(rand.NewPCG(seed, 0)), leaders: map[uint64]uint64{}}
	base, err := group(1, 2, 3)
	if err != nil {
		return s, 0, err
	}
	s.chosen = make([]consensus.Entry, base.Applied+1)
	for n := range uint64(3) {
		r := &replica{id: n + 1, cfg: config(n + 1)}
		r.cfg.Restored = base
		r.disk.founded(base)
		if err := r.start(); err != nil {
			return s, 0, err
		}
		s.replicas = append(s.replicas, r)
	}
	crashes := 0
	for range 2500 {
		crashed, err := s.step()
		if err != nil {
			return s, crashes, err
		}
		if crashed {
			crashes++
		}
		if err := s.check(); err != nil {
			return s, crashes, err
		}
	}
	return s, crashes, s.settle()
}

func (s *storm) step() (crashed bool, err error) {
	r := s.replicas[s.rng.IntN(3)]
	switch n := s.rng.IntN(1000); {
	case n < 60:
		r.Tick()
	case n < 64:
		return true, s.crash(r)
	case n < 80:
		err = r.Campaign()
	case n < 250:
		s.proposed++
		_ = r.Propose([]byte(strconv.Itoa(s.proposed))) // refused unless it leads, and counted by nobody
	case n < 450:
		if rd, ok := r.take(); ok {
			s.mail = append(s.mail, rd.Messages...)
		}
	case n < 600 && len(r.appends) > 0:
		err = r.persist()
	case n < 700 && len(r.applies) > 0:
		err = s.apply(r)
	case len(s.mail) > 0:
		err = s.deliver()
	}
	return false, err
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
	return s.replicas[m.GetTo()-1].Step(m)
}

func (s *storm) apply(r *replica) error {
	before := len(r.applied)
	if err := r.apply(); err != nil {
		return fmt.Errorf("replica %d: %w", r.id, err)
	}
	for _, e := range r.applied[before:] {
		switch {
		case e.Index < uint64(len(s.chosen)):
			if c := s.chosen[e.Index]; c.Term != e.Term || string(c.Data) != string(e.Data) {
				return fmt.Errorf("replica %d applied %d/%d:%s, others %d/%d:%s",
					r.id, e.Index, e.Term, e.Data, c.Index, c.Term, c.Data)
			}
		case e.Index > uint64(len(s.chosen)):
			return fmt.Errorf("replica %d applied %d before %d", r.id, e.Index, len(s.chosen))
		default:
			s.chosen = append(s.chosen, e)
		}
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
	// The store's checkpoint is anywhere up to what was applied. It stays low here, because a leader whose log starts
	// behind a follower's end has to send a snapshot, and that is another package's.
	applied := r.disk.base.Applied
	if len(r.applied) > 0 && s.rng.IntN(8) == 0 {
		applied = r.applied[s.rng.IntN(len(r.applied))].Index
	}
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

// settle ends the storm: everybody restarts once more and hears everything; all must come to hold all that was chosen.
func (s *storm) settle() error {
	s.mail = nil
	for _, r := range s.replicas {
		if err := r.restart(r.disk.base.Applied); err != nil {
			return err
		}
	}
	for round := 0; ; round++ {
		for _, r := range s.replicas {
			r.Tick()
		}
		if err := s.calm(); err != nil {
			return err
		}
		done := true
		for _, r := range s.replicas {
			led := r.Role().LeaderID != 0
			done = done && led && len(r.applied) == len(s.chosen)-int(r.disk.base.Applied)-1
		}
		if done {
			return nil
		}
		if round == 500 {
			return fmt.Errorf("after the storm: chosen up to %d, applied %d, %d, %d", len(s.chosen)-1,
				len(s.replicas[0].applied), len(s.replicas[1].applied), len(s.replicas[2].applied))
		}
	}
}

func (s *storm) calm() error {
	for idle := false; !idle; {
		idle = true
		for _, r := range s.replicas {
			if rd, ok := r.take(); ok {
				s.mail, idle = append(s.mail, rd.Messages...), false
			}
			for len(r.appends) > 0 {
				if err := r.persist(); err != nil {
					return err
				}
				idle = false
			}
			for len(r.applies) > 0 {
				if err := s.apply(r); err != nil {
					return err
				}
				idle = false
			}
		}
		mail := s.mail
		s.mail = nil
		for _, m := range mail {
			if err := s.replicas[m.GetTo()-1].Step(m); err != nil {
				return err
			}
			idle = false
		}
	}
	return s.check()
}
