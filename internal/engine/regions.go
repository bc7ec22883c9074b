package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
)

// Region is one region of a database, as all regions know it.
type Region struct {
	Number id.Region
	// Name is empty as long as nobody but the region itself has said anything about it.
	Name string
	// Follower regions refuse writes, unless they are home.
	Follower bool
	// Removed regions are gone for good, and their numbers are never given again. Successor takes back what a removed
	// one stamped.
	Removed   bool
	Successor id.Region
	// Home is the region that gives numbers and roles.
	Home bool
	// Endpoints are its members' as they last were, by replica.
	Endpoints []record.Endpoint
}

// Role is what a region may do.
type Role uint8

// The roles.
const (
	// RoleHome writes, and says what the other regions are.
	RoleHome Role = iota + 1
	// RoleActive writes.
	RoleActive
	// RoleFollower refuses writes.
	RoleFollower
	// RoleRemoved refuses writes: the region was removed, and another one answers for what it stamped.
	RoleRemoved
)

func (r Role) String() string { return [...]string{"none", "home", "active", "follower", "removed"}[r] }

// Writes reports whether a region of the role takes writes.
func (r Role) Writes() bool { return r == RoleHome || r == RoleActive }

// regionTable is what the registers of the region table say.
type regionTable struct {
	all  []Region // by number
	home id.Region
	role Role // of the own region
}

// Regions returns all regions that were ever told of, by number, removed ones too; none in a database that never had
// a second one. Nobody may change what it returns.
func (e *Engine) Regions() []Region { return e.regions.all }

// Region returns the region of a number, false if there is none in the table.
func (e *Engine) Region(number id.Region) (Region, bool) {
	i, ok := slices.BinarySearchFunc(e.regions.all, number, byNumber)
	if !ok {
		return Region{}, false
	}
	return e.regions.all[i], true
}

// Home returns the number of the region that is home: 0 until somebody says otherwise.
func (e *Engine) Home() id.Region { return e.regions.home }

// Role returns what the own region may do.
func (e *Engine) Role() Role { return e.regions.role }

func byNumber(r Region, number id.Region) int { return cmp.Compare(r.Number, number) }

// surveyRegions reads the registers after one of them may have changed. There are few of them, and they seldom do.
func (e *Engine) surveyRegions() error {
	t := regionTable{}
	if owner, ok := e.table.Find(state.KindGlobal, regionsOwner); ok {
		for key, v := range e.table.All(state.KindGlobal, owner) {
			if err := t.take(&key, v); err != nil {
				return err
			}
		}
	}
	if i, ok := slices.BinarySearchFunc(t.all, t.home, byNumber); ok {
		t.all[i].Home = true
	}
	t.role = t.roleOf(e.cfg.Origin.Region)
	e.regions = t
	e.surveyPending()
	return nil
}

func (t *regionTable) roleOf(number id.Region) Role {
	i, ok := slices.BinarySearchFunc(t.all, number, byNumber)
	switch {
	case ok && t.all[i].Removed:
		return RoleRemoved
	case number == t.home:
		return RoleHome
	case ok && t.all[i].Follower:
		return RoleFollower
	}
	return RoleActive
}

// take adds what one register says. The table's memory moves, so texts are copied.
func (t *regionTable) take(key *state.Key, value []byte) error {
	reg, err := algebra.DecodeLWWRegister(value)
	if err != nil {
		return err
	}
	if key.Kind != algebra.KindRegister || len(key.Sub) == 0 || !reg.Set {
		return fault.Damaged("", 0, "%v under %x in the region table", key.Kind, key.Sub)
	}
	switch key.Sub[0] {
	case registerRegion:
		var r record.RegionInfo
		if err := record.DecodeRegion(reg.Value, &r); err != nil {
			return err
		}
		at := t.at(r.Number)
		at.Name, at.Follower, at.Removed, at.Successor = strings.Clone(r.Name), r.Follower, r.Removed, r.Successor
	case registerEndpoints:
		var x record.Endpoints
		if err := record.DecodeEndpoints(reg.Value, &x); err != nil {
			return err
		}
		at := t.at(x.Number)
		for _, m := range x.Members {
			m.Address, m.URL = strings.Clone(m.Address), strings.Clone(m.URL)
			at.Endpoints = append(at.Endpoints, m)
		}
	case registerHome:
		var h record.Home
		if err := record.DecodeHome(reg.Value, &h); err != nil {
			return err
		}
		t.home = h.Number
	}
	return nil
}

// at returns the region of a number, and makes it.
func (t *regionTable) at(number id.Region) *Region {
	i, ok := slices.BinarySearchFunc(t.all, number, byNumber)
	if !ok {
		t.all = slices.Insert(t.all, i, Region{Number: number})
	}
	return &t.all[i]
}

// AnswersFor reports whether this group takes back what an origin stamped: its own events, those of its earlier
// incarnations, and those of removed regions whose successor it is. Of every origin exactly one region does.
func (e *Engine) AnswersFor(o id.Origin) bool {
	own := e.cfg.Origin
	if o.Shard != own.Shard || o.Region == own.Region && o.Incarnation > own.Incarnation {
		return false
	}
	number := o.Region
	for range len(e.regions.all) + 1 {
		r, ok := e.Region(number)
		if !ok || !r.Removed {
			return number == own.Region
		}
		number = r.Successor
	}
	return false // successors that go round in a circle: nobody's
}
