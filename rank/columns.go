package rank

import "math"

// tile is how many candidates are computed at once; their columns stay in the nearest cache.
const tile = 64

// FirstColumns does what First does for many candidates at once, to the bit: columns[i] holds the values of feature i,
// and dst gets the scores. All columns that are read have the length of dst. A candidate costs a half to a third of
// what it costs by itself.
func (p *Program) FirstColumns(dst []float64, columns [][]float64) {
	eachTile(len(dst), columns, func(m *columnMachine) { m.run(p.first, dst[m.at:m.at+m.n]) })
}

// ScoreColumns does what Score does for many candidates at once; see FirstColumns.
func (p *Program) ScoreColumns(dst []float64, columns [][]float64) {
	eachTile(len(dst), columns, func(m *columnMachine) { m.run(p.code, dst[m.at:m.at+m.n]) })
}

// PassEarlyColumns does what PassEarly does for many candidates at once; see FirstColumns.
func (p *Program) PassEarlyColumns(dst []bool, columns [][]float64) {
	eachTile(len(dst), columns, func(m *columnMachine) {
		pass := dst[m.at : m.at+m.n]
		for j := range pass {
			pass[j] = true
		}
		m.gates(p.passEarly, pass)
	})
}

// PassColumns does what Pass does for many candidates at once; see FirstColumns.
func (p *Program) PassColumns(dst []bool, columns [][]float64) {
	p.PassEarlyColumns(dst, columns)
	if len(p.passLate) > 0 {
		eachTile(len(dst), columns, func(m *columnMachine) { m.gates(p.passLate, dst[m.at:m.at+m.n]) })
	}
}

func eachTile(n int, columns [][]float64, do func(*columnMachine)) {
	m := columnMachine{columns: columns}
	for m.at = 0; m.at < n; m.at += tile {
		m.n = min(tile, n-m.at)
		do(&m)
	}
}

// columnMachine is the machine of run with columns in place of numbers. The accumulator is the top of the stack.
type columnMachine struct {
	columns [][]float64
	at, n   int // the tile
	mem     [memory + 1][tile]float64
	consts  [tile]float64
	sp      int
}

// run computes scores or, of code without steps, an expression's values within the bounds of scores.
func (m *columnMachine) run(code []instr, dst []float64) {
	m.sp = 0
	clear(dst)
	scores := false
	for i := 0; i < len(code); i++ {
		in := &code[i]
		switch in.op {
		case opPush:
			m.sp++
			copy(m.acc(), m.operand(in))
		case opLoad:
			copy(m.acc(), m.operand(in))
		case opKeep:
			copy(m.mem[in.arg+1][:m.n], m.acc())
		case opJump:
			i += int(in.arg)
		case opJumpUnless:
			switch zeros := m.zeros(); {
			case zeros == m.n:
				i += int(in.arg)
			case zeros > 0: // the branch is taken for some candidates and not for others
				m.rowByRow(code, dst)
				return
			}
		case opAddStep:
			scores = true
			for j, x := range m.acc() {
				_, dst[j] = addTo(dst[j], x)
			}
		case opMulStep:
			scores = true
			for j, x := range m.acc() {
				_, dst[j] = multiply(dst[j], x)
			}
		default:
			m.operation(in)
		}
	}
	if !scores && len(code) > 0 {
		for j, x := range m.acc() {
			dst[j] = bounded(x)
		}
	}
}

// rowByRow computes a tile one candidate after the other.
func (m *columnMachine) rowByRow(code []instr, dst []float64) {
	var row [maxFeatures]float64
	end := code[len(code)-1].op
	for j := range dst {
		for i, c := range m.columns {
			row[i] = c[m.at+j]
		}
		score, x := run(code, row[:len(m.columns)], nil)
		if end != opAddStep && end != opMulStep {
			score = bounded(x)
		}
		dst[j] = score
	}
}

// gates takes pass from the candidates that one of the gates holds back.
func (m *columnMachine) gates(gates []gate, pass []bool) {
	var holds [tile]float64
	for i := range gates {
		m.run(gates[i].code, holds[:m.n])
		for j := range pass {
			pass[j] = pass[j] && holds[j] != 0
		}
	}
}

func (m *columnMachine) zeros() (n int) {
	for _, x := range m.acc() {
		if x == 0 {
			n++
		}
	}
	return n
}

func (m *columnMachine) acc() []float64 { return m.mem[m.sp][:m.n] }

// operand is the column of an instruction's operand.
func (m *columnMachine) operand(in *instr) []float64 {
	switch in.mode {
	case fromFeature:
		return m.columns[in.arg][m.at : m.at+m.n]
	case fromKept:
		return m.mem[in.arg+1][:m.n]
	case fromStack:
		m.sp--
		return m.mem[m.sp+1][:m.n]
	}
	b := m.consts[:m.n]
	for j := range b {
		b[j] = in.num
	}
	return b
}

// unary changes the accumulator. The two functions that built-in profiles use most have loops of their own.
func (m *columnMachine) unary(op opcode) {
	a := m.acc()
	switch op {
	case opExp2:
		for j, x := range a {
			a[j] = finite(math.Exp2(x))
		}
	case opLog10:
		for j, x := range a {
			if a[j] = 0; x > 0 {
				a[j] = finite(math.Log10(x))
			}
		}
	default:
		for j, x := range a {
			a[j] = unary(op, x)
		}
	}
}

// operation combines the accumulator with an operand.
func (m *columnMachine) operation(in *instr) {
	switch in.op {
	case opNeg, opNot, opAbs, opSqrt, opExp, opExp2, opLn, opLog2, opLog10, opSigmoid:
		m.unary(in.op)
		return
	}
	b := m.operand(in)
	a := m.acc()
	b = b[:len(a)]
	switch in.op {
	case opAdd:
		for j := range a {
			a[j] = finite(a[j] + b[j])
		}
	case opSub:
		for j := range a {
			a[j] = finite(a[j] - b[j])
		}
	case opSubFrom:
		for j := range a {
			a[j] = finite(b[j] - a[j])
		}
	case opMul:
		for j := range a {
			a[j] = finite(float64(a[j] * b[j]))
		}
	case opDiv:
		for j := range a {
			a[j] = quotient(a[j], b[j])
		}
	case opDivFrom:
		for j := range a {
			a[j] = quotient(b[j], a[j])
		}
	case opPowFrom:
		for j := range a {
			a[j] = powerOf(b[j], a[j])
		}
	case opMin:
		for j := range a {
			if b[j] < a[j] {
				a[j] = b[j]
			}
		}
	case opMax:
		for j := range a {
			if b[j] > a[j] {
				a[j] = b[j]
			}
		}
	default:
		for j := range a {
			a[j] = binary(in.op, a[j], b[j])
		}
	}
}
