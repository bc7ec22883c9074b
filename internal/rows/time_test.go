package rows

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// Decimal seconds are read exactly: the oracle is a rational number, rounded towards zero to nanoseconds.
func TestUnixSecondsAreReadExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{1,11}(\.[0-9]{1,15})?`).Draw(t, "text")
		got, err := ParseUnix(text)
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is no number to the oracle", text)
		}
		nanos := new(big.Int).Mul(exact.Num(), big.NewInt(1e9))
		nanos.Quo(nanos, exact.Denom())
		whole := new(big.Int).Quo(nanos, big.NewInt(1e9))
		if whole.CmpAbs(big.NewInt(maxUnix)) > 0 {
			if err == nil {
				t.Fatalf("%q lies beyond the bound and is taken for %v", text, got)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		have := new(big.Int).Mul(big.NewInt(got.Unix()), big.NewInt(1e9))
		have.Add(have, big.NewInt(int64(got.Nanosecond())))
		if have.Cmp(nanos) != 0 {
			t.Fatalf("%q: %v ns, want %v", text, have, nanos)
		}
	})
}
