package cluster

import (
	"context"
	"time"

	"github.com/tidaldb/tidal/internal/transport"
)

// Role is what a member is in its group.
type Role string

// The roles.
const (
	Leader   Role = "leader"   // takes writes
	Follower Role = "follower" // votes
	Learner  Role = "learner"  // catches up, and doesn't vote yet
)

// Status is a group as one of its members sees it.
type Status struct {
	// Cluster is the database's id, 32 hexadecimal digits, the same at all members.
	Cluster string
	// Number is this member's own; Leader is the leader's, 0 if nobody is known to lead.
	Number, Leader uint64
	// Leading says that this member takes writes.
	Leading bool
	// Term is Raft's: it rises with each election.
	Term uint64
	// Committed is the last entry of the log that a majority is known to have, Applied the last that is visible here, and
	// Last the last that is in the log here.
	Committed, Applied, Last uint64
	// Members are all that there are, by number.
	Members []MemberStatus
	// Changing says that this member leads, and a change of the members is under way.
	Changing bool
	// Failed is why this member does no work any more, and Clock why it leaves writes to others. Forked, which only the leader
	// knows, is why its region takes no writes: an error that is tidal.ErrForked and says what to do. All are nil if all is well.
	Failed, Clock, Forked error
}

// MemberStatus is one member of a [Status].
type MemberStatus struct {
	Number uint64
	// Address is for members, URL for applications; the latter may be empty.
	Address, URL string
	Role         Role
	// Known says that the next three are known, which they are at the leader: whether the member was heard of lately, how
	// many entries it lacks, and whether it lacks so many that it's sent a snapshot.
	Known    bool
	Alive    bool
	Behind   uint64
	Snapshot bool
	// Clock is how far the member's clock is ahead of this one's, if ClockKnown.
	Clock      time.Duration
	ClockKnown bool
	// Link is the connection to it; zero for this member itself.
	Link Link
}

// Link is what is known of the connection to another member.
type Link struct {
	// Connected is since when it stands, zero if it doesn't. LastError is why it ended or wasn't made last, "" if it never did.
	Connected time.Time
	LastError string
	// RoundTrip is what a sign of life took there and back, 0 if none was measured.
	RoundTrip time.Duration
	// Sent and Received are bytes, without what the network adds; Queued waits to be sent, and Dropped counts frames that
	// weren't, for want of room or of a connection.
	Sent, Received, Queued, Dropped uint64
	// Connects counts how often it was made, and Refused how often either side refused.
	Connects, Refused uint64
}

// Status returns what this member knows, at once.
func (m *Member) Status(ctx context.Context) (Status, error) {
	s, err := m.replica.Status(ctx)
	if err != nil {
		return Status{}, err
	}
	out := Status{
		Cluster: s.Cluster, Number: s.Number, Leader: s.Leader, Leading: s.Leading, Term: s.Term,
		Committed: s.Commit, Applied: s.Applied, Last: s.Last, Changing: s.Changing, Failed: s.Failed, Clock: s.Clock,
		Forked: s.Forked,
	}
	links := map[uint64]Link{}
	for _, p := range s.Peers {
		links[p.Number] = link(&p)
	}
	for _, x := range s.Members {
		role := Follower
		switch {
		case x.Leader:
			role = Leader
		case x.Learner:
			role = Learner
		}
		out.Members = append(out.Members, MemberStatus{
			Number: x.Number, Address: x.Address, URL: x.URL, Role: role, Known: x.Known, Alive: x.Alive, Behind: x.Behind,
			Snapshot: x.Snapshot, Clock: x.Clock, ClockKnown: x.ClockKnown, Link: links[x.Number],
		})
	}
	return out, nil
}

// link puts the two connections to a peer together.
func link(p *transport.PeerStats) Link {
	out := Link{
		Connected: p.Urgent.Connected, LastError: p.LastError, RoundTrip: p.Urgent.RoundTrip, Received: p.ReceivedBytes,
		Refused: p.Refused,
	}
	for _, c := range []*transport.ClassStats{&p.Urgent, &p.Bulk} {
		out.Sent += c.SentBytes
		out.Queued += uint64(max(0, c.QueuedBytes))
		out.Dropped += c.DroppedFull + c.DroppedDown + c.DroppedLost + c.TooLong
		out.Connects += c.Connects
	}
	return out
}
