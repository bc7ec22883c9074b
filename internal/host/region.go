package host

import (
	"context"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/ship"
)

// RegionOptions say which region of several a group is. A group can be reached by other regions with it or without; nil says
// nothing new.
type RegionOptions struct {
	// Name is that of this member's region, 1 to 32 of a-z, 0-9 and -. "" is "home" for who founds a database, and for
	// everybody else whatever the region is called. Another name than the region's is refused.
	Name string
	// Join are members of other regions, any of which will do. A new directory whose Group.Join is empty becomes the first
	// member of a new region, under Name; later they are asked where the other regions are, if these have moved.
	Join []string
	// Follower makes a new region one that takes no writes, but those that the other regions send.
	Follower bool
}

// RegionRole is what a region is.
type RegionRole string

// The roles. Home is also active.
const (
	RegionHome     RegionRole = "home"     // takes writes, gives numbers to new regions, changes the schema
	RegionActive   RegionRole = "active"   // takes writes
	RegionFollower RegionRole = "follower" // takes none
	RegionRemoved  RegionRole = "removed"  // is gone for good
)

// Lag is how much of what one region has written another one lacks.
type Lag struct {
	// Batches and Events are what is missing, as far as is known here; Time is how old the oldest of it is, about.
	Batches, Events uint64
	Time            time.Duration
}

// RegionMember is one member of a region.
type RegionMember struct {
	Number       uint64
	Address, URL string
}

// RegionStatus is how a region looks from here.
type RegionStatus struct {
	Number id.Region
	Name   string
	Role   RegionRole
	// Own says that it is this member's own.
	Own bool
	// Successor is who compensates what a removed region stamped.
	Successor id.Region
	Members   []RegionMember
	// Heard is how long ago it was last heard of, by the leader of this region; Known is false if it never was.
	Heard time.Duration
	Known bool
	// Recalled says that all that is known of it is of before this member was opened.
	Recalled bool
	// Unreachable says that it wasn't heard of for Group.Silence, or not since this member was opened, or that something that was
	// written there longer ago than that isn't here yet.
	Unreachable bool
	// TheyLack is what it lacks of what was written here, and WeLack the other way round.
	TheyLack, WeLack Lag
	// Vector is what it last said it holds.
	Vector id.VersionVector
	// Source is the region from which this one takes what that one wrote: itself, or another that passes it on.
	Source id.Region
	// Done and Total are events of a gap that is being closed; Total is 0 when none is.
	Done, Total int64
	// Refused counts what came from it and was refused, by cause.
	Refused map[string]uint64
	// Sent is what this member has given it, and Taken what this member's group took from it while this one led: both since this
	// member was opened.
	Sent, Taken Flow
	// Held is how many bytes of the log and of pieces it lacks, as of the last look at the log.
	Held int64
	// TooFarBehind says that something it has written is missing here which neither it nor anybody else can give.
	TooFarBehind bool
	// Forked are positions at which it holds other events than this region, one of each origin of which the two have different histories:
	// neither takes that origin from the other.
	Forked []id.Position
}

// Flow is what went from one region to another: batches, ranges that take the place of many, and the bytes of both, and
// those of ranges among them.
type Flow = ship.Flow

// missed reports whether a region wasn't heard of for as long as bound, or not since this member was opened, or wrote something longer ago that isn't here yet.
func (s *RegionStatus) missed(bound time.Duration) bool {
	switch {
	case s.Own || s.Role == RegionRemoved:
		return false
	case !s.Known || s.Recalled || s.Heard > bound: // a clock may say that what was long ago is new
		return true
	}
	return s.WeLack.Time > bound
}

// regionSilent is after how much silence a region counts as not reachable, if the group says nothing.
const regionSilent = 5 * time.Second

// complete refuses what can't be.
func (o *RegionOptions) complete(g *Group) error {
	if o.Name != "" {
		if err := record.CheckRegionName("region", o.Name); err != nil {
			return err
		}
	}
	if o.Name == "" && len(o.Join) > 0 && len(g.Join) == 0 {
		return fault.Refuse("region", "is empty; a region that joins others needs a name, such as eu-west")
	}
	if o.Follower && len(o.Join) == 0 {
		return fault.Refuse("region.follower", "is set for a region that joins no other one; who founds a database takes its writes")
	}
	for _, address := range o.Join {
		if g.Network == nil {
			if err := checkAddress("region.join", address); err != nil {
				return err
			}
		}
	}
	return nil
}

// Regions says how the regions are, by number and with the own one, as seen from here: none for a database that never had a
// second one. What was heard of them is as of the last tick of the clock.
func (r *Replica) Regions() []RegionStatus {
	all, home := r.table()
	if len(all) == 0 {
		return nil
	}
	var seen *seenRegions
	age := time.Duration(0)
	if r.loop != nil {
		if seen = r.loop.regions.Load(); seen != nil {
			age = time.Duration(r.loop.mono() - seen.at)
		}
	}
	held := r.LogHeld()
	out := make([]RegionStatus, len(all))
	for i := range all {
		x := &all[i]
		s := &out[i]
		*s = RegionStatus{Number: x.Number, Name: x.Name, Role: roleOf(x, home), Own: x.Number == r.base.identity.Region}
		if x.Removed {
			s.Successor = x.Successor
		}
		for _, m := range x.Endpoints {
			s.Members = append(s.Members, RegionMember{Number: m.Replica, Address: m.Address, URL: m.URL})
		}
		if s.Own {
			s.Known, s.Source = true, s.Number
			_ = r.Read(func(e *engine.Engine) error {
				s.Vector = e.Vector()
				return nil
			})
			continue
		}
		if seen != nil {
			s.heard(&seen.Status, age)
		}
		for _, h := range held.Regions {
			if h.Region == s.Number {
				s.Held = h.Bytes
			}
		}
		s.Unreachable = s.missed(r.silence())
	}
	return out
}

