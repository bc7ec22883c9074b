package access_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/access"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// random is a source of bytes that repeats.
func random(seed byte) *rand.ChaCha8 { return rand.NewChaCha8(sha256.Sum256([]byte{seed})) }

// made makes a key that has to be fine.
func made(t testing.TB, seed byte, name string, role access.Role, expires time.Time) (access.Key, string) {
	t.Helper()
	k, text, err := access.Make(random(seed), name, role, noon, expires)
	if err != nil {
		t.Fatal(err)
	}
	return k, text
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (rewrite with -update)\n%s", path, got)
	}
}
