package learn

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal"
)

// PairOptions say which pairs are made. The zero value of all but Rewards is right for most.
type PairOptions struct {
	// Rewards say what signals are worth.
	Rewards Rewards
	// Window is how long behind its making a list can be answered: what comes later doesn't count. 0 is a day.
	Window time.Duration
	// MaxLists is how many lists may be open; beyond that the one whose window ends first is closed early. 0 is 100,000.
	MaxLists int
	// MaxPairs is how many pairs a list gives at most; 0 is 64.
	MaxPairs int
	// History is how many of the items that the user liked last the prompt names; 0 is 10, less than 0 none. They are kept for
	// as many users as lists may be open.
	History int
	// Text says how an item is written in prompt, chosen and rejected; nil writes its id.
	Text func(item string) string
}

// Pair is one preference, a line of JSON in the standard form of preference data sets, {"prompt", "chosen", "rejected"}, with
// fields beside it that say where it comes from.
//
// Both items were in one list of one user, and the user answered both: chosen has a signal with a reward above 0 and none below;
// rejected has one below 0 (Rule "negative"), or nothing but signals of reward 0, which show that it was seen and left
// (Rule "impression"). Of an item that nobody answered the log doesn't know that it was there.
type Pair struct {
	Prompt   string `json:"prompt"`
	Chosen   string `json:"chosen"`
	Rejected string `json:"rejected"`
	Rule     string `json:"rule"`
	User     string `json:"user,omitempty"`
	Feed     string `json:"feed"`
	Profile  string `json:"profile"`
	Version  uint32 `json:"profile_version"`
	ListTime string `json:"list_time"`
	// ChosenAs and RejectedAs are how each came to be in the list.
	ChosenAs   Shown `json:"chosen_as"`
	RejectedAs Shown `json:"rejected_as"`
}

// Shown is how an item was shown.
type Shown struct {
	Item       string  `json:"item"`
	Place      int     `json:"place"`
	Slot       string  `json:"slot,omitempty"`
	Propensity float64 `json:"propensity"`
	// Reward is the lowest of its signals' rewards if one is below 0, and else the highest.
	Reward float64 `json:"reward"`
}

// PairCounts count what pairs were made of.
type PairCounts struct {
	// Events were looked at; Answers of them answer a list with a type that has a reward. Late ones came behind their list's
	// window, or when it had been closed.
	Events, Answers, Late int
	// Lists were closed, Early ones of them because too many were open. Pairs were made of them, and Cut were not, because a
	// list had more than it may.
	Lists, Early, Pairs, Cut int
}

// Pairs makes pairs of events. Make it with [NewPairs].
type Pairs struct {
	options PairOptions
	counts  PairCounts
	open    map[listKey]*feed
	queue   queue
	arrived int
	now     time.Time // of the latest answer
	likes   *recent[string, []string]
}

type listKey struct {
	feed uint64
	user string
}

// feed is a list that may still be answered.
type feed struct {
	key     listKey
	first   tidal.FeedRef
	history []string
	shown   []Shown
	ends    time.Time
	arrived int
}

// NewPairs begins.
func NewPairs(o PairOptions) *Pairs {
	o.Window = cmp.Or(o.Window, 24*time.Hour)
	o.MaxLists, o.MaxPairs, o.History = cmp.Or(o.MaxLists, 100_000), cmp.Or(o.MaxPairs, 64), cmp.Or(o.History, 10)
	if o.Text == nil {
		o.Text = text
	}
	return &Pairs{options: o, open: map[listKey]*feed{}, likes: newRecent[string, []string](o.MaxLists)}
}

// Counts returns what was counted so far.
func (p *Pairs) Counts() PairCounts { return p.counts }

// Add takes the next event, and returns the pairs of lists that it closes: those whose window ended before it.
func (p *Pairs) Add(x *tidal.Exported) []*Pair {
	p.counts.Events++
	reward, ok := p.options.Rewards[x.Type]
	if !ok || x.Undone || x.Kind != "signal" {
		return nil
	}
	closed := p.answer(x, reward)
	if reward > 0 && x.User != "" && p.options.History > 0 {
		liked, _ := p.likes.get(x.User)
		liked = slices.DeleteFunc(slices.Clone(liked), func(item string) bool { return item == x.Item })
		liked = append(liked, x.Item)
		p.likes.put(x.User, liked[max(0, len(liked)-p.options.History):])
	}
	return closed
}

