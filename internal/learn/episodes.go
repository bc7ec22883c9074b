package learn

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tidaldb/tidal"
)

// EpisodeOptions say where episodes begin and end. The zero value of all but Rewards is right for most.
type EpisodeOptions struct {
	// Rewards say what signals are worth. Steps take the sum.
	Rewards Rewards
	// Gap is how long a user without a session does nothing before the next episode begins; 0 is 30 minutes.
	Gap time.Duration
	// MaxOpen is how many episodes may be open; beyond that the one that nothing was added to for longest is closed early.
	// 0 is 100,000.
	MaxOpen int
	// MaxSteps is how many steps an episode has at most; the next begins another one. 0 is 1,000.
	MaxSteps int
	// Text says how an item is written; nil writes its id.
	Text func(item string) string
}

// Episode is what one user met, in order: a line of JSON. The names are those of RLDS, episodes of steps with observation,
// action, reward and discount.
//
// An episode is a session; without one, a user's events of which none is further from the others than the gap. One whose end
// isn't known is cut off and not ended: no step is terminal.
type Episode struct {
	// ID is the position of the event that began it.
	ID      string `json:"episode_id"`
	User    string `json:"user,omitempty"`
	Session string `json:"session,omitempty"`
	// Return is the sum of the rewards.
	Return float64 `json:"return"`
	Steps  []Step  `json:"steps"`
}

// Step is one item that the user met. All signals about an item within one list, or within none, are one step.
type Step struct {
	Observation Observation `json:"observation"`
	// Action is the item.
	Action   string  `json:"action"`
	Reward   float64 `json:"reward"`
	Discount float64 `json:"discount"`
	First    bool    `json:"is_first"`
	Last     bool    `json:"is_last"`
	Terminal bool    `json:"is_terminal"`
	// Types are those of the signals, in their order.
	Types []string `json:"types"`
	// Feed, Slot and Propensity say how the item came to be shown. Propensity is missing where no list is known.
	Feed       string   `json:"feed,omitempty"`
	Slot       string   `json:"slot,omitempty"`
	Propensity *float64 `json:"propensity,omitempty"`
}

// Observation is what was known before the step.
type Observation struct {
	Time    string `json:"time"`
	Profile string `json:"profile,omitempty"`
	Version uint32 `json:"profile_version,omitempty"`
	Place   int    `json:"place,omitempty"`
	// Recent are the items of the steps before, the newest last, up to 10.
	Recent []string `json:"recent"`
}

// EpisodeCounts count what episodes were made of.
type EpisodeCounts struct {
	// Events were looked at; Anonymous ones of them have neither user nor session, and belong to no episode.
	Events, Anonymous int
	// Episodes were closed, Early ones of them because too many were open. Steps are all of theirs.
	Episodes, Early, Steps int
}

// Episodes makes episodes of events. Make it with [NewEpisodes].
type Episodes struct {
	options EpisodeOptions
	counts  EpisodeCounts
	open    *recent[episodeKey, *episode]
	arrived int
}

type episodeKey struct{ user, session string }

// episode is one that may go on.
type episode struct {
	key           episodeKey
	id            string
	arrived       int
	first, newest time.Time
	steps         []step
}

type step struct {
	item   string
	ref    *tidal.FeedRef
	time   time.Time
	reward float64
	types  []string
}

// NewEpisodes begins.
func NewEpisodes(o EpisodeOptions) *Episodes {
	o.Gap = cmp.Or(o.Gap, 30*time.Minute)
	o.MaxOpen, o.MaxSteps = cmp.Or(o.MaxOpen, 100_000), cmp.Or(o.MaxSteps, 1000)
	if o.Text == nil {
		o.Text = text
	}
	return &Episodes{options: o, open: newRecent[episodeKey, *episode](o.MaxOpen)}
}

// Counts returns what was counted so far.
func (p *Episodes) Counts() EpisodeCounts { return p.counts }

