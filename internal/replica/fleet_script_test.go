package replica_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/cockroachdb/datadriven"
	"github.com/tidaldb/tidal/internal/consensus"
)

// TestGroupScripts runs the stories of testdata/group: commands to a group of replicas, and the picture that each gives:
// what they apply, answer and say. -rewrite writes the pictures anew. After every command every lifecycle must be legal.
//
//	group     n=3                       one that was founded by 1 and joined by the others, which were promoted
//	cut       [nodes=(1,2)]             packets to and from these are lost from now on
//	hold      [nodes=(1)]               these disks hang from now on; the others don't
//	lag       node=1 ms=5000            moves a wall clock
//	propose   node=1                    requests, one a line: [lane=a/1] RECORD; …
//	run                                 everything that takes no time
//	tick      [node=1] [n=1]            time passes for one or for all, with run after each tick
//	elect                               ticks until somebody leads
//	campaign  node=1
//	transfer  node=1 [to=2]
//	retire    node=1
//	read      node=1 ticket=7
//	change    KIND node=1 ticket=8 [member=4] [address=a]
//	join                                a new replica, which nobody knows yet
//	restart   node=1                    from its disk; what was on its way there is lost
//	stop      node=1
//	status                              where everybody stands
//	life      node=1 [from=66]          its transitions since the last time, from a time on
func TestGroupScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/group", func(t *testing.T, path string) {
		cryptotest.SetGlobalRandom(t, 1) // Raft draws its election timeouts there
		s := &groupScript{told: map[uint64]int{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			s.out.Reset()
			if d.Cmd == "group" {
				n := 0
				d.ScanArgs(t, "n", &n)
				s.fleet = founded(t, n, nil)
				s.stepped = s.tell
				return ""
			}
			s.tb = t
			for _, r := range s.rigs {
				r.tb = t
				r.said.Reset()
			}
			if err := s.step(d); err != nil {
				fmt.Fprintf(&s.out, "error: %v\n", err)
			}
			return s.out.String()
		})
	})
}

type groupScript struct {
	*fleet
	t    *testing.T
	out  strings.Builder
	told map[uint64]int
}

// tell prints what a rig said since the last time.
func (s *groupScript) tell(r *rig) {
	n := r.cfg.Consensus.Replica
	for line := range strings.Lines(r.said.String()) {
		if !strings.HasPrefix(line, "persist") && !strings.HasPrefix(line, " ") {
			fmt.Fprintf(&s.out, "%d: %s", n, line)
		}
	}
	r.said.Reset()
	for _, ticket := range slices.Sorted(maps.Keys(r.reads)) {
		if x := r.reads[ticket]; x.Err != nil {
			fmt.Fprintf(&s.out, "%d: read %d: %v\n", n, ticket, x.Err)
		} else {
			fmt.Fprintf(&s.out, "%d: read %d at %d\n", n, ticket, x.Index)
		}
	}
	for _, ticket := range slices.Sorted(maps.Keys(r.changes)) {
		if x := r.changes[ticket]; x.Err != nil {
			fmt.Fprintf(&s.out, "%d: change %d: %v\n", n, ticket, x.Err)
		} else {
			fmt.Fprintf(&s.out, "%d: change %d of member %d\n", n, ticket, x.Member.Number)
		}
	}
	clear(r.reads)
	clear(r.changes)
}

func (s *groupScript) step(d *datadriven.TestData) error {
	node, n := uint64(0), 1
	d.MaybeScanArgs(s.t, "node", &node)
	d.MaybeScanArgs(s.t, "n", &n)
	which := s.rigs
	if node > 0 {
		which = s.rigs[node-1 : node]
	}
	r := which[0]
	switch d.Cmd {
	case "cut", "hold":
		set := map[uint64]bool{}
		var nodes []uint64
		d.MaybeScanArgs(s.t, "nodes", &nodes)
		for _, n := range nodes {
			set[n] = true
		}
		if d.Cmd == "cut" {
			s.cut = set
		} else {
			s.held = set
		}
	case "run":
		s.run()
	case "tick":
		for range n {
			s.tick(which...)
			s.run()
		}
	case "elect":
		s.elect()
	case "join":
		s.add()
	case "status":
		s.out.WriteString(s.String())
	case "life":
		from := ""
		d.MaybeScanArgs(s.t, "from", &from)
		lines := strings.SplitAfter(r.events.String(), "\n")
		for i, line := range lines[s.told[node]:] {
			if strings.HasPrefix(line, from+" ") || from == "" {
				s.out.WriteString(strings.Join(lines[s.told[node]+i:], ""))
				break
			}
		}
		s.told[node] = len(lines) - 1
	case "restart":
		r.restart(0, false)
		s.told[node] = 0
		s.after(r)
	default:
		return s.stepOne(d, r)
	}
	return nil
}

func (s *groupScript) stepOne(d *datadriven.TestData, r *rig) error {
	var to, ticket uint64
	d.MaybeScanArgs(s.t, "to", &to)
	d.MaybeScanArgs(s.t, "ticket", &ticket)
	switch d.Cmd {
	case "propose":
		lines := &script{rig: r}
		for _, line := range strings.Split(d.Input, "\n") {
			req, err := lines.parse(line)
			if err != nil {
				return err
			}
			r.propose(req)
		}
		r.flush()
	case "lag":
		ms := int64(0)
		d.ScanArgs(s.t, "ms", &ms)
		r.wall += ms
	case "campaign":
		r.check(r.core.Campaign(r.now()))
		r.take()
	case "transfer":
		r.core.Transfer(r.now(), to)
		r.take()
	case "retire":
		fmt.Fprintf(&s.out, "done=%v\n", r.core.Retire(r.now()))
		r.take()
	case "read":
		r.core.ReadIndex(r.now(), ticket)
		r.take()
	case "change":
		s.change(d, r, ticket)
	case "stop":
		r.core.Stop(r.now(), errStop)
		r.take()
	default:
		return fmt.Errorf("unknown command %q", d.Cmd)
	}
	s.after(r)
	return nil
}

func (s *groupScript) change(d *datadriven.TestData, r *rig, ticket uint64) {
	c := consensus.Change{}
	d.MaybeScanArgs(s.t, "member", &c.Member.Number)
	d.MaybeScanArgs(s.t, "address", &c.Member.Address)
	for k := consensus.AddLearner; k <= consensus.Readdress; k++ {
		if d.CmdArgs[0].Key == k.String() {
			c.Kind = k
		}
	}
	r.core.Change(r.now(), ticket, c)
	r.take()
}
