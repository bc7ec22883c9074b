package replica_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/replica"
)

// fleet is a group of rigs that exchange packets, as bytes. Its disks can be held, and its network cut.
type fleet struct {
	tb     failer
	change func(*replica.Config)
	rigs   []*rig // number n at n − 1
	cut    map[uint64]bool
	held   map[uint64]bool
	mail   []replica.Packet
	// stepped is called after each step of a rig.
	stepped func(*rig)
}

func newFleet(tb failer, change func(*replica.Config)) *fleet {
	return &fleet{tb: tb, change: change, cut: map[uint64]bool{}, held: map[uint64]bool{}}
}

// founded is a fleet of n that one founds and the others join; nothing is under way in it. It has the test schema, unless it is
// of another region, which learns of it.
func founded(tb failer, n int, change func(*replica.Config)) *fleet {
	f := newFleet(tb, change)
	f.add()
	f.rigs[0].lead()
	f.run()
	for len(f.rigs) < n {
		f.join(1)
	}
	for rounds := 0; len(f.rigs[0].core.Members().Voters()) < n; rounds++ {
		if rounds > 100 {
			tb.Fatalf("after %d rounds %v vote", rounds, f.rigs[0].core.Members().Voters())
		}
		f.tick(f.rigs...)
		f.run()
	}
	clear(f.rigs[0].changes)
	if r := f.rigs[0]; r.cfg.Origin.Region == origin.Region {
		r.propose(r.controls())
		r.flush()
		f.run()
	}
	return f
}

// add starts a new rig: the first founds, the others wait to be joined.
func (f *fleet) add() *rig {
	number := uint64(len(f.rigs)) + 1
	r := newRig(f.tb, func(c *replica.Config) {
		c.Consensus.Replica, c.Consensus.Joining = number, number > 1
		c.Consensus.Founder = consensus.Member{Number: 1, Address: "host1"}
		c.StallTicks = 25
		if f.change != nil {
			f.change(c)
		}
	})
	r.wall = 1000
	f.rigs = append(f.rigs, r)
	return r
}

// join adds a rig to the group that a leader leads, as a learner.
func (f *fleet) join(leader uint64) {
	n := f.add().cfg.Consensus.Replica
	r := f.rigs[leader-1]
	r.core.Change(r.now(), 1<<32+n, consensus.Change{
		Kind: consensus.AddLearner, Member: consensus.Member{Address: fmt.Sprint("host", n)},
	})
	r.take()
	f.run()
	if x, ok := r.changes[1<<32+n]; !ok || x.Err != nil || x.Member.Number != n {
		f.tb.Fatalf("joining is answered with %+v, %v", x, ok)
	}
}

func (f *fleet) tick(rigs ...*rig) {
	f.tb.Helper()
	for _, r := range rigs {
		r.wall += 25
		r.core.Tick(r.now())
		if r.core.Ripe() {
			r.check(r.core.Flush(r.now()))
		}
		r.take()
		f.after(r)
	}
}

func (f *fleet) after(r *rig) {
	f.mail = append(f.mail, r.mail...)
	r.mail = nil
	if f.stepped != nil {
		f.stepped(r)
	}
}

// run lets everything come to an end that ends without time passing.
func (f *fleet) run() {
	f.tb.Helper()
	for busy := true; busy; {
		busy = false
		for _, r := range f.rigs {
			f.after(r)
			for len(r.appends) > 0 && !f.held[r.cfg.Consensus.Replica] {
				r.check(r.persist())
				f.after(r)
				busy = true
			}
			for len(r.applies) > 0 {
				r.check(r.apply())
				f.after(r)
				busy = true
			}
			if r.core.Ripe() {
				r.flush()
				busy = true
			}
		}
		mail := f.mail
		f.mail = nil
		for _, p := range mail {
			f.deliver(p)
			busy = true
		}
	}
}

// deliver brings a packet to where it goes, unless somebody is cut off.
func (f *fleet) deliver(p replica.Packet) {
	f.tb.Helper()
	again, err := replica.DecodePacket(p.Append(nil))
	if err != nil {
		f.tb.Fatalf("packet doesn't travel: %v", err)
	}
	if f.cut[p.To] || f.cut[p.From] || p.To > uint64(len(f.rigs)) {
		return
	}
	r := f.rigs[p.To-1]
	if err := r.core.Receive(r.now(), again); err != nil {
		f.tb.Fatalf("replica %d: %v", p.To, err)
	}
	r.take()
	f.after(r)
}

// leader is the rig that leads in the highest term, nil if nobody stamps.
func (f *fleet) leader() *rig {
	var best *rig
	for _, r := range f.rigs {
		if r.core.Leading() && (best == nil || r.core.Status().Term > best.core.Status().Term) {
			best = r
		}
	}
	return best
}

// elect lets time pass, one tick each, until somebody leads whom the reachable follow.
func (f *fleet) elect() *rig {
	f.tb.Helper()
	for range 200 {
		for _, r := range f.rigs {
			f.tick(r)
			f.run()
		}
		if r := f.leader(); r != nil && !f.cut[r.cfg.Consensus.Replica] {
			return r
		}
	}
	f.tb.Fatalf("nobody leads after 200 ticks:\n%s", f)
	return nil
}

// String says where everybody stands.
func (f *fleet) String() string {
	var b strings.Builder
	for _, r := range f.rigs {
		s := r.core.Status()
		var voters []uint64
		for _, m := range s.Members.List() {
			if !m.Learner {
				voters = append(voters, m.Number)
			}
		}
		fmt.Fprintf(&b, "%d: term=%d knows=%d leading=%v commit=%d applied=%d last=%d voters=%v", r.cfg.Consensus.Replica,
			s.Term, s.LeaderID, s.Leading, s.Commit, s.Applied, s.Last, voters)
		for _, m := range s.Members.List() {
			if m.Learner {
				fmt.Fprintf(&b, " learner=%d", m.Number)
			}
		}
		if s.Stalled {
			b.WriteString(" stalled")
		}
		if s.Fenced {
			b.WriteString(" fenced")
		}
		if s.Waiting > 0 {
			fmt.Fprintf(&b, " waiting=%d", s.Waiting)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// holders are the replicas whose disks have an entry.
func (f *fleet) holders(e consensus.Entry) []uint64 {
	var out []uint64
	for _, r := range f.rigs {
		i := slices.IndexFunc(r.disk.entries, func(x consensus.Entry) bool { return x.Index == e.Index })
		if i >= 0 && r.disk.entries[i].Term == e.Term {
			out = append(out, r.cfg.Consensus.Replica)
		}
	}
	return out
}
