package heads_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/heads"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	begin  = int64(20_000) * day
)

var windows = []schema.Window{schema.Window1h, schema.Window24h, schema.WindowAll}

// small has what each version of the model's schema declares: the second adds a half-life, windows and a type.
func small(version int) *schema.Schema {
	s := &schema.Schema{Name: "test", Signals: []schema.SignalType{
		{Name: "view", HalfLives: []time.Duration{6 * time.Hour}, Windows: windows},
		{Name: "like", HalfLives: []time.Duration{24 * time.Hour, 7 * 24 * time.Hour}},
	}}
	if version > 1 {
		s.Signals[0].HalfLives = append(s.Signals[0].HalfLives, 24*time.Hour)
		s.Signals[1].Windows = windows
		s.Signals = append(s.Signals, schema.SignalType{Name: "skip", Windows: windows})
	}
	return s
}

var cohortNames = []string{"", "de", "us", "young"} // the first is none: the item's own cells

type cellKey struct {
	item   state.Ord
	cohort string
	name   string
}

type event struct {
	key   cellKey
	shape algebra.Shape
	time  int64
	w     fixed.Weight
}

// model is the slow twin: the cells themselves, and sorting.
type model struct {
	rng     *rand.Rand
	version int
	items   int
	now     int64
	cells   map[cellKey]*algebra.SignalState
	past    []event
	under   *heads.Columns
	opts    heads.Options
}

func newModel(seed uint64, items int, opts heads.Options) *model {
	m := &model{
		rng: rand.New(rand.NewPCG(seed, 1)), version: 1, items: items, now: begin, opts: opts,
		cells: make(map[cellKey]*algebra.SignalState), under: heads.New(opts),
	}
	m.under.Declare(small(1))
	return m
}

func shapeOf(t *schema.SignalType) algebra.Shape {
	s := algebra.Shape{Buckets: len(t.Windows) > 0}
	for _, h := range t.HalfLives {
		s.HalfLives = append(s.HalfLives, h.Milliseconds())
	}
	return s
}

// step does one thing that may happen to cells, and reports it to the columns.
func (m *model) step() {
	r := m.rng
	m.now += int64(r.IntN(10)) * minute
	switch p := r.IntN(1000); {
	case p < 120 && len(m.past) > 0: // a compensation
		i := r.IntN(len(m.past))
		e := m.past[i]
		m.past = slices.Delete(m.past, i, i+1)
		m.change(e, (*algebra.SignalState).Subtract)
	case p < 140:
		m.drop(state.Ord(r.IntN(m.items)))
	case p < 142:
		m.version = 2
		m.under.Declare(small(2))
		m.under.Declare(small(1))
	case p < 145: // a wave of deletions, which leaves heads short
		for n := range m.items * 7 / 10 {
			m.drop(state.Ord(n))
		}
	default:
		types := small(m.version).Signals
		t := &types[r.IntN(len(types))]
		// Items are drawn with a bend to the first; times are coarse and some are late, so that values tie.
		n := state.Ord(float64(m.items) * r.Float64() * r.Float64())
		e := event{
			key:   cellKey{n, cohortNames[r.IntN(len(cohortNames))], t.Name},
			shape: shapeOf(t), time: m.now / hour * hour, w: fixed.One << r.IntN(3),
		}
		if r.IntN(5) == 0 {
			e.time -= int64(r.IntN(40)) * hour
		}
		if r.IntN(20) == 0 { // its compensation is here before it, and it may never come
			m.change(e, (*algebra.SignalState).Subtract)
			return
		}
		m.past = append(m.past, e)
		m.change(e, (*algebra.SignalState).Add)
	}
}

func (m *model) change(e event, do func(*algebra.SignalState, algebra.Shape, int64, fixed.Weight)) {
	cell := m.cells[e.key]
	if cell == nil {
		cell = new(algebra.SignalState)
		m.cells[e.key] = cell
	}
	do(cell, e.shape, e.time, e.w)
	tell(m.under, e.key, cell)
}

func tell(c *heads.Columns, k cellKey, cell *algebra.SignalState) {
	typ, ok := c.Type(k.name)
	if !ok {
		panic("type isn't declared")
	}
	if k.cohort == "" {
		c.CellChanged(k.item, typ, cell)
	} else {
		c.CohortCellChanged(k.item, k.cohort, typ, cell)
	}
}

func (m *model) drop(n state.Ord) {
	for k := range m.cells {
		if k.item == n {
			delete(m.cells, k)
		}
	}
	m.past = slices.DeleteFunc(m.past, func(e event) bool { return e.key.item == n })
	m.under.Dropped(n)
}

func (m *model) read(n state.Ord, cohort, typ string) (*algebra.SignalState, error) {
	return m.cells[cellKey{n, cohort, typ}], nil
}

// rebuilt returns columns that were told of the final cells alone, in random order.
func (m *model) rebuilt() *heads.Columns {
	c := heads.New(m.opts)
	c.Declare(small(m.version))
	keys := make([]cellKey, 0, len(m.cells))
	for k := range m.cells {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b cellKey) int {
		return cmp.Or(cmp.Compare(a.item, b.item), cmp.Compare(a.cohort, b.cohort), cmp.Compare(a.name, b.name))
	})
	m.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, k := range keys {
		tell(c, k, m.cells[k])
	}
	c.Settle()
	return c
}

