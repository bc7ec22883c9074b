package access_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/access"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
)

func TestRolesAllowWhatThoseBeforeThemDo(t *testing.T) {
	for role, allows := range map[access.Role]int{0: 0, access.Read: 1, access.Write: 2, access.Admin: 3, 4: 0} {
		n := 0
		for _, need := range []access.Role{0, access.Read, access.Write, access.Admin, 4} {
			if role.Allows(need) {
				n++
			}
		}
		if n != allows {
			t.Errorf("%s allows %d roles, want %d", role, n, allows)
		}
	}
	for _, name := range []string{"read", "write", "admin"} {
		if r, err := access.ParseRole(name); err != nil || r.String() != name {
			t.Errorf("%s: %v %v", name, r, err)
		}
	}
	if _, err := access.ParseRole("none"); !errors.Is(err, fault.ErrInput) {
		t.Errorf("none: %v", err)
	}
}

func TestBadKeysAreNotMade(t *testing.T) {
	for why, make := range map[string]func() error{
		"empty": func() error { _, _, err := access.Make(random(1), "", access.Read, noon, time.Time{}); return err },
		"65 bytes": func() error {
			_, _, err := access.Make(random(1), strings.Repeat("x", 65), access.Read, noon, time.Time{})
			return err
		},
		"printable": func() error { _, _, err := access.Make(random(1), "a\nb", access.Read, noon, time.Time{}); return err },
		"\"none\"":  func() error { _, _, err := access.Make(random(1), "a", 0, noon, time.Time{}); return err },
		"lie ahead": func() error { _, _, err := access.Make(random(1), "a", access.Read, noon, noon); return err },
		"draw a key:": func() error {
			_, _, err := access.Make(strings.NewReader("x"), "a", access.Read, noon, time.Time{})
			return err
		},
	} {
		if err := make(); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// ring makes a ring over a file with keys.
func ring(t testing.TB, keys ...access.Key) (*access.Ring, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), access.FileName)
	for i := range keys {
		if err := access.Add(vfs.Default, path, keys[i], noon); err != nil {
			t.Fatal(err)
		}
	}
	r, err := access.Open(vfs.Default, path)
	if err != nil {
		t.Fatal(err)
	}
	return r, path
}

