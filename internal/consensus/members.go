package consensus

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"go.etcd.io/raft/v3/confchange"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// Member is one replica of a group.
type Member struct {
	// Number is the replica's, from 1. A number is given once, and never again after its replica was removed.
	Number uint64
	// Address is where the other members reach it, and URL where applications do; both have at most [MaxAddress] bytes
	// and may be empty.
	Address, URL string
	// Learner gets the log and has no vote.
	Learner bool
}

// MaxAddress is the length of the longest address of a member, in bytes.
const MaxAddress = 255

// Members is the configuration of a group: who belongs to it, and the highest number that was ever given. The zero
// value is an empty one. A value never changes.
type Members struct {
	conf *pb.ConfState
	// places are the members that have an address or a URL, by number.
	places []Member
	// highest is the highest number ever given; 0 says that it is the highest of those in conf.
	highest uint64
}

func (m Members) state() *pb.ConfState {
	if m.conf == nil {
		return &pb.ConfState{}
	}
	return m.conf
}

// Voters returns the replicas that vote, in order.
func (m Members) Voters() []uint64 { return m.state().GetVoters() }

// List returns the members in order of their numbers.
func (m Members) List() []Member {
	var out []Member
	c := m.state()
	for _, numbers := range [][]uint64{c.GetVoters(), c.GetVotersOutgoing(), c.GetLearners(), c.GetLearnersNext()} {
		for _, n := range numbers {
			if slices.ContainsFunc(out, func(x Member) bool { return x.Number == n }) {
				continue
			}
			x := m.place(n)
			x.Learner = slices.Contains(c.GetLearners(), n)
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b Member) int { return cmp.Compare(a.Number, b.Number) })
	return out
}

// Get returns the member of a number, and whether there is one.
func (m Members) Get(number uint64) (Member, bool) {
	c := m.state()
	x := m.place(number)
	x.Learner = slices.Contains(c.GetLearners(), number)
	return x, x.Learner || slices.Contains(c.GetVoters(), number) || slices.Contains(c.GetVotersOutgoing(), number)
}

// Highest is the highest number that was ever given, also to replicas that were removed; 0 in an empty configuration.
func (m Members) Highest() uint64 {
	highest := m.highest
	for _, x := range m.List() {
		highest = max(highest, x.Number)
	}
	return highest
}

// place is what is known of where a number is.
func (m Members) place(number uint64) Member {
	i, found := slices.BinarySearchFunc(m.places, number, byNumber)
	if !found {
		return Member{Number: number}
	}
	return m.places[i]
}

func byNumber(x Member, number uint64) int { return cmp.Compare(x.Number, number) }

// After returns the configuration that a configuration entry leads to. It is how a replica that replays its log
// learns its group without asking Raft. Entries of other kinds leave the configuration as it is.
func (m Members) After(e Entry) (Members, error) {
	if e.Kind != Configuration {
		return m, nil
	}
	raw, err := toRaft(e)
	if err != nil {
		return m, err
	}
	decoded, where, err := decodeChange(raw)
	if err != nil {
		return m, err
	}
	trk := tracker.MakeProgressTracker(1, 0)
	changer := confchange.Changer{Tracker: trk, LastIndex: e.Index}
	if trk.Config, trk.Progress, err = confchange.Restore(changer, m.state()); err != nil {
		return m, fmt.Errorf("entry %d: restore configuration: %w", e.Index, err)
	}
	changer.Tracker = trk
	change := decoded.AsV2()
	cfg, progress, err := func() (tracker.Config, tracker.ProgressMap, error) {
		if change.LeaveJoint() {
			return changer.LeaveJoint()
		}
		if auto, ok := change.EnterJoint(); ok {
			return changer.EnterJoint(auto, change.Changes...)
		}
		return changer.Simple(change.Changes...)
	}()
	if err != nil {
		return m, fmt.Errorf("entry %d: apply configuration change: %w", e.Index, err)
	}
	trk.Config, trk.Progress = cfg, progress
	return m.with(trk.ConfState(), change.GetChanges(), where), nil
}

