package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
)

// Group is what a server asks of the replicas that keep its database together. Its methods may be called several at once.
type Group interface {
	// Leader says who takes writes. It is asked for every write, and must be quick.
	Leader() Leader
	// Status says who belongs to the group, as this replica knows it.
	Status(ctx context.Context) (GroupStatus, error)
	// Latest returns once everything is visible here that was acknowledged by any replica before the call.
	Latest(ctx context.Context) error
	// Remove takes a replica out. Without force it is refused where too few of the others answer to go on without it.
	Remove(ctx context.Context, number uint64, force bool) error
	// Transfer has another replica lead, 0 the one that has most of the log, and returns once somebody else does.
	Transfer(ctx context.Context, to uint64) error
}

// Leader is who takes writes.
type Leader struct {
	// Number is the replica's, 0 if none is known. Self reports that it's the one that is asked.
	Number uint64
	Self   bool
	// URL is where applications reach it, Address where replicas do; both may be empty.
	URL, Address string
}

// GroupStatus is what a replica knows of its group.
type GroupStatus struct {
	Cluster string
	// Replica is the number of who answers.
	Replica uint64
	Leader  Leader
	Term    uint64
	// Commit is the last entry that is durable on a quorum, Applied the last that reads see here.
	Commit, Applied uint64
	// Changing reports that a change of the members is under way, as far as the replica leads.
	Changing bool
	Members  []Member
	// Forked is why the region takes no writes though the replica leads it, nil if it does or the replica doesn't lead.
	Forked error
}

// Member is a replica of a group.
type Member struct {
	Number       uint64
	Address, URL string
	// Role is leader, follower or learner.
	Role string
	// Known reports that what follows is known, as a leader knows it: how many entries it lacks, whether it was heard of
	// lately, and whether it's sent a snapshot.
	Known            bool
	Lag              uint64
	Active, Snapshot bool
}

// Words of the protocol between clients, followers and leaders.
const (
	// headerRead asks a read for more than what is here.
	headerRead = "Tidal-Read"
	readLatest = "latest"
	// headerForwarded says that a follower has passed the request on, and which; nobody does so again.
	headerForwarded = "Tidal-Forwarded"
	// headerLeader tells who takes writes, in every answer of a server of a group.
	headerLeader = "Tidal-Leader"
)

// lead returns nil where requests that change something may be made here, and else who takes them. Asking before the
// request is looked at keeps a follower that is behind from refusing what it doesn't know yet. identified says that the
// request can be recognised when it comes twice, or does no more then.
func (s *Server) lead(identified bool) error {
	if s.group == nil {
		return nil
	}
	l := s.group.Leader()
	if l.Self {
		return nil
	}
	return misdirected(&fault.NotLeader{Leader: l.Number, URL: l.URL, Address: l.Address}, identified)
}

// misdirected marks the refusal of a replica that doesn't lead, where the request mustn't be passed on.
func misdirected(err error, identified bool) error {
	if err != nil && !identified && refusedHere(err) {
		return &unforwarded{err}
	}
	return err
}

// refusedHere reports whether a replica refused what only a leader may do, and nothing was written. One that ceased to lead
// with the request under way says so, too, but that it doesn't know what became of it.
func refusedHere(err error) bool {
	return errors.Is(err, fault.ErrNotLeader) && !errors.Is(err, fault.ErrUnknown)
}

// errAlone refuses what only groups have.
func errAlone() error {
	return &told{errNotOffered, "this server keeps its database alone; it has no members"}
}

// introduce tells the caller who leads, so that it goes there directly the next time.
func (s *Server) introduce(h http.Header) {
	if s.group == nil {
		return
	}
	if l := s.group.Leader(); l.URL != "" {
		h.Set(headerLeader, l.URL)
	}
}

// errNoLeader is of requests that nobody takes at the moment. Nothing was written.
var errNoLeader = errors.New("the replicas have no leader at the moment")

// leaderless tells a replica that knows no leader from one that knows another.
func leaderless(err error) error {
	if !refusedHere(err) {
		return err
	}
	var not *fault.NotLeader
	if errors.As(err, &not) && not.Leader != 0 {
		return err
	}
	return &told{errNoLeader, "the replicas have no leader at the moment; nothing was written"}
}

// latest waits for what was acknowledged elsewhere, if the request asks for that.
func (s *Server) latest(ctx context.Context) error {
	switch word := callOf(ctx).r.Header.Get(headerRead); word {
	case "":
		return nil
	case readLatest:
		if s.group == nil {
			return nil // a database alone acknowledges nothing that isn't visible
		}
		return s.group.Latest(ctx)
	default:
		return fault.Refuse(headerRead, "is %q; it is %s or left out", word, readLatest)
	}
}

// Cluster is in the schema's words.
func (x *service) Cluster(ctx context.Context, _ *tidalpb.ClusterRequest) (*tidalpb.ClusterResponse, error) {
	if x.s.group == nil {
		return nil, errAlone()
	}
	st, err := x.s.group.Status(ctx)
	if err != nil {
		return nil, err
	}
	out := &tidalpb.ClusterResponse{
		Cluster: st.Cluster, Replica: int64(st.Replica), Leader: int64(st.Leader.Number), LeaderUrl: st.Leader.URL,
		Term: int64(st.Term), Commit: int64(st.Commit), Applied: int64(st.Applied), Changing: st.Changing,
	}
	if st.Forked != nil {
		out.Forked = st.Forked.Error()
	}
	g := x.s.db.Stats().Group
	out.Incarnation, out.Pending, out.Undos, out.Lost = int64(g.Incarnation), int64(g.Pending), int64(g.Undos), int64(g.Lost)
	for i := range st.Members {
		m := &st.Members[i]
		one := &tidalpb.Member{Number: int64(m.Number), Address: m.Address, Url: m.URL, Role: m.Role}
		if m.Known {
			lag := int64(m.Lag)
			one.Lag, one.Active, one.Snapshot = &lag, &m.Active, &m.Snapshot
		}
		out.Members = append(out.Members, one)
	}
	x.s.addRegions(out)
	return out, nil
}

// RemoveMember is in the schema's words.
func (x *adminService) RemoveMember(ctx context.Context, m *tidalpb.RemoveMemberRequest) (*tidalpb.RemoveMemberResponse, error) {
	if m.GetNumber() < 1 {
		return nil, fault.Refuse("number", "is %d; the number of a member is meant, from 1", m.GetNumber())
	}
	if err := x.inGroup(); err != nil {
		return nil, err
	}
	if err := x.s.group.Remove(ctx, uint64(m.GetNumber()), m.GetForce()); err != nil {
		return nil, err
	}
	return &tidalpb.RemoveMemberResponse{}, nil
}

// TransferLeadership is in the schema's words.
func (x *adminService) TransferLeadership(
	ctx context.Context, m *tidalpb.TransferLeadershipRequest,
) (*tidalpb.TransferLeadershipResponse, error) {
	if m.GetTo() < 0 {
		return nil, fault.Refuse("to", "is %d; the number of a member is meant, or 0", m.GetTo())
	}
	if err := x.inGroup(); err != nil {
		return nil, err
	}
	if err := x.s.group.Transfer(ctx, uint64(m.GetTo())); err != nil {
		return nil, err
	}
	return &tidalpb.TransferLeadershipResponse{Leader: int64(x.s.group.Leader().Number)}, nil
}

func (x *adminService) inGroup() error {
	if x.s.group == nil {
		return errAlone()
	}
	return x.s.lead(true)
}
