package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// The keys of the language; constant tables.
var (
	schemaKeys = [...]string{
		"name", "version", "parent", "future_bound", "signals", "items", "users", "creators",
		"profiles", "cohorts", "session_policies",
	}
	signalKeys = [...]string{
		"half_life", "half_lives", "permanent", "windows", "velocity", "unique_users", "meaning", "seen", "sets",
		"clears",
	}
	entityKeys    = [...]string{"fields", "embeddings"}
	fieldKeys     = [...]string{"type"}
	embeddingKeys = [...]string{"dimensions"}
	profileKeys   = [...]string{"version", "candidates", "first", "score", "gates", "diversity", "explore"}
	sourceKeys    = [...]string{"from", "signal", "half_life", "limit"}
	stepKeys      = [...]string{"add", "multiply"}
	diversityKeys = [...]string{"max_per", "share", "at_least", "relevance", "embedding"}
	atLeastKeys   = [...]string{"field", "value", "n"}
	slotKeys      = [...]string{"slot", "share", "pool", "within"}
	cohortKeys    = [...]string{"where"}
	policyKeys    = [...]string{"types", "max_duration", "idle", "rate", "burst"}
)

// pair is one entry of a mapping.
type pair struct {
	key   string
	node  ast.Node // of the key
	value ast.Node
}

func (r *yamlReader) schema(root ast.Node) *Schema {
	s := &Schema{}
	for _, p := range r.mapping(root, "", "a mapping with the keys name, signals, items, users, creators", schemaKeys[:]) {
		r.at[p.key] = placeOf(p.value)
		switch p.key {
		case "name":
			s.Name = r.word(p.value, p.key, "a name")
		case "version":
			s.Version = uint32(r.number(p.value, p.key, 1, 1<<32-1))
		case "parent":
			s.Parent = r.hash(p.value, p.key)
		case "future_bound":
			s.FutureBound = r.span(p.value, p.key)
		case "signals":
			r.named(p.value, p.key, "signal types", "view:", signalKeys[:], func(path, name string, n ast.Node) {
				s.Signals = append(s.Signals, r.signal(path, name, n))
			})
		case "items":
			s.Items = r.entity(p.value, p.key)
		case "users":
			s.Users = r.entity(p.value, p.key)
		case "creators":
			s.Creators = r.entity(p.value, p.key)
		case "profiles":
			s.Profiles = r.profiles(p.value, p.key)
		case "cohorts":
			s.Cohorts = r.cohorts(p.value, p.key)
		case "session_policies":
			s.SessionPolicies = r.policies(p.value, p.key)
		}
	}
	return s
}

func (r *yamlReader) hash(n ast.Node, path string) Hash {
	text, err := r.word(n, path, "a hash, in quotes"), error(nil)
	var h Hash
	if text != "" {
		h, err = ParseHash(text)
	}
	if err != nil {
		r.refuse(n, path, "%s", reason(err))
	}
	return h
}

// span refuses 0, which in Go stands for the default: who writes it means something else.
func (r *yamlReader) span(n ast.Node, path string) time.Duration {
	d, ok := r.duration(n, path)
	if ok && d == 0 {
		r.refuse(n, path, "must be more than 0")
	}
	return d
}

func (r *yamlReader) signal(path, name string, n ast.Node) SignalType {
	t := SignalType{Name: name}
	lives := ""
	const want = "a mapping, such as {half_life: 7d, windows: [1h, all]}"
	for _, p := range r.mapping(n, path, want, withName(signalKeys[:])) {
		at := path + "." + p.key
		r.at[at] = placeOf(p.value)
		switch p.key {
		case "half_life", "half_lives":
			if lives != "" {
				r.refuse(p.node, at, "stands beside %s; write one of them", lives)
			}
			lives = p.key
			t.HalfLives = r.halfLives(p, path)
		case "permanent":
			t.Permanent = r.flag(p.value, at)
		case "windows":
			t.Windows = words(r, p.value, at, "[1h, 24h, 7d, 30d, all]", ParseWindow)
		case "velocity":
			t.Velocity = r.flag(p.value, at)
		case "unique_users":
			t.UniqueUsers = r.flag(p.value, at)
		case "meaning":
			t.Meaning = parsed(r, p.value, at, ParseMeaning)
		case "seen":
			t.Seen = r.flag(p.value, at)
		case "sets":
			t.Sets = words(r, p.value, at, "[liked, saved, in_progress]", ParseMark)
		case "clears":
			t.Clears = words(r, p.value, at, "[liked, saved, in_progress]", ParseMark)
		}
	}
	return t
}

