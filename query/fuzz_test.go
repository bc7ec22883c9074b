package query

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// seeds adds what the scripts of errors read, by command.
func seeds(f *testing.F, commands ...string) {
	files, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no scripts: %v", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		datadriven.RunTestFromString(&testing.T{}, string(data), func(_ *testing.T, d *datadriven.TestData) string {
			for _, c := range commands {
				if d.Cmd == c && len(d.Input) < 1000 {
					f.Add(strings.TrimSuffix(d.Input, "\n"))
				}
			}
			return d.Expected
		})
	}
}

// again checks that what q prints reads as q, in both forms, and that it compiles to one plan in all or in none.
func again(t *testing.T, q *Query) {
	text, object := q.String(), q.AppendJSON(nil)
	if len(text) > maxText || len(object) > maxJSON {
		return // escapes made it longer than what is read
	}
	fromText, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	fromObject, err := ParseJSON(object)
	if err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	if !reflect.DeepEqual(without(fromText), without(q)) || !reflect.DeepEqual(without(fromObject), without(q)) {
		t.Fatalf("%s changes to %s and %s", text, fromText, fromObject)
	}
	plan, err := q.Compile(shop())
	planText, errText := fromText.Compile(shop())
	planObject, errObject := fromObject.Compile(shop())
	if (err == nil) != (errText == nil) || (err == nil) != (errObject == nil) {
		t.Fatalf("%s: %v, %v, %v", text, err, errText, errObject)
	}
	if err == nil && (!reflect.DeepEqual(plan, planText) || !reflect.DeepEqual(plan, planObject)) {
		t.Fatalf("%s compiles to %s, %s, %s", text, plan, planText, planObject)
	}
}

func FuzzParse(f *testing.F) {
	seeds(f, "parse", "compile")
	f.Fuzz(func(t *testing.T, text string) {
		if q, err := Parse(text); err == nil {
			again(t, q)
		} else if err.Error() == "" {
			t.Fatal("an error without a text")
		}
	})
}

func FuzzParseFilter(f *testing.F) {
	seeds(f, "filter", "cohort")
	f.Add(`place WITHIN 5 km OF 48.85, 2.35 AND tags IN ("a", "b") OR NOT has(url) AND published > time(-1.5)`)
	f.Fuzz(func(t *testing.T, text string) {
		x, err := ParseFilter(text)
		if err != nil {
			return
		}
		printed := x.String()
		if len(printed) > maxText {
			return
		}
		back, err := ParseFilter(printed)
		if err != nil || !reflect.DeepEqual(back, x) {
			t.Fatalf("%s changes to %s: %v", printed, back, err)
		}
		again(t, &Query{User: "u", Filter: x})
	})
}

func FuzzParseJSON(f *testing.F) {
	seeds(f, "json", "compile-json")
	f.Fuzz(func(t *testing.T, text string) {
		if q, err := ParseJSON([]byte(text)); err == nil {
			again(t, q)
		}
	})
}
