package rank

import (
	"fmt"
	"strings"

	"github.com/tidaldb/tidal/schema"
)

// checker gives meaning to what was written: it resolves names against the schema and the query, checks types, and
// folds constants. It panics with *wrong.
type checker struct {
	schema *schema.Schema
	params Params
	warn   func(format string, args ...any)
}

// expression compiles a text whose value is a number, or a condition if cond is set.
func (c *checker) expression(src string, cond bool) (n *node, bad *wrong) {
	defer func() {
		if r := recover(); r != nil {
			var ok bool
			if bad, ok = r.(*wrong); !ok {
				panic(r)
			}
		}
	}()
	x := parse(src)
	n = c.node(x)
	if cond && !n.cond {
		refuse(x.at, "is a number; a gate is a condition, such as not seen or age < 7d")
	}
	return n, nil
}

func constant(x float64) *node { return &node{op: opConst, num: x} }

func (c *checker) node(x *syntax) *node {
	switch x.kind {
	case syntaxNumber, syntaxDuration:
		return constant(x.num)
	case syntaxString:
		refuse(x.at, "a text has no value of its own; it may stand in is(field, \"text\"), or for the name of a signal type")
	case syntaxName, syntaxCall:
		return c.word(x)
	}
	return c.operator(x)
}

// number compiles a part whose value is used as a number; a condition is 1 or 0.
func (c *checker) number(x *syntax) *node { return c.node(x) }

func (c *checker) condition(x *syntax) *node {
	n := c.node(x)
	if !n.cond {
		refuse(x.at, "expected a condition, such as age < 7d or seen, got a number")
	}
	return n
}

func (c *checker) operator(x *syntax) *node {
	if len(x.args) == 1 {
		if x.text == "not" {
			return fold(opNot, true, c.condition(x.args[0]))
		}
		return fold(opNeg, false, c.number(x.args[0]))
	}
	a, b := x.args[0], x.args[1]
	if op, ok := logicOf(x.text); ok {
		return fold(op, true, c.condition(a), c.condition(b))
	}
	if op, ok := comparisonOf(x.text); ok {
		return fold(op, true, c.compared(a), c.compared(b))
	}
	ops := map[string]opcode{"+": opAdd, "-": opSub, "*": opMul, "/": opDiv, "^": opPow}
	return fold(ops[x.text], false, c.number(a), c.number(b))
}

// compared compiles a side of a comparison. A condition there is a mistake more often than not: age < 7d = seen.
func (c *checker) compared(x *syntax) *node {
	n := c.node(x)
	if n.cond {
		refuse(x.at, "is a condition; numbers are compared. Write not x, or if(x, 1, 0)")
	}
	return n
}

func logicOf(sign string) (opcode, bool) {
	switch sign {
	case "and":
		return opAnd, true
	case "or":
		return opOr, true
	}
	return opNone, false
}

func comparisonOf(sign string) (opcode, bool) {
	switch sign {
	case "<":
		return opLess, true
	case "<=":
		return opLessEqual, true
	case ">":
		return opGreater, true
	case ">=":
		return opGreaterEqual, true
	case "=":
		return opEqual, true
	case "!=":
		return opNotEqual, true
	}
	return opNone, false
}

// word compiles a name or a call.
func (c *checker) word(x *syntax) *node {
	if x.kind == syntaxName && (x.text == "true" || x.text == "false") {
		return &node{op: opConst, cond: true, num: truth(x.text == "true")}
	}
	w := find(x.text)
	switch {
	case w == nil:
		c.unknown(x)
	case x.kind == syntaxName && w.args != nil:
		refuse(x.at, "%s needs arguments: %s", x.text, w.usage())
	case x.kind == syntaxCall && w.args == nil:
		refuse(x.at, "%s takes no arguments and no parentheses", x.text)
	}
	if n, least := len(x.args), len(w.args)-w.optional; n < least || n > len(w.args) && !w.variadic {
		refuse(x.at, "%s takes %s, got %d: %s", x.text, w.arity(), n, w.usage())
	}
	if w.op != opNone {
		return c.function(w, x)
	}
	return c.feature(w, x)
}

