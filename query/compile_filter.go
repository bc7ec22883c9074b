package query

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// CompileFilter holds a filter against the fields of one kind of entity and brings it into the normal form of
// [Plan]; one that always holds is And{}. All problems are reported at once, each an [Error] whose path begins with
// "filter".
//
// A filter for users, as cohorts are defined by, asks for fields only. Others are as those of a list with a user, but
// that the names of cohorts aren't checked.
func CompileFilter(x Expr, e *schema.EntityType, forUsers bool) (Expr, error) {
	if e := checkSize("filter", x); e != nil {
		return nil, e
	}
	c := &compiler{items: e, user: true, lists: !forUsers}
	x = c.expr(x, &trail{key: "filter"})
	if len(c.problems) > 0 {
		errs := make([]error, len(c.problems))
		for i, p := range c.problems {
			errs[i] = p
		}
		return nil, errors.Join(errs...)
	}
	return x, nil
}

// expr returns the normal form of a filter, something without meaning after a problem.
func (c *compiler) expr(x Expr, t *trail) Expr {
	switch x := x.(type) {
	case And:
		return c.and(x, t)
	case Or:
		return c.or(x, t)
	case Not:
		return c.not(x, t)
	case Compare:
		return c.compare(x, t)
	case In:
		return c.in(x, t)
	case Within:
		return c.within(x, t)
	case Near:
		return c.near(x, t)
	case Has:
		if f, ok := c.items.Field(x.Field); !ok {
			c.unknown(x.Field, t.to("has"))
		} else {
			return Has{f.Name}
		}
	case Condition:
		return c.is(Is{x}, t)
	case Is:
		return c.is(x, t)
	case InCohort:
		if c.inList("cohort", t) && c.schema != nil {
			c.cohort(&trail{up: t, key: "cohort"}, x.Name)
		}
		return x
	case InCollection:
		if c.inList("collection", t) && (x.Name == "" || len(x.Name) > maxName) {
			c.refuse(t.to("collection"), "has %d bytes; collections' names have 1 to %d", len(x.Name), maxName)
		}
		return x
	case nil:
		c.refuse(t.String(), "is nil; a filter that always holds is And{}")
	default:
		c.refuse(t.String(), "is a %T; filters are values of the types that Expr names", x)
	}
	return And{}
}

func (c *compiler) and(x And, t *trail) Expr {
	list, never := make(And, 0, len(x)), false
	for i := range x {
		switch y := c.expr(x[i], &trail{up: &trail{up: t, key: "and"}, index: i}).(type) {
		case And:
			list = append(list, y...)
		case Or:
			never = never || len(y) == 0
			list = append(list, y)
		default:
			list = append(list, y)
		}
	}
	switch {
	case never:
		return Or{}
	case len(list) == 1:
		return list[0]
	}
	return list
}

func (c *compiler) or(x Or, t *trail) Expr {
	list, always := make(Or, 0, len(x)), false
	for i := range x {
		switch y := c.expr(x[i], &trail{up: &trail{up: t, key: "or"}, index: i}).(type) {
		case Or:
			list = append(list, y...)
		case And:
			always = always || len(y) == 0
			list = append(list, y)
		default:
			list = append(list, y)
		}
	}
	switch {
	case always:
		return And{}
	case len(list) == 1:
		return list[0]
	}
	return list
}

func (c *compiler) not(x Not, t *trail) Expr {
	switch y := c.expr(x.X, &trail{up: t, key: "not"}).(type) {
	case Not:
		return y.X
	case And:
		if len(y) == 0 {
			return Or{}
		}
		return Not{y}
	case Or:
		if len(y) == 0 {
			return And{}
		}
		return Not{y}
	default:
		return Not{y}
	}
}

func isTrue(x Expr) bool {
	list, ok := x.(And)
	return ok && len(list) == 0
}

// is checks a condition, which needs a user.
func (c *compiler) is(x Is, t *trail) Expr {
	if !x.What.valid() {
		c.refuse(t.String(), "%s is unknown", x.What)
		return x
	}
	c.inList(x.What.String(), t)
	return x
}

