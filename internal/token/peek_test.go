package token

import (
	"encoding/base64"
	"testing"
)

// What Peek reads of a token is what it holds, whichever key sealed it; what is no such token is nothing seen.
func TestPeekReadsWhatWasSeen(t *testing.T) {
	s := sampleSeen()
	for _, keys := range []Keys{testKeys(1), testKeys(2, 1)} {
		if got := Peek(s.Text(keys)); !got.Vector.Equal(s.Vector) || got.Highest != s.Highest {
			t.Errorf("got %+v", got)
		}
	}
	r, p := sampleRef(), samplePinned()
	for _, text := range []string{
		"", "***", "x", base64.RawURLEncoding.EncodeToString(make([]byte, 40)), string(make([]byte, maxSeen+1)),
		base64.RawURLEncoding.EncodeToString(AppendRef(nil, testKeys(1), &r)), p.Text(testKeys(1)),
	} {
		if got := Peek(text); got.Vector.Len() != 0 || got.Highest != 0 {
			t.Errorf("%.20q is %+v", text, got)
		}
	}
	sealed, err := base64.RawURLEncoding.DecodeString(s.Text(testKeys(1)))
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(sealed) {
		Peek(base64.RawURLEncoding.EncodeToString(sealed[:n])) // doesn't panic
	}
}

func FuzzPeek(f *testing.F) {
	s := sampleSeen()
	sealed, err := base64.RawURLEncoding.DecodeString(s.Text(testKeys(1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := Peek(base64.RawURLEncoding.EncodeToString(b)); got.Vector.Len() > len(b) {
			t.Errorf("%d origins in %d bytes", got.Vector.Len(), len(b))
		}
	})
}
