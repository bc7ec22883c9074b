package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
)

// The keys are made when they are first asked for, and are the same for everybody from then on.
func TestKeysAreMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	open := func(readOnly bool) *Replica {
		t.Helper()
		r, err := Open(context.Background(), Options{Dir: dir, ReadOnly: readOnly})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open(false)
	path := filepath.Join(dir, keysName)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there are keys before anybody asked: %v", err)
	}
	first, err := r.Keys()
	if err != nil || len(first) != 1 {
		t.Fatalf("%d keys, %v", len(first), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("keys are readable by others: %v, %v", info.Mode(), err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{false, true} {
		r := open(readOnly)
		again, err := r.Keys()
		if err != nil || !reflect.DeepEqual(again, first) {
			t.Errorf("keys changed (read only %v): %v", readOnly, err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte(`{"format":1,"keys":[{"id":1,"secret":"abc"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r = open(false)
	if _, err := r.Keys(); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("damaged keys gave %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}
