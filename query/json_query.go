package query

import "github.com/tidaldb/tidal/schema"

// queryKeys are the keys of a query in the order in which they're written; a constant table.
var queryKeys = [...]string{
	"rank", "user", "profile", "version", "similar", "cohort", "window", "signal", "filter", "exclude", "diversify",
	"explore", "pins", "bury", "boosts", "at", "seed", "limit", "cursor", "as_of", "explain",
}

func (r *jsonReader) query(n *node, q *Query) {
	if !r.object("", n, queryKeys[:]...) {
		return
	}
	// There is nothing else that can be ranked yet, so who leaves it out means items.
	if rank := n.get("rank"); rank != nil && (rank.kind != '"' || rank.text != "items") {
		r.wrong("rank", rank, `"items"`)
	}
	for i, key := range n.keys {
		if v := &n.items[i]; v.kind != 'n' && r.err == nil {
			r.member(key, v, q)
		}
	}
}

// member reads the value of one key.
func (r *jsonReader) member(key string, v *node, q *Query) {
	switch key {
	case "user":
		q.User = r.id(key, v)
	case "profile":
		q.Profile = r.id(key, v)
	case "version":
		q.Version = uint32(r.whole(key, v, 1, 1<<32-1))
	case "similar":
		q.Similar = r.id(key, v)
	case "cohort":
		q.Cohort = r.id(key, v)
	case "window":
		q.Window = r.window(key, v)
	case "signal":
		q.Signal = r.id(key, v)
	case "filter":
		q.Filter = r.filter(key, v)
	case "exclude":
		r.array(key, v, maxExclude, func(path string, n *node) { q.Exclude = append(q.Exclude, r.id(path, n)) })
	case "diversify":
		q.Diversity = r.diversity(key, v)
	case "explore":
		f := r.number(key, v)
		q.Explore = &f
	case "pins":
		r.array(key, v, maxPins, func(path string, n *node) { q.Pins = append(q.Pins, r.pin(path, n)) })
	case "bury":
		r.array(key, v, maxBuries, func(path string, n *node) { q.Buries = append(q.Buries, r.id(path, n)) })
	case "boosts":
		r.array(key, v, maxBoosts, func(path string, n *node) { q.Boosts = append(q.Boosts, r.boost(path, n)) })
	case "at":
		q.At = r.instant(key, v)
	case "seed":
		seed := r.whole(key, v, 0, 1<<64-1)
		q.Seed = &seed
	case "limit":
		q.Limit = int(r.whole(key, v, 1, MaxLimit))
	case "cursor":
		q.Cursor = r.id(key, v)
	case "as_of":
		q.AsOf = r.id(key, v)
	case "explain":
		q.Explain = r.truth(key, v)
	}
}

// needed returns the value of a key that has to be there, nil after an error.
func (r *jsonReader) needed(path string, n *node, key string) *node {
	v := n.get(key)
	if v == nil {
		r.fail(path+"."+key, n, "is missing")
	}
	return v
}

func (r *jsonReader) pin(path string, n *node) (p Pin) {
	if !r.object(path, n, "item", "rank") {
		return p
	}
	if v := r.needed(path, n, "item"); v != nil {
		p.Item = r.id(path+".item", v)
	}
	if v := r.needed(path, n, "rank"); v != nil {
		p.Rank = int(r.whole(path+".rank", v, 1, MaxLimit))
	}
	return p
}

func (r *jsonReader) boost(path string, n *node) (b Boost) {
	if !r.object(path, n, "where", "factor") {
		return b
	}
	if v := r.needed(path, n, "where"); v != nil {
		b.Where = r.filter(path+".where", v)
	}
	if v := r.needed(path, n, "factor"); v != nil {
		b.Factor = r.number(path+".factor", v)
	}
	return b
}

func (r *jsonReader) diversity(path string, n *node) *schema.Diversity {
	d := &schema.Diversity{}
	if !r.object(path, n, "max_per", "max_share", "at_least", "relevance", "embedding") {
		return d
	}
	if v := n.get("max_per"); v != nil {
		r.array(path+".max_per", v, 0, func(path string, n *node) { d.MaxPer = append(d.MaxPer, r.maxPer(path, n)) })
	}
	if v := n.get("max_share"); v != nil {
		r.array(path+".max_share", v, 0, func(path string, n *node) { d.Shares = append(d.Shares, r.share(path, n)) })
	}
	if v := n.get("at_least"); v != nil {
		r.array(path+".at_least", v, 0, func(path string, n *node) {
			d.AtLeast = append(d.AtLeast, r.atLeast(path, n))
		})
	}
	if v := n.get("relevance"); v != nil {
		if d.Relevance = r.number(path+".relevance", v); d.Relevance == 0 {
			r.fail(path+".relevance", v, "is 0, which is off; leave the key out instead")
		}
	}
	if v := n.get("embedding"); v != nil {
		d.Embedding = r.id(path+".embedding", v)
	}
	return d
}

func (r *jsonReader) maxPer(path string, n *node) (m schema.MaxPer) {
	if !r.object(path, n, "field", "n") {
		return m
	}
	m.Field = r.field(path, n)
	if v := r.needed(path, n, "n"); v != nil {
		m.N = int(r.whole(path+".n", v, 1, MaxLimit))
	}
	return m
}

func (r *jsonReader) share(path string, n *node) (s schema.Share) {
	if !r.object(path, n, "field", "max") {
		return s
	}
	s.Field = r.field(path, n)
	if v := r.needed(path, n, "max"); v != nil {
		s.Max = r.number(path+".max", v)
	}
	return s
}

func (r *jsonReader) atLeast(path string, n *node) (a schema.AtLeast) {
	if !r.object(path, n, "field", "value", "n") {
		return a
	}
	a.Field = r.field(path, n)
	if v := r.needed(path, n, "value"); v != nil {
		r.mark(path+".value", v)
		switch v.kind {
		case '"', '0':
			a.Value = v.text
		case 't', 'f':
			a.Value = map[byte]string{'t': "true", 'f': "false"}[v.kind]
		default:
			r.wrong(path+".value", v, "a string")
		}
	}
	if v := r.needed(path, n, "n"); v != nil {
		a.N = int(r.whole(path+".n", v, 1, MaxLimit))
	}
	return a
}

// field reads the name of a field. It's one that the text form can write, too.
func (r *jsonReader) field(path string, n *node) string {
	v := r.needed(path, n, "field")
	if v == nil {
		return ""
	}
	r.mark(path+".field", v)
	if v.kind != '"' || !isField(v.text) {
		r.wrong(path+".field", v, "a field's name")
	}
	return v.text
}

// isField reports whether s is a word of the text form.
func isField(s string) bool {
	for i := range len(s) {
		if !isWordByte(s[i]) || i == 0 && isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
