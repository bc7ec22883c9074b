package rank

import (
	"testing"

	"github.com/tidaldb/tidal/schema"
)

// withEmbedding is the schema of events with vectors, so that every step of for_you is there.
func withEmbedding() *schema.Schema {
	s := schema.Events()
	s.Items.Embeddings = []schema.Embedding{{Name: "content", Dimensions: 64}}
	return s
}

// rows are values of a program's features for n candidates, one after the other.
func rows(p *Program, n int) []float64 {
	values := make([]float64, 0, n*len(p.features))
	for i := range n {
		for j, f := range p.features {
			v := plausible(f, Uniform(uint64(i), uint64(j)))
			if f.Kind == FeatureKnown { // one query, one user
				v = 1
			}
			values = append(values, v)
		}
	}
	return values
}

func BenchmarkScore(b *testing.B) {
	for _, name := range []string{"for_you", "trending", "hot", "rising", "shuffle"} {
		b.Run(name, func(b *testing.B) {
			p := mustCompile(b, withEmbedding(), name, Params{})
			n := len(p.features)
			values := rows(p, 256)
			b.ReportAllocs()
			sum := 0.0
			for i := 0; b.Loop(); i++ {
				at := i % 256 * n
				sum += p.Score(values[at : at+n])
			}
			if sum < 0 {
				b.Fatal("a built-in score is below 0")
			}
		})
	}
}

func BenchmarkFirst(b *testing.B) {
	p := mustCompile(b, withEmbedding(), "for_you", Params{})
	values := rows(p, 1)
	b.ReportAllocs()
	for b.Loop() {
		p.First(values)
	}
}

func BenchmarkExplain(b *testing.B) {
	p := mustCompile(b, withEmbedding(), "for_you", Params{})
	values := rows(p, 1)
	var terms []Term
	b.ReportAllocs()
	for b.Loop() {
		terms = p.Explain(terms[:0], values)
	}
}

func BenchmarkCompile(b *testing.B) {
	s := withEmbedding()
	b.ReportAllocs()
	for b.Loop() {
		p, err := Lookup(s, "for_you", 0)
		if err == nil {
			_, err = Compile(p, s, Params{})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkColumns says what a candidate costs among 2,000, beside BenchmarkFirst and BenchmarkScore.
func BenchmarkColumns(b *testing.B) {
	const n = 2000
	for _, name := range []string{"for_you", "trending", "hot"} {
		p := mustCompile(b, withEmbedding(), name, Params{})
		width := len(p.features)
		values := rows(p, n)
		columns := make([][]float64, width)
		for i := range columns {
			for j := range n {
				columns[i] = append(columns[i], values[j*width+i])
			}
		}
		dst := make([]float64, n)
		perCandidate := func(b *testing.B, do func()) {
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/candidate")
		}
		b.Run(name+"/first/columns", func(b *testing.B) { perCandidate(b, func() { p.FirstColumns(dst, columns) }) })
		b.Run(name+"/first/rows", func(b *testing.B) {
			perCandidate(b, func() {
				for j := range dst {
					dst[j] = p.First(values[j*width : (j+1)*width])
				}
			})
		})
		b.Run(name+"/score/columns", func(b *testing.B) { perCandidate(b, func() { p.ScoreColumns(dst, columns) }) })
		b.Run(name+"/score/rows", func(b *testing.B) {
			perCandidate(b, func() {
				for j := range dst {
					dst[j] = p.Score(values[j*width : (j+1)*width])
				}
			})
		})
	}
}
