package rank

import (
	"unicode/utf8"
)

// The limits of an expression. They bound what compiling and evaluating one costs.
const (
	maxSource = 4096 // bytes
	maxNested = 64   // parentheses, calls and signs within each other
	maxNodes  = 512  // numbers, names, operators and calls
)

type syntaxKind uint8

const (
	syntaxNumber syntaxKind = iota
	syntaxDuration
	syntaxString
	syntaxName
	syntaxCall
	syntaxOperator // with one operand or two; text is the operator
)

// syntax is a part of an expression as it was written.
type syntax struct {
	kind syntaxKind
	at   int
	text string
	num  float64
	args []*syntax
}

// Binding powers of the operators, weakest first.
const (
	powerOr = iota + 1
	powerAnd
	powerNot
	powerCompare
	powerSum
	powerProduct
	powerSign
	powerPower
)

func power(sign string) int {
	switch sign {
	case "or":
		return powerOr
	case "and":
		return powerAnd
	case "<", "<=", ">", ">=", "=", "!=":
		return powerCompare
	case "+", "-":
		return powerSum
	case "*", "/":
		return powerProduct
	case "^":
		return powerPower
	}
	return 0
}

// parser reads one expression by precedence climbing.
type parser struct {
	src    string
	token  token // the next one
	end    int   // where it ends
	nested int
	nodes  int
}

// parse reads a whole expression; it panics with *wrong.
func parse(src string) *syntax {
	switch {
	case len(src) > maxSource:
		refuse(maxSource, "the expression has %d bytes, at most %d", len(src), maxSource)
	case !utf8.ValidString(src):
		refuse(0, "the expression is not UTF-8")
	}
	p := &parser{src: src}
	p.advance()
	if p.token.kind == tokenEnd {
		refuse(0, "the expression is empty; expected a formula such as score(view)")
	}
	x := p.expression(0)
	if p.token.kind != tokenEnd {
		refuse(p.token.at, "expected an operator or the end, got %s%s", p.token.describe(), p.equalHint())
	}
	return x
}

func (p *parser) equalHint() string {
	if p.is("=") {
		return "; equality is a single ="
	}
	return ""
}

func (p *parser) advance() { p.token, p.end = next(p.src, p.end) }

func (p *parser) is(sign string) bool { return p.token.kind == tokenSign && p.token.text == sign }

func (p *parser) node(s syntax) *syntax {
	if p.nodes++; p.nodes > maxNodes {
		refuse(s.at, "the expression has more than %d parts; split it into several steps", maxNodes)
	}
	return &s
}

// expression reads operators that bind at least as strongly as least.
func (p *parser) expression(least int) *syntax {
	if p.nested++; p.nested > maxNested {
		refuse(p.token.at, "the expression is nested more than %d deep", maxNested)
	}
	x := p.operand(least)
	for {
		op := p.token
		binds := power(op.text)
		if op.kind != tokenSign || binds == 0 || binds < least {
			break
		}
		p.advance()
		if binds == powerCompare && p.is("=") {
			refuse(p.token.at, "expected a number, got =%s", p.equalHint())
		}
		right := binds + 1
		if binds == powerPower { // right associative, and 2 ^ -x needs no parentheses
			right = powerSign
		}
		y := p.expression(right)
		if binds == powerCompare && power(p.token.text) == powerCompare && p.token.kind == tokenSign {
			refuse(p.token.at, "comparisons don't chain; join them by and")
		}
		x = p.node(syntax{kind: syntaxOperator, at: op.at, text: op.text, args: []*syntax{x, y}})
	}
	p.nested--
	return x
}

// operand reads a number, a text, a name, a call, a parenthesis, or one of the signs - and not with what follows.
func (p *parser) operand(least int) *syntax {
	t := p.token
	switch t.kind {
	case tokenNumber, tokenDuration, tokenString:
		p.advance()
		kinds := [...]syntaxKind{tokenNumber: syntaxNumber, tokenDuration: syntaxDuration, tokenString: syntaxString}
		return p.node(syntax{kind: kinds[t.kind], at: t.at, text: t.text, num: t.num})
	case tokenName:
		p.advance()
		if p.is("(") {
			return p.call(t)
		}
		return p.node(syntax{kind: syntaxName, at: t.at, text: t.text})
	case tokenSign:
		switch t.text {
		case "(":
			p.advance()
			x := p.expression(0)
			p.expect(")")
			return x
		case "-":
			p.advance()
			return p.node(syntax{kind: syntaxOperator, at: t.at, text: "-", args: []*syntax{p.expression(powerSign)}})
		case "not":
			if least > powerNot {
				refuse(t.at, "not binds weaker than the operator before it; put it in parentheses")
			}
			p.advance()
			return p.node(syntax{kind: syntaxOperator, at: t.at, text: "not", args: []*syntax{p.expression(powerNot)}})
		}
	}
	refuse(t.at, "expected a number, a name or a parenthesis, got %s", t.describe())
	return nil
}

func (p *parser) call(name token) *syntax {
	p.advance()
	x := p.node(syntax{kind: syntaxCall, at: name.at, text: name.text})
	for !p.is(")") {
		if len(x.args) > 0 {
			if !p.is(",") {
				refuse(p.token.at, "expected , or ) in the call of %s, got %s", name.text, p.token.describe())
			}
			p.advance()
		}
		x.args = append(x.args, p.expression(0))
	}
	p.advance()
	return x
}

func (p *parser) expect(sign string) {
	if !p.is(sign) {
		refuse(p.token.at, "expected %s, got %s", sign, p.token.describe())
	}
	p.advance()
}