// usage is how a word is written.
func (w *word) usage() string { return strings.ReplaceAll(w.call, "`", "") }

func (w *word) arity() string {
	most := len(w.args)
	switch {
	case w.variadic:
		return fmt.Sprintf("%d arguments or more", most)
	case w.optional > 0:
		return fmt.Sprintf("%d or %d arguments", most-w.optional, most)
	case most == 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", most)
}

// unknown refuses a name and says what it may have been meant to be.
func (c *checker) unknown(x *syntax) {
	if f, ok := c.schema.Items.Field(x.text); ok && x.kind == syntaxName {
		if numeric(f.Type) {
			refuse(x.at, "%s is a field; write field(%s)", x.text, x.text)
		}
		refuse(x.at, "%s is a field of type %s; write is(%s, \"text\") or has(%s)", x.text, f.Type, x.text, x.text)
	}
	if _, _, ok := c.schema.Signal(x.text); ok {
		refuse(x.at, "%s is a signal type; write score(%s), count(%s, 24h), total(%s) or the like",
			x.text, x.text, x.text, x.text)
	}
	for _, g := range groups {
		if x.text == g.name {
			refuse(x.at, "%s stands for signal types; write score(%s), count(%s, 24h) or the like", x.text, x.text, x.text)
		}
	}
	names := make([]string, len(vocabulary))
	for i := range vocabulary {
		names[i] = vocabulary[i].name
	}
	refuse(x.at, "%.40s is unknown%s", x.text, suggest(x.text, names))
}

func (c *checker) function(w *word, x *syntax) *node {
	args := make([]*node, len(x.args))
	for i, a := range x.args {
		if w.args[min(i, len(w.args)-1)] == argCondition {
			args[i] = c.condition(a)
			continue
		}
		args[i] = c.number(a)
	}
	if w.op == opClamp {
		return fold(opMin, false, fold(opMax, false, args[0], args[1]), args[2])
	}
	if !w.variadic {
		return fold(w.op, false, args...)
	}
	all := args[0]
	for _, n := range args[1:] {
		all = fold(w.op, false, all, n)
	}
	return all
}

// fold makes a node of an operation; one whose value is known becomes a constant, and what changes nothing goes.
func fold(op opcode, cond bool, args ...*node) *node {
	n := &node{op: op, cond: cond, args: args}
	known := func(i int) bool { return args[i].op == opConst }
	is := func(i int, x float64) bool { return known(i) && args[i].num == x }
	zero := &node{op: opConst, cond: cond}
	switch {
	case len(args) == 1 && known(0):
		return &node{op: opConst, cond: cond, num: unary(op, args[0].num)}
	case len(args) == 2 && known(0) && known(1):
		return &node{op: opConst, cond: cond, num: binary(op, args[0].num, args[1].num)}
	case op == opIf && known(0):
		if args[0].num != 0 {
			return asNumber(args[1])
		}
		return asNumber(args[2])
	case (op == opMul || op == opAnd) && (is(0, 0) || is(1, 0)), op == opDiv && (is(0, 0) || is(1, 0)):
		return zero
	case op == opOr && (is(0, 1) || is(1, 1)):
		return &node{op: opConst, cond: true, num: 1}
	case op == opAdd && is(0, 0), op == opMul && is(0, 1), op == opOr && is(0, 0), op == opAnd && is(0, 1):
		return typed(args[1], cond)
	case (op == opAdd || op == opSub || op == opOr) && is(1, 0), (op == opMul || op == opDiv || op == opAnd) && is(1, 1):
		return typed(args[0], cond)
	}
	return n
}

func asNumber(n *node) *node { return typed(n, false) }

// typed is n as a value of another type.
func typed(n *node, cond bool) *node {
	if n.cond == cond {
		return n
	}
	c := *n
	c.cond = cond
	return &c
}
