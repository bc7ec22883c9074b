package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/access"
	"github.com/tidaldb/tidal/internal/vfs"
)

func TestKeysAreMadeListedAndRevoked(t *testing.T) {
	dir := t.TempDir()
	made := answer[keyResult](t, good(t, "keys", "create", "--dir", dir, "--role", "write", "--name", "shop", "--expires", "720h", "--json"))
	if made.Role != "write" || made.State != "valid" || made.Expires == nil || !strings.HasPrefix(made.Key, "tdl_"+made.ID+"_") {
		t.Errorf("%+v", made)
	}
	// For people the key is all that stands on standard output, so that it can be piped.
	o := good(t, "keys", "create", "--dir", dir, "--role", "admin", "--name", "me")
	if strings.Count(o.stdout, "\n") != 1 || len(strings.TrimSpace(o.stdout)) != 70 || !strings.Contains(o.stderr, "isn't shown again") {
		t.Errorf("%+v", o)
	}
	ring, err := access.Open(vfs.Default, filepath.Join(dir, access.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if k, err := ring.Find(time.Now(), strings.TrimSpace(o.stdout)); err != nil || k.Role != access.Admin || k.Name != "me" {
		t.Errorf("%+v %v", k, err)
	}
	revoked := answer[keyResult](t, good(t, "keys", "revoke", "--dir", dir, made.ID, "--json"))
	if revoked.State != "revoked" || revoked.Revoked == nil || revoked.Key != "" {
		t.Errorf("%+v", revoked)
	}
	list := answer[struct{ Keys []keyResult }](t, good(t, "keys", "list", "--dir", dir, "--json"))
	if len(list.Keys) != 2 || list.Keys[0].State != "revoked" || list.Keys[1].State != "valid" || list.Keys[1].Key != "" {
		t.Errorf("%+v", list)
	}
	shown := good(t, "keys", "list", "--dir", dir)
	if !strings.Contains(shown.stdout, "shop  write  revoked") || strings.Contains(shown.stdout, made.Key) {
		t.Errorf("%s", shown.stdout)
	}
	file, err := os.ReadFile(filepath.Join(dir, access.FileName))
	if err != nil || bytes.Contains(file, []byte(made.Key)) {
		t.Errorf("the file holds the key (%v)", err)
	}
}

func TestKeysThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		exit int
		says string
	}{
		{"keys create --role read --name x", exitUsage, "--dir"},
		{"keys create --dir D --file F --role read --name x", exitUsage, "--dir"},
		{"keys create --dir " + dir, exitUsage, "--role and --name are missing"},
		{"keys create --dir " + dir + " --role owner --name x", exitRefused, "read, write or admin"},
		{"keys create --dir " + dir + " --role read --name x --expires soon", exitUsage, "neither a length of time"},
		{"keys create --dir " + dir + " --role read --name x --expires 2001-01-01T00:00:00Z", exitRefused, "lie ahead"},
		{"keys create --dir " + dir + "/nowhere --role read --name x", exitNotFound, "no such file"},
		{"keys revoke --dir " + dir, exitUsage, "accepts 1 arg"},
		{"keys revoke --dir " + dir + " x", exitNotFound, "no such file"},
	} {
		if o := cli(t, nil, strings.Fields(c.args)...); o.code != c.exit || !strings.Contains(o.stderr, c.says) || o.stdout != "" {
			t.Errorf("tidal %s: %+v", c.args, o)
		}
	}
	if o := good(t, "keys", "list", "--dir", dir); strings.Count(o.stdout, "\n") != 1 {
		t.Errorf("%q", o.stdout)
	}
	if err := os.WriteFile(filepath.Join(dir, access.FileName), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := cli(t, nil, "keys", "list", "--dir", dir); o.code != exitDamaged || !strings.Contains(o.stderr, access.FileName) {
		t.Errorf("%+v", o)
	}
}
