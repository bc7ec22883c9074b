package record

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestOrdinaryIsWhatReadingSays holds the quick look at a batch's kinds against reading its records.
func TestOrdinaryIsWhatReadingSays(t *testing.T) {
	all := append(slices.Clone(samples()), samplesOfLevel2()...)
	for _, p := range samplesOfLevel3() {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Proposed) int { return int(a.Kind) - int(b.Kind) })
	rapid.Check(t, func(t *rapid.T) {
		picks := rapid.SliceOfN(rapid.IntRange(0, len(all)-1), 1, 6).Draw(t, "records")
		others := rapid.SliceOfN(rapid.Map(rapid.IntRange(1, int(lastKind)), func(n int) Kind { return Kind(n) }), 0, 3).Draw(t, "others")
		b := NewBuilder()
		if err := b.Reset(headOfLevel3()); err != nil {
			t.Fatal(err)
		}
		for i, n := range picks {
			m := sampleMeta(i)
			if err := b.AddProposed(&m, &all[n]); err != nil {
				t.Fatal(err)
			}
		}
		data, err := b.Finish(nil)
		if err != nil {
			t.Fatal(err)
		}
		batch, err := Open(data)
		if err != nil {
			t.Fatal(err)
		}
		want := true
		for rec, err := range batch.Records() {
			if err != nil {
				t.Fatal(err)
			}
			want = want && rec.Kind.Known() && !slices.Contains(others, rec.Kind)
		}
		if got := batch.Ordinary(others...); got != want {
			t.Fatalf("ordinary but for %v: %v, and reading says %v", others, got, want)
		}
	})
}

// TestOrdinaryOfUnknownKinds: a program that is older than a batch has to look closer.
func TestOrdinaryOfUnknownKinds(t *testing.T) {
	data := build(t, sampleHead(), func(b *Builder) {
		m, p := sampleMeta(0), Proposed{Kind: KindErase, Erase: Erase{User: "u"}}
		if err := b.AddProposed(&m, &p); err != nil {
			t.Fatal(err)
		}
	})
	b := mustOpen(t, data)
	if !b.Ordinary() || b.Ordinary(KindErase) {
		t.Fatal("a batch with an erase is ordinary, unless that is one of the others")
	}
	for _, kind := range []byte{0, 0x80, 99, 200} {
		data[b.records+1] = kind
		if b := mustOpen(t, reseal(data)); b.Ordinary() {
			t.Errorf("kind %d is ordinary", kind)
		}
	}
}

// TestOpenOwnIsOpenWithoutTheChecksum: both give the same batch, and what is cut short is refused by both.
func TestOpenOwnIsOpenWithoutTheChecksum(t *testing.T) {
	data := sampleBatch(t)
	own, err := OpenOwn(data)
	if err != nil {
		t.Fatal(err)
	}
	if want := mustOpen(t, data); own.Header != want.Header || own.records != want.records || own.Origin() != want.Origin() {
		t.Fatalf("opened as %+v, not as %+v", own, want)
	}
	for n := range data {
		if _, err := OpenOwn(data[:n:n]); err == nil {
			t.Fatalf("cut to %d bytes it is opened", n)
		}
	}
	data[56] ^= 1
	if _, err := OpenOwn(data); err != nil {
		t.Fatalf("it looks at the checksum: %v", err)
	}
}
