package record

import (
	"fmt"
	"testing"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
)

const benchSignals = 64

// benchRequest is one request of 64 signals with user, creator, two cohorts and a lane.
func benchRequest() ([]Meta, []Signal) {
	metas, signals := make([]Meta, benchSignals), make([]Signal, benchSignals)
	for i := range metas {
		metas[i] = Meta{
			Time: sampleMillis - int64(i), HLC: sampleHead().Base + hlc.Timestamp(i),
			Lane: Lane{Producer: "producer-0017", Request: 123_456, Index: uint32(i)},
		}
		signals[i] = Signal{
			Type: uint16(i % 10), Weight: fixed.One, Item: fmt.Sprintf("item-%08d", i*7919),
			User: fmt.Sprintf("user-%08d", i*104729), Creator: fmt.Sprintf("creator-%d", i), Cohorts: []string{"de", "mobile"},
		}
	}
	metas[0].Content, metas[0].Count = 1, benchSignals
	return metas, signals
}

func encodeBench(b testing.TB, builder *Builder, dst []byte, metas []Meta, signals []Signal) []byte {
	if err := builder.Reset(sampleHead()); err != nil {
		b.Fatal(err)
	}
	for i := range metas {
		if err := builder.AddSignal(&metas[i], &signals[i]); err != nil {
			b.Fatal(err)
		}
	}
	dst, err := builder.Finish(dst)
	if err != nil {
		b.Fatal(err)
	}
	return dst
}

func decodeBench(b testing.TB, data []byte, s *Signal) (sum fixed.Weight) {
	batch, err := Open(data)
	if err != nil {
		b.Fatal(err)
	}
	for rec, err := range batch.Records() {
		if err != nil {
			b.Fatal(err)
		}
		if err := DecodeSignal(rec.Body, s); err != nil {
			b.Fatal(err)
		}
		sum += s.Weight
	}
	return sum
}

func BenchmarkEncode(b *testing.B) {
	metas, signals := benchRequest()
	builder := NewBuilder()
	dst := encodeBench(b, builder, nil, metas, signals)
	b.ReportAllocs()
	for b.Loop() {
		dst = encodeBench(b, builder, dst[:0], metas, signals)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSignals, "ns/signal")
}

func BenchmarkDecode(b *testing.B) {
	metas, signals := benchRequest()
	data := encodeBench(b, NewBuilder(), nil, metas, signals)
	var s Signal
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		decodeBench(b, data, &s)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSignals, "ns/signal")
}

func BenchmarkContentHash(b *testing.B) {
	_, signals := benchRequest()
	request := make([]Proposed, len(signals))
	for i := range request {
		request[i] = Proposed{Kind: KindSignal, Signal: signals[i], HasTime: true, Time: sampleMillis}
	}
	b.ReportAllocs()
	for b.Loop() {
		ContentHash(request)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSignals, "ns/signal")
}

func TestEncodingTakesNoMemoryOnceTheBuffersHaveGrown(t *testing.T) {
	metas, signals := benchRequest()
	builder := NewBuilder()
	dst := encodeBench(t, builder, nil, metas, signals)
	if n := testing.AllocsPerRun(20, func() { dst = encodeBench(t, builder, dst[:0], metas, signals) }); n != 0 {
		t.Errorf("encoding allocates %v times", n)
	}
	var s Signal
	// One table of producers, and the hasher, per batch; nothing per record.
	if n := testing.AllocsPerRun(20, func() { decodeBench(t, dst, &s) }); n > 3 {
		t.Errorf("decoding a batch of %d signals allocates %v times", benchSignals, n)
	}
}
