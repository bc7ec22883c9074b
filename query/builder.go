package query

import (
	"slices"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// Builder builds a [Query] by calls that can be strung together; see [Rank]. Calls never fail: what is wrong is
// reported by [Builder.Compile], all at once. A builder belongs to one goroutine.
type Builder struct {
	query Query
	where []Expr
}

// Rank begins a query for a list that's ranked by a profile; an empty one is "for_you".
func Rank(profile string) *Builder { return &Builder{query: Query{Profile: profile}} }

// For says whom the list is for.
func (b *Builder) For(user string) *Builder { return b.with(func(q *Query) { q.User = user }) }

// Version chooses a version of the profile; 0 is the newest.
func (b *Builder) Version(version uint32) *Builder {
	return b.with(func(q *Query) { q.Version = version })
}

// Where adds filters that items must meet, all of them and those of calls before.
func (b *Builder) Where(filters ...Expr) *Builder {
	b.where = append(b.where, allPlainly(filters)...)
	return b
}

// SimilarTo says which item a "related" list is about.
func (b *Builder) SimilarTo(item string) *Builder { return b.with(func(q *Query) { q.Similar = item }) }

// Cohort makes signals count as those of one cohort only.
func (b *Builder) Cohort(name string) *Builder { return b.with(func(q *Query) { q.Cohort = name }) }

// Window says what profiles such as "top" look back over.
func (b *Builder) Window(w schema.Window) *Builder { return b.with(func(q *Query) { q.Window = w }) }

// Signal says what profiles such as "most" count.
func (b *Builder) Signal(name string) *Builder { return b.with(func(q *Query) { q.Signal = name }) }

// Exclude adds items that must not be in the list.
func (b *Builder) Exclude(items ...string) *Builder {
	return b.with(func(q *Query) { q.Exclude = append(q.Exclude, items...) })
}

// Unmixed switches the profile's diversity off, unless rules are added.
func (b *Builder) Unmixed() *Builder { return b.mixed(func(*schema.Diversity) {}) }

// MaxPer adds a rule: at most n items with the same value in a field. The first rule replaces all of the profile's.
func (b *Builder) MaxPer(field string, n int) *Builder {
	return b.mixed(func(d *schema.Diversity) { d.MaxPer = append(d.MaxPer, schema.MaxPer{Field: field, N: n}) })
}

// MaxShare adds a rule: at most the part most, in (0, 1], of the list with the same value in a field.
func (b *Builder) MaxShare(field string, most float64) *Builder {
	return b.mixed(func(d *schema.Diversity) { d.Shares = append(d.Shares, schema.Share{Field: field, Max: most}) })
}

// AtLeast adds a rule: n items or more whose field has, or for tags contains, a value.
func (b *Builder) AtLeast(field, value string, n int) *Builder {
	return b.mixed(func(d *schema.Diversity) {
		d.AtLeast = append(d.AtLeast, schema.AtLeast{Field: field, Value: value, N: n})
	})
}

// Relevance sets how much an item's score counts against its likeness to those before it, in (0, 1]; see
// [schema.Diversity]. The embedding is what likeness is taken from; empty is the first one of items.
func (b *Builder) Relevance(lambda float64, embedding string) *Builder {
	return b.mixed(func(d *schema.Diversity) { d.Relevance, d.Embedding = lambda, embedding })
}

// Explore sets the part of the list for exploration, in [0, 0.5].
func (b *Builder) Explore(part float64) *Builder { return b.with(func(q *Query) { q.Explore = &part }) }

// Pin puts an item at a place of the list, counted from 1.
func (b *Builder) Pin(item string, rank int) *Builder {
	return b.with(func(q *Query) { q.Pins = append(q.Pins, Pin{Item: item, Rank: rank}) })
}

// Bury makes items come last.
func (b *Builder) Bury(items ...string) *Builder {
	return b.with(func(q *Query) { q.Buries = append(q.Buries, items...) })
}

// Boost multiplies the scores of the items that meet a filter by a factor in (0, 1000].
func (b *Builder) Boost(filter Expr, factor float64) *Builder {
	return b.with(func(q *Query) { q.Boosts = append(q.Boosts, Boost{Where: plainly(filter), Factor: factor}) })
}

// At ranks at a time instead of now, to the millisecond.
func (b *Builder) At(t time.Time) *Builder { return b.with(func(q *Query) { q.At = t.UTC() }) }

// Seed decides what is random.
func (b *Builder) Seed(seed uint64) *Builder { return b.with(func(q *Query) { q.Seed = &seed }) }

// Limit sets the length of the list, 1–500; 0 is 25.
func (b *Builder) Limit(n int) *Builder { return b.with(func(q *Query) { q.Limit = n }) }

// After continues a list by the cursor that came with it.
func (b *Builder) After(cursor string) *Builder { return b.with(func(q *Query) { q.Cursor = cursor }) }

// AsOf asks for an earlier list again, by the reference that came with it.
func (b *Builder) AsOf(list string) *Builder { return b.with(func(q *Query) { q.AsOf = list }) }

// Explain asks for every term of every score.
func (b *Builder) Explain() *Builder { return b.with(func(q *Query) { q.Explain = true }) }

// Query returns what was built. The builder can go on; the query doesn't change with it.
func (b *Builder) Query() *Query {
	q := b.query.clone()
	switch len(b.where) {
	case 0:
	case 1:
		q.Filter = b.where[0]
	default:
		q.Filter = And(slices.Clone(b.where))
	}
	return q
}

// Compile is [Query.Compile] of what was built.
func (b *Builder) Compile(s *schema.Schema) (*Plan, error) { return b.Query().Compile(s) }

func (b *Builder) with(set func(*Query)) *Builder {
	set(&b.query)
	return b
}

func (b *Builder) mixed(set func(*schema.Diversity)) *Builder {
	if b.query.Diversity == nil {
		b.query.Diversity = &schema.Diversity{}
	}
	set(b.query.Diversity)
	return b
}

// clone returns a copy that shares only filters, which nobody changes, and doesn't know where its parts stood.
func (q *Query) clone() *Query {
	c := *q
	c.from = nil
	c.Exclude, c.Buries = slices.Clone(q.Exclude), slices.Clone(q.Buries)
	c.Pins, c.Boosts = slices.Clone(q.Pins), slices.Clone(q.Boosts)
	c.Explore, c.Seed = copied(q.Explore), copied(q.Seed)
	if c.Diversity = copied(q.Diversity); c.Diversity != nil {
		c.Diversity.MaxPer = slices.Clone(q.Diversity.MaxPer)
		c.Diversity.Shares = slices.Clone(q.Diversity.Shares)
		c.Diversity.AtLeast = slices.Clone(q.Diversity.AtLeast)
	}
	return &c
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
