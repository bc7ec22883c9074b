package consensus_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/cockroachdb/datadriven"
	"github.com/tidaldb/tidal/internal/consensus"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// TestScripts runs the stories of testdata/scripts: commands, and the picture that each of them gives. -rewrite writes
// the pictures anew.
//
//	new          [node=1] [max=bytes] [address=a] [url=u]  a new group of one
//	join         node=1 of=(1,2,3)        a replica of a group whose members are the store's business
//	wait         node=4                   a new replica without a log, which waits for its group's leader
//	change       KIND node=1 member=4 [address=a] [url=u]  add-learner, promote, remove, readdress
//	transfer, read                        node=1 [to=2]; node=1 ticket=7
//	cut, heal    [nodes=(1,2)]            from now on messages to and from these are lost; nobody's are
//	checkpoint   node=1 at=5              snapshots of entry 5 can be served
//	release      node=1 below=5           the log lets go of what is in front of an entry
//	install      node=4 from=1 at=5       a snapshot takes the place of all that a replica has
//	snapshot     to=4 node=1 [fails]      it was installed, or not
//	campaign, tick [n=1], propose DATA…   events
//	ready                                 take one Ready; its work is queued
//	persist, apply [n=1]                  the disk, the state machine finish the oldest piece of work
//	send         [to=n] [drop]            deliver all messages that are out, those to n, or none; lose the rest
//	run                                   all of the above until nothing is left
//	restart      [kept=n] [torn] [applied=i]  crash: of the appends in flight n reached the disk, and of the next one
//	             [unsynced]               only the entries; with unsynced, nothing behind the last sync did
//	role, log, members, peers             look
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		cryptotest.SetGlobalRandom(t, 1) // Raft draws its election timeouts there
		s := &script{nodes: map[uint64]*replica{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			s.out.Reset()
			if err := s.run(d); err != nil {
				fmt.Fprintf(&s.out, "error: %v\n", err)
			}
			return s.out.String()
		})
	})
}

// script is a network of replicas on disks that do what they are told.
type script struct {
	t     *testing.T
	out   strings.Builder
	nodes map[uint64]*replica
	order []uint64
	mail  []consensus.Message
	cut   map[uint64]bool
}

func (s *script) run(d *datadriven.TestData) error {
	node, n := uint64(1), 1
	d.MaybeScanArgs(s.t, "node", &node)
	d.MaybeScanArgs(s.t, "n", &n)
	switch d.Cmd {
	case "new", "join", "wait":
		return s.start(d, node)
	case "cut", "heal":
		var nodes []uint64
		d.MaybeScanArgs(s.t, "nodes", &nodes)
		s.cut = map[uint64]bool{}
		for _, n := range nodes {
			s.cut[n] = true
		}
		return nil
	case "restart":
		return s.restart(d, node)
	case "run":
		return s.drain()
	case "send":
		var to uint64
		d.MaybeScanArgs(s.t, "to", &to)
		return s.send(func(m consensus.Message) bool { return !d.HasArg("drop") && (to == 0 || m.GetTo() == to) })
	}
	r := s.nodes[node]
	switch d.Cmd {
	case "campaign":
		return r.Campaign()
	case "tick":
		for range n {
			r.Tick()
		}
	case "propose":
		for _, data := range strings.Fields(d.Input) {
			if err := r.Propose([]byte(data)); err != nil {
				return fmt.Errorf("%s: %w", data, err)
			}
		}
	case "ready":
		if !s.take(r) {
			s.out.WriteString("nothing to do\n")
		}
	case "persist":
		for range n {
			if err := r.persist(); err != nil {
				return err
			}
		}
	case "apply":
		for range n {
			if err := r.apply(); err != nil {
				return err
			}
		}
	case "role":
		fmt.Fprintf(&s.out, "leader=%v knows=%d term=%d\n", r.Role().Leader, r.Role().LeaderID, r.Role().Term)
	case "log":
		s.out.WriteString(r.disk.String())
	case "members":
		return s.members(r)
	default:
		return s.grouped(d, r)
	}
	return nil
}

// grouped runs the commands that only groups of many need.
func (s *script) grouped(d *datadriven.TestData, r *replica) error {
	var to, ticket, at uint64
	d.MaybeScanArgs(s.t, "to", &to)
	switch d.Cmd {
	case "change":
		return s.change(d, r)
	case "transfer":
		r.Transfer(to)
	case "read":
		d.ScanArgs(s.t, "ticket", &ticket)
		r.ReadIndex(ticket)
	case "checkpoint":
		d.ScanArgs(s.t, "at", &at)
		e := r.disk.entries[at-r.disk.base.Applied-1]
		m, err := s.membersAt(r, at)
		r.Checkpointed(at, e.Term, m)
		return err
	case "release":
		d.ScanArgs(s.t, "below", &at)
		r.disk.gone = at - 1
	case "install":
		return s.install(d, r)
	case "snapshot":
		r.ReportSnapshot(to, !d.HasArg("fails"))
	case "peers":
		for _, p := range r.Status().Peers {
			fmt.Fprintf(&s.out, "%d match=%d next=%d %s active=%v\n", p.Number, p.Match, p.Next, p.State, p.Active)
		}
	default:
		return errors.New("unknown command")
	}
	return nil
}

