package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/schema"
	"github.com/tidaldb/tidal/tidaltest"
)

var block = regexp.MustCompile("(?ms)^```(sh|json|yaml)\n(.*?)^```$")

// TestThePageIsTrue runs every curl line of docs/http.md against a server with the page's schema, and holds what the last
// one of a block answers against the JSON behind it: the same keys, and the same texts but where the page has an ellipsis.
func TestThePageIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := block.FindAllStringSubmatch(string(page), -1)
	var w *world
	var last reply
	ran := 0
	for _, b := range blocks {
		switch b[1] {
		case "yaml":
			s, err := schema.ParseYAML("http.md", []byte(b[2]))
			if err != nil {
				t.Fatal(err)
			}
			w = &world{t: t, db: tidaltest.New(t, s), seen: &recording{}}
			w.serve(Options{DB: w.db.DB, Recorder: w.seen})
		case "sh":
			for _, line := range strings.Split(strings.ReplaceAll(strings.ReplaceAll(b[2], "\\\n", " "), "|\n", "| "), "\n") {
				if strings.Contains(line, "curl") {
					last = w.curl(line)
					ran++
				}
			}
		case "json":
			var want, got any
			if err := json.Unmarshal([]byte(b[2]), &want); err != nil {
				t.Fatalf("%s: %v", b[2], err)
			}
			if err := json.Unmarshal([]byte(last.body), &got); err != nil {
				t.Fatalf("%s: %v", last.body, err)
			}
			if why := differs("", want, got); why != "" {
				t.Errorf("%s\nthe page says %sthe server  %s", why, b[2], last.body)
			}
		}
	}
	if ran < 15 {
		t.Errorf("only %d lines were found", ran)
	}
}

// differs says where two values differ in more than numbers.
func differs(at string, want, got any) string {
	switch x := want.(type) {
	case string:
		if y, ok := got.(string); !ok || x != y && !strings.Contains(x, "…") {
			return fmt.Sprintf("%s is %v, not %q", at, got, x)
		}
	case []any:
		y, ok := got.([]any)
		if !ok || len(x) != len(y) {
			return fmt.Sprintf("%s has %v", at, got)
		}
		for i := range x {
			if why := differs(fmt.Sprintf("%s[%d]", at, i), x[i], y[i]); why != "" {
				return why
			}
		}
	case map[string]any:
		y, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %v", at, got)
		}
		for k := range y {
			if _, known := x[k]; !known {
				return fmt.Sprintf("%s.%s isn't on the page", at, k)
			}
		}
		for k, v := range x {
			if _, there := y[k]; !there {
				return fmt.Sprintf("%s.%s isn't in the answer", at, k)
			}
			if why := differs(at+"."+k, v, y[k]); why != "" {
				return why
			}
		}
	case bool:
		if got != x {
			return fmt.Sprintf("%s is %v", at, got)
		}
	}
	return ""
}

// curl does what a line with curl does.
func (w *world) curl(line string) reply {
	w.t.Helper()
	words := shellWords(w.t, line)
	input := ""
	if i := slices.Index(words, "|"); i > 0 {
		if words[0] != "printf" || words[1] != `%s\n` {
			w.t.Fatalf("%s: only printf can stand before curl", line)
		}
		input = strings.Join(words[2:i], "\n") + "\n"
		words = words[i+1:]
	}
	method, target, body, get := "", "", "", false
	var headers []string
	form := url.Values{}
	for i := 1; i < len(words); i++ {
		next := func() string {
			i++
			return words[i]
		}
		switch words[i] {
		case "-X":
			method = next()
		case "--json":
			body = next()
			headers = append(headers, "Content-Type", typeJSON)
		case "-H":
			name, value, _ := strings.Cut(next(), ": ")
			headers = append(headers, name, value)
		case "--data-binary":
			if next() != "@-" {
				w.t.Fatalf("%s: only @- is known", line)
			}
			body = input
		case "-G":
			get = true
		case "--data-urlencode":
			name, value, _ := strings.Cut(next(), "=")
			form.Set(name, value)
		default:
			if strings.HasPrefix(words[i], "-") {
				w.t.Fatalf("%s: %s isn't known", line, words[i])
			}
			target = strings.Replace(words[i], "$TIDAL", w.http.URL, 1)
		}
	}
	if get {
		target, method = target+"?"+form.Encode(), "GET"
	}
	if method == "" {
		method = map[bool]string{true: "GET", false: "POST"}[body == ""]
	}
	return w.do(method, target, body, headers)
}

func (w *world) do(method, target, body string, headers []string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.http.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if res.StatusCode >= 500 {
		w.t.Fatalf("%s %s: %s", method, target, data)
	}
	got := reply{res.StatusCode, res.Header, string(data)}
	w.describes(method, r.URL.EscapedPath(), got)
	return got
}

// shellWords splits a line as a shell does that knows quotes and bars.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	var out []string
	word, in, quote := "", false, rune(0)
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word += string(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ':
			if in {
				out = append(out, word)
			}
			word, in = "", false
		default:
			word, in = word+string(c), true
		}
	}
	if quote != 0 {
		t.Fatalf("%s: a quote isn't closed", line)
	}
	if in {
		out = append(out, word)
	}
	return out
}
