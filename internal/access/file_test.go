package access_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/access"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
)

func some(t testing.TB) []access.Key {
	a, _ := made(t, 1, "shop", access.Write, time.Time{})
	b, _ := made(t, 2, "report <q & a>", access.Read, noon.Add(720*time.Hour))
	c, _ := made(t, 3, "Tür", access.Admin, time.Time{})
	c.Revoked = noon.Add(time.Hour)
	return []access.Key{a, b, c}
}

func TestTheFileIsAsItsPageSays(t *testing.T) {
	golden(t, "api-keys.json", access.Encode(some(t)))
	golden(t, "api-keys-none.json", access.Encode(nil))
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "format", "api-keys.md"))
	if err != nil {
		t.Fatal(err)
	}
	one := access.Encode(some(t)[:1])
	if !bytes.Contains(page, one) {
		t.Errorf("docs/format/api-keys.md doesn't show\n%s", one)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var keys []access.Key
		instant := rapid.Custom(func(t *rapid.T) time.Time {
			return time.Unix(rapid.Int64Range(1, 1<<34).Draw(t, "seconds"), 0).UTC()
		})
		for i := range rapid.IntRange(0, 5).Draw(t, "keys") {
			k, _, err := access.Make(random(byte(i)), rapid.StringMatching(`[a-zß<&"\\ ]{1,20}`).Draw(t, "name"),
				rapid.SampledFrom([]access.Role{access.Read, access.Write, access.Admin}).Draw(t, "role"),
				instant.Draw(t, "created"), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "expires") {
				k.Expires = instant.Draw(t, "until")
			}
			if rapid.Bool().Draw(t, "revoked") {
				k.Revoked = instant.Draw(t, "since")
			}
			keys = append(keys, k)
		}
		b := access.Encode(keys)
		back, err := access.Decode("F", b)
		if err != nil || len(back) != len(keys) || len(keys) > 0 && !reflect.DeepEqual(back, keys) {
			t.Fatalf("%v\n%+v\n%+v", err, back, keys)
		}
	})
}

// A single wrong bit may make a reader a writer, or a key last longer: none is taken.
func TestEverySingleBitFlipOfTheFileIsRefused(t *testing.T) {
	good := access.Encode(some(t))
	for i := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			keys, err := access.Decode("F", b)
			if err == nil {
				t.Fatalf("bit %d of byte %d: read as %+v", bit, i, keys)
			}
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
		}
	}
	for i := range good {
		if _, err := access.Decode("F", good[:i]); err == nil {
			t.Fatalf("the first %d bytes are taken for the file", i)
		}
	}
}

func TestDamageIsNamed(t *testing.T) {
	good := string(access.Encode(some(t)))
	for what, b := range map[string]string{
		"two keys have the id": strings.Replace(good, `"keys": [`, `"keys": [`+good[strings.Index(good, "{\n      "):strings.Index(good, "},")+2], 1),
		"the role":             strings.Replace(good, `"write"`, `"owner"`, 1),
		"no time":              strings.Replace(good, "2026-11-26", "2026-13-26", 1),
		"as it was written":    good + " ",
	} {
		_, err := access.Decode("F", []byte(b))
		var damage *fault.Corrupt
		if !errors.As(err, &damage) || damage.File != "F" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := access.Decode("F", []byte(strings.Replace(good, `"format": 1`, `"format": 2`, 1))); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Errorf("a newer file: %v", err)
	}
}

func TestKeysAreAddedAndRevoked(t *testing.T) {
	path := filepath.Join(t.TempDir(), access.FileName)
	if _, err := access.ReadFile(vfs.Default, path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no file: %v", err)
	}
	keys := some(t)
	for i := range keys {
		if err := access.Add(vfs.Default, path, keys[i], noon); err != nil {
			t.Fatal(err)
		}
	}
	if err := access.Add(vfs.Default, path, keys[0], noon); !errors.Is(err, fault.ErrInput) {
		t.Errorf("a key that is there: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	got, err := access.Revoke(vfs.Default, path, keys[0].ID, noon.Add(time.Minute))
	if err != nil || !got.Revoked.Equal(noon.Add(time.Minute)) {
		t.Errorf("%+v %v", got, err)
	}
	if again, err := access.Revoke(vfs.Default, path, keys[0].ID, noon.Add(time.Hour)); err != nil || !again.Revoked.Equal(got.Revoked) {
		t.Errorf("revoked twice: %+v %v", again, err)
	}
	if _, err := access.Revoke(vfs.Default, path, "nobody", noon); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("an unknown id: %v", err)
	}
	// What is good for nothing goes after 90 days, when the next key comes: the one that expired, and those revoked.
	late := noon.Add(121 * 24 * time.Hour)
	k, _ := made(t, 9, "new", access.Read, time.Time{})
	if err := access.Add(vfs.Default, path, k, late); err != nil {
		t.Fatal(err)
	}
	if left, err := access.ReadFile(vfs.Default, path); err != nil || len(left) != 1 || left[0].ID != k.ID {
		t.Errorf("%+v %v", left, err)
	}
}

func TestTwoDoNotChangeTheFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), access.FileName)
	lock, err := vfs.Default.Lock(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	k, _ := made(t, 1, "shop", access.Write, time.Time{})
	if err := access.Add(vfs.Default, path, k, noon); !errors.Is(err, fault.ErrLocked) {
		t.Errorf("%v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if err := access.Add(vfs.Default, path, k, noon); err != nil {
		t.Error(err)
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add(access.Encode(nil))
	f.Add(access.Encode(some(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := access.Decode("F", b)
		if err == nil && !bytes.Equal(access.Encode(keys), b) {
			t.Errorf("two files for the same keys")
		}
	})
}
