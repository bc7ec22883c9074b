package client_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/client"
)

// Every block of Go on the client's page is the body of a function of example_test.go, which runs.
func TestThePageShowsTheExamples(t *testing.T) {
	page, err := os.ReadFile("../docs/client.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)\n```go\n(.*?)```\n").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 4 {
		t.Errorf("the page has %d blocks of Go", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(indentless(string(examples)), "\n"+b[1]+"}\n") {
			t.Errorf("no example has the body\n%s", b[1])
		}
	}
}

// Every code that a server may answer with has a meaning here, and no other has.
func TestEveryCodeHasAMeaning(t *testing.T) {
	source, err := os.ReadFile("../internal/server/problem.go")
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, m := range regexp.MustCompile(`(?m)^\t\t\{\S+, "([a-z_]+)", `).FindAllStringSubmatch(string(source), -1) {
		codes = append(codes, m[1])
	}
	known := client.Codes()
	slices.Sort(codes)
	slices.Sort(known)
	if len(codes) < 20 || !slices.Equal(codes, known) {
		t.Errorf("the server has\n%v\nthe client knows\n%v", codes, known)
	}
}

// The page says what the zero value of each option is.
func TestThePageNamesTheOptions(t *testing.T) {
	page, err := os.ReadFile("../docs/client.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(client.OptionNames(), "Batch", "Linger", "InFlight", "Done") {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the page doesn't name %s", name)
		}
	}
}
