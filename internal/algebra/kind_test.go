package algebra

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/id"
)

// cellShape has every part of a cell.
func cellShape() Shape {
	return Shape{HalfLives: []int64{6 * 3600_000, 7 * 24 * 3600_000}, Permanent: true, Buckets: true, Unique: true}
}

// cellEffect is the encoded cell of one event.
func cellEffect(t int64, w fixed.Weight, user uint64) []byte {
	var s SignalState
	s.Add(cellShape(), t, w)
	s.AddUnique(user)
	return s.AppendBinary(nil)
}

// randomEffect is what one event makes of an absent record of the kind.
func randomEffect(rng *rand.Rand, kind Kind) []byte {
	switch kind {
	case KindCell, KindCohortCell, KindCreatorCell:
		t := 1_700_000_000_000 + rng.Int64N(100*24*3600_000)
		return cellEffect(t, 1+fixed.Weight(rng.Int64N(int64(fixed.MaxWeight))), rng.Uint64())
	case KindRecents, KindEngagers:
		return TopN{randomInteraction(rng)}.AppendBinary(nil)
	case KindPairMarks:
		return pairMarksKind().update(rng).AppendBinary(nil)
	case KindRelation:
		return maxPairKind().update(rng).AppendBinary(nil)
	case KindEntity:
		return entityKind().update(rng).AppendBinary(nil)
	case KindUndone:
		return Undone(1 + rng.IntN(4)).AppendBinary(nil)
	case KindSchemaVersion:
		return []byte("the one schema of this hash")
	case KindFormatLevel, KindGeneration:
		return appendNumber(rng.Uint64()>>rng.IntN(64), nil)
	case KindSession:
		return randomSession(rng).AppendBinary(nil)
	case KindSealingKey:
		return sealingKeyKind().update(rng).AppendBinary(nil)
	case KindRegister:
		return registerKind().update(rng).AppendBinary(nil)
	}
	panic("no such kind")
}

