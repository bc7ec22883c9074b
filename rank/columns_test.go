package rank

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Columns give what rows give, to the bit, over the borders of tiles and where candidates of one tile take different
// branches.
func TestColumnsGiveWhatRowsGive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t)
		n := rapid.SampledFrom([]int{0, 1, 2, tile - 1, tile, tile + 1, 2*tile + 7}).Draw(t, "candidates")
		few := [][]float64{drawValues(t, p.Features()), drawValues(t, p.Features()), drawValues(t, p.Features())}
		rows := make([][]float64, n)
		columns := make([][]float64, len(p.Features()))
		for j := range rows {
			rows[j] = few[0]
			if j%5 == 3 || j >= tile {
				rows[j] = few[1+j%2]
			}
			for i, v := range rows[j] {
				columns[i] = append(columns[i], v)
			}
		}
		early := columns[:p.Early()] // beyond Early a read would panic
		first, scores := make([]float64, n), make([]float64, n)
		passEarly, pass := make([]bool, n), make([]bool, n)
		p.FirstColumns(first, early)
		p.PassEarlyColumns(passEarly, early)
		p.ScoreColumns(scores, columns)
		p.PassColumns(pass, columns)
		for j, row := range rows {
			if !same(first[j], p.First(row)) || !same(scores[j], p.Score(row)) {
				t.Fatalf("candidate %d of %d: columns give %v and %v, rows %v and %v", j, n, first[j], scores[j], p.First(row),
					p.Score(row))
			}
			if passEarly[j] != p.PassEarly(row) || pass[j] != p.Pass(row) {
				t.Fatalf("candidate %d of %d: columns pass %v and %v, rows %v and %v", j, n, passEarly[j], pass[j],
					p.PassEarly(row), p.Pass(row))
			}
		}
	})
}

func same(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// Nothing is allocated per candidate, nor per call.
func TestScoringAllocatesNothing(t *testing.T) {
	p := mustCompile(t, withEmbedding(), "for_you", Params{})
	const n = 300
	values := rows(p, n)
	columns := make([][]float64, len(p.features))
	for i := range columns {
		columns[i] = make([]float64, n)
	}
	dst, pass, terms := make([]float64, n), make([]bool, n), make([]Term, 0, 16)
	for name, do := range map[string]func(){
		"Score":        func() { p.Score(values) },
		"First":        func() { p.First(values) },
		"Pass":         func() { p.Pass(values) },
		"Explain":      func() { terms = p.Explain(terms[:0], values) },
		"FirstColumns": func() { p.FirstColumns(dst, columns) },
		"ScoreColumns": func() { p.ScoreColumns(dst, columns) },
		"PassColumns":  func() { p.PassColumns(pass, columns) },
	} {
		if allocations := testing.AllocsPerRun(10, do); allocations != 0 {
			t.Errorf("%s allocates %v times", name, allocations)
		}
	}
}
