package eval

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// Rule says which interactions are positive: those that a good list foresees.
type Rule struct {
	// Text says it in words or as filters.
	Text string
	// Found reports that nobody gave filters, and the rule was chosen by what the data look like.
	Found bool

	conditions []condition // any of them; none: every signal of a positive meaning
	meanings   []schema.Meaning
}

// condition is a filter such as rating>=4.
type condition struct {
	name  string
	kind  uint16
	op    string // empty: any weight
	value float64
}

// A scale is a type whose weights are few and small numbers, such as stars. What lies in the upper fifth of it is
// liked: four and five of five stars, eight and up of ten points.
const (
	scaleMax    = 10
	scaleLeast  = 3
	scaleMost   = 20
	scaleLikeAt = 0.8
)

func ruleOf(l *Log, filters []string) (Rule, error) {
	if len(filters) == 0 {
		return FindRule(l), nil
	}
	r := Rule{Text: strings.Join(filters, " or ")}
	for _, f := range filters {
		c, err := parseCondition(f)
		if err != nil {
			return Rule{}, err
		}
		kind, _, ok := l.Schema.Signal(c.name)
		if !ok {
			return Rule{}, fault.Refuse("positive", "%q: the schema %s has no signal type %q", f, l.Schema.Name, c.name)
		}
		c.kind = uint16(kind)
		r.conditions = append(r.conditions, c)
	}
	return r, nil
}

// CheckFilter refuses a filter that isn't the name of a signal type, or such a name, a comparison and a weight: "like",
// "rating>=4".
func CheckFilter(filter string) error {
	_, err := parseCondition(filter)
	return err
}

// FindRule chooses a rule by what the events look like. Where the weights of a type are a scale, with 3 to 20 different
// ones up to at most 10, an interaction is positive that has a weight of at least 0.8 times the largest: it says more
// than that the item was met. Among several such types the one with most events counts. Elsewhere every signal of a
// positive meaning is positive, unless the same instant holds a negative one on the same item.
func FindRule(l *Log) Rule {
	weights := make([]map[float64]bool, len(l.Schema.Signals))
	events := make([]int, len(weights))
	for i := range l.Events {
		e := &l.Events[i]
		if weights[e.Type] == nil {
			weights[e.Type] = map[float64]bool{}
		}
		if len(weights[e.Type]) <= scaleMost {
			weights[e.Type][e.Weight] = true
		}
		events[e.Type]++
	}
	best, largest := -1, 0.0
	for t, seen := range weights {
		if len(seen) < scaleLeast || len(seen) > scaleMost {
			continue
		}
		top := 0.0
		for w := range seen {
			top = max(top, w)
		}
		if top <= scaleMax && (best < 0 || events[t] > events[best]) {
			best, largest = t, top
		}
	}
	if best < 0 {
		r := Rule{Text: "signals of a positive meaning, none negative in the same instant", Found: true}
		for _, t := range l.Schema.Signals {
			r.meanings = append(r.meanings, t.Meaning)
		}
		return r
	}
	c := condition{l.Schema.Signals[best].Name, uint16(best), ">=", largest * scaleLikeAt}
	return Rule{Text: c.String(), Found: true, conditions: []condition{c}}
}

// counts reports whether an event makes its interaction positive.
func (r *Rule) counts(e *Event) bool {
	if len(r.conditions) == 0 {
		return r.meanings[e.Type] == schema.Positive
	}
	return slices.ContainsFunc(r.conditions, func(c condition) bool { return c.holds(e) })
}

func (c *condition) holds(e *Event) bool {
	if e.Type != c.kind {
		return false
	}
	const grain = 1.0 / (1 << 24) // weights are kept in such steps
	equal := math.Abs(e.Weight-c.value) <= grain
	switch c.op {
	case ">=":
		return equal || e.Weight > c.value
	case "<=":
		return equal || e.Weight < c.value
	case ">":
		return !equal && e.Weight > c.value
	case "<":
		return !equal && e.Weight < c.value
	case "=":
		return equal
	}
	return true
}

func (c *condition) String() string {
	if c.op == "" {
		return c.name
	}
	return c.name + c.op + strconv.FormatFloat(c.value, 'g', -1, 64)
}

func parseCondition(s string) (condition, error) {
	const want = "want a signal type such as like, or one with a weight such as rating>=4"
	at := strings.IndexAny(s, "<>=")
	if at < 0 {
		if s = strings.TrimSpace(s); s == "" || strings.ContainsAny(s, " \t") {
			return condition{}, fault.Refuse("positive", "%q: %s", s, want)
		}
		return condition{name: s}, nil
	}
	name, rest := strings.TrimSpace(s[:at]), s[at:]
	for _, op := range []string{">=", "<=", ">", "<", "="} {
		number, ok := strings.CutPrefix(rest, op)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(v > 0) || v > 1e6 || name == "" || strings.ContainsAny(name, " \t") {
			break
		}
		return condition{name: name, op: op, value: v}, nil
	}
	return condition{}, fault.Refuse("positive", "%q: %s; weights are above 0 and up to 1,000,000", s, want)
}
