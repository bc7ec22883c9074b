package fault

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

func TestRefusalsNameFieldAndRecord(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{Refuse("weight", "is %d; weights are above 0", -1), "refused: weight: is -1; weights are above 0"},
		{Refuse("", "holds no records"), "refused: holds no records"},
		{At(3, Refuse("fields.price", "is text")), "refused: record 3: fields.price: is text"},
		{At(0, Refuse("", "is empty")), "refused: record 0: is empty"},
	} {
		if c.err.Error() != c.want {
			t.Errorf("got %q, want %q", c.err, c.want)
		}
		var in *Input
		if !errors.Is(c.err, ErrInput) || !errors.As(c.err, &in) {
			t.Errorf("%v is not an Input", c.err)
		}
	}
}

func TestAtFillsInTheRecordOnce(t *testing.T) {
	base := Refuse("item", "is empty")
	first := At(4, base)
	if second := At(9, first); second.Error() != first.Error() {
		t.Errorf("the record changed from %q to %q", first, second)
	}
	var in *Input
	if errors.As(base, &in); in.Record != -1 {
		t.Error("At changed the error it was given")
	}
	if At(1, nil) != nil {
		t.Error("At made an error of none")
	}
	if err := At(1, ErrClosed); err != ErrClosed { //nolint:errorlint // the very value is meant
		t.Errorf("At changed a foreign error to %v", err)
	}
}

// The text around a refusal says which call failed; it must survive the record's index.
func TestAtKeepsTheWrapping(t *testing.T) {
	err := At(2, fmt.Errorf("stamp batch: %w", Refuse("user", "is empty")))
	var in *Input
	if !errors.As(err, &in) || in.Record != 2 || in.Field != "user" {
		t.Fatalf("the refusal is lost: %v", err)
	}
	if want := "stamp batch: refused: record 2: user: is empty"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestDamageNamesFileAndOffset(t *testing.T) {
	err := fmt.Errorf("open log: %w", Damaged("wal-0-0.seg", 96, "checksum is %#x", 7))
	if want := "open log: damaged: wal-0-0.seg at offset 96: checksum is 0x7"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	var c *Corrupt
	if !errors.Is(err, ErrCorrupt) || !errors.As(err, &c) || c.File != "wal-0-0.seg" || c.Offset != 96 {
		t.Errorf("the place is lost: %+v", c)
	}
	if want := "damaged at offset 4: short"; Damaged("", 4, "short").Error() != want {
		t.Errorf("got %q, want %q", Damaged("", 4, "short"), want)
	}
}

func TestKindsOfErrorsDoNotMix(t *testing.T) {
	refused, damaged := Refuse("x", "y"), Damaged("x", 0, "y")
	if errors.Is(refused, ErrCorrupt) || errors.Is(damaged, ErrInput) || errors.Is(refused, ErrClosed) {
		t.Error("an error matches a sentinel of another kind")
	}
}

// Sentinels are told apart by errors.Is and read by people: each has a text of its own and says when it is returned.
func TestSentinelsAreDocumentedAndDistinct(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "fault.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	texts, count := map[string]string{}, 0
	for node := range ast.Preorder(file) {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Err") {
			continue
		}
		count++
		name := spec.Names[0].Name
		doc := spec.Doc.Text()
		if call, ok := spec.Values[0].(*ast.CallExpr); ok {
			text := call.Args[0].(*ast.BasicLit).Value
			if other := texts[text]; other != "" {
				t.Errorf("%s and %s have the same text", name, other)
			}
			texts[text] = name
		}
		if doc != "" && !strings.HasPrefix(doc, name+" is returned") && !strings.HasPrefix(doc, name+" matches") {
			t.Errorf("%s: the comment doesn't begin with when it is returned", name)
		}
	}
	if count < 18 {
		t.Errorf("found %d sentinels; was one removed?", count)
	}
}
