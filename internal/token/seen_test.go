package token

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

func sampleSeen() Seen {
	v := id.VersionVector{}.With(id.Origin{Region: 1}, 300).With(id.Origin{Region: 2, Incarnation: 7}, 5)
	return Seen{Vector: v, Highest: hlc.Make(1_700_000_000_123, 4)}
}

// Tokens are in the hands of clients for as long as they like: the bytes are a format.
func TestSeenKeepsItsBytes(t *testing.T) {
	s, keys := sampleSeen(), testKeys(1)
	text := s.Text(keys)
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	const want = "0173010000008480ecc3d6fcf3c501020001000000000000ac02000200000000000705"
	if got := hex.EncodeToString(b[:len(b)-macSize]); got != want {
		t.Errorf("token is\n%s, want\n%s", got, want)
	}
	back, err := OpenSeen(testKeys(2, 1), text)
	if err != nil || !back.Vector.Equal(s.Vector) || back.Highest != s.Highest {
		t.Errorf("came back as %+v, %v", back, err)
	}
}

func TestASeenThatWasChangedIsRefused(t *testing.T) {
	s, keys := sampleSeen(), testKeys(1)
	sealed, err := base64.RawURLEncoding.DecodeString(s.Text(keys))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, text string) {
		t.Helper()
		var in *fault.Input
		if _, err := OpenSeen(keys, text); !errors.As(err, &in) || in.Field != "token" {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range 8 * len(sealed) {
		b := append([]byte(nil), sealed...)
		b[i/8] ^= 1 << (i % 8)
		refused("flipped", base64.RawURLEncoding.EncodeToString(b))
	}
	for n := range len(sealed) {
		refused("cut", base64.RawURLEncoding.EncodeToString(sealed[:n]))
	}
	refused("foreign", s.Text(testKeys(2)))
	refused("no base64", "***")
	r, p := sampleRef(), samplePinned()
	refused("a reference", base64.RawURLEncoding.EncodeToString(AppendRef(nil, keys, &r)))
	refused("a list", p.Text(keys))
}
