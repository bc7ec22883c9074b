package id

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
)

// fewOrigins makes vectors overlap.
func fewOrigins() *rapid.Generator[Origin] {
	return rapid.Custom(func(t *rapid.T) Origin {
		return Origin{
			Region:      Region(rapid.IntRange(0, 2).Draw(t, "region")),
			Shard:       Shard(rapid.SampledFrom([]int{0, 1, 65535}).Draw(t, "shard")),
			Incarnation: Incarnation(rapid.IntRange(0, 1).Draw(t, "incarnation")),
		}
	})
}

// model is a vector's slow twin.
type model map[Origin]Seq

// vectors draws a vector together with its model, built by With in random order, removals included.
func vectors(t *rapid.T, label string) (VersionVector, model) {
	var v VersionVector
	m := model{}
	for range rapid.IntRange(0, 12).Draw(t, label+" steps") {
		o := fewOrigins().Draw(t, "origin")
		seq := rapid.OneOf(rapid.SampledFrom([]Seq{0, 1, 127, 128, math.MaxUint64}),
			rapid.Map(rapid.Uint64Max(5), func(n uint64) Seq { return Seq(n) })).Draw(t, "seq")
		v, m[o] = v.With(o, seq), seq
		if seq == 0 {
			delete(m, o)
		}
	}
	return v, m
}

func (m model) check(t *rapid.T, what string, v VersionVector) {
	t.Helper()
	got := model(maps.Collect(v.All))
	if !maps.Equal(got, m) || v.Len() != len(m) {
		t.Fatalf("%s: got %v, want %v", what, v, m)
	}
	var order []Origin
	for o := range v.All {
		order = append(order, o)
	}
	if !slices.IsSortedFunc(order, Origin.Compare) {
		t.Fatalf("%s: %v is out of order", what, v)
	}
}

func TestVectorBehavesAsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, m := vectors(t, "v")
		m.check(t, "With", v)
		o := fewOrigins().Draw(t, "o")
		if v.Get(o) != m[o] {
			t.Fatalf("Get(%v) = %d, want %d", o, v.Get(o), m[o])
		}
		seq := Seq(rapid.Uint64Max(130).Draw(t, "seq"))
		if v.Covers(o.At(seq)) != (m[o] >= seq) {
			t.Fatalf("%v covers %v: %v", v, o.At(seq), v.Covers(o.At(seq)))
		}
	})
}

func TestMergeIsTheLeastUpperBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, ma := vectors(t, "a")
		b, mb := vectors(t, "b")
		c, _ := vectors(t, "c")
		union := maps.Clone(ma)
		for o, seq := range mb {
			union[o] = max(union[o], seq)
		}
		ab := a.Merge(b)
		union.check(t, "Merge", ab)
		ma.check(t, "a after Merge", a)
		mb.check(t, "b after Merge", b)

		switch {
		case !ab.Equal(b.Merge(a)):
			t.Fatal("Merge doesn't commute")
		case !ab.Merge(c).Equal(a.Merge(b.Merge(c))):
			t.Fatal("Merge doesn't associate")
		case !ab.Merge(a).Equal(ab) || !a.Merge(a).Equal(a):
			t.Fatal("Merge isn't idempotent")
		case !ab.Includes(a) || !ab.Includes(b):
			t.Fatal("the union doesn't include its parts")
		case c.Includes(a) && c.Includes(b) && !c.Includes(ab):
			t.Fatal("the union isn't the least one")
		}
	})
}

func TestIncludesIsAPartialOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, ma := vectors(t, "a")
		b, mb := vectors(t, "b")
		want := true
		for o, seq := range mb {
			want = want && ma[o] >= seq
		}
		if a.Includes(b) != want {
			t.Fatalf("%v includes %v: %v, want %v", a, b, a.Includes(b), want)
		}
		if a.Includes(b) && b.Includes(a) != a.Equal(b) {
			t.Fatalf("%v and %v include each other but differ", a, b)
		}
		if a.Equal(b) != maps.Equal(ma, mb) {
			t.Fatalf("%v equals %v: %v", a, b, a.Equal(b))
		}
	})
}