// silence is after how much of it a region counts as not reachable.
func (r *Replica) silence() time.Duration {
	if r.links == nil {
		return regionSilent
	}
	return r.links.group.Silence
}

func roleOf(x *engine.Region, home id.Region) RegionRole {
	switch {
	case x.Removed:
		return RegionRemoved
	case x.Number == home:
		return RegionHome
	case x.Follower:
		return RegionFollower
	}
	return RegionActive
}

// heard fills in what shipping knew a while ago.
func (s *RegionStatus) heard(seen *ship.Status, age time.Duration) {
	i := slices.IndexFunc(seen.Regions, func(x ship.RegionStatus) bool { return x.Number == s.Number })
	if i < 0 {
		return
	}
	x := &seen.Regions[i]
	s.Recalled = x.Recalled
	s.Known, s.Heard, s.Vector, s.Source = x.Heard || x.Known, x.Silent+age, x.Vector, x.Source.Region
	if x.Source == (ship.Peer{}) { // nobody sends it now
		s.Source = s.Number
	}
	if x.Known && (!x.Heard || x.Age < x.Silent) {
		s.Heard = x.Age + age // others have heard of it
	}
	s.TheyLack = Lag{Batches: uint64(x.Lacks.Batches), Events: x.Lacks.Events, Time: x.Lacks.Time}
	s.WeLack = Lag{Batches: uint64(x.Behind.Batches), Events: x.Behind.Events, Time: x.Behind.Time}
	s.Done, s.Total = int64(x.Reconciling.Done), int64(x.Reconciling.Total)
	s.Sent, s.Taken, s.TooFarBehind, s.Forked = x.Sent, x.Taken, x.TooFarBehind, x.Forked
	for cause, n := range x.Refused {
		if n == 0 {
			continue
		}
		if s.Refused == nil {
			s.Refused = map[string]uint64{}
		}
		s.Refused[ship.Cause(cause).String()] = n
	}
}

// Elsewhere reports whether there is another region, which could confirm a write.
func (r *Replica) Elsewhere() bool {
	all, _ := r.table()
	return slices.ContainsFunc(all, func(x engine.Region) bool { return !x.Removed && x.Number != r.base.identity.Region })
}

// Writes reports whether the own region takes writes, and Home whether it's home: both of a database of one region.
func (r *Replica) Writes() (writes bool) {
	_ = r.Read(func(e *engine.Engine) error {
		writes = e.Role().Writes()
		return nil
	})
	return writes
}

// Home is described with [Replica.Writes].
func (r *Replica) Home() (home bool) {
	_ = r.Read(func(e *engine.Engine) error {
		home = e.Role() == engine.RoleHome
		return nil
	})
	return home
}

// StampedElsewhere reports whether a position is one of another region of this database, which takes it back by itself.
func (r *Replica) StampedElsewhere(p id.Position) (foreign bool) {
	if p.Region == r.base.identity.Region {
		return false
	}
	_ = r.Read(func(e *engine.Engine) error {
		_, foreign = e.Region(p.Region)
		return nil
	})
	return foreign
}

// Reach names the regions of which something may be missing here, none if all is well, and says how old the oldest event is
// that is known to be missing, about. It's as of the last tick, and takes no lock.
func (r *Replica) Reach() (unreachable []string, lag time.Duration) {
	if r.loop == nil {
		return nil, 0
	}
	if seen := r.loop.regions.Load(); seen != nil {
		return seen.unreachable, seen.lag
	}
	return nil, 0
}

// Promote makes a region the database's home, and returns once that is written in it. A region that took no writes does so
// from then on, and the old home doesn't. It may be called on any member of any region that reaches the promoted one.
func (r *Replica) Promote(ctx context.Context, name string) error {
	return r.haveRegion(ctx, question{Kind: questionPromote, Name: name})
}

// RemoveRegion takes a region out for good. What it stamped and hasn't compensated yet another region does, the successor; ""
// is home. It may be called on any member of any region that reaches home.
func (r *Replica) RemoveRegion(ctx context.Context, name, successor string) error {
	return r.haveRegion(ctx, question{Kind: questionForget, Name: name, Successor: successor})
}

// haveRegion has a question about regions answered, wherever.
func (r *Replica) haveRegion(ctx context.Context, q question) error {
	switch {
	case r.loop == nil:
		return errReadOnly
	case r.links == nil:
		return errNoRegions
	}
	q.Wall = r.loop.now().Wall / 1e6
	a := r.answer(ctx, &q)
	return a.err()
}

// regionName is what the first region is called.
func (g *Group) regionName() string {
	if g.Region != nil && g.Region.Name != "" {
		return g.Region.Name
	}
	return firstRegion
}

// firstRegion is what the region of a database's founder is called, if it has no other name.
const firstRegion = "home"

// checkRegion refuses a directory of a region that is called otherwise than this member was told.
func (r *Replica) checkRegion() error {
	g := r.links.group
	if g.Region == nil || g.Region.Name == "" {
		return nil
	}
	all, _ := r.table()
	for _, x := range all {
		if x.Number == r.base.identity.Region && x.Name != g.Region.Name {
			return fault.Refuse("region", "is %q, and the directory is one of region %q", g.Region.Name, x.Name)
		}
	}
	return nil
}

var errNoRegions = fault.Refuse("region", "is of a database that has one region only")
