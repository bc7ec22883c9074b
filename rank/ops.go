package rank

import "math"

// opcode is an operation on numbers. Conditions are 0 and 1.
type opcode uint8

const (
	opNone opcode = iota
	// Leaves of the tree.
	opConst
	opFeature
	// Of one operand.
	opNeg
	opNot
	opAbs
	opSqrt
	opExp
	opExp2 // 2 ^ x; made of opPow
	opLn
	opLog2
	opLog10
	opSigmoid
	// Of two.
	opAdd
	opSub
	opMul
	opDiv
	opPow
	opMin
	opMax
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opEqual
	opNotEqual
	opAnd
	opOr
	opWilson
	// Of three.
	opClamp // while checking; becomes min and max
	opIf
	// While running only.
	opLoad       // begins an expression
	opPush       // saves the accumulator and begins another one
	opKeep       // puts the accumulator aside
	opJump       // passes over arg instructions
	opJumpUnless // does so if the accumulator is 0
	opSubFrom    // operand − accumulator
	opDivFrom    // operand ÷ accumulator
	opPowFrom    // operand ^ accumulator
	opAddStep    // ends a step that adds
	opMulStep    // ends a step that multiplies
)

// finite makes a number of what isn't one: NaN is 0, an infinity is the largest number of its sign. Every operation
// ends with it, so no operation meets anything but numbers.
func finite(x float64) float64 {
	if x-x == 0 {
		return x
	}
	return repair(x)
}

//go:noinline
func repair(x float64) float64 {
	switch {
	case x > 0:
		return math.MaxFloat64
	case x < 0:
		return -math.MaxFloat64
	}
	return 0
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// quotient is a ÷ b, and 0 where b is 0.
func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return finite(a / b)
}

// powerOf is a ^ b; where that is undefined (a root of a negative number, a negative power of 0) it's 0.
func powerOf(a, b float64) float64 {
	switch {
	case b == 2:
		return finite(float64(a * a))
	case a == 2:
		return finite(math.Exp2(b))
	case a == 0 && b < 0:
		return 0
	}
	return finite(math.Pow(a, b))
}

func unary(op opcode, x float64) float64 {
	switch op {
	case opNeg:
		return -x
	case opNot:
		return truth(x == 0)
	case opAbs:
		return math.Abs(x)
	case opExp:
		return finite(math.Exp(x))
	case opExp2:
		return finite(math.Exp2(x))
	case opSigmoid:
		return finite(1 / (1 + math.Exp(-x)))
	}
	if !(x > 0) { // roots and logarithms of what has none are 0
		return 0
	}
	switch op {
	case opSqrt:
		return math.Sqrt(x)
	case opLn:
		return finite(math.Log(x))
	case opLog2:
		return finite(math.Log2(x))
	case opLog10:
		return finite(math.Log10(x))
	}
	panic("rank: not an operation of one operand")
}

func binary(op opcode, a, b float64) float64 {
	switch op {
	case opAdd:
		return finite(a + b)
	case opSub:
		return finite(a - b)
	case opMul:
		return finite(float64(a * b))
	case opDiv:
		return quotient(a, b)
	case opPow:
		return powerOf(a, b)
	case opMin:
		if b < a {
			return b
		}
		return a
	case opMax:
		if b > a {
			return b
		}
		return a
	case opLess:
		return truth(a < b)
	case opLessEqual:
		return truth(a <= b)
	case opGreater:
		return truth(a > b)
	case opGreaterEqual:
		return truth(a >= b)
	case opEqual:
		return truth(a == b)
	case opNotEqual:
		return truth(a != b)
	case opAnd:
		return truth(a != 0 && b != 0)
	case opOr:
		return truth(a != 0 || b != 0)
	case opWilson:
		return wilson(a, b)
	}
	panic("rank: not an operation of two operands")
}

// wilson is the lower bound of the Wilson score interval at 95 % for pos successes in n trials: how good an item is at
// least, given how few have said so. E. B. Wilson, "Probable inference, the law of succession, and statistical
// inference", JASA 22 (1927); its use for ranking is E. Miller's "How not to sort by average rating" (2009). With
// p = pos/n and z = 1.96:
//
//	(p + z²/2n − z·√((p(1−p) + z²/4n)/n)) / (1 + z²/n)
//
// It's 0 where pos or n isn't above 0; pos is taken as n at most.
func wilson(pos, n float64) float64 {
	const z, zz = 1.96, 1.96 * 1.96
	if !(n > 0 && pos > 0) {
		return 0
	}
	p := min(pos/n, 1)
	spread := math.Sqrt((float64(p*(1-p)) + zz/(4*n)) / n)
	low := (p + zz/(2*n) - float64(z*spread)) / (1 + zz/n)
	if !(low > 0) { // of a tiny n the parts overflow
		return 0
	}
	return low
}
