package query

import (
	"time"

	"github.com/tidaldb/tidal/schema"
)

// Expr is a filter: a condition on an item, or on a user where cohorts are defined. It is one of [And], [Or], [Not],
// [Compare], [In], [Within], [Near], [Has], [Is], [InCohort] and [InCollection]; a [Condition] stands for [Is] of it.
//
// What is parsed or compiled holds the former only, and no pointers to them.
type Expr interface {
	// String is the filter in the text form, which [ParseFilter] reads as the same filter again.
	String() string
	expr()
}

// And holds if all of it do; an empty one holds.
type And []Expr

// Or holds if any of it does; an empty one doesn't.
type Or []Expr

// Not holds if X doesn't.
type Not struct{ X Expr }

// Op is a comparison.
type Op uint8

// The comparisons.
const (
	Equal Op = iota + 1
	NotEqual
	Less
	LessEqual
	Greater
	GreaterEqual
)

// Compare holds if the field is set and compares so with the value. A field of tags equals a value if the set contains
// it. NotEqual holds where the field isn't set, too: it is Not of Equal.
//
// In a compiled filter the value has exactly the field's type; for tags it is the String of one tag.
type Compare struct {
	Field string
	Op    Op
	Value schema.Value
}

// In holds if the field equals one of the values, so an empty one doesn't hold. In a compiled filter they are sorted
// and at least two.
type In struct {
	Field  string
	Values []schema.Value
}

// Within holds if a time field lies at most Span before the query's time, and not after it. Spans are whole
// milliseconds above 0.
type Within struct {
	Field string
	Span  time.Duration
}

// Near holds if a place lies at most Meters from another one, along the surface of the earth; see [Distance].
// Lat and Lon are in degrees, from −90 to 90 north and from −180 to 180 east.
type Near struct {
	Field    string
	Lat, Lon float64
	Meters   float64
}

// Has holds if the field is set. It's the only question that fields of every type take.
type Has struct{ Field string }

// Condition is something that every database knows about a user and an item. As a filter it stands for [Is] of it.
type Condition uint8

// The conditions. All need a query's user. Every list is unblocked, whether it's asked for or not.
const (
	Unseen     Condition = iota + 1 // the user hasn't seen the item
	Seen                            // the user has
	Liked                           // the item is marked so
	Saved                           // likewise
	InProgress                      // likewise
	Followed                        // the user follows the item's creator
	Unblocked                       // the user has neither hidden the item nor muted or blocked its creator
)

// Is holds if the condition does.
type Is struct{ What Condition }

// InCohort holds if a user of the cohort has sent a signal about the item.
type InCohort struct{ Name string }

// InCollection holds if the item is in the user's collection of that name.
type InCollection struct{ Name string }

func (And) expr()          {}
func (Or) expr()           {}
func (Not) expr()          {}
func (Compare) expr()      {}
func (In) expr()           {}
func (Within) expr()       {}
func (Near) expr()         {}
func (Has) expr()          {}
func (Is) expr()           {}
func (InCohort) expr()     {}
func (InCollection) expr() {}
func (Condition) expr()    {}

// The words of comparisons and conditions, in the order of their numbers; they are constant tables.
var (
	opWords        = [...]string{"", "=", "!=", "<", "<=", ">", ">="}
	conditionWords = [...]string{
		"", "unseen", "seen", "liked", "saved", "in_progress", "followed", "unblocked",
	}
)

func (o Op) valid() bool        { return o >= Equal && o <= GreaterEqual }
func (c Condition) valid() bool { return c >= Unseen && c <= Unblocked }

// opNamed returns the comparison that a sign stands for, 0 if none.
func opNamed(sign string) Op {
	if sign == "<>" {
		return NotEqual
	}
	for o := Equal; o <= GreaterEqual; o++ {
		if opWords[o] == sign {
			return o
		}
	}
	return 0
}

// conditionNamed returns the condition of a lower-case word, 0 if none.
func conditionNamed(word string) Condition {
	for c := Unseen; c <= Unblocked; c++ {
		if conditionWords[c] == word {
			return c
		}
	}
	return 0
}