func mustMerge(t testing.TB, kind Kind, a, b []byte) []byte {
	t.Helper()
	out, err := Merge(kind, nil, a, b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustSubtract(t testing.TB, kind Kind, a, b []byte) []byte {
	t.Helper()
	out, err := Subtract(kind, nil, a, b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func eachKind(t *testing.T, test func(t *testing.T, kind Kind)) {
	for kind := Kind(1); kind <= Kinds; kind++ {
		t.Run(kind.String(), func(t *testing.T) { test(t, kind) })
	}
}

func TestMergeOfEncodedValuesKeepsTheLaws(t *testing.T) {
	rng := dice(t)
	eachKind(t, func(t *testing.T, kind Kind) {
		value := func() (v []byte) {
			for range rng.IntN(8) {
				v = mustMerge(t, kind, v, randomEffect(rng, kind))
			}
			return v
		}
		same := func(law string, x, y []byte) {
			t.Helper()
			if !bytes.Equal(x, y) {
				t.Fatalf("%s: %x and %x", law, x, y)
			}
		}
		for range 400 {
			a, b, c := value(), value(), value()
			ab := mustMerge(t, kind, a, b)
			same("a+b = b+a", ab, mustMerge(t, kind, b, a))
			same("(a+b)+c = a+(b+c)", mustMerge(t, kind, ab, c), mustMerge(t, kind, a, mustMerge(t, kind, b, c)))
			same("a+0 = a", mustMerge(t, kind, a, nil), a)
			if err := Check(kind, ab); err != nil {
				t.Fatal(err)
			}
			if kind.Sum() {
				// Taking b out leaves a, under a mark that b may have raised.
				none := mustSubtract(t, kind, b, b)
				same("(a+b)−b = a+(b−b)", mustSubtract(t, kind, ab, b), mustMerge(t, kind, a, none))
				same("a−b = a+(0−b)", mustSubtract(t, kind, a, b), mustMerge(t, kind, a, mustSubtract(t, kind, nil, b)))
			} else {
				same("a∨a = a", mustMerge(t, kind, a, a), a)
				same("a−b = a∨b", mustSubtract(t, kind, a, b), ab)
			}
			head, err := Merge(kind, []byte("head"), a, b)
			if err != nil {
				t.Fatal(err)
			}
			same("appends", head, append([]byte("head"), ab...))
		}
	})
}

func TestSumsAreNotJoins(t *testing.T) {
	v := cellEffect(1_700_000_000_000, fixed.One, 1)
	if twice := mustMerge(t, KindCell, v, v); bytes.Equal(twice, v) {
		t.Error("an event that is merged twice counts once: the cell is taken for a join")
	}
}

func TestMergeRefusesDamage(t *testing.T) {
	rng := dice(t)
	eachKind(t, func(t *testing.T, kind Kind) {
		good := randomEffect(rng, kind)
		for len(good) == 0 {
			good = randomEffect(rng, kind)
		}
		refused := 0
		for range 2000 {
			bad := bytes.Clone(good)
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
			for _, pair := range [][2][]byte{{bad, nil}, {nil, bad}, {good, bad}, {bad, good}} {
				dst, err := Merge(kind, []byte("dst"), pair[0], pair[1])
				if err == nil {
					if err := Check(kind, dst[3:]); err != nil {
						t.Fatalf("merge of %x and %x gave %x: %v", pair[0], pair[1], dst, err)
					}
					continue
				}
				refused++
				if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), kind.String()) {
					t.Fatalf("error %q is no damage, or doesn't name the kind", err)
				}
				if string(dst) != "dst" {
					t.Fatalf("dst is %q after an error", dst)
				}
			}
		}
		if refused == 0 {
			t.Error("no flipped bit was refused")
		}
	})
	for _, kind := range []Kind{0, Kinds + 1, 255} {
		if _, err := Merge(kind, nil, nil, nil); !errors.Is(err, fault.ErrCorrupt) || kind.Valid() {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

func TestSmallKinds(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		a, b string
		want string // "!" for refused
	}{
		{KindUndone, "\x01", "", "\x01"},
		{KindUndone, "\x01", "\x01", "\x01"},
		{KindUndone, "\x03", "\x01", "\x01"},
		{KindUndone, "\x04", "\x03", "\x03"},
		{KindUndone, "\x05", "", "!"},
		{KindUndone, "\x00", "", "!"},
		{KindUndone, "\x01\x01", "", "!"},
		{KindFormatLevel, "\x03", "\x05", "\x05"},
		{KindFormatLevel, "\xff\x01", "\x05", "\xff\x01"},
		{KindFormatLevel, "\x00", "", "!"},
		{KindFormatLevel, "\x85\x00", "", "!"},
		{KindGeneration, "\x80\x80\x04", "\x80\x80\x08", "\x80\x80\x08"},
		{KindSchemaVersion, "one", "one", "one"},
		{KindSchemaVersion, "one", "two", "!"},
	} {
		got, err := Merge(c.kind, nil, []byte(c.a), []byte(c.b))
		if err != nil {
			got = []byte("!")
		}
		if string(got) != c.want {
			t.Errorf("%v: %q with %q is %q (%v), want %q", c.kind, c.a, c.b, got, err, c.want)
		}
	}
}

// TestListsHoldEachIDOnce: of what a user did to an item, and of a user's ways to meet it, the newest stays, whatever came
// first; others move up.
func TestListsHoldEachIDOnce(t *testing.T) {
	at := func(time int64, name, what string) Interaction {
		return Interaction{Order: Order{Time: time, Seq: id.Seq(time)}, ID: name, Type: what}
	}
	rating, like, other, again := at(1, "a", "rating"), at(2, "a", "like"), at(3, "b", "view"), at(4, "a", "view")
	for _, kind := range []Kind{KindRecents, KindEngagers} {
		rule := kind.List()
		for _, c := range []struct{ events, want TopN }{
			{TopN{rating, like}, TopN{like}},
			{TopN{like, rating}, TopN{like}},
			{TopN{rating, like, other}, TopN{other, like}},
			{TopN{again, other, like, rating}, TopN{again, other}},
			{TopN{rating, like, other, again}, TopN{again, other}},
		} {
			var merged, inserted []byte
			for _, e := range c.events {
				merged = mustMerge(t, kind, merged, TopN{e}.AppendBinary(nil))
				inserted = rule.InsertEncoded(nil, inserted, e)
			}
			if want := c.want.AppendBinary(nil); !bytes.Equal(merged, want) || !bytes.Equal(inserted, want) {
				t.Errorf("%v of %v: merged %x, inserted %x, want %x", kind, c.events, merged, inserted, want)
			}
		}
	}
}

// TestKindNumbersAreForEver holds the numbers that stored and shipped bytes carry.
func TestKindNumbersAreForEver(t *testing.T) {
	want := `1 cell sum
2 cohort cell sum
3 creator cell sum
4 recents join
5 pair marks join
6 relation join
7 engagers join
8 entity join
9 undone join
10 schema version join
11 format level join
12 generation join
13 session sum
14 sealing key join
15 register join
`
	got := ""
	for kind := Kind(1); kind <= Kinds; kind++ {
		got += fmt.Sprintf("%d %v %s\n", kind, kind, map[bool]string{true: "sum", false: "join"}[kind.Sum()])
	}
	if got != want {
		t.Errorf("kinds are\n%swant\n%s", got, want)
	}
}

func FuzzMerge(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 3))
	for kind := Kind(1); kind <= Kinds; kind++ {
		f.Add(uint8(kind), randomEffect(rng, kind), randomEffect(rng, kind))
	}
	f.Fuzz(func(t *testing.T, number uint8, a, b []byte) {
		kind := Kind(number)
		ab, err := Merge(kind, nil, a, b)
		ba, err2 := Merge(kind, nil, b, a)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("one order merges, the other doesn't: %v and %v", err, err2)
		}
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("%v is no damage", err)
			}
			return
		}
		if !bytes.Equal(ab, ba) {
			t.Fatalf("a+b is %x, b+a is %x", ab, ba)
		}
		if err := Check(kind, ab); err != nil {
			t.Fatal(err)
		}
		if _, err := Subtract(kind, nil, a, b); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkMerge(b *testing.B) {
	rng := rand.New(rand.NewPCG(4, 4))
	for kind := Kind(1); kind <= Kinds; kind++ {
		var v []byte
		for range 30 {
			v = mustMerge(b, kind, v, randomEffect(rng, kind))
		}
		one := randomEffect(rng, kind)
		b.Run(kind.String(), func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = Merge(kind, dst[:0], v, one)
			}
		})
	}
}
