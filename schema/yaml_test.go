package schema

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tidaldb/tidal/internal/fault"
)

// Each case is a document; the answer is the schema as it prints, or the problems as a person gets to see them.
func TestYAML(t *testing.T) {
	for _, file := range []string{"testdata/yaml_forms.txt", "testdata/yaml_errors.txt"} {
		datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "parse" {
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			s, err := ParseYAML("s.yaml", []byte(d.Input))
			if err == nil {
				return string(s.YAML())
			}
			var in *fault.Input
			if !errors.As(err, &in) {
				d.Fatalf(t, "error holds no fault.Input: %v", err)
			}
			return err.Error() + "\n"
		})
	}
}

func TestYAMLBoundsWhatItReads(t *testing.T) {
	for name, text := range map[string]string{
		"long":         "name: a\n" + strings.Repeat("# long\n", maxYAML/7),
		"flow lists":   strings.Repeat("[", 100_000),
		"flow maps":    "a: " + strings.Repeat("{b: ", 50_000),
		"block lists":  strings.Repeat("- ", 100_000),
		"explicit":     strings.Repeat("? ", 100_000),
		"colons":       strings.Repeat("a: ", 80_000),
		"anchors":      "name: " + strings.Repeat("&a ", 50_000),
		"tags":         "name: " + strings.Repeat("!a ", 50_000),
		"indentation":  deepBlocks(600),
		"unknown keys": strings.Repeat("x: 1\n", 8_000),
		"lines":        strings.Repeat("x: 1\n", 20_000),
		"returns":      strings.Repeat("x: 1\r", 20_000),
		"quotes":       `name: "` + strings.Repeat(`\u0041`, 30_000),
		"documents":    strings.Repeat("---\n", 60_000),
		"flow keys":    "a: {" + strings.Repeat("b: ", 200_000),
		"flow entries": "a: {" + strings.Repeat("b: 1,", 30_000) + "}",
		"flow dashes":  "a: [" + strings.Repeat("- ", 100_000) + "]",
		"open dashes":  "a: [" + strings.Repeat("- ", 100_000),
		"flow askings": "a: [" + strings.Repeat("? b,", 50_000) + "]",
		"open askings": "a: {" + strings.Repeat("? ", 300_000),
		"quoted flows": strings.Repeat("'x: \"', [", 60_000),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseYAML("s.yaml", []byte(text))
			if !errors.Is(err, fault.ErrInput) {
				t.Errorf("got %v", err)
			}
			if n := len(err.Error()); n > 8<<10 {
				t.Errorf("the error has %d bytes", n)
			}
		})
	}
}

func deepBlocks(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func FuzzParseYAML(f *testing.F) {
	f.Add([]byte("name: a"))
	f.Add(MovieLens().YAML())
	f.Add(fullSchema(f).YAML())
	f.Add(rankedSchema(f).YAML())
	f.Add([]byte("name: a\nsignals:\n- name: view\n  half_lives: [7d, '1h']\n  sets: [liked]\nitems: {fields: {a: {type: int}}}"))
	f.Add([]byte("&a name: *a\n? [b]\n: !!int 'x'\n---\n<<: {name: |\n  x}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseYAML("f", text)
		if err != nil {
			if !errors.Is(err, fault.ErrInput) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("a parsed schema isn't valid: %v", err)
		}
		if back, err := ParseYAML("f", s.YAML()); err != nil || !bytes.Equal(back.Encode(), s.Encode()) {
			t.Fatalf("doesn't read back: %v", err)
		}
	})
}