// Add takes the next event, and returns the episodes that end before it: none, one, or two if one had to be closed early. It
// keeps of x what it needs.
func (p *Episodes) Add(x *tidal.Exported) (closed []*Episode) {
	p.counts.Events++
	reward, ok := p.options.Rewards[x.Type]
	if !ok || x.Undone || x.Kind != "signal" {
		return nil
	}
	key := episodeKey{x.User, x.Session}
	if key == (episodeKey{}) {
		p.counts.Anonymous++
		return nil
	}
	e, ok := p.open.get(key)
	if ok && !p.goesOn(e, x) {
		p.open.remove(key)
		closed, ok = append(closed, p.close(e)), false
	}
	if !ok {
		e = &episode{key: key, id: x.Position.String(), arrived: p.arrived, first: x.Time, newest: x.Time}
		p.arrived++
		if oldest, went := p.open.put(key, e); went {
			p.counts.Early++
			closed = append(closed, p.close(oldest))
		}
	}
	e.add(x, reward)
	return closed
}

// goesOn reports whether an event belongs to an open episode of its user.
func (p *Episodes) goesOn(e *episode, x *tidal.Exported) bool {
	if len(e.steps) >= p.options.MaxSteps && e.find(x) < 0 {
		return false
	}
	gap := p.options.Gap
	return e.key.session != "" || !x.Time.Before(e.first.Add(-gap)) && !x.Time.After(e.newest.Add(gap))
}

// find returns the step that an event belongs to, −1 for none.
func (e *episode) find(x *tidal.Exported) int {
	return slices.IndexFunc(e.steps, func(s step) bool {
		return s.item == x.Item && (s.ref == nil) == (x.Ref == nil) && (s.ref == nil || s.ref.Feed == x.Ref.Feed)
	})
}

func (e *episode) add(x *tidal.Exported, reward float64) {
	i := e.find(x)
	if i < 0 {
		i = len(e.steps)
		e.steps = append(e.steps, step{item: x.Item, ref: x.Ref, time: x.Time})
	}
	s := &e.steps[i]
	s.reward += reward
	s.types = append(s.types, x.Type)
	if x.Time.Before(s.time) {
		s.time = x.Time
	}
	if x.Time.Before(e.first) {
		e.first = x.Time
	}
	if x.Time.After(e.newest) {
		e.newest = x.Time
	}
}

// Rest closes all episodes that are open, in the order in which they began to be told.
func (p *Episodes) Rest() []*Episode {
	var left []*episode
	for at := p.open.order.Front(); at != nil; at = at.Next() {
		left = append(left, at.Value.(*entry[episodeKey, *episode]).value)
	}
	p.open = newRecent[episodeKey, *episode](p.options.MaxOpen)
	slices.SortFunc(left, func(x, y *episode) int { return cmp.Compare(x.arrived, y.arrived) })
	out := make([]*Episode, len(left))
	for i, e := range left {
		out[i] = p.close(e)
	}
	return out
}

// observed is how many items of before a step's observation names.
const observed = 10

// close makes an episode of what was gathered. Steps are in the order of their times, those of one time in that of the log.
func (p *Episodes) close(e *episode) *Episode {
	out := &Episode{ID: e.id, User: text(e.key.user), Session: text(e.key.session)}
	slices.SortStableFunc(e.steps, func(x, y step) int { return x.time.Compare(y.time) })
	before := []string{}
	for i := range e.steps {
		s := &e.steps[i]
		x := Step{
			Observation: Observation{Time: stamp(s.time), Recent: slices.Clone(before)},
			Action:      p.options.Text(s.item), Reward: s.reward, Discount: 1, First: i == 0, Last: i == len(e.steps)-1, Types: s.types,
		}
		if r := s.ref; r != nil {
			x.Observation.Profile, x.Observation.Version, x.Observation.Place = r.Profile, r.Version, r.Place
			x.Feed, x.Slot, x.Propensity = fmt.Sprintf("%016x", r.Feed), r.Slot, &r.Propensity
		}
		out.Return += s.reward
		out.Steps = append(out.Steps, x)
		before = append(before, x.Action)
		before = before[max(0, len(before)-observed):]
	}
	p.counts.Episodes++
	p.counts.Steps += len(out.Steps)
	return out
}
