package diversity

import (
	"math"
	"math/bits"

	"github.com/tidaldb/tidal/schema"
)

// setFields is [Fields], without allocating.
func (m *Mixer) setFields(rules *schema.Diversity) {
	m.fields = m.fields[:0]
	for _, r := range rules.MaxPer {
		m.fields = include(m.fields, r.Field)
	}
	for _, r := range rules.Shares {
		m.fields = include(m.fields, r.Field)
	}
	for _, r := range rules.AtLeast {
		m.fields = include(m.fields, r.Field)
	}
}

// readCodes asks for the values of all items once, and numbers the values of all fields from 0.
func (m *Mixer) readCodes() {
	m.table.clear()
	m.values, m.codes = m.values[:0], m.codes[:0]
	m.starts = append(m.starts[:0], 0)
	if len(m.fields) == 0 {
		return
	}
	for _, f := range m.fixed {
		if f.Item < 0 {
			continue
		}
		for field := range m.fields {
			for _, code := range m.in.Items.Codes(f.Item, field) {
				m.values[m.intern(field, code)].fixed++
			}
		}
	}
	for i := range m.size {
		for field := range m.fields {
			for _, code := range m.in.Items.Codes(i, field) {
				m.codes = append(m.codes, m.intern(field, code))
			}
			m.starts = append(m.starts, int32(len(m.codes)))
		}
	}
}

func (m *Mixer) intern(field int, code uint32) int32 {
	id, added := m.table.id(uint64(field)<<32 | uint64(code))
	if added {
		m.values = append(m.values, value{field: field, code: code})
	}
	return id
}

// of is the values that a candidate has in a field.
func (m *Mixer) of(candidate, field int) []int32 {
	at := candidate*len(m.fields) + field
	return m.codes[m.starts[at]:m.starts[at+1]]
}

// setRules brings the rules into one order, the most important first, and counts what minimums start from.
func (m *Mixer) setRules(rules *schema.Diversity) {
	m.caps, m.minimums = m.caps[:0], m.minimums[:0]
	for i, r := range rules.MaxPer {
		m.caps = append(m.caps, limit{MaxPer, i, field(m.fields, r.Field), clamp(r.N)})
	}
	length := m.need + len(m.fixed)
	for i, r := range rules.Shares {
		// 0.29·100 is a little less than 29 in floating point.
		most := max(1, math.Floor(min(r.Max, 1)*float64(length)+1e-9))
		m.caps = append(m.caps, limit{Share, i, field(m.fields, r.Field), int32(most)})
	}
	for k, r := range rules.AtLeast {
		x := minimum{value: -1, wanted: clamp(r.N)}
		if code := m.minimumCode(k); code != NoCode {
			if id, ok := m.table.find(uint64(field(m.fields, r.Field))<<32 | uint64(code)); ok {
				x.value, x.fixed = id, m.values[id].fixed
			}
		}
		m.minimums = append(m.minimums, x)
	}
	if len(m.minimums) == 0 {
		return
	}
	m.member = resize(m.member, m.size*len(m.minimums))
	for i := range m.size {
		for k := range m.minimums {
			has := m.has(i, k)
			m.member[i*len(m.minimums)+k] = has
			if has && m.free[i] {
				m.minimums[k].left++
			}
		}
	}
}

func (m *Mixer) has(candidate, k int) bool {
	v := m.minimums[k].value
	if v < 0 {
		return false
	}
	for _, x := range m.of(candidate, m.values[v].field) {
		if x == v {
			return true
		}
	}
	return false
}

func clamp(n int) int32 { return int32(max(0, min(n, math.MaxInt32/2))) }

// normalise brings the scores to [0, 1].
func (m *Mixer) normalise() {
	m.norm = resize(m.norm, m.size)
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range m.in.Scores {
		if s-s == 0 {
			low, high = min(low, s), max(high, s)
		}
	}
	for i, s := range m.in.Scores {
		m.norm[i] = 0
		if s-s == 0 && high > low {
			// In halves, since the difference of two numbers may be beyond all numbers.
			m.norm[i] = (s/2 - low/2) / (high/2 - low/2)
		}
	}
}

// interner numbers keys from 0 in the order in which they come: open addressing, at most half full.
type interner struct {
	slots []int32 // number + 1, 0 is free
	keys  []uint64
}

func (t *interner) clear() {
	if t.slots == nil {
		t.slots = make([]int32, 256)
	}
	clear(t.slots)
	t.keys = t.keys[:0]
}

func (t *interner) id(key uint64) (id int32, added bool) {
	slot, ok := t.slot(key)
	if ok {
		return t.slots[slot] - 1, false
	}
	t.keys = append(t.keys, key)
	t.slots[slot] = int32(len(t.keys))
	if 2*len(t.keys) > len(t.slots) {
		t.grow()
	}
	return int32(len(t.keys) - 1), true
}

func (t *interner) find(key uint64) (int32, bool) {
	slot, ok := t.slot(key)
	return t.slots[slot] - 1, ok
}

// slot is where a key is, or where it would be.
func (t *interner) slot(key uint64) (int, bool) {
	mask := len(t.slots) - 1
	for at := int(mix(key)) & mask; ; at = (at + 1) & mask {
		n := t.slots[at]
		if n == 0 {
			return at, false
		}
		if t.keys[n-1] == key {
			return at, true
		}
	}
}

func (t *interner) grow() {
	t.slots = make([]int32, 2*len(t.slots))
	for i, key := range t.keys {
		slot, _ := t.slot(key)
		t.slots[slot] = int32(i + 1)
	}
}

// mix spreads a key over 64 bits.
func mix(x uint64) uint64 {
	high, low := bits.Mul64(x^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return high ^ low
}
