package algebra

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func readDoc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEveryKindIsInThePageOfState holds the table of docs/state.md against the kinds: number, name, sum or join, and
// who writes it.
func TestEveryKindIsInThePageOfState(t *testing.T) {
	page := readDoc(t, "state.md")
	row := regexp.MustCompile(`(?m)^\| (\d+) \| ([a-z ]+) \| .* \| (sum|join)[^|]* \|$`)
	rows := row.FindAllStringSubmatch(page, -1)
	if len(rows) != Kinds {
		t.Errorf("docs/state.md has %d kinds, want %d", len(rows), Kinds)
	}
	_, writers, _ := strings.Cut(page, "### What writes them")
	for i, r := range rows {
		k := Kind(i + 1)
		if r[1] != strconv.Itoa(int(k)) || r[2] != k.String() || (r[3] == "sum") != k.Sum() {
			t.Errorf("docs/state.md has kind %s %q as a %s, want %d %q, sum: %v", r[1], r[2], r[3], k, k, k.Sum())
		}
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^\|( [^|]*,)? %s(,[^|]*)? \|`, r[2])).MatchString(writers) {
			t.Errorf("docs/state.md doesn't say what writes %q", r[2])
		}
	}
	if year := listRetention / (24 * 3600 * 1000); year != 366 || listLength != 64 {
		t.Errorf("lists hold %d entries of %d days; docs/state.md says 64 of a year", listLength, year)
	}
}

// TestTheExamplesOfValuesAreGolden looks the examples of docs/format/values.md up in the golden files, whose bytes are
// held to what is written today.
func TestTheExamplesOfValuesAreGolden(t *testing.T) {
	golden := map[string]bool{}
	for _, name := range []string{"joins.golden", "cell_layout.txt"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			_, bytes, _ := strings.Cut(strings.TrimSpace(line), ": ")
			golden[bytes] = true
		}
	}
	examples := regexp.MustCompile("(?m)^\\| ([^|]+) \\| `([0-9a-f]+)` \\|$").
		FindAllStringSubmatch(readDoc(t, "format/values.md"), -1)
	if len(examples) < 8 {
		t.Errorf("docs/format/values.md has %d examples", len(examples))
	}
	for _, e := range examples {
		if !golden[e[2]] {
			t.Errorf("docs/format/values.md: %s: %s is in no golden file", e[1], e[2])
		}
	}
}

// TestThePageOfValuesHasTheConstantsOfTheCode holds the figures of docs/format/values.md that a reader would build on.
func TestThePageOfValuesHasTheConstantsOfTheCode(t *testing.T) {
	page := readDoc(t, "format/values.md")
	for _, want := range []string{
		fmt.Sprintf("| mark | 0x%02x |", cellMark), fmt.Sprintf("| total | 0x%02x |", cellTotal),
		fmt.Sprintf("| permanent | 0x%02x |", cellPermanent), fmt.Sprintf("| decays | 0x%02x |", cellDecays),
		fmt.Sprintf("| buckets | 0x%02x |", cellBuckets), fmt.Sprintf("| unique | 0x%02x |", cellUnique),
		fmt.Sprintf("at most %d, %d and %d", levelMost[byMinute], levelMost[byHour], levelMost[byDay]),
		fmt.Sprintf("one of the %d up to the mark's", levelKeep[byMinute]),
		fmt.Sprintf("one of %d, else in its day if that is one of %d", levelKeep[byHour], levelKeep[byDay]),
		fmt.Sprintf("⌊t / %dh⌋", epochHalfLives), fmt.Sprintf("mask, 1 to %d:", 1<<keptEpochs-1),
		fmt.Sprintf("for n up to %d:", hllSparse), fmt.Sprintf("its upper %d bits", hllBits),
		fmt.Sprintf("at most %d.", hllMaxRank), fmt.Sprintf("text, at most %d bytes: the signal type", maxType),
		fmt.Sprintf("text, 1 to %d bytes\n", maxName),
	} {
		if !strings.Contains(page, strings.TrimSuffix(want, "\n")) {
			t.Errorf("docs/format/values.md doesn't say %q", want)
		}
	}
}
