package rank

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// The limits of a profile.
const (
	maxFeatures = 128
	maxSteps    = 64
	maxGates    = 32
)

// Params are what a query gives a profile.
type Params struct {
	// Signal is what signal stands for in expressions and sources: a type of the schema, or positive, negative or
	// approval. Empty leaves it to the profile.
	Signal string
	// Window is what window stands for. 0 leaves it to the profile.
	Window schema.Window
	// Cohort says that signals are counted within one cohort. Their features are no longer cheap then: gates with them are
	// left to the second phase, and a first phase with them is replaced by the order of the sources.
	Cohort bool
	// Whom says what is known of the query's user, so that what is for others isn't computed: terms for strangers are left
	// out of lists for those who are known, and all that is personal of lists for strangers.
	Whom Whom
}

// Whom is what is known of a query's user.
type Whom uint8

// What may be known.
const (
	Anybody  Whom = iota // it's asked for each list
	Known                // there is a history that can rank
	Stranger             // there is none, or no user
)

// Program is a compiled profile. It never changes and may be shared between goroutines.
type Program struct {
	profile   schema.Profile
	features  []Feature
	early     int // how many of the features the first phase needs
	first     []instr
	exact     bool // the first phase is the score
	passEarly []gate
	passLate  []gate
	code      []instr // of all steps
	sources   []schema.Source
	diversity schema.Diversity
	explore   []schema.Slot
	warnings  []string
}

type gate struct{ code []instr }

// Compile checks a profile against a schema, which must be valid, and a query's parameters, and makes a program of it.
//
// A signal type that the schema doesn't have, and a feature that it doesn't keep, count 0 and give a warning.
// Everything else that is wrong is refused, all of it at once: the error joins one [Error] for each expression, and one
// fault.Input for what stands outside of expressions.
//
// It takes about a tenth of a millisecond: keep the program for as long as schema, profile and parameters stay the same.
func Compile(p schema.Profile, s *schema.Schema, params Params) (*Program, error) {
	if err := checkParams(s, params); err != nil {
		return nil, err
	}
	c := &compiler{program: &Program{profile: p}, schema: s, params: params, seen: map[string]bool{}}
	c.check = &checker{schema: s, params: params, warn: c.warn}
	trees := c.score()
	c.phases(trees)
	c.resolveSources()
	c.resolveDiversity()
	c.resolveExplore()
	if n := len(c.gen.features); n > maxFeatures && len(c.errs) == 0 {
		c.refuse("score", "needs %d features, at most %d", n, maxFeatures)
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, fmt.Errorf("compile profile %s: %w", p.Name, err)
	}
	c.program.features = c.gen.features
	return c.program, nil
}

func checkParams(s *schema.Schema, params Params) error {
	if params.Window > schema.WindowAll {
		return fault.Refuse("window", "%s is unknown; the windows are 1h, 24h, 7d, 30d and all", params.Window)
	}
	if _, _, ok := s.Signal(params.Signal); !ok && params.Signal != "" && !isGroup(params.Signal) {
		return fault.Refuse("signal", "%.64q is no signal type of the schema%s", params.Signal,
			suggest(params.Signal, signalNames(s)))
	}
	return nil
}

// compiler is one call of Compile.
type compiler struct {
	program *Program
	schema  *schema.Schema
	params  Params
	check   *checker
	gen     generator
	seen    map[string]bool // warnings
	errs    []error
}

func (c *compiler) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !c.seen[text] {
		c.seen[text] = true
		c.program.warnings = append(c.program.warnings, text)
	}
}

func (c *compiler) refuse(path, format string, args ...any) {
	c.errs = append(c.errs, fault.Refuse(path, format, args...))
}

// parsed compiles an expression to a tree; nil if it's wrong, which is told.
func (c *compiler) parsed(path, src string, cond bool) *node {
	n, bad := c.check.expression(src, cond)
	if bad != nil {
		c.errs = append(c.errs, &Error{Path: path, Source: src, Offset: bad.at, Reason: bad.reason})
		return nil
	}
	return n
}

// emit makes the instructions of an expression.
func (c *compiler) emit(path string, n *node) []instr {
	start := len(c.gen.code)
	c.gen.busy, c.gen.deepest = false, 0
	c.gen.value(n)
	if c.gen.deepest > maxStack {
		c.refuse(path, "needs %d intermediate values at once, at most %d; split it into several steps", c.gen.deepest,
			maxStack)
	}
	return slices.Clone(c.gen.code[start:])
}

// score checks the steps; the tree of one that is wrong is nil.
func (c *compiler) score() []*node {
	p := &c.program.profile
	switch n := len(p.Score); {
	case n == 0:
		c.refuse("score", "has no steps; one such as score(view) is the least")
	case n > maxSteps:
		c.refuse("score", "has %d steps, at most %d", n, maxSteps)
		return nil
	}
	trees := make([]*node, len(p.Score))
	names := map[string]bool{}
	for i, s := range p.Score {
		path := fmt.Sprintf("score[%d]", i)
		if s.Name == "" {
			c.refuse(path+".name", "is empty; explanations show it")
		} else if names[s.Name] {
			c.refuse(path+".name", "%q is the name of a step before, too", s.Name)
		}
		names[s.Name] = true
		if s.Op != schema.Add && s.Op != schema.Multiply {
			c.refuse(path+".op", "%d is unknown; a step adds or multiplies", s.Op)
		}
		trees[i] = c.parsed(path, s.Expr, false)
	}
	return trees
}

