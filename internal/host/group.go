package host

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/transport"
)

// Group says how a replica finds the others of its group, and they it. A new directory with nobody to join founds a group,
// of which it is the only member at first. Each Group is for one Open.
type Group struct {
	// Listen is where other members reach this one, as "host:port"; Advertise is what they are told, "" for the address that
	// came of Listen. URL is what applications are told, and may be empty.
	Listen, Advertise, URL string
	// Join are members to ask, by a directory that has none yet. They are looked at in no other case.
	Join []string
	// JoinTimeout is how long they are asked; 0 is a minute.
	JoinTimeout time.Duration
	// TLS has this member's certificate, and whom it trusts. nil speaks in plain, on loopback addresses alone.
	TLS *tls.Config
	// Region says which region the group is, and how to find others; nil says nothing.
	Region *RegionOptions
	// Tick is the length of one step of Raft's clock; 0 is 25 ms. Of these, ElectionTicks go by without word from a leader
	// before a member stands for election, about; 0 is 12. HeartbeatTicks are between a leader's signs of life; 0 is 3. After
	// StallTicks without an answer from its disk a leader gives up leading; 0 is 80.
	Tick                                      time.Duration
	ElectionTicks, HeartbeatTicks, StallTicks int
	// Silence is after how long without word another region counts as not reachable; 0 is 5 s.
	Silence time.Duration
	// Log is told of refused connections; nil is nobody.
	Log *slog.Logger
	// Leads is told when this member begins to lead and when it ceases to, in order, by one goroutine; nil is nobody.
	Leads func(bool)
	// Network makes the transport; nil is TCP.
	Network func(transport.Options) (transport.Transport, error)

	replica *Replica
	within  context.Context // see Within
}

// Within bounds the opening of the replica: when ctx ends before, waiting for others and copying what they have ends, with its error.
// It's called before that. What is opened isn't bound by it.
func (g *Group) Within(ctx context.Context) { g.within = ctx }

// Opening is what bounds the opening of the replica.
func (g *Group) Opening() context.Context {
	if g.within == nil {
		return context.Background()
	}
	return g.within
}

// Joins reports whether a new directory gets what there is from others.
func (g *Group) Joins() bool { return len(g.Join) > 0 || g.Region != nil && len(g.Region.Join) > 0 }

// Replica is the replica that was opened with the group, nil before.
func (g *Group) Replica() *Replica { return g.replica }

// complete fills in what is zero, and refuses what can't be.
func (g *Group) complete() error {
	standard := func(n *int, std int) {
		if *n == 0 {
			*n = std
		}
	}
	standard(&g.ElectionTicks, 12)
	standard(&g.HeartbeatTicks, 3)
	standard(&g.StallTicks, 80)
	if g.Tick == 0 {
		g.Tick = 25 * time.Millisecond
	}
	if g.Silence == 0 {
		g.Silence = regionSilent
	}
	if g.JoinTimeout == 0 {
		g.JoinTimeout = time.Minute
	}
	switch {
	case g.Tick < 0:
		return fault.Refuse("tick", "is %v, and must be above 0", g.Tick)
	case g.HeartbeatTicks < 1 || g.ElectionTicks < 3*g.HeartbeatTicks:
		return fault.Refuse("election", "is %d ticks beside a heartbeat of %d; three of these must fit in, so that one lost "+
			"isn't taken for the leader's end", g.ElectionTicks, g.HeartbeatTicks)
	case g.StallTicks < g.ElectionTicks:
		return fault.Refuse("stall", "is %d ticks, less than the %d of an election", g.StallTicks, g.ElectionTicks)
	case len(g.URL) > 255:
		return fault.Refuse("url", "is longer than 255 bytes")
	}
	if g.Region != nil {
		if err := g.Region.complete(g); err != nil {
			return err
		}
	}
	if g.Network == nil {
		if err := checkAddress("listen", g.Listen); err != nil {
			return err
		}
		if g.Advertise != "" {
			if err := checkAddress("advertise", g.Advertise); err != nil {
				return err
			}
		}
	}
	for _, address := range g.Join {
		if g.Network == nil {
			if err := checkAddress("join", address); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkAddress refuses what is no "host:port".
func checkAddress(field, address string) error {
	_, port, err := net.SplitHostPort(address)
	switch {
	case err != nil || port == "" || strings.ContainsAny(address, " \t\r\n"):
		return fault.Refuse(field, "%q is no address such as 10.0.0.1:7400", address)
	case len(address) > 255:
		return fault.Refuse(field, "is longer than 255 bytes")
	}
	return nil
}

// election is how long an election takes at least.
func (g *Group) election() time.Duration { return time.Duration(g.ElectionTicks) * g.Tick }

// GroupStatus is how a member sees its group.
type GroupStatus struct {
	// Number is this member's; Leader is who leads, 0 if nobody is known to. Leading says that it is this one, and that it
	// takes writes.
	Number, Leader uint64
	Leading        bool
	Term           uint64
	// Commit, Applied and Last are entries of the log: known to be on a quorum, applied here, and the last one here.
	Commit, Applied, Last uint64
	Members               []MemberStatus
	// Cluster, Incarnation name the group, and Address is where this member listens.
	Cluster     string
	Incarnation uint32
	Address     string
	// Joining says that this member doesn't vote yet. Failed is why it does no work any more, nil if it does.
	Joining bool
	Failed  error
	// Stalled says that its disk doesn't answer, for which it gave up leading.
	Stalled bool
	// Changing says that it leads, and a change of members is under way.
	Changing bool
	// Forked is why nothing is written though it leads: an error that is fault.ErrForked; nil otherwise.
	Forked error
	// Clock is why it leaves writes to others, as far as its clock is concerned; nil if that is all right.
	Clock error
	// Peers are the connections to the others.
	Peers []transport.PeerStats
	// Raft is what consensus says of the others: the leader alone knows.
	Raft []consensus.PeerStatus
}

// MemberStatus is one member as another one sees it.
type MemberStatus struct {
	consensus.Member
	// Leader says that it leads. Behind is how many entries of the leader's log it lacks, and Alive whether it was heard of
	// lately: the leader alone knows both; elsewhere Known is false.
	Leader bool
	Known  bool
	Behind uint64
	Alive  bool
	// Snapshot says that it is sent a snapshot, because it lacks more than the log still has.
	Snapshot bool
	// Clock is how far its clock is ahead of this one, and ClockKnown whether that was measured.
	Clock      time.Duration
	ClockKnown bool
}