// inList refuses what only a list with a user can be asked for.
func (c *compiler) inList(what string, t *trail) bool {
	switch {
	case !c.lists:
		c.refuse(t.String(), "%s is a condition on items; a filter over users asks for their fields only", what)
	case !c.user && what != "cohort":
		c.refuse(t.String(), "%s needs a user, and the query has none (FOR USER)", what)
	default:
		return true
	}
	return false
}

func (c *compiler) what() string {
	if c.lists {
		return "items"
	}
	return "users"
}

func (c *compiler) unknown(name, path string) {
	known := make([]string, len(c.items.Fields))
	for i, f := range c.items.Fields {
		known[i] = f.Name
	}
	c.refuse(path, "%s is no field of %s%s", quoted(clip(name)), c.what(), suggest(name, known))
}

func (c *compiler) field(name string, t *trail) (schema.Field, bool) {
	f, ok := c.items.Field(name)
	if !ok {
		c.unknown(name, t.to("field"))
	}
	return f, ok
}

// takes says what a field of a type can be asked.
func takes(t schema.FieldType) string {
	switch t {
	case schema.TypeKeyword, schema.TypeTags:
		return "=, !=, IN and has()"
	case schema.TypeInt, schema.TypeFloat:
		return "=, !=, <, <=, >, >=, IN and has()"
	case schema.TypeTime:
		return "=, !=, <, <=, >, >=, IN, WITHIN a duration and has()"
	case schema.TypeBool:
		return "=, != and has()"
	case schema.TypeGeo:
		return "WITHIN a distance OF a place and has()"
	}
	return "has() only"
}

// ordered reports whether values of a type are less and greater, compared whether they're equal.
func ordered(t schema.FieldType) bool {
	return t == schema.TypeInt || t == schema.TypeFloat || t == schema.TypeTime
}

func compared(t schema.FieldType) bool {
	return ordered(t) || t == schema.TypeKeyword || t == schema.TypeTags || t == schema.TypeBool
}

func (c *compiler) compare(x Compare, t *trail) Expr {
	f, ok := c.field(x.Field, t)
	if !ok {
		return x
	}
	allowed := compared(f.Type)
	if x.Op > NotEqual {
		allowed = ordered(f.Type)
	}
	switch {
	case !x.Op.valid():
		c.refuse(t.to("op"), "%s is unknown", x.Op)
	case !allowed:
		c.refuse(t.to("op"), "%s isn't for fields of type %s such as %s, which take %s", x.Op, f.Type, f.Name,
			takes(f.Type))
	default:
		v, why := coerce(f, x.Value)
		if why != "" {
			c.refuse(t.to("value"), "%s", why)
		}
		return Compare{f.Name, x.Op, v}
	}
	return x
}

func (c *compiler) in(x In, t *trail) Expr {
	f, ok := c.field(x.Field, t)
	switch {
	case !ok:
		return x
	case !compared(f.Type) || f.Type == schema.TypeBool:
		c.refuse(t.to("in"), "IN isn't for fields of type %s such as %s, which take %s", f.Type, f.Name, takes(f.Type))
		return x
	}
	values := make([]schema.Value, len(x.Values))
	for i, v := range x.Values {
		var why string
		if values[i], why = coerce(f, v); why != "" {
			c.refuse((&trail{up: &trail{up: t, key: "in"}, index: i}).String(), "%s", why)
		}
	}
	slices.SortFunc(values, compareValues)
	switch values = slices.Compact(values); len(values) {
	case 0:
		return Or{}
	case 1:
		return Compare{f.Name, Equal, values[0]}
	}
	return In{f.Name, values}
}

func (c *compiler) within(x Within, t *trail) Expr {
	f, ok := c.field(x.Field, t)
	switch {
	case !ok:
	case f.Type != schema.TypeTime:
		c.refuse(t.to("within"), "WITHIN a duration isn't for fields of type %s such as %s, which take %s",
			f.Type, f.Name, takes(f.Type))
	case x.Span <= 0 || x.Span%time.Millisecond != 0:
		c.refuse(t.to("within"), "is %s; durations are whole milliseconds above 0", x.Span)
	}
	return x
}