// install does what the owner of a node does: everything anew from what the snapshot says.
func (s *script) install(d *datadriven.TestData, r *replica) error {
	var from, at uint64
	d.ScanArgs(s.t, "from", &from)
	d.ScanArgs(s.t, "at", &at)
	source := s.nodes[from]
	m, err := s.membersAt(source, at)
	if err != nil {
		return err
	}
	h := r.disk.hard
	h.Commit, h.Term = max(h.Commit, at), max(h.Term, source.disk.entries[at-source.disk.base.Applied-1].Term)
	r.disk.founded(consensus.Restored{
		HardState: h, Applied: at, AppliedTerm: source.disk.entries[at-source.disk.base.Applied-1].Term, Members: m,
	})
	r.applied = nil
	return r.restart(at)
}

func (s *script) change(d *datadriven.TestData, r *replica) error {
	c := consensus.Change{}
	d.ScanArgs(s.t, "member", &c.Member.Number)
	d.MaybeScanArgs(s.t, "address", &c.Member.Address)
	d.MaybeScanArgs(s.t, "url", &c.Member.URL)
	for k := consensus.AddLearner; k <= consensus.Readdress; k++ {
		if d.CmdArgs[0].Key == k.String() {
			c.Kind = k
		}
	}
	return r.Change(c)
}

func (s *script) start(d *datadriven.TestData, node uint64) error {
	cfg := config(node)
	d.MaybeScanArgs(s.t, "max", &cfg.MaxUncommitted)
	d.MaybeScanArgs(s.t, "address", &cfg.Founder.Address)
	d.MaybeScanArgs(s.t, "url", &cfg.Founder.URL)
	cfg.Joining = d.Cmd == "wait"
	var of []uint64
	if d.MaybeScanArgs(s.t, "of", &of) {
		var err error
		if cfg.Restored, err = group(of...); err != nil {
			return err
		}
	}
	r := &replica{id: node, cfg: cfg}
	r.disk.founded(cfg.Restored)
	if s.nodes[node] == nil {
		s.order = append(s.order, node)
	}
	s.nodes[node] = r
	return r.start()
}

func (s *script) restart(d *datadriven.TestData, node uint64) error {
	r := s.nodes[node]
	kept, applied := 0, uint64(0)
	d.MaybeScanArgs(s.t, "kept", &kept)
	for range kept {
		r.disk.write(r.appends[0])
		r.appends = r.appends[1:]
	}
	if d.HasArg("torn") {
		r.disk.write(&consensus.Append{Entries: r.appends[0].Entries})
	}
	if d.HasArg("unsynced") {
		r.disk.losePower()
	}
	d.MaybeScanArgs(s.t, "applied", &applied)
	if err := r.restart(applied); err != nil {
		return err
	}
	fmt.Fprintf(&s.out, "restored: %s\n", describe(r.cfg.Restored))
	return nil
}

func (s *script) drain() error {
	for {
		idle := true
		for _, n := range s.order {
			r := s.nodes[n]
			if s.take(r) {
				idle = false
			}
			for len(r.appends) > 0 {
				if err := r.persist(); err != nil {
					return err
				}
				idle = false
			}
			for len(r.applies) > 0 {
				if err := r.apply(); err != nil {
					return err
				}
				idle = false
			}
		}
		if len(s.mail) > 0 {
			if err := s.send(func(consensus.Message) bool { return true }); err != nil {
				return err
			}
			idle = false
		}
		if idle {
			return nil
		}
	}
}

