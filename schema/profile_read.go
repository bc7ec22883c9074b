package schema

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// profiles reads a list of profiles, or a mapping by name where each has one version.
func (r *yamlReader) profiles(n ast.Node, path string) []Profile {
	var read []Profile
	r.named(n, path, "profiles", "morning: {first: age}", profileKeys[:], func(at, name string, n ast.Node) {
		read = append(read, r.profile(at, name, n))
	})
	r.sorted(path, order(read, compareProfiles))
	return read
}

func (r *yamlReader) profile(path, name string, n ast.Node) Profile {
	p := Profile{Name: name, Version: 1}
	const want = "a mapping, such as {first: age, score: [{name: fresh, add: 1 / age}]}"
	for _, e := range r.mapping(n, path, want, withName(profileKeys[:])) {
		at := path + "." + e.key
		r.at[at] = placeOf(e.value)
		switch e.key {
		case "version":
			p.Version = uint32(r.number(e.value, at, 1, math.MaxUint32))
		case "candidates":
			r.each(e.value, at, "[head, newest]", func(at string, n ast.Node) {
				p.Candidates = append(p.Candidates, r.source(n, at))
			})
		case "first":
			p.First = r.expression(e.value, at)
		case "score":
			r.named(e.value, at, "steps", "fresh: {add: 1 / age}", stepKeys[:], func(at, name string, n ast.Node) {
				p.Score = append(p.Score, r.step(at, name, n))
			})
		case "gates":
			r.each(e.value, at, "[age < 7d]", func(at string, n ast.Node) {
				p.Gates = append(p.Gates, r.expression(n, at))
			})
		case "diversity":
			p.Diversity = r.diversity(e.value, at)
		case "explore":
			r.each(e.value, at, "[{slot: fresh, share: 0.1, pool: new}]", func(at string, n ast.Node) {
				p.Explore = append(p.Explore, r.slot(n, at))
			})
		}
	}
	return p
}

// each calls read for the elements of a list and notes where they stand.
func (r *yamlReader) each(n ast.Node, path, example string, read func(at string, n ast.Node)) {
	for i, entry := range r.list(n, path, example) {
		at := fmt.Sprintf("%s[%d]", path, i)
		r.at[at] = placeOf(entry)
		read(at, entry)
	}
}

// source reads "newest", or a mapping with the key from.
func (r *yamlReader) source(n ast.Node, path string) Source {
	var s Source
	if _, bare := scalar(n); bare && !isNull(n) {
		s.Kind = parsed(r, n, path, ParseSourceKind)
		return s
	}
	const want = "a mapping, such as {from: head, signal: view, half_life: 1d, limit: 500}"
	for _, e := range r.required(n, path, want, sourceKeys[:], "from") {
		at := path + "." + e.key
		r.at[at] = placeOf(e.value)
		switch e.key {
		case "from":
			s.Kind = parsed(r, e.value, at, ParseSourceKind)
		case "signal":
			s.Signal = r.word(e.value, at, "a signal type")
		case "half_life":
			s.HalfLife = r.span(e.value, at)
		case "limit":
			s.Limit = int(r.number(e.value, at, 1, maxTaken))
		}
	}
	return s
}

func (r *yamlReader) step(path, name string, n ast.Node) Step {
	s := Step{Name: name}
	if inBraces(n) {
		r.refuseCutText(n, path)
	}
	before := len(r.errs)
	for _, e := range r.mapping(n, path, "a mapping, such as {add: 1 / age}", withName(stepKeys[:])) {
		at := path + "." + e.key
		r.at[at] = placeOf(e.value)
		if e.key == "name" {
			continue
		}
		if s.Op != 0 {
			r.refuse(e.node, at, "stands beside %s; write one of them", s.Op)
		}
		s.Op, _ = ParseStepOp(e.key)
		s.Expr = r.expression(e.value, at)
	}
	if s.Op == 0 && len(r.errs) == before {
		r.refuse(n, path, "has neither add nor multiply")
	}
	return s
}

func (r *yamlReader) diversity(n ast.Node, path string) Diversity {
	var d Diversity
	for _, e := range r.mapping(n, path, "a mapping, such as {max_per: {creator: 2}}", diversityKeys[:]) {
		at := path + "." + e.key
		r.at[at] = placeOf(e.value)
		switch e.key {
		case "max_per":
			for i, f := range r.mapping(e.value, at, "numbers by field, such as {creator: 2}", nil) {
				rule := fmt.Sprintf("%s[%d]", at, i)
				r.at[rule] = placeOf(f.node)
				d.MaxPer = append(d.MaxPer, MaxPer{f.key, int(r.number(f.value, rule, 1, maxTaken))})
			}
		case "share":
			for i, f := range r.mapping(e.value, at, "parts by field, such as {category: 0.6}", nil) {
				rule := fmt.Sprintf("%s[%d]", at, i)
				r.at[rule] = placeOf(f.node)
				d.Shares = append(d.Shares, Share{f.key, r.float(f.value, rule)})
			}
		case "at_least":
			r.each(e.value, at, "[{field: format, value: video, n: 3}]", func(at string, n ast.Node) {
				d.AtLeast = append(d.AtLeast, r.atLeast(n, at))
			})
		case "relevance":
			d.Relevance = r.float(e.value, at)
		case "embedding":
			d.Embedding = r.word(e.value, at, "the name of an embedding of items")
		}
	}
	return d
}

