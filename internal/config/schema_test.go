package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/schema"
)

func TestASchemaIsAFileOrBuiltIn(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, want := range map[string]*schema.Schema{"events": schema.Events(), "movielens": schema.MovieLens()} {
		if got, err := config.ReadSchema(name); err != nil || got.Hash() != want.Hash() {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	if _, err := config.ReadSchema("shop"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a schema that is nowhere: %v", err)
	}
	own := schema.Events()
	own.Name = "own"
	for _, file := range []string{"events", filepath.Join(t.TempDir(), "shop.yaml")} {
		if err := os.WriteFile(file, own.YAML(), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := config.ReadSchema(file); err != nil || got.Name != "own" {
			t.Errorf("%s is %v, %v; a file goes before what is built in", file, got, err)
		}
	}
	if err := os.WriteFile("broken", []byte("signals: 5"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.ReadSchema("broken"); err == nil {
		t.Error("a broken schema is read")
	}
}