// halfLives reads one duration or a list. Validate sorts them, so the places of the list are put into that order, too.
func (r *yamlReader) halfLives(p pair, path string) []time.Duration {
	if p.key == "half_life" {
		r.at[path+".half_lives[0]"] = placeOf(p.value)
		d, _ := r.duration(p.value, path+".half_life")
		return []time.Duration{d}
	}
	var lives []time.Duration
	var nodes []ast.Node
	for i, n := range r.list(p.value, path+".half_lives", "[1d, 7d]") {
		d, _ := r.duration(n, fmt.Sprintf("%s.half_lives[%d]", path, i))
		at, _ := slices.BinarySearch(lives, d)
		lives, nodes = slices.Insert(lives, at, d), slices.Insert(nodes, at, n)
	}
	for i, n := range nodes {
		r.at[fmt.Sprintf("%s.half_lives[%d]", path, i)] = placeOf(n)
	}
	return lives
}

func (r *yamlReader) entity(n ast.Node, path string) EntityType {
	var e EntityType
	for _, p := range r.mapping(n, path, "a mapping with the keys fields and embeddings", entityKeys[:]) {
		at := path + "." + p.key
		r.at[at] = placeOf(p.value)
		if p.key == "fields" {
			r.named(p.value, at, "fields", "title: text", fieldKeys[:], func(path, name string, n ast.Node) {
				e.Fields = append(e.Fields, Field{name, r.fieldType(n, path)})
			})
			continue
		}
		r.named(p.value, at, "embeddings", "content: 384", embeddingKeys[:], func(path, name string, n ast.Node) {
			e.Embeddings = append(e.Embeddings, Embedding{name, r.dimensions(n, path)})
		})
	}
	return e
}

// fieldType reads "text", or the same as a mapping with the key type.
func (r *yamlReader) fieldType(n ast.Node, path string) FieldType {
	if inner, ok := r.only(n, path, "type", fieldKeys[:]); ok {
		return parsed(r, inner, path+".type", ParseFieldType)
	}
	return 0
}

// dimensions reads "384", or the same as a mapping with the key dimensions.
func (r *yamlReader) dimensions(n ast.Node, path string) int {
	if inner, ok := r.only(n, path, "dimensions", embeddingKeys[:]); ok {
		return int(r.number(inner, path+".dimensions", 1, maxDimensions))
	}
	return 0
}

// only returns n itself if it's a scalar, or the value of the one key that a mapping must have.
func (r *yamlReader) only(n ast.Node, path, key string, known []string) (ast.Node, bool) {
	if !isMapping(n) {
		r.at[path+"."+key] = placeOf(n)
		return n, true
	}
	before := len(r.errs)
	for _, p := range r.mapping(n, path, "", withName(known)) {
		if p.key == key {
			r.at[path+"."+key] = placeOf(p.value)
			return p.value, true
		}
	}
	if len(r.errs) == before {
		r.refuse(n, path, "has no %s", key)
	}
	return nil, false
}

// named reads a mapping from names to declarations, or a list of mappings that have the key name.
func (r *yamlReader) named(n ast.Node, path, what, example string, known []string,
	each func(path, name string, n ast.Node),
) {
	if seq, ok := n.(*ast.SequenceNode); ok {
		for i, entry := range seq.Values {
			at := fmt.Sprintf("%s[%d]", path, i)
			r.at[at] = placeOf(entry)
			before := len(r.errs)
			name, found := "", false
			for _, p := range entries(entry) {
				if p.key == "name" {
					name, found = r.word(p.value, at+".name", "a name"), true
					r.at[at+".name"] = placeOf(p.value)
				}
			}
			if !found && len(r.errs) == before {
				r.refuse(entry, at, "has no name; write a mapping with the keys name, %s", strings.Join(known, ", "))
				continue
			}
			each(at, name, entry)
		}
		return
	}
	for i, p := range r.mapping(n, path, what+" by name, such as "+strconv.Quote(example), nil) {
		at := fmt.Sprintf("%s[%d]", path, i)
		r.at[at], r.at[at+".name"] = placeOf(p.node), placeOf(p.node)
		each(at, p.key, p.value)
		if inner := nameKey(p.value); inner != nil {
			r.refuse(inner, at+".name", "stands in an entry that has a name already: %q", p.key)
		}
	}
}

// nameKey returns the key "name" of a mapping.
func nameKey(n ast.Node) ast.Node {
	for _, p := range entries(n) {
		if p.key == "name" {
			return p.node
		}
	}
	return nil
}

func withName(keys []string) []string { return append([]string{"name"}, keys...) }