// phases makes the instructions, those of the first phase before the others, so that its features are the first ones.
// Gates that need cheap features alone belong to the first phase: what they hold back takes no places from others. A
// score that needs cheap features alone is its own first phase.
func (c *compiler) phases(steps []*node) {
	p := &c.program.profile
	if len(p.Gates) > maxGates {
		c.refuse("gates", "has %d gates, at most %d", len(p.Gates), maxGates)
		return
	}
	gates := make([]*node, len(p.Gates))
	for i, src := range p.Gates {
		gates[i] = c.parsed(fmt.Sprintf("gates[%d]", i), src, true)
	}
	exact := !slices.ContainsFunc(steps, func(n *node) bool { return n == nil || c.expensive(n) != nil })
	first := c.first(exact)
	if len(c.errs) > 0 {
		return
	}
	if exact {
		c.steps(steps)
		c.program.first, c.program.exact = c.program.code, true
	} else if first != nil {
		c.program.first = c.emit("first", first)
	}
	c.program.passEarly = c.gates(gates, false)
	c.program.early = len(c.gen.features)
	c.program.passLate = c.gates(gates, true)
	if !exact {
		c.steps(steps)
	}
}

// gates makes the instructions of those gates that are expensive, or of those that aren't.
func (c *compiler) gates(trees []*node, expensive bool) []gate {
	var out []gate
	for i, n := range trees {
		if (c.expensive(n) != nil) == expensive {
			out = append(out, gate{c.emit(fmt.Sprintf("gates[%d]", i), n)})
		}
	}
	return out
}

// steps makes the instructions of the score.
func (c *compiler) steps(trees []*node) {
	shared := sharing{}
	for i, n := range trees {
		trees[i] = shared.share(n)
	}
	c.gen.kept = map[*node]uint16{}
	for i, n := range trees {
		code := c.emit(fmt.Sprintf("score[%d]", i), n)
		end := opAddStep
		if c.program.profile.Score[i].Op == schema.Multiply {
			end = opMulStep
		}
		c.program.code = append(append(c.program.code, code...), instr{op: end})
	}
	c.gen.kept = nil
}

// first checks the profile's expression for the first phase and returns its tree, nil if it isn't to be used: because
// the score takes its place, because it's the same for all candidates, or because a cohort's signals aren't at hand, in
// which case it's the query that made it expensive and not the profile.
func (c *compiler) first(exact bool) *node {
	if c.program.profile.First == "" {
		return nil
	}
	if exact {
		c.check.warn = func(string, ...any) {} // it's checked, and that's all
		defer func() { c.check.warn = c.warn }()
	}
	n := c.parsed("first", c.program.profile.First, false)
	if n == nil {
		return nil
	}
	f := c.expensive(n)
	if f != nil && !f.Cheap() {
		c.refuse("first", "%s takes too long for the first phase; "+
			"score, total and what isn't about signals may stand here", f)
	}
	if f != nil || exact || n.op == opConst {
		return nil
	}
	return n
}

// expensive returns a feature of n that the first phase can't have, nil if there's none.
func (c *compiler) expensive(n *node) *Feature {
	if n.op == opFeature && (!n.feat.Cheap() || c.params.Cohort && n.feat.ofSignals()) {
		return &n.feat
	}
	var found *Feature
	for _, a := range n.args {
		if f := c.expensive(a); f != nil && (found == nil || found.Cheap()) {
			found = f
		}
	}
	return found
}

// Features are what the program needs to know of a candidate. The other methods take the values in this order. Those
// that the first phase needs come first; how many they are, Early says.
func (p *Program) Features() []Feature { return p.features }

// Early is how many features, from the first one on, First and PassEarly read.
func (p *Program) Early() int { return p.early }

// HasFirst reports whether there's a score for the first phase. Without, candidates keep the order of their sources.
func (p *Program) HasFirst() bool { return len(p.first) > 0 }

// Exact reports whether First is the score itself. It is where the score needs cheap features alone; all candidates can
// be scored at once then, and the profile's own expression for the first phase isn't used.
func (p *Program) Exact() bool { return p.exact }

// First is the score of the first phase, 0 if there is none. It reads the first Early values alone.
func (p *Program) First(values []float64) float64 {
	score, x := run(p.first, values, nil)
	if p.exact {
		return score
	}
	return bounded(x)
}

// PassEarly reports whether the candidate passes the gates that need cheap features alone; it reads the first Early
// values. Pass asks all gates.
func (p *Program) PassEarly(values []float64) bool { return pass(p.passEarly, values) }

// Pass reports whether the candidate passes all gates: may be shown.
func (p *Program) Pass(values []float64) bool {
	return pass(p.passEarly, values) && pass(p.passLate, values)
}

func pass(gates []gate, values []float64) bool {
	for i := range gates {
		if _, x := run(gates[i].code, values, nil); bounded(x) == 0 {
			return false
		}
	}
	return true
}

// Score is the candidate's score: finite, within ±1e300, and the sum of the deltas that Explain gives, bit for bit.
func (p *Program) Score(values []float64) float64 {
	score, _ := run(p.code, values, nil)
	return score
}

// Name and version of the profile.
func (p *Program) Name() string    { return p.profile.Name }
func (p *Program) Version() uint32 { return p.profile.Version }

// Sources are the profile's sources of candidates with all that was left open filled in, and those left out that the
// schema has nothing for. There is at least one.
func (p *Program) Sources() []schema.Source { return p.sources }

// Diversity and Explore are those of the profile with defaults filled in.
func (p *Program) Diversity() schema.Diversity { return p.diversity }
func (p *Program) Explore() []schema.Slot      { return p.explore }

// Warnings say what counts 0 because the schema has nothing for it, in the order of the profile, each once.
func (p *Program) Warnings() []string { return p.warnings }
