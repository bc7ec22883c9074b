package rank

import (
	"math/bits"
	"strings"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// feature compiles a word that stands for a feature.
func (c *checker) feature(w *word, x *syntax) *node {
	f := Feature{Kind: w.feature, Mark: w.mark, text: w.name}
	if len(w.args) > 0 && w.args[0] == argType {
		return c.signal(w, f, x)
	}
	switch w.feature {
	case FeatureField, FeatureHas, FeatureIs:
		f = c.field(w, f, x)
	case FeatureAffinity, FeatureFollows:
		if _, ok := c.schema.Items.Field(schema.CreatorField); !ok {
			c.warn("%s is 0: items have no field %s", w.name, schema.CreatorField)
			return &node{op: opConst, cond: w.cond}
		}
	case FeatureInterest, FeatureSimilar:
		if len(c.schema.Items.Embeddings) == 0 {
			c.warn("%s is 0: items have no embedding", w.name)
			return constant(0)
		}
	}
	switch {
	case c.params.Whom == Known && f.Kind == FeatureKnown:
		return &node{op: opConst, cond: true, num: 1}
	case c.params.Whom == Stranger && f.personal():
		return &node{op: opConst, cond: w.cond}
	}
	return &node{op: opFeature, cond: w.cond, feat: f}
}

// field compiles field(name), has(name) and is(name, "text").
func (c *checker) field(w *word, f Feature, x *syntax) Feature {
	name := x.args[0]
	if name.kind != syntaxName && name.kind != syntaxString {
		refuse(name.at, "expected the name of a field of items")
	}
	declared, ok := c.schema.Items.Field(name.text)
	if !ok {
		known := make([]string, len(c.schema.Items.Fields))
		for i := range known {
			known[i] = c.schema.Items.Fields[i].Name
		}
		refuse(name.at, "items have no field %.64s%s", name.text, suggest(name.text, known))
	}
	f.Field = name.text
	f.text = w.name + "(" + name.text + ")"
	switch w.args[0] {
	case argNumeric:
		if !numeric(declared.Type) {
			refuse(name.at, "the field %s is of type %s; expected int, float, bool or time", name.text, declared.Type)
		}
	case argTextual:
		if declared.Type != schema.TypeKeyword && declared.Type != schema.TypeTags {
			refuse(name.at, "the field %s is of type %s; expected keyword or tags", name.text, declared.Type)
		}
		value := x.args[1]
		if value.kind != syntaxString {
			refuse(value.at, "expected a text in double quotes")
		}
		f.Value = value.text
		f.text = w.name + "(" + name.text + ", " + quote(value.text) + ")"
	}
	return f
}

func numeric(t schema.FieldType) bool {
	return t == schema.TypeInt || t == schema.TypeFloat || t == schema.TypeBool || t == schema.TypeTime
}

// quote writes a text as the lexer reads it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// types are the signal types that an argument names.
type types struct {
	set  uint64
	name string
	// one is the declaration of a type that was named by itself; nil for groups.
	one *schema.SignalType
}

// signal compiles a feature of signal types.
func (c *checker) signal(w *word, f Feature, x *syntax) *node {
	ts, ok := c.types(x.args[0])
	if !ok {
		c.checkSpan(w, x) // a mistake beside it is told all the same
		return constant(0)
	}
	hours := 0.0
	switch w.feature {
	case FeatureScore:
		if len(x.args) > 1 {
			f.HalfLife = c.halfLife(ts, x.args[1])
		}
	case FeatureCount:
		f.Window = c.window(x.args[1])
		hours = f.Window.Duration().Hours()
		if w.name == "velocity" && hours == 0 {
			refuse(x.args[1].at, "%s has no velocity: all has no bounds; expected 1h, 24h, 7d or 30d", ts.name)
		}
		if f.Window == schema.WindowAll {
			f.Kind = FeatureTotal
			f.Window = 0
		}
	}
	f.Signals = c.keeping(ts.set, f)
	if f.Signals == 0 {
		if ts.set != 0 {
			who := "it doesn't declare"
			if ts.one == nil {
				who = "none of these types declares"
			}
			c.warn("%s of %s is 0: %s %s", w.name, ts.name, who, needsOf(w, f))
		}
		return constant(0)
	}
	if first := bits.TrailingZeros64(f.Signals); f.Kind == FeatureScore && f.HalfLife == 0 &&
		f.Signals&(f.Signals-1) == 0 {
		f.HalfLife = c.schema.Signals[first].HalfLives[0]
	}
	f.text = c.signalText(f)
	n := &node{op: opFeature, feat: f}
	if w.name == "velocity" {
		return fold(opDiv, false, n, constant(hours))
	}
	return n
}

// needsOf is what a type must declare for a feature.
func needsOf(w *word, f Feature) string {
	if f.Kind == FeatureScore && f.HalfLife != 0 {
		return "the half-life " + schema.FormatDuration(f.HalfLife)
	}
	return w.needs
}

// checkSpan checks the half-life or window of a call whose type is missing.
func (c *checker) checkSpan(w *word, x *syntax) {
	if w.feature == FeatureCount {
		c.window(x.args[1])
	}
	if w.feature == FeatureScore && len(x.args) > 1 && x.args[1].kind != syntaxDuration {
		refuse(x.args[1].at, "expected a half-life, such as 7d")
	}
}

// types resolves the argument that names signal types; ok is false if it names one that the schema hasn't, which warns.
func (c *checker) types(x *syntax) (ts types, ok bool) {
	switch {
	case x.kind == syntaxString:
		return c.named(x.text)
	case x.kind == syntaxCall && x.text == "signal":
		if len(x.args) != 1 || x.args[0].kind != syntaxName && x.args[0].kind != syntaxString {
			refuse(x.at, "signal takes the type that it stands for where the query names none, such as signal(view)")
		}
		if c.params.Signal == "" {
			return c.types(x.args[0])
		}
		return c.querySignal()
	case x.kind != syntaxName:
		refuse(x.at, "expected a signal type, or one of positive, negative, approval and signal")
	case x.text == "signal":
		if c.params.Signal == "" {
			return types{set: meaning(c.schema, "positive"), name: "positive"}, true
		}
		return c.querySignal()
	}
	if isGroup(x.text) {
		return types{set: meaning(c.schema, x.text), name: x.text}, true
	}
	return c.named(x.text)
}

// querySignal is the query's signal. [Compile] has found that it exists.
func (c *checker) querySignal() (types, bool) {
	if _, _, ok := c.schema.Signal(c.params.Signal); !ok {
		return types{set: meaning(c.schema, c.params.Signal), name: c.params.Signal}, true
	}
	return c.named(c.params.Signal)
}

func (c *checker) named(name string) (types, bool) {
	i, t, ok := c.schema.Signal(name)
	if !ok {
		c.warn("%.64s is no signal type of the schema and counts 0%s", name, suggest(name, signalNames(c.schema)))
		return types{}, false
	}
	return types{set: 1 << i, name: name, one: t}, true
}

func signalNames(s *schema.Schema) []string {
	names := make([]string, len(s.Signals))
	for i := range names {
		names[i] = s.Signals[i].Name
	}
	return names
}

// isGroup reports whether a name stands for types of a meaning.
func isGroup(name string) bool { return name == "positive" || name == "negative" || name == "approval" }

// meaning returns the types of a group, as a set of indices.
func meaning(s *schema.Schema, group string) uint64 {
	var set, approval uint64
	for i := range s.Signals {
		t := &s.Signals[i]
		switch {
		case group == "negative" && (t.Meaning == schema.Negative || t.Meaning == schema.HardNegative),
			group != "negative" && t.Meaning == schema.Positive:
			set |= 1 << i
			if !t.Seen {
				approval |= 1 << i
			}
		}
	}
	if group == "approval" && approval != 0 {
		return approval
	}
	return set
}

// keeping returns those types of a set that keep what the feature needs.
func (c *checker) keeping(set uint64, f Feature) uint64 {
	for i := range c.schema.Signals {
		t := &c.schema.Signals[i]
		keeps := true
		switch f.Kind {
		case FeatureScore:
			keeps = len(t.HalfLives) > 0
			for _, h := range t.HalfLives {
				if keeps = f.HalfLife == 0 || h == f.HalfLife; keeps {
					break
				}
			}
		case FeatureCount: // all windows of a type are read from the same counts
			keeps = len(t.Windows) > 0
		case FeatureSum:
			keeps = t.Permanent
		case FeatureUnique:
			keeps = t.UniqueUsers
		}
		if !keeps {
			set &^= 1 << i
		}
	}
	return set
}

// halfLife resolves a half-life, which the type must declare; of a group, at least one of its types.
func (c *checker) halfLife(ts types, x *syntax) time.Duration {
	if x.kind != syntaxDuration {
		refuse(x.at, "expected a half-life, such as 7d")
	}
	h, err := schema.ParseDuration(x.text)
	if err != nil || h <= 0 {
		refuse(x.at, "%s is no half-life", x.text)
	}
	if ts.one == nil || len(ts.one.HalfLives) == 0 {
		return h
	}
	var known []string
	for _, d := range ts.one.HalfLives {
		if d == h {
			return h
		}
		known = append(known, schema.FormatDuration(d))
	}
	refuse(x.at, "%s has no half-life of %s; it has %s", ts.name, x.text, strings.Join(known, ", "))
	return 0
}

// window resolves a window.
func (c *checker) window(x *syntax) schema.Window {
	switch {
	case x.kind == syntaxName && x.text == "all":
		return schema.WindowAll
	case x.kind == syntaxName && x.text == "window":
		if c.params.Window == 0 {
			return schema.Window7d
		}
		return c.params.Window
	case x.kind == syntaxCall && x.text == "window" && len(x.args) == 1:
		standard := c.window(x.args[0])
		if c.params.Window == 0 {
			return standard
		}
		return c.params.Window
	case x.kind == syntaxDuration:
		for w := schema.Window1h; w < schema.WindowAll; w++ {
			if w.Duration().Seconds() == x.num {
				return w
			}
		}
		refuse(x.at, "%s is no window; the windows are 1h, 24h, 7d, 30d and all", x.text)
	}
	refuse(x.at, "expected a window: 1h, 24h, 7d, 30d, all, or window for the query's")
	return 0
}

// signalText is a feature of signals as an expression has it.
func (c *checker) signalText(f Feature) string {
	var names []string
	for i := range f.Types() {
		names = append(names, c.schema.Signals[i].Name)
	}
	name := strings.Join(names, "+")
	if len(names) > 1 {
		for _, g := range [...]string{"positive", "negative", "approval"} {
			if c.keeping(meaning(c.schema, g), f) == f.Signals {
				name = g
				break
			}
		}
	}
	switch f.Kind {
	case FeatureScore:
		if f.HalfLife == 0 {
			return "score(" + name + ")"
		}
		return "score(" + name + ", " + schema.FormatDuration(f.HalfLife) + ")"
	case FeatureCount:
		return "count(" + name + ", " + f.Window.String() + ")"
	case FeatureSum:
		return "sum(" + name + ")"
	case FeatureUnique:
		return "unique(" + name + ")"
	}
	return "total(" + name + ")"
}
