package algebra_test

import (
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
)

// benchCell is a cell as the engine meets it: ten buckets, two half-lives with two epochs each.
func benchCell(tb testing.TB) (shape algebra.Shape, encoded []byte, mark int64) {
	shape = algebra.Shape{HalfLives: []int64{6 * hour, day}, Buckets: true}
	mark = int64(2560)*8*day + 40*minute // early in both epochs
	var s algebra.SignalState
	for i := range int64(7) {
		s.Add(shape, mark-5*i*minute, fixed.One)
	}
	for i := range int64(3) {
		s.Add(shape, mark-(3+i)*hour, 3*fixed.One)
	}
	return shape, s.AppendBinary(nil), mark
}

func TestTheHotPathDoesNotAllocate(t *testing.T) {
	shape, encoded, mark := benchCell(t)
	var s algebra.SignalState
	var dst []byte
	step := func() {
		if err := algebra.DecodeSignalState(encoded, &s); err != nil {
			t.Fatal(err)
		}
		s.Add(shape, mark+minute, fixed.One)
		dst = s.AppendBinary(dst[:0])
	}
	step()
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("decode, add and encode allocate %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		s.Score(day, mark)
		s.LogScore(day)
		s.Count(algebra.W24h, mark)
	}); n != 0 {
		t.Errorf("reads allocate %v times", n)
	}
}

func BenchmarkDecodeAddEncode(b *testing.B) {
	shape, encoded, mark := benchCell(b)
	var s algebra.SignalState
	var dst []byte
	b.ReportAllocs()
	b.ReportMetric(float64(len(encoded)), "bytes/cell")
	for b.Loop() {
		if err := algebra.DecodeSignalState(encoded, &s); err != nil {
			b.Fatal(err)
		}
		s.Add(shape, mark+second, fixed.One)
		dst = s.AppendBinary(dst[:0])
	}
}

func BenchmarkDecode(b *testing.B) {
	_, encoded, _ := benchCell(b)
	var s algebra.SignalState
	b.ReportAllocs()
	for b.Loop() {
		if err := algebra.DecodeSignalState(encoded, &s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	shape, encoded, mark := benchCell(b)
	var s algebra.SignalState
	if err := algebra.DecodeSignalState(encoded, &s); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Add(shape, mark, fixed.One)
	}
}

func BenchmarkEncode(b *testing.B) {
	_, encoded, _ := benchCell(b)
	var s algebra.SignalState
	if err := algebra.DecodeSignalState(encoded, &s); err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = s.AppendBinary(dst[:0])
	}
}

func BenchmarkScore(b *testing.B) {
	_, encoded, mark := benchCell(b)
	var s algebra.SignalState
	if err := algebra.DecodeSignalState(encoded, &s); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Score(day, mark+hour)
	}
}

func BenchmarkLogScore(b *testing.B) {
	_, encoded, _ := benchCell(b)
	var s algebra.SignalState
	if err := algebra.DecodeSignalState(encoded, &s); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.LogScore(day)
	}
}

func BenchmarkMerge(b *testing.B) {
	_, encoded, _ := benchCell(b)
	var s, o algebra.SignalState
	if err := algebra.DecodeSignalState(encoded, &o); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Merge(&o)
	}
}
