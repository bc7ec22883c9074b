package eval

import "github.com/tidaldb/tidal/schema"

// Data is a log whose events are grouped into interactions.
type Data struct {
	*Log
	// Interactions are in the order of their first events.
	Interactions []Interaction
	// Of names the interaction of each event.
	Of []int32
	// Positive is the rule by which interactions count as positive.
	Positive Rule
}

// Interaction is what one user did with one item at one time, whichever signals that took: a rating of five stars is
// often written as a rating and a like in the same instant.
type Interaction struct {
	User, Item uint32
	Time       int64
	// Positive says that a good list would have held the item.
	Positive bool

	order int32 // of its first event
}

// NewData groups the events of a log. The filters say which interactions are positive; without any the rule is found,
// as [FindRule] says. A filter that doesn't fit the schema is refused.
func NewData(l *Log, filters []string) (*Data, error) {
	rule, err := ruleOf(l, filters)
	if err != nil {
		return nil, err
	}
	d := &Data{Log: l, Of: make([]int32, len(l.Events)), Positive: rule}
	type pair struct{ user, item uint32 }
	now := map[pair]int32{} // interactions of the time that is being read
	for i := range l.Events {
		e := &l.Events[i]
		if i > 0 && e.Time != l.Events[i-1].Time {
			clear(now)
		}
		n, ok := now[pair{e.User, e.Item}]
		if !ok {
			n = int32(len(d.Interactions))
			now[pair{e.User, e.Item}] = n
			d.Interactions = append(d.Interactions, Interaction{
				User: e.User, Item: e.Item, Time: e.Time, order: e.order,
			})
		}
		d.Of[i] = n
	}
	spoilt := make([]bool, len(d.Interactions))
	for i := range l.Events {
		e := &l.Events[i]
		x := &d.Interactions[d.Of[i]]
		x.Positive = x.Positive || rule.counts(e)
		spoilt[d.Of[i]] = spoilt[d.Of[i]] || rule.spoils(l.Schema.Signals[e.Type].Meaning)
	}
	for i, bad := range spoilt {
		d.Interactions[i].Positive = d.Interactions[i].Positive && !bad
	}
	return d, nil
}

// spoils reports whether a signal of that meaning keeps an interaction from being positive. Filters mean what they say.
func (r *Rule) spoils(m schema.Meaning) bool {
	return len(r.conditions) == 0 && (m == schema.Negative || m == schema.HardNegative)
}
