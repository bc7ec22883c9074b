package host

import (
	"context"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
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
	// TheyLack is what it lacks of what was written here, and WeLack the other way round.
	TheyLack, WeLack Lag
	// Vector is what it last said it holds.
	Vector id.VersionVector
	// Source is the region from which this one takes what that one wrote: itself, or another that passes it on.
	Source id.Region
	// Done and Total are bytes of a gap that is being closed; Total is 0 when none is.
	Done, Total int64
	// Refused counts what came from it and was refused, by cause.
	Refused map[string]uint64
}

// Unreachable reports whether a region wasn't heard of for a while, or wrote something a while ago that isn't here yet.
func (s *RegionStatus) Unreachable() bool {
	switch {
	case s.Own || s.Role == RegionRemoved:
		return false
	case !s.Known || s.Heard > regionSilent:
		return true
	}
	return s.WeLack.Time > regionSilent
}

// regionSilent is after how much silence a region counts as not reachable.
const regionSilent = 5 * time.Second

// maxRegionName is the longest name of a region.
const maxRegionName = 32

// checkRegionName refuses what is no name of a region.
func checkRegionName(field, name string) error {
	ok := len(name) > 0 && len(name) <= maxRegionName
	for _, c := range name {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return fault.Refuse(field, "%q is no name of a region: 1 to %d of a-z, 0-9 and -", name, maxRegionName)
	}
	return nil
}

// complete refuses what can't be.
func (o *RegionOptions) complete(g *Group) error {
	if o.Name != "" {
		if err := checkRegionName("region", o.Name); err != nil {
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

// Regions says how the regions are, as seen from here: none for a database that never had a second one.
func (r *Replica) Regions() []RegionStatus { return nil }

// Elsewhere reports whether there is another region, which could confirm a write.
func (r *Replica) Elsewhere() bool { return false }

// Promote makes a region the database's home, and returns once that is written in it. A follower region takes writes from
// then on, and the old home none. It may be called on any member of any region that reaches the promoted one.
func (r *Replica) Promote(ctx context.Context, name string) error {
	return fmt.Errorf("promote region %s: %w", name, errNoRegions)
}

// RemoveRegion takes a region out for good. What it stamped and hasn't compensated yet another region does, the successor. It
// may be called on any member of any region that reaches home.
func (r *Replica) RemoveRegion(ctx context.Context, name, successor string) error {
	return fmt.Errorf("remove region %s: %w", name, errNoRegions)
}

// WaitGeo returns once one more region is known to hold a position durably, which is of this region.
func (r *Replica) WaitGeo(ctx context.Context, p id.Position) error { return errNoRegions }

var errNoRegions = fault.Refuse("region", "is of a database that has one region only")
