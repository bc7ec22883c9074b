package house

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the generated parts of documents")

const (
	layersBegin = "<!-- layers: from internal/house/imports.txt by go test ./internal/house -update -->\n"
	layersEnd   = "<!-- end of layers -->\n"
)

// layers turns imports.txt into the table of ARCHITECTURE.md: the lowest first, one row a package.
func layers(imports string) string {
	var b strings.Builder
	group, rows := "", 0
	for line := range strings.Lines(imports) {
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "# "); ok {
			group, rows = comment, 0
			continue
		}
		name, list, ok := strings.Cut(line, ":")
		if !ok || strings.HasSuffix(name, "[test]") {
			continue
		}
		if rows == 0 {
			fmt.Fprintf(&b, "\n%s\n\n| package | may import of ours | of others |\n|---|---|---|\n", group)
		}
		rows++
		var own, others []string
		for _, to := range strings.Fields(list) {
			if ours(to) {
				own = append(own, strings.TrimPrefix(to, "internal/"))
			} else {
				others = append(others, to)
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, listed(own), listed(others))
	}
	return b.String() + "\n"
}

func listed(names []string) string {
	if len(names) == 0 {
		return "–"
	}
	return strings.Join(names, ", ")
}

func TestTheLayersInTheArchitectureAreTheImportRules(t *testing.T) {
	tr := loadModule(t)
	imports, err := os.ReadFile("imports.txt")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(tr.root, "ARCHITECTURE.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), layersBegin)
	table, after, ok2 := strings.Cut(rest, layersEnd)
	if !ok || !ok2 {
		t.Fatalf("ARCHITECTURE.md has no lines %q and %q", layersBegin, layersEnd)
	}
	want := layers(string(imports))
	if table == want {
		return
	}
	if !*update {
		t.Fatal("the layers in ARCHITECTURE.md are not those of imports.txt; run go test ./internal/house -update")
	}
	if err := os.WriteFile(path, []byte(before+layersBegin+want+layersEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLayersAreGrouped(t *testing.T) {
	got := layers("# About the list.\n\n# Leaves.\na:\n\n# Above.\ninternal/b: a internal/c example.com/x\nb [test]: a\n")
	want := "\nLeaves.\n\n| package | may import of ours | of others |\n|---|---|---|\n| `a` | – | – |\n" +
		"\nAbove.\n\n| package | may import of ours | of others |\n|---|---|---|\n| `internal/b` | a, c | example.com/x |\n\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
