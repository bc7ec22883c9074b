package rank

import (
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/tidaldb/tidal/schema"
)

const (
	defaultLimit = 500
	maxLimit     = 10_000

	defaultWithin = 24 * time.Hour
)

// resolveSources fills in what sources leave open and drops those that the schema has nothing for.
func (c *compiler) resolveSources() {
	for i, src := range c.program.profile.Candidates {
		path := fmt.Sprintf("candidates[%d]", i)
		if src.Limit < 0 || src.Limit > maxLimit {
			c.refuse(path+".limit", "is %d; a source gives 1 to %d items", src.Limit, maxLimit)
		}
		if src.Limit > 0 && src.Kind == schema.FromAll {
			c.refuse(path+".limit", "stands with all, which has no limit")
		}
		if src.Limit == 0 && src.Kind != schema.FromAll {
			src.Limit = defaultLimit
		}
		for _, s := range c.source(path, src) {
			if !slices.Contains(c.program.sources, s) {
				c.program.sources = append(c.program.sources, s)
			}
		}
	}
	if len(c.program.sources) == 0 {
		c.program.sources = []schema.Source{{Kind: schema.FromAll}}
	}
}

// source resolves one source to none, one or several.
func (c *compiler) source(path string, src schema.Source) []schema.Source {
	if src.Kind < schema.FromAll || src.Kind > schema.FromMost {
		c.refuse(path+".kind", "%d is unknown", src.Kind)
		return nil
	}
	if src.Kind != schema.FromHead && src.HalfLife != 0 ||
		src.Kind != schema.FromHead && src.Kind != schema.FromRising && src.Kind != schema.FromMost && src.Signal != "" {
		c.refuse(path, "only heads have a half-life, only heads, rising items and the most met ones a signal")
		return nil
	}
	switch src.Kind {
	case schema.FromHead:
		return c.heads(path, src)
	case schema.FromRising:
		return c.rising(src)
	case schema.FromMost:
		return c.most(src)
	case schema.FromFollowed:
		if _, ok := c.schema.Items.Field(schema.CreatorField); !ok {
			c.warn("no candidates from followed creators: items have no field %s", schema.CreatorField)
			return nil
		}
	case schema.FromInterests:
		if len(c.schema.Items.Embeddings) == 0 {
			c.warn("no candidates from interests: items have no embedding")
			return nil
		}
	}
	return []schema.Source{src}
}

// heads resolves a source of heads: each type of a group with its first half-life. The query's signal gives all of its
// half-lives, since it isn't known which of them is nearest to the query's window.
func (c *compiler) heads(path string, src schema.Source) []schema.Source {
	set, all := c.sourceSignals(src.Signal)
	var out []schema.Source
	for ; set != 0; set &= set - 1 {
		t := &c.schema.Signals[bits.TrailingZeros64(set)]
		for i, h := range t.HalfLives {
			if src.HalfLife == h || src.HalfLife == 0 && (all || i == 0) {
				out = append(out, schema.Source{Kind: src.Kind, Signal: t.Name, HalfLife: h, Limit: src.Limit})
			}
		}
		one := namesType(src.Signal)
		if src.HalfLife != 0 && one && len(t.HalfLives) > 0 && !slices.Contains(t.HalfLives, src.HalfLife) {
			c.refuse(path+".half_life", "%s has no half-life of %s", t.Name, schema.FormatDuration(src.HalfLife))
		}
		if len(t.HalfLives) == 0 && one {
			c.warn("no candidates from the head of %s: the schema declares no half_lives for it", t.Name)
		}
	}
	return out
}

func (c *compiler) rising(src schema.Source) []schema.Source {
	set, _ := c.sourceSignals(src.Signal)
	var out []schema.Source
	for ; set != 0; set &= set - 1 {
		if t := &c.schema.Signals[bits.TrailingZeros64(set)]; len(t.Windows) > 0 {
			out = append(out, schema.Source{Kind: src.Kind, Signal: t.Name, Limit: src.Limit})
		} else if namesType(src.Signal) {
			c.warn("no rising candidates of %s: the schema declares no windows for it", t.Name)
		}
	}
	return out
}

// namesType reports whether a source names a type by itself, not a group and not the query's signal.
func namesType(name string) bool { return name != "" && name != "signal" && !isGroup(name) }

// sourceSignals are the types that a source names; query is set if it's the query's signal.
func (c *compiler) sourceSignals(name string) (set uint64, query bool) {
	switch {
	case name == "":
		return meaning(c.schema, "positive"), false
	case isGroup(name):
		return meaning(c.schema, name), false
	case name == "signal" && c.params.Signal == "":
		return meaning(c.schema, "positive"), false
	case name == "signal":
		ts, _ := c.check.querySignal()
		return ts.set, true
	}
	if i, _, ok := c.schema.Signal(name); ok {
		return 1 << i, false
	}
	c.warn("%.64s is no signal type of the schema and gives no candidates%s", name, suggest(name, signalNames(c.schema)))
	return 0, false
}

