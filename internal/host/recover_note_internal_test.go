package host

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
)

func someRecovering() recovering {
	i := recovering{
		Format: 1, Commit: 12, Aside: "wal.before-1",
		Old: identity{Format: 1, Cluster: "000102030405060708090a0b0c0d0e0f", Replica: 1},
		New: identity{Format: 2, Cluster: "000102030405060708090a0b0c0d0e0f", Replica: 4, Incarnation: 1, Joined: true},
	}
	i.Sum = i.sum()
	return i
}

func TestANoteOfARecoveryIsReadOrRefused(t *testing.T) {
	b := encodeNote(someRecovering())
	golden(t, "recovery", b)
	if got, err := decodeRecovering("RECOVERY", b); err != nil || !bytes.Equal(encodeNote(got), b) {
		t.Errorf("it comes back as %+v, %v", got, err)
	}
	for i := range b {
		flipped := bytes.Clone(b)
		flipped[i] ^= 1
		_, err := decodeRecovering("RECOVERY", flipped)
		if err == nil && !bytes.Equal(bytes.TrimSpace(flipped), bytes.TrimSpace(b)) && !blank(b[i]) {
			t.Errorf("with byte %d (%q) flipped it is taken", i, b[i])
		}
	}
	newer := bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 9`), 1)
	if _, err := decodeRecovering("RECOVERY", newer); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Errorf("of a newer program: %v", err)
	}
}

// blank reports whether a byte is of no meaning between others.
func blank(b byte) bool { return b == ' ' || b == '\n' || b == '!' }

func FuzzRecovering(f *testing.F) {
	f.Add(encodeNote(someRecovering()))
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := decodeRecovering("RECOVERY", b)
		if err == nil && i.sum() != i.Sum {
			t.Errorf("%q was taken", b)
		}
	})
}