func (c *compiler) near(x Near, t *trail) Expr {
	f, ok := c.field(x.Field, t)
	switch {
	case !ok:
		return x
	case f.Type != schema.TypeGeo:
		c.refuse(t.to("near"), "WITHIN a distance isn't for fields of type %s such as %s, which take %s",
			f.Type, f.Name, takes(f.Type))
	}
	if err := schema.Geo(x.Lat, x.Lon).Err(); err != nil {
		c.refuse(t.to("near"), "%s", strings.TrimPrefix(err.Error(), "invalid value: "))
	}
	if !(x.Meters >= 0 && x.Meters <= math.MaxFloat64) {
		c.refuse(t.to("near"), "%v metres is no distance; it's 0 or more", x.Meters)
	}
	x.Lat, x.Lon, x.Meters = positiveZero(x.Lat), positiveZero(x.Lon), positiveZero(x.Meters)
	return x
}

// coerce returns v in the type of a field, or why it can't be.
func coerce(f schema.Field, v schema.Value) (schema.Value, string) {
	if err := v.Err(); err != nil {
		return v, "is no value: " + strings.TrimPrefix(err.Error(), "invalid value: ")
	}
	out := v
	var hint string
	switch f.Type {
	case schema.TypeInt:
		if n, ok := v.Float(); ok && n == math.Trunc(n) && n >= -1<<63 && n < 1<<63 {
			out = schema.Int(int64(n))
		}
		hint = "a whole number"
	case schema.TypeFloat:
		if n, ok := v.Int(); ok {
			if !exact(n) {
				return v, "is " + v.String() + ", which no 64-bit floating point number is exactly"
			}
			out = schema.Float(float64(n))
		}
		hint = "a number"
	case schema.TypeTime:
		return coerceTime(f, v)
	case schema.TypeTags:
		if s, ok := v.Text(); ok {
			if err := schema.Tags([]string{s}).Err(); err != nil {
				return v, "is no tag: " + strings.TrimPrefix(err.Error(), "invalid value: ")
			}
			return v, ""
		}
		return v, wrongType(f, v, "one tag as a string")
	case schema.TypeBool:
		hint = "true or false"
	default:
		hint = "a string"
	}
	if err := f.Check(out); err != nil {
		if _, ok := v.Text(); ok && f.Type == schema.TypeKeyword {
			return v, strings.TrimPrefix(err.Error(), "refused: fields."+f.Name+": ")
		}
		return v, wrongType(f, v, hint)
	}
	return out, ""
}

// exact reports whether n is a floating point number, too.
func exact(n int64) bool {
	f := float64(n)
	return f < 1<<63 && int64(f) == n
}

func coerceTime(f schema.Field, v schema.Value) (schema.Value, string) {
	var ms int64
	var err error
	text, isText := v.Text()
	seconds, isInt := v.Int()
	parts, isFloat := v.Float()
	switch {
	case isText:
		if ms, err = parseTime(text); err != nil {
			if _, wrong := schema.ParseDuration(text); wrong == nil {
				return v, quoted(clip(text)) + " is a duration; write " + f.Name + " WITHIN " + clip(text)
			}
		}
	case isInt:
		ms, err = parseSeconds(strconv.FormatInt(seconds, 10))
	case isFloat:
		ms, err = parseSeconds(strconv.FormatFloat(parts, 'f', -1, 64))
	default:
		if _, ok := v.Time(); ok {
			return v, ""
		}
		return v, wrongType(f, v, "a time")
	}
	if err != nil {
		return v, err.Error()
	}
	return schema.Time(ms), ""
}

func wrongType(f schema.Field, v schema.Value, takes string) string {
	text := v.String()
	if s, ok := v.Text(); ok {
		text = quoted(clip(s))
	}
	return "is " + clip(text) + "; the field " + f.Name + " of type " + f.Type.String() + " takes " + takes
}

// compareValues orders values of the same type: by number, time, or byte by byte. Of other types it has no order.
func compareValues(a, b schema.Value) int {
	if x, ok := a.Int(); ok {
		y, _ := b.Int()
		return cmp.Compare(x, y)
	}
	if x, ok := a.Time(); ok {
		y, _ := b.Time()
		return cmp.Compare(x, y)
	}
	if x, ok := a.Float(); ok {
		y, _ := b.Float()
		return cmp.Compare(x, y)
	}
	x, _ := a.Text()
	y, _ := b.Text()
	return cmp.Compare(x, y)
}
