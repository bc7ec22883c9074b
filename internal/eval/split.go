package eval

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
)

// Part says on which side of a split an interaction is.
type Part uint8

// The sides.
const (
	Train Part = iota // everybody who ranks sees it
	Test              // it is what lists should foresee
	Aside             // it lies behind what is tested and is neither
)

// The names of the splits.
const (
	leaveLastOut = "leave-last-out"
	temporal     = "temporal"
)

// Split divides the interactions of a [Data].
type Split struct {
	// Name is "leave-last-out" or "temporal".
	Name string
	// Part is the side of each interaction.
	Part []Part
	// Tests are the users under test, in order of their numbers.
	Tests []Case
	// Now is the time of the newest training event, in Unix milliseconds: the time at which lists are made.
	Now int64

	byTime bool
	before map[uint32]int32 // leave-last-out: for users under test, the interaction at which their training ends
}

// Case is a user under test, and the items that their list should hold, at least one, each once.
type Case struct {
	User  uint32
	Items []uint32
}

// LeaveLastOut hides, for every user who has one, the last positive interaction with an item that they hadn't met
// before. Their training ends right before it: what they did later is set aside, because somebody who ranks for them at
// that time couldn't know it. Users without an earlier interaction stay in training; there is nothing to rank by.
//
// Of interactions at the same time the later one is that which comes later in [Log.Events]. If there is nobody to test,
// the error is an input error that says so.
func LeaveLastOut(d *Data) (*Split, error) {
	s := &Split{Name: leaveLastOut, Part: make([]Part, len(d.Interactions)), before: map[uint32]int32{}}
	last := make([]int32, len(d.Users))
	begun := make([]bool, len(d.Users))
	met := map[[2]uint32]bool{}
	for i := range last {
		last[i] = -1
	}
	for i := range d.Interactions {
		x := &d.Interactions[i]
		if x.User == Nobody {
			continue
		}
		pair := [2]uint32{x.User, x.Item}
		if x.Positive && begun[x.User] && !met[pair] {
			last[x.User] = int32(i)
		}
		met[pair], begun[x.User] = true, true
	}
	for i := range d.Interactions {
		x := &d.Interactions[i]
		if x.User == Nobody || last[x.User] < 0 {
			continue
		}
		switch at := last[x.User]; {
		case int32(i) == at:
			s.Part[i] = Test
		case int32(i) > at:
			s.Part[i] = Aside
		}
	}
	for user, at := range last {
		if at >= 0 {
			s.Tests = append(s.Tests, Case{uint32(user), []uint32{d.Interactions[at].Item}})
			s.before[uint32(user)] = at
		}
	}
	if len(s.Tests) == 0 {
		return nil, fault.Refuse("events", "nobody can be tested: no user has a positive event (%s) on an item "+
			"that was new to them, and one before it; the log has %d events", d.Positive.Text, len(d.Events))
	}
	s.setNow(d)
	return s, nil
}

// trainPart is the part of events that the temporal split trains on.
const trainPart = 0.8

// Temporal hides all that lies behind the oldest 80 % of events; events of one time stay together, before the cut. What
// is tested are the positive interactions behind it of users who were there before, on items that were there before and
// that the user hadn't met. Everything else behind the cut is set aside.
func Temporal(d *Data) (*Split, error) {
	s := &Split{Name: temporal, Part: make([]Part, len(d.Interactions)), byTime: true}
	n := int(trainPart*float64(len(d.Events)) + 0.5)
	if n == 0 || n >= len(d.Events) || d.Events[len(d.Events)-1].Time == d.Events[n-1].Time {
		return nil, fault.Refuse("events", "%d events can't be cut in two by their time", len(d.Events))
	}
	cut := d.Events[n-1].Time
	users, items := make([]bool, len(d.Users)), make([]bool, len(d.Items))
	met := map[[2]uint32]bool{}
	cases := make([][]uint32, len(d.Users))
	for i := range d.Interactions {
		x := &d.Interactions[i]
		pair := [2]uint32{x.User, x.Item}
		if x.Time <= cut {
			items[x.Item] = true
			if x.User != Nobody {
				users[x.User], met[pair] = true, true
			}
			continue
		}
		s.Part[i] = Aside
		if x.User != Nobody && x.Positive && users[x.User] && items[x.Item] && !met[pair] {
			s.Part[i], met[pair] = Test, true
			cases[x.User] = append(cases[x.User], x.Item)
		}
	}
	for user, wanted := range cases {
		if len(wanted) > 0 {
			s.Tests = append(s.Tests, Case{uint32(user), wanted})
		}
	}
	if len(s.Tests) == 0 {
		return nil, fault.Refuse("events", "nobody can be tested: behind the oldest %.0f %% of %d events no user of "+
			"before has a positive event (%s) on an item of before that was new to them", 100*trainPart, len(d.Events),
			d.Positive.Text)
	}
	s.setNow(d)
	return s, nil
}

func (s *Split) setNow(d *Data) {
	for i := len(d.Events) - 1; i >= 0; i-- {
		if s.Part[d.Of[i]] == Train {
			s.Now = d.Events[i].Time
			return
		}
	}
	panic(fmt.Sprintf("eval: the %s split has tests and nothing to train on", s.Name))
}

// sees reports whether an act of a user belongs to training: it happened before what is tested.
func (s *Split) sees(d *Data, user uint32, a *Act) bool {
	if a.Time > s.Now {
		return false
	}
	if at, ok := s.before[user]; ok {
		x := &d.Interactions[at]
		return a.order < x.order && a.Item != d.Items[x.Item]
	}
	return true
}