// want returns the k best items of one order and their ties, by sorting all.
func (m *model) want(cohort, name string, k int, value func(*algebra.SignalState) (int64, bool),
	accept func(state.Ord) bool,
) []heads.Ranked {
	var all []heads.Ranked
	for key, cell := range m.cells {
		if key.cohort != cohort || key.name != name || !accept(key.item) {
			continue
		}
		if v, ok := value(cell); ok {
			all = append(all, heads.Ranked{Ord: key.item, LogScore: v})
		}
	}
	slices.SortFunc(all, func(a, b heads.Ranked) int {
		return cmp.Or(cmp.Compare(b.LogScore, a.LogScore), cmp.Compare(a.Ord, b.Ord))
	})
	for k < len(all) && k > 0 && all[k].LogScore == all[k-1].LogScore {
		k++
	}
	return all[:min(k, len(all))]
}

// outcome counts what answers were like, to be sure that a test met all cases.
type outcome struct{ exact, inexact, ties, filtered int }

// check compares all answers of two indexes with the twin's.
func (m *model) check(o *outcome) error {
	m.under.Settle()
	fresh := m.rebuilt()
	k := 1 + m.rng.IntN(3*max(m.opts.Keep, 10))
	mask := state.Ord(m.rng.IntN(4))
	accept := func(n state.Ord) bool { return n&mask == 0 }
	for _, t := range small(m.version).Signals {
		for _, c := range []*heads.Columns{m.under, fresh} {
			if err := m.checkType(c, &t, k, accept, o); err != nil {
				return fmt.Errorf("%s, k %d, mask %d, rebuilt %v: %w", t.Name, k, mask, c == fresh, err)
			}
		}
		if mask != 0 {
			o.filtered++
		}
	}
	return nil
}

func (m *model) checkType(c *heads.Columns, t *schema.SignalType, k int, accept func(state.Ord) bool,
	o *outcome,
) error {
	typ, _ := c.Type(t.Name)
	for n := range state.Ord(m.items) {
		want := int64(0)
		if cell := m.cells[cellKey{n, "", t.Name}]; cell != nil {
			want = max(0, cell.Total())
		}
		if got := c.Total(typ, n); got != want {
			return fmt.Errorf("total of %d is %d, not %d", n, got, want)
		}
	}
	rising, ok := c.Rising(typ)
	if ok != (len(t.Windows) > 0) {
		return fmt.Errorf("there is a rising column: %v", ok)
	}
	if err := m.checkColumn(rising, t.Name, k, heads.Rising, accept, o); ok && err != nil {
		return fmt.Errorf("rising: %w", err)
	}
	for _, h := range t.HalfLives {
		value := func(cell *algebra.SignalState) (int64, bool) { return cell.LogScore(h.Milliseconds()) }
		col, ok := c.Column(typ, h.Milliseconds())
		if !ok {
			return fmt.Errorf("half-life %v is missing", h)
		}
		if err := m.checkColumn(col, t.Name, k, value, accept, o); err != nil {
			return fmt.Errorf("half-life %v: %w", h, err)
		}
		for _, cohort := range cohortNames[1:] {
			got, exact := c.CohortTop(cohort, typ, h.Milliseconds(), k, accept, nil)
			want := m.want(cohort, t.Name, k, value, accept)
			if err := compare(got, want, exact, k, o); err != nil {
				return fmt.Errorf("cohort %s, half-life %v: %w", cohort, h, err)
			}
		}
	}
	return nil
}

func (m *model) checkColumn(col heads.Column, name string, k int, value func(*algebra.SignalState) (int64, bool),
	accept func(state.Ord) bool, o *outcome,
) error {
	want := m.want("", name, k, value, accept)
	got, exact := col.Top(k, accept, nil)
	if err := compare(got, want, exact, k, o); err != nil {
		return fmt.Errorf("top: %w", err)
	}
	if got := col.Scan(k, accept, nil); !slices.Equal(got, want) {
		return fmt.Errorf("scan: %v, not %v", got, want)
	}
	for n := range state.Ord(m.items + 5) {
		got, ok := col.LogScore(n)
		cell := m.cells[cellKey{n, "", name}]
		if cell == nil {
			cell = new(algebra.SignalState)
		}
		if want, have := value(cell); ok != have || ok && got != want {
			return fmt.Errorf("value of %d is %d, %v, not %d, %v", n, got, ok, want, have)
		}
	}
	return nil
}

// compare holds a head's answer against the right one: all of it if it says so, else a part of it that is too short.
func compare(got, want []heads.Ranked, exact bool, k int, o *outcome) error {
	if !exact {
		o.inexact++
		if len(got) >= k || len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
			return fmt.Errorf("in part: %v, of %v", got, want)
		}
		return nil
	}
	o.exact++
	if len(want) > k {
		o.ties++
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("%v, not %v", got, want)
	}
	return nil
}
