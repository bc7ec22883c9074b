package house

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	decisionHead = regexp.MustCompile(`^# (\d{4}) .+\n\nStatus: (proposed|accepted|replaced by \d{4})\nDate: \d{4}-\d\d-\d\d\n`)
	decisionRow  = regexp.MustCompile(`(?m)^\| \[(\d{4})\]\(([^)]+)\) \| .+ \| (.+) \|$`)
)

// checkDecision returns what is wrong with the form of a decision record.
func checkDecision(name, text string) string {
	m := decisionHead.FindStringSubmatch(text)
	switch {
	case m == nil:
		return "doesn't begin with number and title, Status and Date"
	case !strings.HasPrefix(name, m[1]+"-"):
		return "has number " + m[1]
	}
	var sections []string
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			sections = append(sections, strings.TrimSpace(title))
		}
	}
	if want := []string{"Context", "Options", "Choice", "What would change our mind"}; !slices.Equal(sections, want) {
		return fmt.Sprintf("has sections %q, want %q", sections, want)
	}
	return ""
}

func TestDecisionsHaveTheirFormAndTheirRow(t *testing.T) {
	dir := filepath.Join(loadModule(t).root, "docs/decisions")
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{} // by file: the status
	for _, m := range decisionRow.FindAllStringSubmatch(string(index), -1) {
		rows[m[2]] = m[3]
	}
	files, err := filepath.Glob(filepath.Join(dir, "[0-9]*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no decisions in %s (%v)", dir, err)
	}
	last := ""
	for _, file := range files {
		name := filepath.Base(file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if why := checkDecision(name, string(text)); why != "" {
			t.Errorf("docs/decisions/%s %s", name, why)
		} else if m := decisionHead.FindStringSubmatch(string(text)); rows[name] != m[2] {
			t.Errorf("docs/decisions/README.md says %q of %s, which is %q", rows[name], name, m[2])
		}
		// Numbers are given out when work begins, so one that isn't there yet is no mistake.
		if last != "" && name[:4] == last[:4] {
			t.Errorf("docs/decisions/%s has the number of %s", name, last)
		}
		last = name
	}
	if len(rows) != len(files) {
		t.Errorf("docs/decisions/README.md has %d rows for %d records", len(rows), len(files))
	}
}

func TestDecisionsAreJudged(t *testing.T) {
	good := "# 0007 T\n\nStatus: accepted\nDate: 2026-11-30\n\n## Context\n\n## Options\n\n## Choice\n\n## What would change our mind\n"
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"0007-t.md", good, true},
		{"0008-t.md", good, false},
		{"0007-t.md", strings.Replace(good, "accepted", "agreed", 1), false},
		{"0007-t.md", strings.Replace(good, "## Options\n", "", 1), false},
		{"0007-t.md", strings.Replace(good, "# 0007 T\n\n", "# 0007 T\n", 1), false},
	} {
		if why := checkDecision(c.name, c.text); (why == "") != c.ok {
			t.Errorf("%s %q: %q, want fine = %v", c.name, c.text, why, c.ok)
		}
	}
}
