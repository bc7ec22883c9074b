package cluster

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/schema"
)

// Config describes a member. Dir and Listen must be given.
type Config struct {
	// Dir is the member's own directory. A new one founds a database, or joins one if Join is given; what is in an existing
	// one says who the member is.
	Dir string
	// Schema is as for tidal.Open, and may be nil but for who founds. What it adds to the database's schema is entered when
	// this member leads.
	Schema *schema.Schema
	// Listen is the address for other members, as "host:port"; port 0 draws one, which is then another one after a restart.
	Listen string
	// Advertise is the address that others are told, as "host:port"; "" is Listen.
	Advertise string
	// URL is what applications are told when this member leads, such as "https://10.0.0.1:4200"; may be empty.
	URL string
	// Join are addresses of members to ask for a place, any of which will do, while the directory is new. An address of this
	// member itself among them is skipped, but it must not be the only one.
	Join []string
	// JoinTimeout bounds how long Start asks for a place, and waits for the schema of the database; 0 is a minute.
	JoinTimeout time.Duration
	// Region names this member's region, such as "eu-west": 1 to 32 of a-z, 0-9 and -. "" is "home" for who founds a
	// database, and otherwise whatever the region is called.
	Region string
	// RegionJoin are addresses of members of other regions, any of which will do. A new directory with it, and without Join,
	// becomes the first member of a new region, under the name Region. Later they are asked where the other regions
	// are, should these have moved.
	RegionJoin []string
	// RegionFollower makes a new region one that takes no writes but those that come from other regions, until it is promoted.
	RegionFollower bool
	// TLS has this member's certificate, and trusts those of the others; tidal cluster cert makes both. nil speaks in plain,
	// which only loopback addresses may.
	TLS *tls.Config
	// ElectionTimeout is after how long without word from a leader a member stands for election, about; 0 is 300 ms. A
	// slow disk or network wants more. It's rounded to whole twelfths of at least a millisecond.
	ElectionTimeout time.Duration
	// StallTimeout is after how long without an answer from its disk a leader gives up leading; 0 is 2 s. It's at least
	// ElectionTimeout.
	StallTimeout time.Duration
	// Log is told about refused and broken connections; nil is nobody.
	Log *slog.Logger
	// Leads is called when this member begins to lead and when it ceases to, in order; nil is nobody. It should not take
	// long, and must not close the member.
	Leads func(leading bool)
	// Options are the database's; Group and ReadOnly in it are refused.
	Options tidal.Options

	// network is where tests have members that need no sockets.
	network func(transport.Options) (transport.Transport, error)
	// silence is after how long without word another region counts as not reachable, in tests; 0 is as ever.
	silence time.Duration
}

// The parts of an election timeout: a member waits for 12 to 24 ticks, and a leader gives a sign of life every three.
const (
	electionTicks  = 12
	heartbeatTicks = 3
)

// group is what the host wants to know.
func (c *Config) group() (*host.Group, error) {
	switch {
	case c.Dir == "":
		return nil, fault.Refuse("dir", "is empty")
	case c.Listen == "":
		return nil, fault.Refuse("listen", "is empty; give an address for the other members, such as 10.0.0.1:7400")
	case c.Options.Group != nil:
		return nil, fault.Refuse("options.group", "is set by this package alone")
	case c.Options.ReadOnly:
		return nil, fault.Refuse("options.read_only", "is set; a member writes what the group decides")
	case c.ElectionTimeout < 0 || c.StallTimeout < 0 || c.JoinTimeout < 0:
		return nil, fault.Refuse("timeout", "is negative")
	}
	g := &host.Group{
		Listen: c.Listen, Advertise: c.Advertise, URL: c.URL, JoinTimeout: c.JoinTimeout, TLS: c.TLS, Log: c.Log,
		Leads: c.Leads, ElectionTicks: electionTicks, HeartbeatTicks: heartbeatTicks, Network: c.network, Silence: c.silence,
	}
	election := c.ElectionTimeout
	if election == 0 {
		election = 300 * time.Millisecond
	}
	g.Tick = max(time.Millisecond, (election+electionTicks/2)/electionTicks)
	stall := c.StallTimeout
	if stall == 0 {
		stall = max(2*time.Second, election)
	}
	if stall < election {
		return nil, fault.Refuse("stall_timeout", "is %v, less than the election timeout of %v", stall, election)
	}
	g.StallTicks = int((stall + g.Tick - 1) / g.Tick)
	if c.Region != "" || len(c.RegionJoin) > 0 || c.RegionFollower {
		g.Region = &host.RegionOptions{Name: c.Region, Join: c.RegionJoin, Follower: c.RegionFollower}
	}
	for _, address := range c.Join {
		if address != c.Listen && address != c.Advertise {
			g.Join = append(g.Join, address)
		}
	}
	if len(c.Join) > 0 && len(g.Join) == 0 {
		return nil, fault.Refuse("join", "names this member alone, which can't let itself in; leave it out to found a new database")
	}
	return g, nil
}

func (c *Config) refused(err error) error { return fmt.Errorf("start a member in %s: %w", c.Dir, err) }
