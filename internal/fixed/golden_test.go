package fixed_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidaldb/tidal/internal/fixed"
)

// TestGoldenArithmeticIsTheSameEverywhere digests a fixed workload. The bytes must not depend on CPU, compiler
// settings or version: replicas that differ in any of them hold the same state.
func TestGoldenArithmeticIsTheSameEverywhere(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := sha256.New()
	for range 50_000 {
		half := 1 + int64(r.Uint64N(fixed.MaxHalfLife)>>r.IntN(59))
		w := fixed.Weight(1 + r.Int64N(int64(fixed.MaxWeight)))
		grown := fixed.Grow(w, int64(r.Uint64N(uint64(half)<<3)), half)
		acc := fixed.Int128{Hi: r.Int64() >> r.IntN(64), Lo: r.Uint64() | 1}
		score := fixed.Decayed(acc, r.Int64()>>r.IntN(63), half, 24)
		parsed, err := fixed.ParseWeight(1e6 * (1 - r.Float64()))
		if err != nil {
			t.Fatal(err)
		}
		b := binary.BigEndian.AppendUint64(nil, fixed.Exp2(r.Uint64()))
		b = binary.BigEndian.AppendUint64(b, uint64(grown))
		b = binary.BigEndian.AppendUint64(b, uint64(fixed.Log2(acc)))
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(score.Float()))
		b = binary.BigEndian.AppendUint64(b, uint64(parsed))
		h.Write(acc.AppendBinary(b))
	}
	got := fmt.Sprintf("%x\n", h.Sum(nil))
	path := filepath.Join("testdata", "digest.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Fatalf("digest is %s, want %s", got, want)
	}
}
