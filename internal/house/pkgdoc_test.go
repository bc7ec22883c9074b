package house

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// TestEveryPackageHasOneComment also catches the comment that a blank line separates from its clause: go doc never
// shows it, and here it counts as missing.
func TestEveryPackageHasOneComment(t *testing.T) {
	tr := loadModule(t)
	comments := map[string][]*source{}
	for _, s := range tr.sources {
		if !s.test && !s.tool && s.syntax.Doc != nil {
			comments[s.pkg] = append(comments[s.pkg], s)
			if why := badPackageComment(s.syntax); why != "" {
				t.Errorf("%s: %s", s.path, why)
			}
		}
	}
	for _, pkg := range tr.packages() {
		if n := len(comments[pkg]); n != 1 {
			t.Errorf("package %s has %d package comments, want 1", pkg, n)
			for _, s := range comments[pkg] {
				t.Logf("  one is in %s", s.path)
			}
		}
	}
}

var licence = regexp.MustCompile(`(?i)copyright|licen[cs]ed under|SPDX-`)

func badPackageComment(f *ast.File) string {
	text, name := f.Doc.Text(), f.Name.Name
	switch {
	case licence.MatchString(text):
		return "the package comment is a licence header"
	case name == "main" && !strings.HasPrefix(text, "Command "):
		return `the comment of a program begins with "Command "`
	case name != "main" && !strings.HasPrefix(text, "Package "+name+" "):
		return `the package comment begins with "Package ` + name + ` "`
	}
	return ""
}

func TestPackageCommentsAreJudged(t *testing.T) {
	for text, ok := range map[string]bool{
		"// Package p does.\npackage p":             true,
		"// Package q does.\npackage p":             false,
		"// Command x does.\npackage main":          true,
		"// Package main does.\npackage main":       false,
		"// Copyright somebody.\npackage p":         false,
		"// Package p is licensed under\npackage p": false,
	} {
		if why := badPackageComment(parse(t, text)); (why == "") != ok {
			t.Errorf("%q: %q, want accepted = %v", text, why, ok)
		}
	}
}