// resolveDiversity checks what the list is mixed by. What stands in a schema was checked there; a profile may also come
// from elsewhere.
func (c *compiler) resolveDiversity() {
	d := c.program.profile.Diversity
	d.MaxPer, d.Shares, d.AtLeast = slices.Clone(d.MaxPer), slices.Clone(d.Shares), slices.Clone(d.AtLeast)
	for i, m := range d.MaxPer {
		path := fmt.Sprintf("diversity.max_per[%d]", i)
		c.mixed(path, m.Field)
		if m.N < 1 {
			c.refuse(path+".n", "is %d; it's 1 or more", m.N)
		}
	}
	for i, s := range d.Shares {
		path := fmt.Sprintf("diversity.shares[%d]", i)
		c.mixed(path, s.Field)
		if !(s.Max > 0 && s.Max <= 1) {
			c.refuse(path+".max", "is %v; a share is above 0 and at most 1", s.Max)
		}
	}
	for i, a := range d.AtLeast {
		path := fmt.Sprintf("diversity.at_least[%d]", i)
		c.mixed(path, a.Field)
		if a.N < 1 {
			c.refuse(path+".n", "is %d; it's 1 or more", a.N)
		}
	}
	if !(d.Relevance >= 0 && d.Relevance <= 1) {
		c.refuse("diversity.relevance", "is %v; it's from 0 to 1", d.Relevance)
	}
	items := &c.schema.Items
	if _, ok := items.Embedding(d.Embedding); !ok && d.Embedding != "" {
		c.refuse("diversity.embedding", "items have no embedding %.64s", d.Embedding)
	}
	if d.Relevance > 0 && d.Relevance < 1 && d.Embedding == "" {
		if len(items.Embeddings) > 0 {
			d.Embedding = items.Embeddings[0].Name
		} else {
			c.warn("the list isn't mixed by likeness: items have no embedding")
			d.Relevance = 0
		}
	}
	c.program.diversity = d
}

// mixed checks a field that a list is mixed by.
func (c *compiler) mixed(path, name string) {
	f, ok := c.schema.Items.Field(name)
	switch {
	case !ok:
		known := make([]string, len(c.schema.Items.Fields))
		for i := range known {
			known[i] = c.schema.Items.Fields[i].Name
		}
		c.refuse(path+".field", "items have no field %.64s%s", name, suggest(name, known))
	case f.Type != schema.TypeKeyword && f.Type != schema.TypeTags &&
		f.Type != schema.TypeInt && f.Type != schema.TypeBool:
		c.refuse(path+".field", "%s is of type %s; lists are mixed by keyword, tags, int or bool", name, f.Type)
	}
}

// resolveExplore checks the slots and fills in their spans.
func (c *compiler) resolveExplore() {
	slots := slices.Clone(c.program.profile.Explore)
	names, sum := map[string]bool{}, 0.0
	for i := range slots {
		s := &slots[i]
		path := fmt.Sprintf("explore[%d]", i)
		if s.Name == "" || names[s.Name] {
			c.refuse(path+".name", "%q must be a name that no other slot has", s.Name)
		}
		names[s.Name] = true
		if !(s.Share > 0 && s.Share <= 0.5) {
			c.refuse(path+".share", "is %v; a share is above 0 and at most 0.5", s.Share)
		}
		sum += s.Share
		if s.Pool < schema.PoolNew || s.Pool > schema.PoolAll {
			c.refuse(path+".pool", "%d is unknown", s.Pool)
		}
		if s.Within < 0 || s.Within > 0 && s.Pool != schema.PoolNew {
			c.refuse(path+".within", "is %s; only the pool of new items has a span, above 0", s.Within)
		}
		if s.Pool == schema.PoolNew && s.Within == 0 {
			s.Within = defaultWithin
		}
	}
	if sum > 0.5+1e-9 { // sums of tenths miss by a little
		c.refuse("explore", "takes %v of the list; all slots together take at most 0.5", sum)
	}
	c.program.explore = slots
}

// most resolves a source of items with most signals: each type of a group. A program that counts within windows has none:
// what was met most ever isn't what was met most last week.
func (c *compiler) most(src schema.Source) []schema.Source {
	if slices.ContainsFunc(c.gen.features, func(f Feature) bool { return f.Kind == FeatureCount }) {
		return nil
	}
	set, _ := c.sourceSignals(src.Signal)
	var out []schema.Source
	for ; set != 0; set &= set - 1 {
		t := &c.schema.Signals[bits.TrailingZeros64(set)]
		out = append(out, schema.Source{Kind: src.Kind, Signal: t.Name, Limit: src.Limit})
	}
	return out
}
