package planted_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryMistakeIsPlantedSomewhere: each constant has both its files, is off without its tag, and is asked for by
// the product.
func TestEveryMistakeIsPlantedSomewhere(t *testing.T) {
	used := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`planted\.([A-Z]\w+)`).FindAllSubmatch(text, -1) {
			used[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("planted_*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		name, ok := strings.CutPrefix(strings.TrimSuffix(file, ".go"), "planted_")
		if !ok || strings.HasSuffix(file, "_test.go") {
			continue
		}
		found++
		on, off := read(t, file), read(t, "off_"+name+".go")
		m := regexp.MustCompile(`(?s)^//go:build planted_` + name + `\n.*\nconst (\w+) = true\n$`).FindStringSubmatch(on)
		if m == nil {
			t.Errorf("%s isn't a constant that is true under its tag", file)
			continue
		}
		if want := "//go:build !planted_" + name + "\n"; !strings.HasPrefix(off, want) ||
			!strings.HasSuffix(off, "\nconst "+m[1]+" = false\n") {
			t.Errorf("off_%s.go isn't the same constant, false", name)
		}
		if !used[m[1]] {
			t.Errorf("nothing asks for planted.%s", m[1])
		}
	}
	if found < 6 {
		t.Errorf("%d mistakes are planted", found)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
