package algebra

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
)

func hllKind(perUpdate int) joinKind[HLL] {
	return joinKind[HLL]{
		update: func(rng *rand.Rand) HLL {
			var h HLL
			for range rng.IntN(perUpdate) {
				h.Add(rng.Uint64() >> (rng.IntN(2) * rng.IntN(60))) // half of them with many leading zeros
			}
			return h
		},
		merge: HLL.Merge, encode: encodeHLL, decode: decodeHLL,
	}
}

// encodeHLL and decodeHLL wrap the nested encoding into one that stands alone, where the identity is empty.
func encodeHLL(h HLL, dst []byte) []byte {
	if h.IsZero() {
		return dst
	}
	return h.AppendBinary(dst)
}

func decodeHLL(b []byte) (HLL, error) {
	if len(b) == 0 {
		return HLL{}, nil
	}
	h, rest, err := DecodeHLL(b)
	if err == nil && (len(rest) > 0 || h.IsZero()) {
		err = fault.Damaged("", 0, "not a whole estimator")
	}
	return h, err
}

func TestHLLIsAJoin(t *testing.T) {
	t.Run("sparse", func(t *testing.T) { testJoin(t, hllKind(4)) })
	t.Run("both forms", func(t *testing.T) {
		if testing.Short() {
			t.Skip("long")
		}
		testJoin(t, hllKind(160))
	})
}

// TestHLLEqualsPlainRegisters compares with 2,048 bytes of maxima, through the change of form and in any order.
func TestHLLEqualsPlainRegisters(t *testing.T) {
	rng := dice(t)
	for range 100 {
		var (
			plain       [hllRegisters]uint32
			whole, part HLL
			other       = HLL{}
			n           = rng.IntN(3000)
		)
		for range n {
			hash := rng.Uint64()
			if rng.IntN(3) == 0 {
				hash &= 0xffe0_0000_0000_0000 | 1<<rng.IntN(53) // high ranks
			}
			index := hash >> 53
			rank := uint32(min(bits.LeadingZeros64(hash<<11), 53)) + 1
			plain[index] = max(plain[index], rank)
			whole.Add(hash)
			if rng.IntN(2) == 0 {
				part.Add(hash)
			} else {
				other.Add(hash)
			}
		}
		used := 0
		for i, rank := range plain {
			got := uint32(0)
			if whole.dense != nil {
				got = hllGet(whole.dense, uint32(i))
			} else {
				for _, e := range whole.sparse {
					if e>>6 == uint32(i) {
						got = e & 63
					}
				}
			}
			if got != rank {
				t.Fatalf("register %d is %d, want %d", i, got, rank)
			}
			if rank > 0 {
				used++
			}
		}
		if dense := used > hllSparse; dense != (whole.dense != nil) || dense && whole.sparse != nil {
			t.Fatalf("%d registers in use: dense %v", used, whole.dense != nil)
		}
		if merged := part.Merge(other); !merged.Equal(whole) {
			t.Fatal("the merge of two parts isn't the whole")
		}
		if want := ertl(plain[:]); math.Abs(float64(whole.Estimate())-want) > 0.51+want*1e-6 {
			t.Fatalf("estimate is %d, the formula gives %v", whole.Estimate(), want)
		}
	}
}

// ertl is the estimator in floating point, by the book.
func ertl(registers []uint32) float64 {
	var counts [64]float64
	for _, rank := range registers {
		counts[rank]++
	}
	m := float64(len(registers))
	if counts[0] == m {
		return 0
	}
	x := counts[0] / m
	sigma, before := x, -1.0
	for k := 1.0; sigma != before; k *= 2 {
		before = sigma
		x *= x
		sigma += x * k
	}
	sum := m * sigma
	for rank := 1; rank < len(counts); rank++ {
		sum += counts[rank] * math.Exp2(-float64(rank))
	}
	return m * m / (2 * math.Ln2) / sum
}