// answer notes an answer to a list.
func (p *Pairs) answer(x *tidal.Exported, reward float64) []*Pair {
	if x.Ref == nil {
		return nil
	}
	p.counts.Answers++
	ends := x.Ref.Time.Add(p.options.Window)
	key := listKey{x.Ref.Feed, x.User}
	l := p.open[key]
	if x.Time.After(ends) || l == nil && p.now.After(ends) {
		p.counts.Late++
		return nil
	}
	if l == nil {
		l = &feed{key: key, first: *x.Ref, ends: ends, arrived: p.arrived}
		l.history, _ = p.likes.get(x.User)
		p.arrived++
		p.open[key] = l
		heap.Push(&p.queue, l)
	}
	l.note(x, reward)
	if x.Time.After(p.now) {
		p.now = x.Time
	}
	var closed []*feed
	for len(p.queue) > 0 && p.now.After(p.queue[0].ends) {
		closed = append(closed, p.close())
	}
	for len(p.queue) > p.options.MaxLists {
		closed = append(closed, p.close())
		p.counts.Early++
	}
	return p.pairs(closed)
}

// close closes the list whose window ends first.
func (p *Pairs) close() *feed {
	l := heap.Pop(&p.queue).(*feed)
	delete(p.open, l.key)
	p.counts.Lists++
	return l
}

// Rest closes all lists that are open, and gives their pairs.
func (p *Pairs) Rest() []*Pair {
	var closed []*feed
	for len(p.queue) > 0 {
		closed = append(closed, p.close())
	}
	return p.pairs(closed)
}

// note adds a signal to what is known of an item of the list.
func (l *feed) note(x *tidal.Exported, reward float64) {
	i := slices.IndexFunc(l.shown, func(s Shown) bool { return s.Item == x.Item })
	if i < 0 {
		l.shown = append(l.shown, Shown{
			Item: x.Item, Place: x.Ref.Place, Slot: x.Ref.Slot, Propensity: x.Ref.Propensity, Reward: reward,
		})
		return
	}
	if now := &l.shown[i].Reward; *now < 0 || reward < 0 {
		*now = min(*now, reward)
	} else {
		*now = max(*now, reward)
	}
}

// pairs makes the pairs of lists.
func (p *Pairs) pairs(lists []*feed) (out []*Pair) {
	for _, l := range lists {
		out = p.pairsOf(out, l)
	}
	return out
}

// pairsOf sets each chosen item of a list against each rejected one, first all against the first rejected, and so on: those
// with a negative answer first, each kind in the order of the places.
func (p *Pairs) pairsOf(out []*Pair, l *feed) []*Pair {
	slices.SortFunc(l.shown, func(x, y Shown) int {
		return cmp.Or(cmp.Compare(x.Place, y.Place), strings.Compare(x.Item, y.Item))
	})
	var chosen, negative, left []Shown
	for _, s := range l.shown {
		switch {
		case s.Reward > 0:
			chosen = append(chosen, s)
		case s.Reward < 0:
			negative = append(negative, s)
		default:
			left = append(left, s)
		}
	}
	made := 0
	for i, r := range slices.Concat(negative, left) {
		for _, c := range chosen {
			if made == p.options.MaxPairs {
				p.counts.Cut++
				continue
			}
			made++
			rule := "impression"
			if i < len(negative) {
				rule = "negative"
			}
			out = append(out, p.pair(l, c, r, rule))
		}
	}
	p.counts.Pairs += made
	return out
}

func (p *Pairs) pair(l *feed, chosen, rejected Shown, rule string) *Pair {
	x := &Pair{
		Prompt: p.prompt(l), Chosen: p.options.Text(chosen.Item), Rejected: p.options.Text(rejected.Item), Rule: rule,
		User: text(l.key.user), Feed: fmt.Sprintf("%016x", l.key.feed), Profile: l.first.Profile, Version: l.first.Version,
		ListTime: stamp(l.first.Time), ChosenAs: chosen, RejectedAs: rejected,
	}
	x.ChosenAs.Item, x.RejectedAs.Item = text(chosen.Item), text(rejected.Item)
	return x
}

// prompt says in words for whom the list was, and what that user liked before.
func (p *Pairs) prompt(l *feed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "profile: %s", l.first.Profile)
	if l.key.user != "" {
		fmt.Fprintf(&b, "\nuser: %s", text(l.key.user))
	}
	if len(l.history) > 0 {
		b.WriteString("\nliked: ")
		for i, item := range l.history {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(p.options.Text(item))
		}
	}
	return b.String()
}

// queue orders lists by the end of their window, then by when they were first answered.
type queue []*feed

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if c := q[i].ends.Compare(q[j].ends); c != 0 {
		return c < 0
	}
	return q[i].arrived < q[j].arrived
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is heap.Interface's.
func (q *queue) Push(x any) { *q = append(*q, x.(*feed)) }

// Pop is heap.Interface's.
func (q *queue) Pop() any {
	old := *q
	l := old[len(old)-1]
	*q = old[:len(old)-1]
	return l
}