func (r *yamlReader) atLeast(n ast.Node, path string) AtLeast {
	var a AtLeast
	const want = "a mapping, such as {field: format, value: video, n: 3}"
	for _, e := range r.required(n, path, want, atLeastKeys[:], atLeastKeys[:]...) {
		at := path + "." + e.key
		r.at[at] = placeOf(e.value)
		switch e.key {
		case "field":
			a.Field = r.word(e.value, at, "the name of a field")
		case "value":
			a.Value = r.text(e.value, at, "a value")
		case "n":
			a.N = int(r.number(e.value, at, 1, maxTaken))
		}
	}
	return a
}

func (r *yamlReader) slot(n ast.Node, path string) Slot {
	var s Slot
	const want = "a mapping, such as {slot: fresh, share: 0.1, pool: new}"
	for _, e := range r.required(n, path, want, slotKeys[:], "slot", "share", "pool") {
		at := path + "." + e.key
		r.at[at] = placeOf(e.value)
		switch e.key {
		case "slot":
			s.Name = r.word(e.value, at, "a name")
		case "share":
			s.Share = r.float(e.value, at)
		case "pool":
			s.Pool = parsed(r, e.value, at, ParsePool)
		case "within":
			s.Within = r.span(e.value, at)
		}
	}
	return s
}

// cohorts reads filters by name.
func (r *yamlReader) cohorts(n ast.Node, path string) []Cohort {
	var read []Cohort
	const example = `young: age < 25`
	r.named(n, path, "cohorts", example, cohortKeys[:], func(at, name string, n ast.Node) {
		c := Cohort{Name: name}
		if inner, ok := r.only(n, at, "where", cohortKeys[:]); ok {
			c.Where = r.expression(inner, at+".where")
		}
		read = append(read, c)
	})
	r.sorted(path, order(read, compareCohorts))
	return read
}

// required is mapping, and says which of the keys that must be there are missing.
func (r *yamlReader) required(n ast.Node, path, want string, known []string, keys ...string) []pair {
	if isNull(n) {
		r.refuse(n, path, "is empty; expected %s", want)
		return nil
	}
	before := len(r.errs)
	pairs := r.mapping(n, path, want, known)
	for _, key := range keys {
		if len(r.errs) == before && !slices.ContainsFunc(pairs, func(p pair) bool { return p.key == key }) {
			r.refuse(n, path, "has no %s; expected %s", key, want)
		}
	}
	return pairs
}

// expression reads a text in another language. Its own mistakes aren't found here.
func (r *yamlReader) expression(n ast.Node, path string) string {
	return r.text(n, path, "an expression, in quotes where it has quotes, a colon or a comma")
}

// text reads any scalar as it's written, and texts of several lines.
func (r *yamlReader) text(n ast.Node, path, want string) string {
	if block, ok := n.(*ast.LiteralNode); ok && block.Value != nil {
		return strings.TrimSpace(block.Value.Value)
	}
	text, ok := scalar(n)
	if !ok || isNull(n) {
		r.refuse(n, path, "is %s; expected %s", describe(n), want)
		return ""
	}
	return text
}

// refuseCutText finds an expression that YAML has cut in two: between braces a comma ends a text without quotes, and
// what's behind it looks like a key without a value.
func (r *yamlReader) refuseCutText(n ast.Node, path string) {
	pairs := entries(n)
	for i := 1; i < len(pairs); i++ {
		before := pairs[i-1]
		if (before.key == "add" || before.key == "multiply") && isNull(pairs[i].value) {
			r.refuse(before.value, path+"."+before.key,
				"ends at the comma before %.40q; between braces, an expression with a comma stands in quotes", pairs[i].key)
		}
	}
}

func inBraces(n ast.Node) bool {
	m, ok := n.(*ast.MappingNode)
	return ok && m.IsFlowStyle
}

// float reads a number with or without a fraction. The parser takes 1e-7 for a string.
func (r *yamlReader) float(n ast.Node, path string) float64 {
	text, _ := scalar(n)
	quoted := false
	if s, ok := n.(*ast.StringNode); ok {
		quoted = s.Token.Type == token.SingleQuoteType || s.Token.Type == token.DoubleQuoteType
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || quoted || strings.Trim(text, "0123456789.eE+-") != "" {
		r.refuse(n, path, "is %s; expected a number, such as 0.25", describe(n))
		return 0
	}
	return f
}

// order returns the indices of list in the order that normal form has.
func order[T any](list []T, compare func(T, T) int) []int {
	at := make([]int, len(list))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, j int) int { return compare(list[i], list[j]) })
	return at
}

// sorted notes that Validate will have put a list into another order: it speaks of element i, and from[i] is what the
// document has.
func (r *yamlReader) sorted(path string, from []int) {
	for i, j := range from {
		r.moved[fmt.Sprintf("%s[%d]", path, i)] = fmt.Sprintf("%s[%d]", path, j)
	}
}
