package fixed_test

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
)

func TestInt128AgreesWithBigIntegers(t *testing.T) {
	r := newRand(t)
	for range 100_000 {
		a := fixed.Int128{Hi: int64(word(r)), Lo: word(r)}
		b := fixed.Int128{Hi: int64(word(r)), Lo: word(r)}
		x, y := bigInt(a), bigInt(b)
		n := uint(r.IntN(140))
		for _, c := range []struct {
			name string
			ok   bool
		}{
			{"Add", a.Add(b) == wrap(new(big.Int).Add(x, y))},
			{"Sub", a.Sub(b) == wrap(new(big.Int).Sub(x, y))},
			{"Neg", a.Neg() == wrap(new(big.Int).Neg(x))},
			{"Add then Sub", a.Add(b).Sub(b) == a},
			{"Sign", a.Sign() == x.Sign()},
			{"IsZero", a.IsZero() == (x.Sign() == 0)},
			{"Cmp", a.Cmp(b) == x.Cmp(y)},
			{"IsInt64", a.IsInt64() == x.IsInt64()},
			{"String", a.String() == x.String()},
			{"Shr", bigInt(a.Shr(n)).Cmp(new(big.Int).Rsh(x, n)) == 0},
		} {
			if !c.ok {
				t.Fatalf("%s is wrong for %v and %v (n = %d)", c.name, x, y, n)
			}
		}
		total := new(big.Int).Add(x, y)
		if got, ok := a.AddExact(b); ok != (bigInt(wrap(total)).Cmp(total) == 0) || got != wrap(total) {
			t.Fatalf("%v.AddExact(%v) = %v, %v", x, y, got, ok)
		}
		small := a.Shr(uint(r.IntN(128)))
		exact := new(big.Int).Lsh(bigInt(small), n)
		shifted, fits := small.Shl(n)
		if want := exact.Cmp(bigInt(wrap(exact))) == 0; fits != want || fits && bigInt(shifted).Cmp(exact) != 0 {
			t.Fatalf("%v.Shl(%d) = %v, %v", small, n, shifted, fits)
		}
	}
}

func TestInt128FromInt64(t *testing.T) {
	for _, v := range []int64{0, 1, -1, math.MaxInt64, math.MinInt64} {
		a := fixed.FromInt64(v)
		if !a.IsInt64() || a.Int64() != v || bigInt(a).Cmp(big.NewInt(v)) != 0 {
			t.Errorf("FromInt64(%d) = %v", v, a)
		}
	}
}

func TestInt128EncodingRoundTripsAndIsShort(t *testing.T) {
	r := newRand(t)
	check := func(a fixed.Int128) {
		enc := a.AppendBinary([]byte("x"))
		got, rest, err := fixed.DecodeInt128(append(enc[1:len(enc):len(enc)], "rest"...))
		if err != nil || got != a || string(rest) != "rest" {
			t.Fatalf("%v comes back as %v, rest %q, %v", a, got, rest, err)
		}
		// zigzag takes one bit more than the magnitude of a, or of −a−1 when negative.
		length := bigInt(a).BitLen()
		if a.Sign() < 0 {
			length = bigInt(a.Neg().Sub(fixed.FromInt64(1))).BitLen()
		}
		if want := max(1, (length+1+6)/7); len(enc)-1 != want {
			t.Fatalf("%v takes %d bytes, want %d", a, len(enc)-1, want)
		}
	}
	check(fixed.Int128{Hi: math.MinInt64})
	check(fixed.Int128{Hi: math.MaxInt64, Lo: math.MaxUint64})
	for range 100_000 {
		check(fixed.Int128{Hi: int64(word(r)), Lo: word(r)}.Shr(uint(r.IntN(128))))
	}
}

func TestInt128DecoderRefusesOtherForms(t *testing.T) {
	long := bytes.Repeat([]byte{0xff}, 18)
	for _, b := range [][]byte{
		{},
		{0x80},
		{0x80, 0},
		{0xff, 0x80, 0},
		long,
		append(bytes.Clone(long), 4), append(bytes.Clone(long), 0x83),
		append(bytes.Clone(long), 0x83, 0), append(bytes.Clone(long), 0),
	} {
		if a, _, err := fixed.DecodeInt128(b); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%x was accepted as %v", b, a)
		}
	}
}

func FuzzDecodeInt128(f *testing.F) {
	f.Add([]byte{0})
	f.Add(fixed.Int128{Hi: math.MinInt64}.AppendBinary(nil))
	f.Add(bytes.Repeat([]byte{0x80}, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, rest, err := fixed.DecodeInt128(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("error %v is no corruption", err)
			}
			return
		}
		if used := b[:len(b)-len(rest)]; !bytes.Equal(a.AppendBinary(nil), used) {
			t.Fatalf("%x was accepted as %v, which encodes as %x", used, a, a.AppendBinary(nil))
		}
	})
}
