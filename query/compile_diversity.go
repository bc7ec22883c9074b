package query

import (
	"strconv"

	"github.com/tidaldb/tidal/schema"
)

// diversity checks the rules by which a list is mixed, and brings them into normal form.
func (c *compiler) diversity(d *schema.Diversity) {
	if d == nil {
		return
	}
	top := &trail{key: "diversify"}
	at := func(key string, i int) *trail { return &trail{up: &trail{up: top, key: key}, index: i} }
	used := map[string]bool{}
	for i, m := range d.MaxPer {
		t := at("max_per", i)
		c.mixField(t, m.Field, "max_per", used)
		c.mixCount(t, m.N)
	}
	for i, s := range d.Shares {
		t := at("max_share", i)
		c.mixField(t, s.Field, "max_share", used)
		if !(s.Max > 0 && s.Max <= 1) {
			c.refuse(t.to("max"), "is %v; a share is above 0 and at most 1", s.Max)
		}
	}
	for i := range d.AtLeast {
		a, t := &d.AtLeast[i], at("at_least", i)
		if f, ok := c.mixField(t, a.Field, "at_least "+a.Value, used); ok {
			c.mixValue(t, f, &a.Value)
		}
		c.mixCount(t, a.N)
	}
	for _, rules := range []struct {
		key string
		n   int
	}{{"max_per", len(d.MaxPer)}, {"max_share", len(d.Shares)}, {"at_least", len(d.AtLeast)}} {
		if rules.n > maxRules {
			c.refuse(top.to(rules.key), "has %d rules; there are at most %d of a kind", rules.n, maxRules)
		}
	}
	c.relevance(top, d)
	dropEmpty(&d.MaxPer)
	dropEmpty(&d.Shares)
	dropEmpty(&d.AtLeast)
}

func dropEmpty[T any](list *[]T) {
	if len(*list) == 0 {
		*list = nil
	}
}

// mixField checks that a rule's field exists, has values that several items share, and has no other such rule.
func (c *compiler) mixField(t *trail, name, rule string, used map[string]bool) (schema.Field, bool) {
	f, ok := c.field(name, t)
	if !ok {
		return f, false
	}
	switch f.Type {
	case schema.TypeKeyword, schema.TypeTags, schema.TypeBool, schema.TypeInt:
	default:
		c.refuse(t.to("field"), "%s is of type %s; lists are mixed by fields of type keyword, tags, bool and int",
			name, f.Type)
		return f, false
	}
	if used[rule+" "+name] {
		c.refuse(t.to("field"), "%s has two such rules", name)
	}
	used[rule+" "+name] = true
	return f, true
}

func (c *compiler) mixCount(t *trail, n int) {
	if n < 1 || n > MaxLimit {
		c.refuse(t.to("n"), "is %d; a number of items is from 1 to %d", n, MaxLimit)
	}
}

// mixValue checks a value that is written as a string, whatever the field's type.
func (c *compiler) mixValue(t *trail, f schema.Field, text *string) {
	v := schema.String(*text)
	switch f.Type {
	case schema.TypeInt:
		n, err := strconv.ParseInt(*text, 10, 64)
		if err != nil {
			c.refuse(t.to("value"), "%s is no whole number, and the field %s is of type int",
				quoted(clip(*text)), f.Name)
			return
		}
		*text = strconv.FormatInt(n, 10)
	case schema.TypeBool:
		if *text != "true" && *text != "false" {
			c.refuse(t.to("value"), "%s is neither true nor false, and the field %s is of type bool",
				quoted(clip(*text)), f.Name)
		}
	default:
		if _, why := coerce(f, v); why != "" {
			c.refuse(t.to("value"), "%s", why)
		}
	}
}

// relevance checks what the likeness of items is taken from.
func (c *compiler) relevance(t *trail, d *schema.Diversity) {
	switch {
	case d.Relevance == 0:
		if d.Embedding != "" {
			c.refuse(t.to("embedding"), "has no effect without relevance")
		}
		return
	case !(d.Relevance > 0 && d.Relevance <= 1):
		c.refuse(t.to("relevance"), "is %v; relevance is above 0 and at most 1", d.Relevance)
	}
	known := make([]string, len(c.items.Embeddings))
	for i, m := range c.items.Embeddings {
		if known[i] = m.Name; m.Name == d.Embedding {
			return
		}
	}
	switch {
	case len(known) == 0:
		c.refuse(t.to("relevance"), "compares items by an embedding, and items have none")
	case d.Embedding == "":
		d.Embedding = known[0]
	default:
		c.refuse(t.to("embedding"), "%s is no embedding of items%s", quoted(clip(d.Embedding)),
			suggest(d.Embedding, known))
	}
}
