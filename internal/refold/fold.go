package refold

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/schema"
	"github.com/zeebo/xxh3"
)

// Event is one signal that was acknowledged.
type Event struct {
	Type string
	Item string
	// User, Creator and Cohorts are as the signal named them; empty for none.
	User, Creator string
	Cohorts       []string
	// Weight is above 0; 0 stands for 1.
	Weight float64
	// Time is when it happened, in Unix milliseconds.
	Time int64
	// Untimed says that the time is unknown, such as that of a signal that came without one. Such an event counts in
	// totals, plain sums and unique users; of what depends on times, windows, scores and orders, the records that it
	// is in are not compared.
	Untimed bool
	// Request numbers the request that held it. Events of one request were written in the order in which they are added.
	Request uint64
}

// Put is the put of an entity, with all its fields.
type Put struct {
	Kind    id.Kind
	ID      string
	Fields  map[string]schema.Value
	Request uint64
}

// Fold collects events. The zero value is of no use; see [New].
type Fold struct {
	schema *schema.Schema
	apart  uint64
	part   part
	types  map[string]uint8
	names  names
	lists  map[string]uint32 // of cohorts: number by content
	of     [][]uint32        // cohorts of a list, by the number of their names
	events []event
	puts   map[entity][]put
	made   map[entity]bool
}

// event is an [Event] in numbers: 48 bytes.
type event struct {
	time                         int64
	weight                       int64 // in 2⁻²⁴
	request                      uint64
	item, user, creator, cohorts uint32 // 0 is none
	kind                         uint8
	untimed                      bool
}

type entity struct {
	kind id.Kind
	name string
}

type put struct {
	request uint64
	fields  map[string]schema.Value
}

// New begins a fold under a schema, which every event was stamped under. Requests whose numbers differ by apart or more
// were written in that order; 0 says that nothing is known of their order.
func New(s *schema.Schema, apart uint64) *Fold {
	f := &Fold{
		schema: s, apart: apart, types: map[string]uint8{}, names: newNames(),
		lists: map[string]uint32{"": 0}, of: [][]uint32{nil}, puts: map[entity][]put{},
		made: map[entity]bool{},
	}
	for i := range s.Signals {
		f.types[s.Signals[i].Name] = uint8(i) // a schema has at most 64
	}
	return f
}

// Add adds an event. It refuses what no database takes.
func (f *Fold) Add(e Event) error {
	kind, ok := f.types[e.Type]
	if !ok {
		return fmt.Errorf("refold: the schema %s has no signal type %q", f.schema.Name, e.Type)
	}
	weight, err := WeightOf(e.Weight)
	if err != nil {
		return err
	}
	if e.Item == "" {
		return fmt.Errorf("refold: a %s without an item", e.Type)
	}
	if !f.part.has(e.Item) && (e.User == "" || !f.part.has(e.User)) {
		return nil
	}
	f.events = append(f.events, event{
		time: e.Time, weight: weight, request: e.Request, kind: kind, untimed: e.Untimed, item: f.names.number(e.Item),
		user: f.names.number(e.User), creator: f.names.number(e.Creator), cohorts: f.cohortList(e.Cohorts),
	})
	return nil
}

// WeightOf returns a weight in units of 2⁻²⁴, to the nearest and halves to even; 0 stands for 1. What isn't above 0 and
// up to 10⁶ then is an error.
func WeightOf(w float64) (int64, error) {
	if w == 0 {
		w = 1
	}
	const one = 1 << 24
	scaled := math.RoundToEven(w * one)
	if !(scaled >= 1 && scaled <= 1_000_000*one) {
		return 0, fmt.Errorf("refold: the weight %v isn't above 0 and up to 1,000,000", w)
	}
	return int64(scaled), nil
}

// cohortList numbers a set of cohorts.
func (f *Fold) cohortList(cohorts []string) uint32 {
	if len(cohorts) == 0 {
		return 0
	}
	sorted := slices.Clone(cohorts)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	key := strings.Join(sorted, "\x00")
	n, ok := f.lists[key]
	if !ok {
		n = uint32(len(f.of))
		f.lists[key] = n
		list := make([]uint32, len(sorted))
		for i, c := range sorted {
			list[i] = f.names.number(c)
		}
		f.of = append(f.of, list)
	}
	return n
}

// Put adds the put of an entity. It refuses items that name their creator.
func (f *Fold) Put(p Put) error {
	if _, ok := p.Fields[schema.CreatorField]; ok && p.Kind == id.KindItem {
		return fmt.Errorf("refold: item %q names its creator, of which signals then are; that isn't known here", p.ID)
	}
	if !f.part.has(p.ID) {
		return nil
	}
	key := entity{p.Kind, p.ID}
	f.puts[key] = append(f.puts[key], put{p.Request, p.Fields})
	return nil
}

// Make adds that an entity was made without fields, by a patch that changes nothing: whatever was or is put stays.
func (f *Fold) Make(kind id.Kind, name string) {
	if f.part.has(name) {
		f.made[entity{kind, name}] = true
	}
}

// Schema returns the schema that the fold was begun under.
func (f *Fold) Schema() *schema.Schema { return f.schema }

// part is one of several parts of all owners, by the hash of their names. The zero value is all of them.
type part struct{ number, of uint64 }

func (p part) has(owner string) bool { return p.of <= 1 || xxh3.HashString(owner)%p.of == p.number }

// Len returns the number of events.
func (f *Fold) Len() int { return len(f.events) }

// names numbers texts from 1; 0 is the empty one.
type names struct {
	numbers map[string]uint32
	all     []string
}

func newNames() names { return names{map[string]uint32{"": 0}, []string{""}} }

func (n *names) number(s string) uint32 {
	i, ok := n.numbers[s]
	if !ok {
		s = strings.Clone(s) // not the line that it is part of
		i = uint32(len(n.all))
		n.numbers[s] = i
		n.all = append(n.all, s)
	}
	return i
}

// find returns the number of a text that some event named.
func (n *names) find(s string) (uint32, bool) {
	i, ok := n.numbers[s]
	return i, ok && i > 0
}
