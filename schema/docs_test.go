package schema

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// The documentation's examples are read as a user would have them read.
func TestTheExamplesInTheDocumentationAreRead(t *testing.T) {
	page, err := os.ReadFile("../docs/schema.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```yaml\n")[1:]
	if len(blocks) < 2 {
		t.Fatalf("found %d examples", len(blocks))
	}
	var profiles []Profile
	var cohorts []Cohort
	for i, block := range blocks {
		text, _, ok := strings.Cut(block, "```")
		if !ok {
			t.Fatalf("example %d has no end", i+1)
		}
		s, err := ParseYAML(fmt.Sprintf("example %d", i+1), []byte(text))
		if err != nil {
			t.Error(err)
			continue
		}
		if i == 0 && (len(s.Signals) < 6 || len(s.Items.Fields) < 8 || len(s.Items.Embeddings) == 0) {
			t.Error("the first example isn't the full one")
		}
		profiles, cohorts = append(profiles, s.Profiles...), append(cohorts, s.Cohorts...)
	}
	if len(profiles) != 1 || len(cohorts) < 2 {
		t.Fatalf("the examples have %d profiles and %d cohorts", len(profiles), len(cohorts))
	}
	parts := reflect.ValueOf(profiles[0])
	for i := range parts.NumField() {
		if parts.Field(i).IsZero() {
			t.Errorf("the example of a profile doesn't show %s", parts.Type().Field(i).Name)
		}
	}
}

// Every key and word of the language is explained.
func TestTheDocumentationNamesEveryWord(t *testing.T) {
	page, err := os.ReadFile("../docs/schema.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, words := range [][]string{
		schemaKeys[:], signalKeys[:], entityKeys[:], meaningWords[:], markWords[:],
		typeWords[:], windowWords[:], reservedEverywhere[:], reservedForFields[:],
		profileKeys[:], sourceKeys[:], stepKeys[:], diversityKeys[:], atLeastKeys[:], slotKeys[:], cohortKeys[:], policyKeys[:],
		sourceWords[:], opWords[:], poolWords[:],
		{CreatorField, PublishedField, ExpiresField},
	} {
		all = append(all, words...)
	}
	for _, word := range all {
		if !strings.Contains(string(page), "`"+word+"`") {
			t.Errorf("docs/schema.md doesn't explain `%s`", word)
		}
	}
}
