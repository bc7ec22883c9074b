package retention

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/id"
)

func TestSpansAreCutAtTheBordersOfBatches(t *testing.T) {
	a, b := id.Origin{Region: 1}, id.Origin{Region: 2}
	batches := []Batch{
		{Span: Span{Origin: b, First: 1, Last: 5}, Bytes: 10},
		{Span: Span{Origin: a, First: 1, Last: 4}, Bytes: 10},
		{Span: Span{Origin: a, First: 5, Last: 5}, Bytes: 10},
		{Span: Span{Origin: a, First: 6, Last: 9}, Bytes: 10},
		{Span: Span{Origin: a, First: 6, Last: 9}, Bytes: 10},
		{Span: Span{Origin: a, First: 14, Last: 20}, Bytes: 50},
		{Span: Span{Origin: a, First: 21, Last: 22}, Bytes: 10},
	}
	for _, c := range []struct {
		span  Span
		limit int64
		want  string
	}{
		{Span{Origin: a, First: 1, Last: 9}, 0, "1-9 "},
		{Span{Origin: a, First: 2, Last: 8}, 0, "5-5 "},
		{Span{Origin: a, First: 1, Last: 30}, 0, "1-9 14-22 "},
		{Span{Origin: a, First: 1, Last: 30}, 20, "1-5 6-9 14-20 21-22 "},
		{Span{Origin: a, First: 7, Last: 13}, 0, ""},
		{Span{Origin: b, First: 1, Last: 5}, 0, "1-5 "},
		{Span{Origin: b, First: 1, Last: 4}, 0, ""},
	} {
		got := ""
		for _, s := range Cut([]Span{c.span}, batches, c.limit) {
			if s.Origin != c.span.Origin {
				t.Errorf("%v: a stretch of %v", c.span, s.Origin)
			}
			got += fmt.Sprintf("%d-%d ", s.First, s.Last)
		}
		if got != c.want {
			t.Errorf("%v, limit %d: %q, want %q", c.span, c.limit, got, c.want)
		}
	}
}

// TestEveryWholeBatchOfASpanIsInOneStretch holds Cut against the definition.
func TestEveryWholeBatchOfASpanIsInOneStretch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var batches []Batch
		for origin := range 2 {
			next := id.Seq(1)
			for range rapid.IntRange(0, 12).Draw(t, "batches") {
				next += id.Seq(rapid.SampledFrom([]int{0, 0, 0, 3}).Draw(t, "gap"))
				last := next + id.Seq(rapid.IntRange(0, 5).Draw(t, "length"))
				batches = append(batches, Batch{
					Span:  Span{Origin: id.Origin{Region: id.Region(origin)}, First: next, Last: last},
					Bytes: rapid.Int64Range(1, 40).Draw(t, "bytes"),
				})
				next = last + 1
			}
		}
		var spans []Span
		for range rapid.IntRange(0, 4).Draw(t, "spans") {
			first := id.Seq(rapid.IntRange(1, 40).Draw(t, "first"))
			spans = append(spans, Span{
				Origin: id.Origin{Region: id.Region(rapid.IntRange(0, 1).Draw(t, "origin"))},
				First:  first, Last: first + id.Seq(rapid.IntRange(0, 30).Draw(t, "length")),
			})
		}
		limit := rapid.SampledFrom([]int64{0, 30, 60}).Draw(t, "limit")
		cut := Cut(spans, rapid.Permutation(batches).Draw(t, "order"), limit)
		covered := func(s Span, seq id.Seq) bool {
			return slices.ContainsFunc(spans, func(x Span) bool {
				return x.Origin == s.Origin && x.First <= seq && seq <= x.Last
			})
		}
		var bytes [100]int64
		for _, b := range batches {
			whole := true
			for seq := b.First; seq <= b.Last; seq++ {
				whole = whole && covered(b.Span, seq)
			}
			in := 0
			for i, s := range cut {
				switch {
				case s.Origin != b.Origin || b.Last < s.First || s.Last < b.First:
				case b.First < s.First || s.Last < b.Last:
					t.Fatalf("stretch %v cuts batch %v", s, b)
				default:
					in++
					bytes[i] += b.Bytes
				}
			}
			if in > 1 || (in == 1) != whole {
				t.Fatalf("batch %v is in %d stretches; inside a span: %v", b, in, whole)
			}
		}
		for i, s := range cut {
			for seq := s.First; seq <= s.Last; seq++ {
				if !slices.ContainsFunc(batches, func(b Batch) bool {
					return b.Origin == s.Origin && b.First <= seq && seq <= b.Last
				}) {
					t.Fatalf("stretch %v holds number %d, which is in no batch", s, seq)
				}
			}
			single := slices.ContainsFunc(batches, func(b Batch) bool { return b.Span == s })
			if limit > 0 && bytes[i] > limit && !single {
				t.Fatalf("stretch %v has %d bytes, above %d", s, bytes[i], limit)
			}
		}
	})
}
