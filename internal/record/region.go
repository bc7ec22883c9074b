package record

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// RegionInfo is the body of [KindRegion]: what a region is. It is written at home; the last one counts.
type RegionInfo struct {
	Number id.Region
	// Name is how people call the region: 1 to [MaxRegionName] of a to z, 0 to 9 and hyphens.
	Name string
	// Follower regions refuse writes.
	Follower bool
	// Removed regions are gone for good. Successor then is the region that takes back what the removed one stamped,
	// another one; it is 0 for a region that isn't removed.
	Removed   bool
	Successor id.Region
}

const (
	regionFollower = 1 << iota
	regionRemoved
)

// CheckRegionName refuses what is no name of a region. The error names field.
func CheckRegionName(field, name string) error {
	if err := checkText(field, name, MaxRegionName); err != nil {
		return err
	}
	for i := range len(name) {
		if c := name[i]; c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return fault.Refuse(field, "%q has other letters than a to z, 0 to 9 and hyphens", name)
		}
	}
	return nil
}

// Check refuses a region that can't be written.
func (r *RegionInfo) Check() error {
	switch {
	case r.Removed && r.Successor == r.Number:
		return fault.Refuse("successor", "is region %d itself", r.Number)
	case !r.Removed && r.Successor != 0:
		return fault.Refuse("successor", "is %d, but region %d isn't removed", r.Successor, r.Number)
	}
	return CheckRegionName("region", r.Name)
}

func (r *RegionInfo) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(r.Number))
	flags := byte(0)
	if r.Follower {
		flags |= regionFollower
	}
	if r.Removed {
		flags |= regionRemoved
	}
	dst = append(dst, flags)
	if r.Removed {
		dst = binary.AppendUvarint(dst, uint64(r.Successor))
	}
	return appendText(dst, r.Name)
}

// DecodeRegion reads the body of a [KindRegion] record into r.
func DecodeRegion(body []byte, r *RegionInfo) error {
	c := cursor{b: body}
	*r = RegionInfo{Number: c.region()}
	flags := c.u8()
	if flags&^(regionFollower|regionRemoved) != 0 {
		c.fail("flags are %02x", flags)
	}
	r.Follower, r.Removed = flags&regionFollower != 0, flags&regionRemoved != 0
	if r.Removed {
		r.Successor = c.region()
	}
	r.Name = c.text("name")
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(r.Check(), 0)
}

func (c *cursor) region() id.Region { return id.Region(c.atMost(1<<16-1, "region")) }

// Endpoints is the body of [KindEndpoints]: where a region's members are reached. The region writes its own whenever
// they change; the last one counts.
type Endpoints struct {
	Number id.Region
	// Members stand by rising number, at most [MaxEndpoints].
	Members []Endpoint
}

// Endpoint is where one member of a region is reached.
type Endpoint struct {
	// Replica is the member's number within its region, from 1.
	Replica uint64
	// Address is where nodes reach it, URL where applications do, at most [MaxEndpoint] bytes each; either may be
	// empty.
	Address, URL string
}

// Check refuses endpoints that can't be written.
func (x *Endpoints) Check() error {
	if len(x.Members) > MaxEndpoints {
		return fault.Refuse("members", "are %d; at most %d are allowed", len(x.Members), MaxEndpoints)
	}
	before := uint64(0)
	for i := range x.Members {
		m := &x.Members[i]
		switch {
		case m.Replica <= before:
			return fault.Refuse("members", "don't rise: %d follows %d", m.Replica, before)
		case len(m.Address) > MaxEndpoint:
			return checkText("address", m.Address, MaxEndpoint)
		case len(m.URL) > MaxEndpoint:
			return checkText("url", m.URL, MaxEndpoint)
		}
		before = m.Replica
	}
	return nil
}

func (x *Endpoints) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(x.Number))
	dst = binary.AppendUvarint(dst, uint64(len(x.Members)))
	for i := range x.Members {
		m := &x.Members[i]
		dst = binary.AppendUvarint(dst, m.Replica)
		dst = appendText(appendText(dst, m.Address), m.URL)
	}
	return dst
}

// DecodeEndpoints reads the body of a [KindEndpoints] record into x.
func DecodeEndpoints(body []byte, x *Endpoints) error {
	c := cursor{b: body}
	*x = Endpoints{Number: c.region()}
	for range c.atMost(MaxEndpoints, "number of members") {
		m := Endpoint{Replica: c.uvarint(), Address: c.text("address"), URL: c.text("url")}
		x.Members = append(x.Members, m)
	}
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(x.Check(), 0)
}

// Home is the body of [KindHome]: which region is home. The last one counts.
type Home struct {
	Number id.Region
}

// Check refuses nothing: every number may be a region's.
func (h *Home) Check() error { return nil }

func (h *Home) append(dst []byte) []byte { return binary.AppendUvarint(dst, uint64(h.Number)) }

// DecodeHome reads the body of a [KindHome] record into h.
func DecodeHome(body []byte, h *Home) error {
	c := cursor{b: body}
	h.Number = c.region()
	return c.end()
}