func (s *script) take(r *replica) bool {
	rd, ok := r.take()
	if !ok {
		return false
	}
	who := ""
	if len(s.nodes) > 1 {
		who = fmt.Sprintf("%d: ", r.id)
	}
	if rd.Append != nil {
		fmt.Fprintf(&s.out, "%sappend%s\n", who, describeAppend(rd.Append))
	}
	if rd.Apply != nil {
		fmt.Fprintf(&s.out, "%sapply %s\n", who, describeEntries(rd.Apply.Entries))
	}
	for _, x := range rd.Reads {
		fmt.Fprintf(&s.out, "%sread %d at %d\n", who, x.Ticket, x.Index)
	}
	for _, x := range rd.Snapshots {
		fmt.Fprintf(&s.out, "%swants a snapshot of %d/%d for %d\n", who, x.Index, x.Term, x.To)
	}
	if rd.NeedCheckpoint {
		fmt.Fprintf(&s.out, "%sneeds a checkpoint\n", who)
	}
	seen := map[string]int{}
	for _, m := range rd.Messages {
		seen[describeMessage(m)]++
	}
	for _, m := range rd.Messages {
		text := describeMessage(m)
		if n := seen[text]; n > 1 {
			text += fmt.Sprintf(" (%d times)", n)
		}
		if seen[describeMessage(m)] > 0 {
			fmt.Fprintf(&s.out, "%sout %s\n", who, text)
		}
		seen[describeMessage(m)] = 0
	}
	s.mail = append(s.mail, rd.Messages...)
	return true
}

func (s *script) send(arrives func(consensus.Message) bool) error {
	mail := s.mail
	s.mail = nil
	for _, m := range mail {
		lost := s.cut[m.GetTo()] || s.cut[m.GetFrom()]
		if to := s.nodes[m.GetTo()]; to != nil && !lost && arrives(m) {
			if err := to.Step(m); err != nil {
				return fmt.Errorf("step %s: %w", describeMessage(m), err)
			}
		}
	}
	return nil
}

// members replays the configuration entries of the disk, as a restarted replica does, and compares with what the node
// knows when it has applied all of them.
func (s *script) members(r *replica) error {
	m, err := s.membersAt(r, math.MaxUint64)
	if err != nil {
		return err
	}
	fmt.Fprintln(&s.out, "voters:", m.Voters())
	for _, x := range m.List() {
		if x.Learner || x.Address != "" || x.URL != "" {
			fmt.Fprintf(&s.out, "%d learner=%v address=%q url=%q\n", x.Number, x.Learner, x.Address, x.URL)
		}
	}
	if here := r.Members(); r.Status().Applied == r.Status().Last &&
		!bytes.Equal(here.AppendBinary(nil), m.AppendBinary(nil)) {
		return fmt.Errorf("the node knows %v", here.List())
	}
	return nil
}

func (s *script) membersAt(r *replica, index uint64) (consensus.Members, error) {
	m := r.cfg.Restored.Members
	for _, e := range r.disk.entries {
		if e.Index > index || e.Index <= r.cfg.Restored.Applied {
			continue
		}
		var err error
		if m, err = m.After(e); err != nil {
			return m, err
		}
	}
	return m, nil
}

func describe(r consensus.Restored) string {
	h := r.HardState
	return fmt.Sprintf("term=%d vote=%d commit=%d, applied %d of term %d, voters %v, tail %s",
		h.Term, h.Vote, h.Commit, r.Applied, r.AppliedTerm, r.Members.Voters(), describeEntries(r.Tail))
}

func describeAppend(a *consensus.Append) string {
	var b strings.Builder
	if len(a.Entries) > 0 {
		b.WriteString(" " + describeEntries(a.Entries))
	}
	if h := a.HardState; h != nil {
		fmt.Fprintf(&b, " term=%d vote=%d commit=%d", h.Term, h.Vote, h.Commit)
	}
	if a.Sync {
		b.WriteString(" sync")
	}
	return b.String()
}

// describeEntries prints index/term and what is in it: a batch's text, "-" for an empty entry, "members".
func describeEntries(entries []consensus.Entry) string {
	var parts []string
	for _, e := range entries {
		text := string(e.Data)
		switch e.Kind {
		case consensus.Empty:
			text = "-"
		case consensus.Configuration:
			text = "members"
		}
		parts = append(parts, fmt.Sprintf("%d/%d:%s", e.Index, e.Term, text))
	}
	return "[" + strings.Join(parts, " ") + "]"
}

func describeMessage(m consensus.Message) string {
	text := fmt.Sprintf("%d->%d %s term=%d", m.GetFrom(), m.GetTo(), m.GetType(), m.GetTerm())
	if n := len(m.GetEntries()); n > 0 {
		text += fmt.Sprintf(" %d entries from %d", n, m.GetEntries()[0].GetIndex())
	}
	if m.GetReject() {
		text += " reject"
	}
	return text
}

// addVoter is the entry by which a replica becomes a voter, in Raft's first encoding of changes.
func addVoter(index, node uint64) consensus.Entry {
	change := &raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: &node}
	data, err := proto.Marshal(change)
	if err != nil {
		panic(err)
	}
	return consensus.Entry{Kind: consensus.Configuration, Term: 1, Index: index, Data: append([]byte{1}, data...)}
}
