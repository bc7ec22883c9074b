package house

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	fence    = regexp.MustCompile("^\\s*(```|~~~)")
	codeSpan = regexp.MustCompile("`[^`]*`")
	linked   = regexp.MustCompile(`\]\(([^()\s]*(?:\([^()]*\)[^()\s]*)*)(?:\s+"[^"]*")?\)`)
	heading  = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	anchor   = regexp.MustCompile(`<a\s+(?:id|name)="([^"]+)"`)
)

// page is what a Markdown file links to and what can be linked to in it.
type page struct {
	links   []link
	anchors map[string]bool
}

type link struct {
	line   int
	target string
}

func readPage(text string) page {
	p := page{anchors: map[string]bool{}}
	inFence := false
	for i, line := range strings.Split(text, "\n") {
		if fence.MatchString(line) {
			inFence = !inFence
			continue
		}
		if inFence {
			continue
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			p.addAnchor(slug(m[1]))
		}
		for _, m := range anchor.FindAllStringSubmatch(line, -1) {
			p.anchors[m[1]] = true
		}
		for _, m := range linked.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
			p.links = append(p.links, link{i + 1, m[1]})
		}
	}
	return p
}

// addAnchor numbers headings that come twice: name, name-1, name-2.
func (p *page) addAnchor(name string) {
	unique := name
	for n := 1; p.anchors[unique]; n++ {
		unique = name + "-" + string(rune('0'+n))
	}
	p.anchors[unique] = true
}

// slug is the anchor that GitHub gives a heading: lower case, letters, digits, hyphens and underscores kept, blanks
// to hyphens, everything else gone.
func slug(text string) string {
	text = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(text, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

func TestRelativeLinksResolve(t *testing.T) {
	tr := loadModule(t)
	pages := map[string]page{}
	for _, name := range tr.files {
		if path.Ext(name) == ".md" {
			data, err := os.ReadFile(filepath.Join(tr.root, name))
			if err != nil {
				t.Fatal(err)
			}
			pages[name] = readPage(string(data))
		}
	}
	for name, p := range pages {
		for _, l := range p.links {
			if why := resolve(tr, pages, name, l.target); why != "" {
				t.Errorf("%s:%d: %s: %s", name, l.line, l.target, why)
			}
		}
	}
}

// resolve returns why a link leads nowhere, "" if it is fine or leads out of the tree.
func resolve(tr *tree, pages map[string]page, from, target string) string {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return "not a URL"
	case u.Scheme != "" || u.Host != "":
		return ""
	case strings.HasPrefix(u.Path, "/"):
		return "a link within the tree is relative to its file"
	}
	to := from
	if u.Path != "" {
		to = path.Join(path.Dir(from), u.Path)
		if strings.HasPrefix(to, "..") {
			return "leaves the tree"
		}
		if _, err := os.Stat(filepath.Join(tr.root, to)); err != nil {
			return "no such file"
		}
	}
	if p, ok := pages[to]; ok && u.Fragment != "" && !p.anchors[u.Fragment] {
		return "no such heading"
	}
	return ""
}

func TestLinksAreReadAsAReaderWould(t *testing.T) {
	p := readPage("# One *two*, `three`\n[a](b.md#c) and `[no](code)` and ![i](x.png \"title\")\n" +
		"```\n# not a heading\n[no](fence)\n```\n## One two, three\n## Über 9_9 – x\n<a id=\"here\"></a> [w](a_(b).md)\n")
	var targets []string
	for _, l := range p.links {
		targets = append(targets, l.target)
	}
	if got, want := strings.Join(targets, " "), "b.md#c x.png a_(b).md"; got != want {
		t.Errorf("links %q, want %q", got, want)
	}
	for _, a := range []string{"one-two-three", "one-two-three-1", "über-9_9--x", "here"} {
		if !p.anchors[a] {
			t.Errorf("no anchor %q in %v", a, p.anchors)
		}
	}
	if len(p.anchors) != 4 {
		t.Errorf("anchors %v, want 4", p.anchors)
	}
}
