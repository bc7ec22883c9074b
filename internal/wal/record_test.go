package wal

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawRecord draws any record that a writer could have written.
func drawRecord(t *rapid.T) record {
	data := rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, "data")
	index := rapid.Uint64Range(1, maxFirst).Draw(t, "index")
	term := rapid.Uint64().Draw(t, "term")
	sequence := rapid.Uint32Range(1, 9).Draw(t, "sequence")
	switch kind := Kind(rapid.IntRange(2, 7).Draw(t, "kind")); kind {
	case KindHardState:
		r := hardStateRecord(HardState{Term: term, Vote: index, Commit: term / 2})
		r.sequence = sequence
		return r
	case KindMark:
		at := int64(index)
		return markAt(sequence, rapid.Int64Range(0, at).Draw(t, "durable"), at)
	case KindTruncation:
		return record{kind: kind, sequence: sequence, index: index, data: []byte{}}
	case KindEmpty:
		return record{kind: kind, sequence: sequence, term: term, index: index, data: []byte{}}
	default:
		return record{kind: kind, sequence: sequence, term: term, index: index, data: data}
	}
}

func TestARecordDecodesToWhatWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		b := appendRecord(nil, r)
		if len(b)%align != 0 || int64(len(b)) != size(len(r.data)) {
			t.Fatalf("record with %d bytes of payload takes %d", len(r.data), len(b))
		}
		got, n, v, why := decodeRecord(append(slices.Clone(b), 1, 2, 3), r.sequence)
		if v != whole || n != int64(len(b)) {
			t.Fatalf("verdict %d, %d bytes: %s", v, n, why)
		}
		if !bytes.Equal(got.data, r.data) {
			t.Fatalf("data %x became %x", r.data, got.data)
		}
		got.data, r.data = nil, nil
		if got.kind != r.kind || got.term != r.term || got.index != r.index || got.sequence != r.sequence {
			t.Fatalf("%+v became %+v", r, got)
		}
		if _, _, v, _ := decodeRecord(b, r.sequence+1); v != broken {
			t.Fatalf("record of another file: verdict %d", v)
		}
	})
}

func TestEverySingleBitFlipOfARecordIsNoticed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		b := appendRecord(nil, r)
		for bit := range len(b) * 8 {
			b[bit/8] ^= 1 << (bit % 8)
			if _, _, v, _ := decodeRecord(b, r.sequence); v != broken {
				t.Fatalf("bit %d of %d flipped: verdict %d", bit, len(b)*8, v)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	})
}

func TestEveryPrefixOfARecordIsBroken(t *testing.T) {
	b := appendRecord(nil, record{kind: KindBatch, sequence: 1, term: 1, index: 1, data: []byte("hello")})
	for n := 1; n < len(b); n++ {
		if _, _, v, _ := decodeRecord(b[:n], 1); v != broken {
			t.Fatalf("first %d bytes: verdict %d", n, v)
		}
	}
}

func TestKindsOfANewerProgramAreToldFromDamage(t *testing.T) {
	for name, r := range map[string]record{
		"kind":         {kind: 8, sequence: 1, index: 1},
		"flags":        {kind: KindBatch, flags: 1, sequence: 1, index: 1},
		"header flags": {kind: KindSegment, flags: 2, sequence: 1, index: 1},
	} {
		if _, _, v, why := decodeRecord(appendRecord(nil, r), 1); v != newer {
			t.Errorf("%s: verdict %d, %s", name, v, why)
		}
	}
}

func TestASegmentHeaderDecodesToWhatWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := segmentHeader{
			identity:   testIdentity,
			sequence:   rapid.Uint32Range(1, 1<<32-1).Draw(t, "sequence"),
			first:      rapid.Uint64Range(1, maxFirst).Draw(t, "first"),
			term:       rapid.Uint64().Draw(t, "term"),
			restart:    rapid.Bool().Draw(t, "restart"),
			prevFirst:  rapid.Uint64().Draw(t, "prevFirst"),
			prevLength: rapid.Uint64().Draw(t, "prevLength"),
			hardState: HardState{
				rapid.Uint64().Draw(t, "hsTerm"), rapid.Uint64().Draw(t, "vote"), rapid.Uint64().Draw(t, "commit"),
			},
		}
		h.identity.Tenant = string(rapid.SliceOfN(rapid.Byte(), 0, 512).Draw(t, "tenant"))
		b := appendRecord(nil, h.record())
		got, err := decodeSegmentHeader("f", b)
		if err != nil || got != h {
			t.Fatalf("%+v became %+v, %v", h, got, err)
		}
	})
}
