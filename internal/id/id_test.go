package id

import (
	"cmp"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
)

// edges draws numbers with the ends of their range and of the varint lengths over-represented.
func edges[T ~uint16 | ~uint32 | ~uint64](limit T) *rapid.Generator[T] {
	return rapid.OneOf(
		rapid.SampledFrom([]T{0, 1, 9, 10, 127, 128, limit - 1, limit}),
		rapid.Map(rapid.Uint64Max(uint64(limit)), func(v uint64) T { return T(v) }),
	)
}

func origins() *rapid.Generator[Origin] {
	return rapid.Custom(func(t *rapid.T) Origin {
		return Origin{
			Region:      edges(Region(math.MaxUint16)).Draw(t, "region"),
			Shard:       edges(Shard(math.MaxUint16)).Draw(t, "shard"),
			Incarnation: edges(Incarnation(math.MaxUint32)).Draw(t, "incarnation"),
		}
	})
}

func positions() *rapid.Generator[Position] {
	return rapid.Custom(func(t *rapid.T) Position {
		return origins().Draw(t, "origin").At(edges(Seq(math.MaxUint64)).Draw(t, "seq"))
	})
}

func TestOriginsAndPositionsReadBackAsPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := positions().Draw(t, "position")
		if o, err := ParseOrigin(p.Origin().String()); err != nil || o != p.Origin() {
			t.Fatalf("origin %v read back as %v, %v", p.Origin(), o, err)
		}
		if q, err := ParsePosition(p.String()); err != nil || q != p {
			t.Fatalf("position %v read back as %v, %v", p, q, err)
		}
		if o := UnpackOrigin(p.Origin().Packed()); o != p.Origin() {
			t.Fatalf("origin %v unpacks as %v", p.Origin(), o)
		}
	})
}

func TestPrintedForms(t *testing.T) {
	for _, c := range []struct {
		p    Position
		want string
	}{
		{Position{}, "0:0:0"},
		{Position{Region: 2, Shard: 7, Seq: 19}, "2:7:19"},
		{Position{Region: 2, Shard: 7, Incarnation: 3, Seq: 19}, "2:7.3:19"},
		{Position{65535, 65535, math.MaxUint32, math.MaxUint64}, "65535:65535.4294967295:18446744073709551615"},
	} {
		if got := c.p.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestOnlyPrintedFormsAreRead(t *testing.T) {
	for _, s := range []string{
		"", ":", "::", "1", "1:", ":1", "1:2", "1:2:", ":2:3", "1::3", "01:2:3", "1:02:3", "1:2:03", "+1:2:3", "-1:2:3",
		"1:2.0:3", "1:2.:3", "1:2.01:3", "1:2.3.4:5", "65536:0:1", "0:65536:1", "0:0.4294967296:1",
		"0:0:18446744073709551616", " 1:2:3", "1:2:3 ", "1:2:3:4", "1.2:3:4", "１:2:3",
	} {
		if p, err := ParsePosition(s); !errors.Is(err, fault.ErrInput) {
			t.Errorf("position %q was read as %v, %v", s, p, err)
		}
	}
	for _, s := range []string{"", "1", "1:", "1:2:3", "1:2.0", "01:2", "1:2.", "1:65536"} {
		if o, err := ParseOrigin(s); !errors.Is(err, fault.ErrInput) {
			t.Errorf("origin %q was read as %v, %v", s, o, err)
		}
	}
}

func TestOrderIsByRegionShardIncarnationSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := positions().Draw(t, "p"), positions().Draw(t, "q")
		if rapid.Bool().Draw(t, "same origin") {
			q = p.Origin().At(q.Seq)
		}
		origin := cmp.Or(cmp.Compare(p.Region, q.Region), cmp.Compare(p.Shard, q.Shard),
			cmp.Compare(p.Incarnation, q.Incarnation))
		if got := p.Origin().Compare(q.Origin()); got != origin {
			t.Fatalf("%v against %v: %d, want %d", p.Origin(), q.Origin(), got, origin)
		}
		if got := cmp.Compare(p.Origin().Packed(), q.Origin().Packed()); got != origin {
			t.Fatalf("packed %v against %v: %d, want %d", p.Origin(), q.Origin(), got, origin)
		}
		want := cmp.Or(origin, cmp.Compare(p.Seq, q.Seq))
		if got := p.Compare(q); got != want || q.Compare(p) != -want {
			t.Fatalf("%v against %v: %d, want %d", p, q, got, want)
		}
	})
}

func TestKindsReadBackAsPrinted(t *testing.T) {
	for k := Kind(0); k < 10; k++ {
		parsed, err := ParseKind(k.String())
		valid := k >= 1 && k <= Kinds
		if k.Valid() != valid || (err == nil) != valid || valid && parsed != k {
			t.Errorf("%d (%v): valid %v, read back as %v, %v", k, k, k.Valid(), parsed, err)
		}
		if !valid && !errors.Is(err, fault.ErrInput) {
			t.Errorf("%v: %v is not a refusal", k, err)
		}
	}
	if KindItem != 1 || KindUser != 2 || KindCreator != 3 {
		t.Error("the numbers of kinds are part of the formats on disk")
	}
}

func TestIdsHaveOneTo512Bytes(t *testing.T) {
	for _, c := range []struct {
		id string
		ok bool
	}{
		{"", false},
		{"a", true},
		{"\x00", true},
		{"\xff\xfe", true},
		{strings.Repeat("x", MaxLen), true},
		{strings.Repeat("x", MaxLen+1), false},
	} {
		err := Check("item", c.id)
		if (err == nil) != c.ok {
			t.Errorf("%d bytes: %v", len(c.id), err)
		}
		var in *fault.Input
		if err != nil && (!errors.As(err, &in) || in.Field != "item") {
			t.Errorf("%v does not name its field", err)
		}
	}
}

func TestZeroPositionNamesNoEvent(t *testing.T) {
	if !(Position{Region: 1}).IsZero() || (Position{Seq: 1}).IsZero() {
		t.Error("a position is zero iff its sequence number is 0")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0:0:1", "1:2.3:4", "-", "0:0:1,0:0.1:9", "user", "65535:65535.4294967295:18446744073709551615"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if o, err := ParseOrigin(s); err == nil && o.String() != s {
			t.Errorf("origin %q prints as %q", s, o)
		}
		if p, err := ParsePosition(s); err == nil && p.String() != s {
			t.Errorf("position %q prints as %q", s, p)
		}
		if v, err := ParseVersionVector(s); err == nil && v.String() != s {
			t.Errorf("vector %q prints as %q", s, v)
		}
		if k, err := ParseKind(s); err == nil && k.String() != s {
			t.Errorf("kind %q prints as %q", s, k)
		}
	})
}
