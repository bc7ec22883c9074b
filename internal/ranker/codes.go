package ranker

import (
	"fmt"
	"strconv"

	"github.com/tidaldb/tidal/internal/diversity"
	"github.com/tidaldb/tidal/internal/index"
	"github.com/tidaldb/tidal/schema"
)

// fieldCodes reads the values that rules of diversity are about as numbers.
type fieldCodes struct {
	name    string
	words   index.KeywordColumn
	isWords bool
	numbers index.NumericColumn
	isInt   bool
	truths  index.BoolColumn
	isBool  bool
}

// Codes of bool fields.
const (
	codeFalse = 1
	codeTrue  = 2
)

// plan makes ready to read the fields of rules, and returns the codes of the values of minimums. Items at fixed places get
// their numbers: they follow the candidates.
func (m *mixing) plan(rules *schema.Diversity) (minimums []uint32) {
	for i := range m.fixed {
		m.fixed[i].Item = len(m.found) + i
	}
	m.fields = m.fields[:0]
	for _, name := range diversity.Fields(rules) {
		f := fieldCodes{name: name}
		f.words, f.isWords = m.v.Index.Keyword(name)
		if !f.isWords {
			f.numbers, f.isInt = m.v.Index.Numeric(name)
		}
		if !f.isWords && !f.isInt {
			f.truths, f.isBool = m.v.Index.Bool(name)
		}
		m.fields = append(m.fields, f)
	}
	for _, a := range rules.AtLeast {
		minimums = append(minimums, m.field(a.Field).codeOf(a.Value))
	}
	return minimums
}

func (m *mixing) field(name string) *fieldCodes {
	for i := range m.fields {
		if m.fields[i].name == name {
			return &m.fields[i]
		}
	}
	panic("ranker: field " + name + " of a rule isn't read")
}

// codeOf is the code of a value that a rule names.
func (f *fieldCodes) codeOf(value string) uint32 {
	switch {
	case f.isWords:
		if code := f.words.Lookup(value); code != 0 {
			return code
		}
	case f.isInt:
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return foldInt(n)
		}
	default:
		if b, err := strconv.ParseBool(value); err == nil {
			return codeOfBool(b)
		}
	}
	return diversity.NoCode
}

func codeOfBool(b bool) uint32 {
	if b {
		return codeTrue
	}
	return codeFalse
}

// foldInt is the number itself as far as it fits; two that don't may share a code, and are then taken for equal.
func foldInt(n int64) uint32 {
	u := uint64(n)
	if code := uint32(u) ^ uint32(u>>32)*0x9e3779b1; code != diversity.NoCode {
		return code
	}
	return 0
}

func (m *mixing) at(i int) *candidate {
	if i < len(m.found) {
		return &m.found[i]
	}
	return &m.extra[i-len(m.found)]
}

// Codes implements [diversity.Items].
func (m *mixing) Codes(item, field int) []uint32 {
	n, f := m.at(item).n, &m.fields[field]
	switch {
	case f.isWords:
		return f.words.Codes(n, m.room[:0])
	case f.isInt:
		x, ok := f.numbers.Value(n)
		if !ok {
			return nil
		}
		return append(m.room[:0], foldInt(int64(x)))
	}
	if !f.isBool {
		return nil
	}
	b, ok := f.truths.Value(n)
	if !ok {
		return nil
	}
	return append(m.room[:0], codeOfBool(b))
}

// Similarity implements [diversity.Items].
func (m *mixing) Similarity(a, b int) float32 {
	set := m.v.vectors(m.embedding)
	if set == nil {
		return 0
	}
	return set.Similarity(m.at(a).n, m.at(b).n)
}

// describe says what rule isn't kept.
func (m *mixing) describe(b *diversity.Violation) string {
	f := m.field(b.Field)
	value := strconv.FormatUint(uint64(b.Code), 10)
	switch {
	case b.Code == diversity.NoCode:
		value = "the value"
	case f.isWords:
		value = strconv.Quote(f.words.Text(b.Code))
	case !f.isInt:
		value = strconv.FormatBool(b.Code == codeTrue)
	}
	return fmt.Sprintf("%v %s: %s stands %d times, wanted %s %d", b.Rule, b.Field, value, b.Got,
		map[bool]string{true: "at least", false: "at most"}[b.Rule == diversity.AtLeast], b.Wanted)
}
