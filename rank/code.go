package rank

import "maps"

// node is a part of an expression as it's meant: with names resolved and constants folded.
type node struct {
	op   opcode
	cond bool // its type is condition
	args []*node
	num  float64 // of opConst
	feat Feature // of opFeature
	uses int     // by other nodes and steps, once shared
}

// mode says where an instruction's operand is.
type mode uint8

const (
	fromConst   mode = iota // the instruction's own num; also of those without an operand
	fromFeature             // values[arg]
	fromStack               // the accumulator; what was saved last becomes the accumulator
	fromKept                // what opKeep has put aside
)

// instr is one instruction of a machine with an accumulator and a stack. An operation of two operands combines the
// accumulator with its operand.
type instr struct {
	op   opcode
	mode mode
	arg  uint16
	num  float64
}

// The memory of the machine: the stack, and above it what is kept because it's needed again.
const (
	maxStack = 24 // intermediate values that an expression may need at once
	maxKept  = 8
	memory   = maxStack + maxKept
)

// generator emits the instructions of expressions and collects their features.
type generator struct {
	code     []instr
	features []Feature
	depth    int // values that the stack holds
	deepest  int
	busy     bool // the accumulator holds a value that's still needed
	kept     map[*node]uint16
}

// feature returns the index of a feature, which is new or known.
func (g *generator) feature(f Feature) uint16 {
	for i := range g.features {
		if g.features[i] == f {
			return uint16(i)
		}
	}
	g.features = append(g.features, f)
	return uint16(len(g.features) - 1)
}

// leaf returns how an instruction names a leaf as its operand.
func (g *generator) leaf(n *node) (instr, bool) {
	switch n.op {
	case opConst:
		return instr{mode: fromConst, num: n.num}, true
	case opFeature:
		return instr{mode: fromFeature, arg: g.feature(n.feat)}, true
	}
	slot, ok := g.kept[n]
	return instr{mode: fromKept, arg: slot}, ok
}

func (g *generator) emit(in instr, op opcode) {
	in.op = op
	g.code = append(g.code, in)
}

// value emits what leaves the value of n in the accumulator. What the accumulator held before is saved on the stack.
func (g *generator) value(n *node) {
	if in, ok := g.leaf(n); ok {
		if !g.busy {
			g.busy = true
			g.emit(in, opLoad)
			return
		}
		g.depth++
		g.deepest = max(g.deepest, g.depth)
		g.emit(in, opPush)
		return
	}
	switch len(n.args) {
	case 1:
		g.value(n.args[0])
		g.emit(instr{}, n.op)
	case 2:
		g.pair(n.op, n.args[0], n.args[1])
	case 3:
		g.choice(n)
	}
	if n.uses > 1 && len(g.kept) < maxKept {
		slot := uint16(maxStack + len(g.kept))
		g.kept[n] = slot
		g.emit(instr{arg: slot}, opKeep)
	}
}

// choice emits if(condition, x, y), of which only the one that's wanted is computed: for_you does much for users
// without a history that others needn't pay for. The condition leaves the accumulator free; what it held is on the
// stack.
func (g *generator) choice(n *node) {
	g.value(n.args[0])
	otherwise := g.branch(opJumpUnless, n.args[1])
	end := g.branch(opJump, n.args[2])
	g.code[otherwise].arg = uint16(end - otherwise)
	g.code[end].arg = uint16(len(g.code) - 1 - end)
}

// branch emits a jump, whose place it returns, and after it a value that the jump may pass over. What is kept there
// can't be used elsewhere.
func (g *generator) branch(jump opcode, n *node) int {
	at := len(g.code)
	g.emit(instr{}, jump)
	before := maps.Clone(g.kept)
	g.busy = false
	g.value(n)
	g.kept = before
	return at
}

// pair emits an operation of two operands. A leaf needn't go through the stack, not even on the left.
func (g *generator) pair(op opcode, a, b *node) {
	if in, ok := g.leaf(a); ok && len(b.args) > 0 {
		if turned, ok := mirror(op); ok {
			g.value(b)
			if op == opPow && a.op == opConst && a.num == 2 {
				turned, in = opExp2, instr{}
			}
			g.emit(in, turned)
			return
		}
	}
	g.value(a)
	g.operand(op, b)
}

// operand emits an operation that combines the accumulator with n.
func (g *generator) operand(op opcode, n *node) {
	if in, ok := g.leaf(n); ok {
		g.emit(in, op)
		return
	}
	g.value(n)
	g.emit(instr{mode: fromStack}, op)
	g.depth--
}

// mirror is the operation with its operands exchanged.
func mirror(op opcode) (opcode, bool) {
	switch op {
	case opAdd, opMul, opEqual, opNotEqual, opAnd, opOr:
		return op, true
	case opSub:
		return opSubFrom, true
	case opDiv:
		return opDivFrom, true
	case opPow:
		return opPowFrom, true
	case opLess:
		return opGreater, true
	case opLessEqual:
		return opGreaterEqual, true
	case opGreater:
		return opLess, true
	case opGreaterEqual:
		return opLessEqual, true
	}
	return op, false
}

// run executes instructions and returns the score, if they hold steps, else the expression's value. If terms aren't
// nil, value and delta of each step are entered there.
func run(code []instr, values []float64, terms []Term) (score, acc float64) {
	var mem [memory]float64
	sp, done := 0, 0
	for i := 0; i < len(code); i++ {
		in := &code[i]
		b := in.num
		switch in.mode {
		case fromFeature:
			b = values[in.arg]
		case fromKept:
			b = mem[in.arg&(memory-1)]
		case fromStack:
			b = acc
			sp--
			acc = mem[sp&(memory-1)]
		}
		switch in.op {
		case opLoad:
			acc = b
		case opPush:
			mem[sp&(memory-1)] = acc
			sp++
			acc = b
		case opKeep:
			mem[in.arg&(memory-1)] = acc
		case opAdd:
			acc = finite(acc + b)
		case opSub:
			acc = finite(acc - b)
		case opSubFrom:
			acc = finite(b - acc)
		case opMul:
			acc = finite(float64(acc * b))
		case opDiv:
			if b == 0 {
				b, acc = 1, 0
			}
			acc = finite(acc / b)
		case opDivFrom:
			if acc == 0 {
				acc, b = 1, 0
			}
			acc = finite(b / acc)
		case opPow:
			acc = powerOf(acc, b)
		case opPowFrom:
			acc = powerOf(b, acc)
		case opMin:
			if b < acc {
				acc = b
			}
		case opMax:
			if b > acc {
				acc = b
			}
		case opJump:
			i += int(in.arg)
		case opJumpUnless:
			if acc == 0 {
				i += int(in.arg)
			}
		case opAddStep, opMulStep:
			var delta float64
			if in.op == opAddStep {
				delta, score = addTo(score, acc)
			} else {
				delta, score = multiply(score, acc)
			}
			if terms != nil {
				terms[done].Value, terms[done].Delta = bounded(acc), delta
				done++
			}
		case opNeg:
			acc = -acc
		case opNot, opAbs, opSqrt, opExp, opExp2, opLn, opLog2, opLog10, opSigmoid:
			acc = unary(in.op, acc)
		default:
			acc = binary(in.op, acc, b)
		}
	}
	return score, acc
}
