package diversity

import (
	"math"

	"github.com/tidaldb/tidal/schema"
)

// Input is a list to mix. Candidates are numbered from 0, best first.
type Input struct {
	// Rules are those of a profile or query; nil is none. Its embedding's name is the caller's business: see
	// [Items.Similarity].
	Rules *schema.Diversity
	// Minimums are the codes of the values of Rules.AtLeast, one for each; [NoCode] for a value that no item has.
	Minimums []uint32
	// Scores are those of the candidates, falling. Their values matter to maximal marginal relevance alone, for which
	// one that isn't finite counts as the lowest.
	Scores []float64
	// Items says what the candidates are. It may be nil without rules.
	Items Items
	// Fixed are places that are taken. Those with ranks below 1 or above Limit are no part of the list, nor the last
	// ones if there are more than Limit.
	Fixed []Fixed
	// Limit is how many places the list has.
	Limit int
}

// Items says what candidates and the items at fixed places are.
type Items interface {
	// Codes are the values that an item has in a field, as numbers that are equal if and only if the values are: none,
	// one, or for tags several, all different. The field is an index into [Fields] of the rules. The slice is read at
	// once and not kept.
	Codes(item, field int) []uint32
	// Similarity is how alike two items are, at most 1; what is below 0 counts as 0. It is asked where the rules'
	// Relevance lies between 0 and 1, never else.
	Similarity(a, b int) float32
}

// NoCode is the code of a value that no item has.
const NoCode = math.MaxUint32

// Fixed is a place that is taken.
type Fixed struct {
	// Rank is the place, from 1. If another one has it, the later one in the input comes behind; if the list ends
	// before it, the item comes last.
	Rank int
	// Item is a candidate, which then isn't picked for another place, or an item beyond the candidates that [Items]
	// knows, or [Reserved].
	Item int
}

// Reserved holds a place for something that isn't known yet. It counts for the length of the list and for no value.
const Reserved = -1

// Rule is a kind of rule.
type Rule uint8

// The kinds of rules that can be violated, the first to give way first.
const (
	Share Rule = iota + 1
	MaxPer
	AtLeast
)

// String is the rule's name in a schema.
func (r Rule) String() string {
	switch r {
	case Share:
		return "share"
	case MaxPer:
		return "max_per"
	case AtLeast:
		return "at_least"
	}
	return "none"
}

// Violation is a rule that the list doesn't keep for one value.
type Violation struct {
	Rule Rule
	// Index says which of the profile's rules of this kind.
	Index int
	Field string
	// Code is the value.
	Code uint32
	// Wanted is how many items of the list may have the value at most, or for [AtLeast] should have at least; Got is
	// how many do.
	Wanted, Got int
}

// Fields are the fields that rules are about, each once, in the order of their first mention: by MaxPer, Shares,
// AtLeast.
func Fields(rules *schema.Diversity) []string {
	var out []string
	for _, r := range rules.MaxPer {
		out = include(out, r.Field)
	}
	for _, r := range rules.Shares {
		out = include(out, r.Field)
	}
	for _, r := range rules.AtLeast {
		out = include(out, r.Field)
	}
	return out
}

func include(fields []string, name string) []string {
	if field(fields, name) < 0 {
		return append(fields, name)
	}
	return fields
}

func field(fields []string, name string) int {
	for i, f := range fields {
		if f == name {
			return i
		}
	}
	return -1
}
