package eval

import (
	"iter"
	"slices"
	"strconv"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/explore"
)

// Shown is what a reference says of a place that exploration filled.
type Shown struct {
	// Feed tells lists apart, Slot names the kind of place. One feed and slot may show several items.
	Feed, Slot string
	// Propensity is the probability with which the item was chosen for the place, in (0, 1].
	Propensity float64
}

// ReadRef reads the reference that a signal echoed; false for one that is damaged, of another database, or of a place
// that the score filled.
type ReadRef func(ref string) (Shown, bool)

// Refs reads the references of lists that a database gave.
func Refs(db *tidal.DB) ReadRef {
	return func(ref string) (Shown, bool) {
		r, err := db.Ref([]byte(ref))
		if err != nil || r.Slot == "" {
			return Shown{}, false
		}
		return Shown{Feed: strconv.FormatUint(r.Feed, 10), Slot: r.Slot, Propensity: r.Propensity}, true
	}
}

// Place is where something was shown: what a policy knows when it chooses.
type Place struct {
	Feed, Slot, User string
	// Time is that of the first signal that echoes the reference, in Unix milliseconds.
	Time int64
}

// Explored turns what a log says of exploration into what [explore.Replay] estimates a policy's reward from: an entry
// for each item that was shown by exploration and that any signal answers, in the order of the first answers. The
// reward is 1 if a positive interaction is among the answers, as the rule of d says, and else 0.
//
// What nobody answered isn't in the log, so the reward is that among answered places: estimates compare policies, and
// say nothing of how often a place is looked at. Where applications send a signal for all that is seen, these are the
// same.
func Explored(d *Data, read ReadRef) iter.Seq[explore.Logged[Place, string]] {
	type key struct{ feed, slot, user, item string }
	at := map[key]int{}
	var log []explore.Logged[Place, string]
	for i := range d.Events {
		e := &d.Events[i]
		if e.Ref == "" || e.User == Nobody {
			continue
		}
		shown, ok := read(e.Ref)
		if !ok {
			continue
		}
		k := key{shown.Feed, shown.Slot, d.Users[e.User], d.Items[e.Item]}
		n, ok := at[k]
		if !ok {
			n = len(log)
			at[k] = n
			log = append(log, explore.Logged[Place, string]{
				Context: Place{k.feed, k.slot, k.user, e.Time}, Shown: k.item, Propensity: shown.Propensity,
			})
		}
		if d.Interactions[d.Of[i]].Positive {
			log[n].Reward = 1
		}
	}
	return slices.Values(log)
}