func TestOneTextStandsForAKeyAndNoOther(t *testing.T) {
	k, text := made(t, 1, "shop", access.Write, time.Time{})
	other, otherText := made(t, 2, "report", access.Read, time.Time{})
	r, _ := ring(t, k, other)
	if len(text) != 70 || !strings.HasPrefix(text, "tdl_"+k.ID+"_") {
		t.Errorf("%q", text)
	}
	if got, err := r.Find(noon, text); err != nil || got != k {
		t.Errorf("%+v %v", got, err)
	}
	// Every other letter at every place, and the parts of two keys put together.
	for i := range text {
		for _, c := range []byte("abcdefghijklmnopqrstuvwxyz234567A_ \x00") {
			b := []byte(text)
			b[i] = c
			if string(b) == text {
				continue
			}
			if _, err := r.Find(noon, string(b)); !errors.Is(err, access.ErrBadKey) {
				t.Fatalf("%q: %v", b, err)
			}
		}
	}
	for _, wrong := range []string{"", "tdl_", text[:69], text + "a", text[:18] + otherText[18:], strings.ToUpper(text)} {
		if _, err := r.Find(noon, wrong); !errors.Is(err, access.ErrBadKey) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestAKeyEndsWhenItExpiresOrIsRevoked(t *testing.T) {
	k, text := made(t, 1, "shop", access.Write, noon.Add(time.Hour))
	r, path := ring(t, k)
	for after, good := range map[time.Duration]bool{0: true, time.Hour - 1: true, time.Hour: false, 9 * time.Hour: false} {
		if _, err := r.Find(noon.Add(after), text); (err == nil) != good {
			t.Errorf("after %s: %v", after, err)
		}
	}
	if r.Usable(noon) != 1 || r.Usable(noon.Add(time.Hour)) != 0 || r.Len() != 1 {
		t.Errorf("%d of %d", r.Usable(noon), r.Len())
	}
	if _, err := access.Revoke(vfs.Default, path, k.ID, noon); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Find(noon, text); !errors.Is(err, access.ErrBadKey) || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("%v", err)
	}
	// Who hasn't the secret doesn't learn what became of the key.
	guess := []byte(text)
	if guess[30] = 'a'; text[30] == 'a' {
		guess[30] = 'b'
	}
	if _, err := r.Find(noon, string(guess)); err == nil || strings.Contains(err.Error(), "revoked") {
		t.Errorf("%v", err)
	}
}

func TestAFileThatIsGoneOrDamagedChangesNothing(t *testing.T) {
	k, text := made(t, 1, "shop", access.Write, time.Time{})
	r, path := ring(t, k)
	if changed, err := r.Refresh(); changed || err != nil {
		t.Errorf("nothing changed, but %v %v", changed, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := r.Refresh(); !changed || !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("%v %v", changed, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if changed, err := r.Refresh(); changed || err != nil {
		t.Errorf("%v %v", changed, err)
	}
	if err := r.Reload(); err == nil {
		t.Error("a file that is gone is read")
	}
	if _, err := r.Find(noon, text); err != nil {
		t.Errorf("the key is lost: %v", err)
	}
	other, otherText := made(t, 2, "more", access.Read, time.Time{})
	if err := access.Add(vfs.Default, path, other, noon); err != nil {
		t.Fatal(err)
	}
	if changed, err := r.Refresh(); !changed || err != nil {
		t.Errorf("%v %v", changed, err)
	}
	if _, err := r.Find(noon, otherText); err != nil {
		t.Error(err)
	}
	if _, err := r.Find(noon, text); err == nil {
		t.Error("a key that isn't in the file any more is good")
	}
}

func TestTheGate(t *testing.T) {
	k, text := made(t, 1, "shop", access.Write, time.Time{})
	_, other := made(t, 2, "else", access.Write, time.Time{})
	full, _ := ring(t, k)
	empty, _ := ring(t)
	write := access.Who{Role: access.Write, Key: k.ID, Name: "shop"}
	for _, c := range []struct {
		name string
		gate access.Gate
		h    access.Headers
		want access.Who
		err  error
	}{
		{"bearer", access.Gate{Ring: full}, access.Headers{Authorization: "Bearer " + text}, write, nil},
		{"scheme in lower case", access.Gate{Ring: full}, access.Headers{Authorization: "bearer " + text}, write, nil},
		{"own header", access.Gate{Ring: full}, access.Headers{APIKey: text}, write, nil},
		{"both", access.Gate{Ring: full}, access.Headers{Authorization: "Bearer " + text, APIKey: text}, write, nil},
		{"two keys", access.Gate{Ring: full}, access.Headers{Authorization: "Bearer " + text, APIKey: other}, access.Who{}, access.ErrBadKey},
		{"basic", access.Gate{Ring: full}, access.Headers{Authorization: "Basic " + text}, access.Who{}, access.ErrBadKey},
		{"no scheme", access.Gate{Ring: full}, access.Headers{Authorization: text}, access.Who{}, access.ErrBadKey},
		{"unknown", access.Gate{Ring: full}, access.Headers{APIKey: other}, access.Who{}, access.ErrBadKey},
		{"none", access.Gate{Ring: full}, access.Headers{}, access.Who{}, access.ErrNoKey},
		{"none, though open: there are keys", access.Gate{Ring: full, Open: true}, access.Headers{}, access.Who{}, access.ErrNoKey},
		{"none, and none needed", access.Gate{Ring: empty, Open: true}, access.Headers{}, access.Who{Role: access.Admin}, nil},
		{"none, but needed", access.Gate{Ring: empty}, access.Headers{}, access.Who{}, access.ErrNoKey},
		{"one where none is needed", access.Gate{Ring: empty, Open: true}, access.Headers{APIKey: text}, access.Who{}, access.ErrBadKey},
	} {
		got, err := c.gate.Enter(noon, c.h)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func FuzzKeyText(f *testing.F) {
	k, text := made(f, 1, "shop", access.Write, time.Time{})
	r, _ := ring(f, k)
	f.Add(text)
	f.Add("tdl_aaaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Fuzz(func(t *testing.T, other string) {
		if _, err := r.Find(noon, other); (err == nil) != (other == text) {
			t.Errorf("%q: %v", other, err)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	k, text := made(b, 1, "shop", access.Write, time.Time{})
	r, _ := ring(b, k)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Find(noon, text); err != nil {
			b.Fatal(err)
		}
	}
}
