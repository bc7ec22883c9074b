package query

import (
	"time"

	"github.com/tidaldb/tidal/schema"
)

// Literal is what a field can be compared with. A time is taken to the millisecond; a [schema.Value] may hold any of
// the others. A string will do for a time, too: RFC 3339 or a date.
type Literal interface {
	string | int | int64 | float64 | bool | time.Time | schema.Value
}

// Eq holds if the field equals v; a field of tags, if it contains v.
func Eq[T Literal](field string, v T) Expr { return Compare{field, Equal, valueOf(v)} }

// Ne holds if the field doesn't equal v, and where it isn't set.
func Ne[T Literal](field string, v T) Expr { return Compare{field, NotEqual, valueOf(v)} }

// Lt holds if the field is set and less than v.
func Lt[T Literal](field string, v T) Expr { return Compare{field, Less, valueOf(v)} }

// Le holds if the field is set and at most v.
func Le[T Literal](field string, v T) Expr { return Compare{field, LessEqual, valueOf(v)} }

// Gt holds if the field is set and greater than v.
func Gt[T Literal](field string, v T) Expr { return Compare{field, Greater, valueOf(v)} }

// Ge holds if the field is set and at least v.
func Ge[T Literal](field string, v T) Expr { return Compare{field, GreaterEqual, valueOf(v)} }

// AnyOf holds if the field equals one of the values, at most 1,000; a field of tags, if it contains one of them.
func AnyOf[T Literal](field string, values ...T) Expr {
	in := In{field, make([]schema.Value, len(values))}
	for i, v := range values {
		in.Values[i] = valueOf(v)
	}
	return in
}

func valueOf[T Literal](v T) schema.Value {
	switch v := any(v).(type) {
	case string:
		return schema.String(v)
	case int:
		return schema.Int(int64(v))
	case int64:
		return schema.Int(v)
	case float64:
		return schema.Float(v)
	case bool:
		return schema.Bool(v)
	case time.Time:
		return schema.Time(v.UnixMilli())
	case schema.Value:
		return v
	}
	return schema.Value{}
}

// WithinLast holds if a time field lies at most span before the query's time, and not after it.
func WithinLast(field string, span time.Duration) Expr { return Within{field, span} }

// NearTo holds if a place lies at most so many metres from another one; degrees north and east.
func NearTo(field string, lat, lon, meters float64) Expr { return Near{field, lat, lon, meters} }

// IsSet holds if the field is set.
func IsSet(field string) Expr { return Has{field} }

// FromCohort holds if a user of the cohort has sent a signal about the item.
func FromCohort(name string) Expr { return InCohort{name} }

// FromCollection holds if the item is in the user's collection of that name.
func FromCollection(name string) Expr { return InCollection{name} }

// All holds if all of the filters do; without any it holds.
func All(filters ...Expr) Expr {
	if len(filters) == 1 {
		return plainly(filters[0])
	}
	return And(allPlainly(filters))
}

// Any holds if any of the filters does; without any it doesn't.
func Any(filters ...Expr) Expr {
	if len(filters) == 1 {
		return plainly(filters[0])
	}
	return Or(allPlainly(filters))
}

// Negate holds if the filter doesn't.
func Negate(filter Expr) Expr { return Not{plainly(filter)} }

// plainly makes a condition into the filter that it stands for.
func plainly(x Expr) Expr {
	if c, ok := x.(Condition); ok {
		return Is{c}
	}
	return x
}

func allPlainly(filters []Expr) []Expr {
	list := make([]Expr, len(filters))
	for i, x := range filters {
		list[i] = plainly(x)
	}
	return list
}