// with is the configuration with Raft's new part of it, after changes of which the only one may say where its member is.
func (m Members) with(conf *pb.ConfState, changes []*pb.ConfChangeSingle, where *Member) Members {
	next := Members{conf: conf, highest: m.Highest()}
	for _, c := range changes {
		if c.GetType() != pb.ConfChangeRemoveNode && c.GetType() != pb.ConfChangeUpdateNode {
			next.highest = max(next.highest, c.GetNodeId())
		}
	}
	for _, p := range m.places {
		if _, member := next.Get(p.Number); member {
			next.places = append(next.places, p)
		}
	}
	if len(changes) == 1 && where != nil {
		next.put(Member{Number: changes[0].GetNodeId(), Address: where.Address, URL: where.URL})
	}
	return next
}

// put notes where a member is. The receiver is not shared yet.
func (m *Members) put(x Member) {
	if _, member := m.Get(x.Number); !member {
		return
	}
	i, found := slices.BinarySearchFunc(m.places, x.Number, byNumber)
	switch nowhere := x.Address == "" && x.URL == ""; {
	case found && nowhere:
		m.places = slices.Delete(m.places, i, i+1)
	case found:
		m.places[i] = x
	case !nowhere:
		m.places = slices.Insert(m.places, i, x)
	}
}

// The first byte of an encoded configuration that says more than Raft's own. No field of Raft's begins with it.
const membersMark = 0

// membersVersion is the version of that encoding.
const membersVersion = 1

// AppendBinary appends the encoding of the configuration, the same for equal ones: Raft's own, or, if members have
// addresses or the highest numbers are gone, Raft's and these.
func (m Members) AppendBinary(dst []byte) []byte {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.state())
	if err != nil {
		panic(fmt.Sprintf("consensus: encode configuration: %v", err)) // it holds numbers
	}
	highest := m.Highest()
	if _, here := m.Get(highest); len(m.places) == 0 && (here || highest == 0) {
		return append(dst, raw...)
	}
	dst = append(dst, membersMark, membersVersion)
	dst = appendText(dst, raw)
	dst = appendUvarint(dst, highest)
	dst = appendUvarint(dst, uint64(len(m.places)))
	for _, p := range m.places {
		dst = appendUvarint(dst, p.Number)
		dst = appendText(dst, p.Address)
		dst = appendText(dst, p.URL)
	}
	return dst
}

// DecodeMembers reads what [Members.AppendBinary] wrote, and Raft's own encoding alone.
func DecodeMembers(b []byte) (Members, error) {
	if len(b) == 0 || b[0] != membersMark {
		return decodeConf(b)
	}
	r := reader{rest: b[1:]}
	if v := r.byte(); v > membersVersion && r.err == nil {
		return Members{}, fmt.Errorf("configuration of version %d: %w", v, fault.ErrFormatTooNew)
	}
	raw := r.bytes(maxConf)
	m, err := decodeConf(raw)
	if err != nil {
		return Members{}, err
	}
	m.highest = r.uvarint()
	count := r.uvarint()
	for i := uint64(0); i < count && r.err == nil; i++ {
		p := Member{Number: r.uvarint(), Address: r.text(MaxAddress), URL: r.text(MaxAddress)}
		_, member := m.Get(p.Number)
		switch {
		case r.err != nil:
		case !member:
			r.fail("place of replica %d, which is no member", p.Number)
		case len(m.places) > 0 && m.places[len(m.places)-1].Number >= p.Number:
			r.fail("places are out of order at replica %d", p.Number)
		case p.Address == "" && p.URL == "":
			r.fail("place of replica %d is empty", p.Number)
		default:
			m.places = append(m.places, p)
		}
	}
	if r.end(); r.err != nil {
		return Members{}, fmt.Errorf("configuration: %w", r.err)
	}
	if string(m.AppendBinary(nil)) != string(b) {
		return Members{}, fault.Damaged("", 0, "configuration isn't in its one encoding")
	}
	return m, nil
}

// maxConf bounds Raft's own part of a configuration, in bytes.
const maxConf = 1 << 16

func decodeConf(b []byte) (Members, error) {
	conf := &pb.ConfState{}
	if err := proto.Unmarshal(b, conf); err != nil {
		return Members{}, fault.Damaged("", 0, "configuration: %v", err)
	}
	return Members{conf: conf}, nil
}