// Vectors share memory, so an operation on one must never show in another.
func TestVectorsNeverChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, m := vectors(t, "v")
		want := maps.Clone(m)
		for range 6 {
			w := v.With(fewOrigins().Draw(t, "origin"), Seq(rapid.Uint64Max(3).Draw(t, "seq")))
			w.With(fewOrigins().Draw(t, "origin 2"), 77)
			want.check(t, "v", v)
		}
	})
}

func TestVectorReadsBackAsPrintedAndEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, _ := vectors(t, "v")
		if w, err := ParseVersionVector(v.String()); err != nil || !w.Equal(v) {
			t.Fatalf("%v read back as %v, %v", v, w, err)
		}
		tail := rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "tail")
		w, rest, err := DecodeVersionVector(append(v.AppendBinary(nil), tail...))
		if err != nil || !w.Equal(v) || !bytes.Equal(rest, tail) {
			t.Fatalf("%v decoded as %v, rest %x, %v", v, w, rest, err)
		}
		if enc := v.AppendBinary([]byte("prefix")); !bytes.HasPrefix(enc, []byte("prefix")) {
			t.Fatal("AppendBinary overwrote its prefix")
		}
	})
}

func TestEveryCutOfAnEncodingIsRefused(t *testing.T) {
	v := VersionVector{}.With(Origin{1, 2, 3}, 300).With(Origin{0, 0, 0}, 1).With(Origin{9, 0, 1}, math.MaxUint64)
	enc := v.AppendBinary(nil)
	for n := range enc {
		if w, _, err := DecodeVersionVector(enc[:n]); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%d of %d bytes decode as %v, %v", n, len(enc), w, err)
		}
	}
}

func TestOnlyCanonicalVectorsAreAccepted(t *testing.T) {
	entry := func(b []byte, o Origin, seq uint64) []byte {
		return binary.AppendUvarint(binary.BigEndian.AppendUint64(b, o.Packed()), seq)
	}
	for name, enc := range map[string][]byte{
		"empty input":        {},
		"long count":         {0x80, 0x00},
		"endless count":      bytes.Repeat([]byte{0xff}, 11),
		"huge count":         binary.AppendUvarint(nil, math.MaxUint64),
		"zero sequence":      entry([]byte{1}, Origin{}, 0),
		"long sequence":      append(binary.BigEndian.AppendUint64([]byte{1}, 5), 0x81, 0x00),
		"falling":            entry(entry([]byte{2}, Origin{Shard: 1}, 4), Origin{}, 4),
		"twice":              entry(entry([]byte{2}, Origin{}, 4), Origin{}, 5),
		"count beyond bytes": entry([]byte{2}, Origin{}, 4),
	} {
		if v, _, err := DecodeVersionVector(enc); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s: decoded as %v, %v", name, v, err)
		}
	}
	for _, s := range []string{"", ",", "-,", "0:0:0", "0:0:1,", "0:1:1,0:0:1", "0:0:1,0:0:2", "0:0:1 ,0:1:1", "0:0:01"} {
		if v, err := ParseVersionVector(s); !errors.Is(err, fault.ErrInput) {
			t.Errorf("%q was read as %v, %v", s, v, err)
		}
	}
}

func TestAllStopsWhenAsked(t *testing.T) {
	v := VersionVector{}.With(Origin{}, 1).With(Origin{Shard: 1}, 1)
	n := 0
	for range v.All {
		n++
		break
	}
	if n != 1 {
		t.Errorf("the loop ran %d times after a break", n)
	}
}

func FuzzDecodeVersionVector(f *testing.F) {
	f.Add([]byte{0})
	f.Add(VersionVector{}.With(Origin{1, 2, 3}, 300).With(Origin{}, 1).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := DecodeVersionVector(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("%v is not a corruption error", err)
			}
			return
		}
		if enc := append(v.AppendBinary(nil), rest...); !bytes.Equal(enc, b) {
			t.Fatalf("%x decodes to %v, which encodes as %x", b, v, enc)
		}
	})
}