// TestHLLErrorIsWithinThreePercent measures the root mean square of the relative error over fixed seeds.
func TestHLLErrorIsWithinThreePercent(t *testing.T) {
	sizes := []int{1, 2, 3, 10, 50, 100, 300, 700, 1500, 4000, 8000, 20_000, 60_000}
	const runs = 100
	squares := make([]float64, len(sizes))
	bias := make([]float64, len(sizes))
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 20))
		var h HLL
		n := 0
		for i, size := range sizes {
			for ; n < size; n++ {
				hash := rng.Uint64()
				h.Add(hash)
				h.Add(hash) // a repetition must not count
			}
			miss := float64(h.Estimate())/float64(size) - 1
			squares[i] += miss * miss / runs
			bias[i] += miss / runs
			if math.Abs(miss) > 0.12 { // five standard errors
				t.Errorf("seed %d: %d counted as %d", seed, size, h.Estimate())
			}
		}
	}
	for i, size := range sizes {
		rms := math.Sqrt(squares[i])
		t.Logf("%7d different: error %.2f %%, bias %+.2f %%", size, 100*rms, 100*bias[i])
		if rms > 0.03 || math.Abs(bias[i]) > 0.012 {
			t.Errorf("%d different: error %.4f, bias %+.4f", size, rms, bias[i])
		}
		if size <= 10 && rms > 0.001 {
			t.Errorf("%d different are not counted exactly", size)
		}
	}
}

func TestHLLEstimateAtTheEnds(t *testing.T) {
	var h HLL
	if h.Estimate() != 0 {
		t.Errorf("empty: %d", h.Estimate())
	}
	h.Add(0)
	if h.Estimate() != 1 {
		t.Errorf("one hash of zeros: %d", h.Estimate())
	}
	for i := range uint64(hllRegisters) {
		h.Add(i << 53)
	}
	if got := h.Estimate(); got < 1<<48 {
		t.Errorf("all registers at their end: %d", got)
	}
	full := HLL{dense: make([]byte, hllDense)}
	for i := range uint32(hllRegisters) {
		hllSet(full.dense, i, 30)
	}
	if got, want := float64(full.Estimate()), float64(1<<30)*hllRegisters/(2*math.Ln2); math.Abs(got/want-1) > 1e-3 {
		t.Errorf("all registers at 30: %v, want %v", got, want)
	}
}

func TestHLLCloneSharesNothing(t *testing.T) {
	for _, n := range []uint64{5, 5000} {
		var h HLL
		for i := range n {
			h.Add(i * 0x9e3779b97f4a7c15)
		}
		before := string(h.AppendBinary(nil))
		c := h.Clone()
		for i := range uint64(100) {
			c.Add(i << 53)
		}
		if string(h.AppendBinary(nil)) != before || string(c.AppendBinary(nil)) == before {
			t.Errorf("of %d: clone and original are not apart", n)
		}
	}
}

func TestHLLDenseFormIsTheLargerOne(t *testing.T) {
	rng := dice(t)
	for range 50 {
		var h HLL
		for len(h.sparse) < hllSparse {
			h.Add(rng.Uint64())
		}
		if n := len(h.AppendBinary(nil)); n > hllDense {
			t.Fatalf("the fullest sparse form takes %d bytes", n)
		}
	}
}

// TestHLLSurveyLooksAtEveryRegister puts each rank into registers at each place of a group of eight.
func TestHLLSurveyLooksAtEveryRegister(t *testing.T) {
	for i := range uint32(16) {
		for rank := range uint32(64) {
			dense := make([]byte, hllDense)
			hllSet(dense, (i+hllRegisters-8)%hllRegisters, rank)
			used, legal := hllSurvey(dense)
			if (used == 1) != (rank > 0) || used > 1 || legal != (rank <= hllMaxRank) {
				t.Errorf("rank %d at %d: %d registers in use, legal %v", rank, i, used, legal)
			}
		}
	}
}

func FuzzDecodeHLL(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 10, 512, 3000} {
		var h HLL
		for range n {
			h.Add(rng.Uint64())
		}
		f.Add(h.AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkDecoder(t, b, hllKind(1)) })
}

func BenchmarkHLL(b *testing.B) {
	var small, large HLL
	for i := range uint64(100_000) {
		if hash := i * 0x9e3779b97f4a7c15; i < 100 {
			small.Add(hash)
		} else {
			large.Add(hash)
		}
	}
	b.Run("add", func(b *testing.B) {
		h := large.Clone()
		for i := 0; b.Loop(); i++ {
			h.Add(uint64(i) * 0x9e3779b97f4a7c15)
		}
	})
	for name, h := range map[string]HLL{"sparse": small, "dense": large} {
		b.Run("estimate/"+name, func(b *testing.B) {
			for b.Loop() {
				h.Estimate()
			}
		})
		enc := h.AppendBinary(nil)
		b.Run("decode+encode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, len(enc))
			for b.Loop() {
				got, _, _ := DecodeHLL(enc)
				dst = got.AppendBinary(dst[:0])
			}
		})
	}
}
