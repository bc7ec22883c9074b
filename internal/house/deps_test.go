package house

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	exactVersion = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+incompatible)?$`)
	tableRow     = regexp.MustCompile("(?m)^\\| `([^`]+)`")
)

type requirement struct {
	path, version string
	indirect      bool
}

// requirements reads go.mod as far as we write it: require lines and blocks.
func requirements(gomod string) (reqs []requirement, others []string) {
	block := ""
	for line := range strings.Lines(gomod) {
		code, comment, _ := strings.Cut(line, "//")
		words := strings.Fields(code)
		switch {
		case len(words) == 0:
			continue
		case words[0] == ")":
			block = ""
			continue
		case len(words) == 2 && words[1] == "(":
			block = words[0]
			continue
		case block != "":
			words = append([]string{block}, words...)
		}
		if words[0] == "require" && len(words) == 3 {
			reqs = append(reqs, requirement{words[1], words[2], strings.TrimSpace(comment) == "indirect"})
		} else {
			others = append(others, strings.Join(words, " "))
		}
	}
	return reqs, others
}

func TestEveryDependencyIsADecision(t *testing.T) {
	tr := loadModule(t)
	gomod, err := os.ReadFile(filepath.Join(tr.root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	const record = "docs/decisions/0001-dependencies.md"
	decision, err := os.ReadFile(filepath.Join(tr.root, record))
	if err != nil {
		t.Fatal(err)
	}
	var decided []string
	for _, row := range tableRow.FindAllStringSubmatch(string(decision), -1) {
		decided = append(decided, row[1])
	}
	reqs, others := requirements(string(gomod))
	for _, r := range reqs {
		if !exactVersion.MatchString(r.version) {
			t.Errorf("go.mod: %s has version %s, want an exact one", r.path, r.version)
		}
		if !r.indirect && !slices.Contains(decided, r.path) {
			t.Errorf("go.mod: %s has no row in %s", r.path, record)
		}
	}
	for _, path := range decided {
		if !slices.ContainsFunc(reqs, func(r requirement) bool { return r.path == path && !r.indirect }) {
			t.Errorf("%s: %s is not a direct requirement of go.mod", record, path)
		}
	}
	for _, line := range others {
		if word, _, _ := strings.Cut(line, " "); word == "replace" || word == "exclude" {
			t.Errorf("go.mod: %s: users of the module would not get this", line)
		}
	}
}

func TestRequirementsAreRead(t *testing.T) {
	reqs, others := requirements("module m\n\ngo 1.26\nrequire a.b/c v1.2.3\nrequire (\n\td.e/f v0.0.0-2026-ab // indirect\n)\n" +
		"replace (\n\ta.b/c => ../c\n)\n")
	if want := []requirement{{"a.b/c", "v1.2.3", false}, {"d.e/f", "v0.0.0-2026-ab", true}}; !slices.Equal(reqs, want) {
		t.Errorf("got %v, want %v", reqs, want)
	}
	if want := []string{"module m", "go 1.26", "replace a.b/c => ../c"}; !slices.Equal(others, want) {
		t.Errorf("got %q, want %q", others, want)
	}
	for version, ok := range map[string]bool{"v1.2.3": true, "v1.2": false, "latest": false, "v0.0.0-2026-ab": true} {
		if exactVersion.MatchString(version) != ok {
			t.Errorf("%s: exact should be %v", version, ok)
		}
	}
}
