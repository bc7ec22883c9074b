package query

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// TestErrors runs the scripts in testdata: what is refused, and in exactly which words. A command names the reader;
// "compile" and "compile-json" hold what they read against the schema of the tests.
func TestErrors(t *testing.T) {
	s := shop()
	cases := 0
	datadriven.Walk(t, "testdata/errors", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			cases++
			out, err := runScript(s, d.Cmd, strings.TrimSuffix(unescape(t, d.Input), "\n"))
			if err == nil {
				return out
			}
			var first *Error
			if !errors.Is(err, fault.ErrInput) || !errors.As(err, &first) || first.Reason == "" {
				t.Errorf("%v is no Error", err)
			}
			tooLong := strings.Contains(first.Reason, "bytes; ") && first.Path == ""
			if read := d.Cmd != "cohort"; read && first.Line == 0 && !tooLong {
				t.Errorf("%v has no place", err)
			}
			var in *fault.Input
			if !errors.As(err, &in) || in.Field != first.Path {
				t.Errorf("%v holds no refusal of %s", err, first.Path)
			}
			return err.Error() + "\n"
		})
	})
	if cases < 100 {
		t.Errorf("ran %d cases", cases)
	}
}

func runScript(s *schema.Schema, cmd, input string) (string, error) {
	var q *Query
	var x Expr
	var err error
	switch cmd {
	case "parse", "compile":
		q, err = Parse(input)
	case "json", "compile-json":
		q, err = ParseJSON([]byte(input))
	case "filter", "cohort":
		x, err = ParseFilter(input)
	default:
		err = fmt.Errorf("unknown command %s", cmd)
	}
	if cmd == "cohort" && err == nil {
		x, err = CompileFilter(x, &s.Users, true)
	}
	switch {
	case err != nil:
		return "", err
	case x != nil:
		return x.String() + "\n", nil
	case !strings.HasPrefix(cmd, "compile"):
		return q.String() + "\n", nil
	}
	plan, err := q.Compile(s)
	if err != nil {
		return "", err
	}
	return plan.String() + "\n", nil
}

// unescape replaces ⟨NN⟩ by that byte and ⟨text×n⟩ by so many texts, which scripts couldn't hold otherwise.
func unescape(t *testing.T, s string) string {
	for {
		before, rest, ok := strings.Cut(s, "⟨")
		inner, behind, closed := strings.Cut(rest, "⟩")
		if !ok || !closed {
			return s
		}
		if text, times, repeated := strings.Cut(inner, "×"); repeated {
			n, err := strconv.Atoi(times)
			if err != nil {
				t.Fatal(err)
			}
			inner = strings.Repeat(text, n)
		} else {
			n, err := strconv.ParseUint(inner, 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			inner = string([]byte{byte(n)})
		}
		s = before + inner + behind
	}
}
