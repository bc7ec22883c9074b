package replica

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawSnap(t *rapid.T) *Snap {
	bytesUpTo := func(n int, label string) []byte {
		b := rapid.SliceOfN(rapid.Byte(), 0, n).Draw(t, label)
		if len(b) == 0 {
			return nil
		}
		return b
	}
	s := &Snap{
		Instant:  Instant{Index: rapid.Uint64().Draw(t, "index"), Term: rapid.Uint64().Draw(t, "term")},
		Progress: SnapProgress{Chunks: rapid.Uint64().Draw(t, "chunks"), Records: rapid.Uint64().Draw(t, "records"), After: bytesUpTo(50, "after")},
		Chunk:    bytesUpTo(300, "chunk"), Last: rapid.Bool().Draw(t, "last"),
		Outcome: Outcome(rapid.IntRange(0, int(SnapGone)).Draw(t, "outcome")),
		Reason:  string(bytesUpTo(40, "reason")),
	}
	copy(s.Instant.Head[:], bytesUpTo(32, "head"))
	copy(s.Progress.Chain[:], bytesUpTo(32, "chain"))
	return s
}

func TestSnapRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawSnap(t)
		b := want.append([]byte("before"))[6:]
		got, err := decodeSnap(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("read back as %+v, %v; wrote %+v", got, err, want)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if got, err := decodeSnap(b[:cut]); err == nil {
			t.Fatalf("%d of %d bytes are read as %+v", cut, len(b), got)
		}
		if got, err := decodeSnap(append(bytes.Clone(b), 0)); err == nil {
			t.Fatalf("a byte too many is read as %+v", got)
		}
	})
}

func TestSnapGolden(t *testing.T) {
	s := &Snap{
		Instant:  Instant{Index: 300, Term: 7, Head: [32]byte{1, 2, 3}},
		Progress: SnapProgress{Chunks: 2, Records: 130, After: []byte("key"), Chain: [32]byte{9}},
		Chunk:    []byte("chunk"), Last: true, Outcome: SnapRefused, Reason: "why",
	}
	zeros := func(n int) string { return strings.Repeat("00", n) }
	want := "ac02" + "07" + "010203" + zeros(29) + "02" + "8201" + "036b6579" + "09" + zeros(31) + "01" + "02" + "03776879" + "056368756e6b"
	if got := hex.EncodeToString(s.append(nil)); got != want {
		t.Errorf("encodes as\n%s\nnot\n%s", got, want)
	}
}

func TestSnapBoundsReason(t *testing.T) {
	s := &Snap{Reason: strings.Repeat("x", maxReason+1)}
	got, err := decodeSnap(s.append(nil))
	if err != nil || len(got.Reason) != maxReason {
		t.Errorf("a long reason is read back as %d bytes, %v", len(got.Reason), err)
	}
}

func FuzzDecodeSnap(f *testing.F) {
	f.Add((&Snap{Instant: Instant{Index: 1, Term: 1}, Chunk: []byte("x"), Outcome: SnapHeld}).append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSnap(b)
		if err != nil {
			return
		}
		if again := s.append(nil); !bytes.Equal(again, b) {
			t.Errorf("%x is read as %+v, which is %x", b, s, again)
		}
	})
}
