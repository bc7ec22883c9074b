package eval

import (
	"context"
	"errors"
	"hash/fnv"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/explore"
)

// SlotReport says what came of the places that exploration filled in one slot, and whether it found something.
type SlotReport struct {
	Slot string `json:"slot"`
	// Places were answered by a signal of any kind, those of Users; Items were shown there.
	Places int `json:"places"`
	Users  int `json:"users"`
	Items  int `json:"items"`
	// Draw is the draw's reward at the places of a half of the users, drawn by their ids: the part of them with a positive answer.
	Draw Interval `json:"draw"`
	// Best is the policy that always shows the item that the other half of the users liked best, estimated by
	// [explore.Replay] on those of Draw, so that it isn't good by the luck by which it was chosen. It is missing where no
	// item was shown ten times to that half and twice to this one. The halves aren't of time: an item that is liked gets
	// ranked by its score, and then is drawn no more.
	Best *BestItem `json:"best_item,omitempty"`
}

// BestItem is one item in place of the draw.
type BestItem struct {
	Item string `json:"item"`
	// Estimate is the part of places where it would have had a positive answer.
	Estimate Interval `json:"estimate"`
	// Matched is at how many places of these users it was shown.
	Matched int `json:"places"`
}

// enough is how often an item was shown before anything is said of it.
const enough = 10

type exploredPlace = explore.Logged[Place, string]

// explored reports on each slot that the log has answers for, by name. References are read with the directory's keys.
func explored(ctx context.Context, dir string, d *Data) (out []SlotReport, err error) {
	if !slices.ContainsFunc(d.Events, func(e Event) bool { return e.Ref != "" }) {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db, err := tidal.Open(dir, nil, &tidal.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return Slots(d, Refs(db)), nil
}

// Slots reports on each exploration slot that the events of d answer, by name.
func Slots(d *Data, read ReadRef) []SlotReport {
	by := map[string][]exploredPlace{}
	for place := range Explored(d, read) {
		by[place.Context.Slot] = append(by[place.Context.Slot], place)
	}
	out := make([]SlotReport, 0, len(by))
	for slot, places := range by {
		out = append(out, reportOn(slot, places))
	}
	slices.SortFunc(out, func(a, b SlotReport) int { return strings.Compare(a.Slot, b.Slot) })
	return out
}

func reportOn(slot string, places []exploredPlace) SlotReport {
	r := SlotReport{Slot: slot, Places: len(places)}
	users, items := map[string]bool{}, map[string]bool{}
	var half [2][]exploredPlace
	for i := range places {
		p := &places[i]
		users[p.Context.User], items[p.Shown] = true, true
		side := halfOf(p.Context.User)
		half[side] = append(half[side], *p)
	}
	r.Users, r.Items = len(users), len(items)
	choosing, judging := half[0], half[1]
	r.Draw = drawn(judging)
	best, rate := "", -1.0
	for _, item := range slices.Sorted(maps.Keys(items)) {
		if e := always(item, choosing); e.Matched >= enough && e.Mean > rate {
			best, rate = item, e.Mean
		}
	}
	if e := always(best, judging); best != "" && e.Matched >= 2 {
		r.Best = &BestItem{Item: best, Estimate: within(e.Mean, e.StdErr), Matched: e.Matched}
	}
	return r
}

// halfOf draws a half of the users by a hash of their ids, which has nothing to do with what they like.
func halfOf(user string) int {
	h := fnv.New64a()
	h.Write([]byte(user))
	return bits.OnesCount64(h.Sum64()) % 2
}

// always estimates the policy that shows one item.
func always(item string, places []exploredPlace) explore.Estimate {
	return explore.Replay(slices.Values(places), func(Place) string { return item }, nil)
}

// drawn is the mean reward of what was drawn: each place weighs the same, and rewards are 0 or 1.
func drawn(places []exploredPlace) Interval {
	sum, n := 0.0, float64(len(places))
	for i := range places {
		sum += places[i].Reward
	}
	if n < 2 {
		return Interval{Mean: sum, High: 1}
	}
	p := sum / n
	return within(p, math.Sqrt(p*(1-p)/(n-1)))
}

// within is the 95 % interval of a mean reward by its standard error, cut to what rewards can be.
func within(mean, stdErr float64) Interval {
	return Interval{Mean: mean, Low: max(0, mean-1.96*stdErr), High: min(1, mean+1.96*stdErr)}
}
