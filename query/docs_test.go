package query

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/schema"
)

func readDocs(t *testing.T) string {
	page, err := os.ReadFile("../docs/query.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// blocks returns the examples of a language.
func blocks(t *testing.T, page, language string) []string {
	var all []string
	for _, m := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)\n```\n").FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	if len(all) == 0 {
		t.Fatalf("found no examples in %s", language)
	}
	return all
}

// The page's examples are read and compiled as a user would have them; filters stand one a line.
func TestTheExamplesInTheDocumentationCompile(t *testing.T) {
	page := readDocs(t)
	s, err := schema.ParseYAML("docs/query.md", []byte(blocks(t, page, "yaml")[0]))
	if err != nil {
		t.Fatal(err)
	}
	var plans []*Plan
	compile := func(q *Query, err error) {
		if err != nil {
			t.Fatal(err)
		}
		plan, err := q.Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, plan)
	}
	for _, block := range blocks(t, page, "tidal") {
		texts := strings.Split(block, "\nRANK")
		for i := 1; i < len(texts); i++ {
			texts[i] = "RANK" + texts[i]
		}
		if !strings.HasPrefix(block, "RANK") {
			texts = strings.Split(block, "\n")
		}
		for _, text := range texts {
			if !strings.HasPrefix(text, "RANK") {
				text = `RANK items FOR USER "u" FILTER ` + text
			}
			compile(Parse(text))
		}
	}
	texts := len(plans)
	for _, text := range blocks(t, page, "json") {
		compile(ParseJSON([]byte(text)))
	}
	if texts < 10 || len(plans) < texts+2 {
		t.Errorf("compiled %d texts and %d objects", texts, len(plans)-texts)
	}
	// The page begins with one query in two forms.
	if !reflect.DeepEqual(plans[0], plans[texts]) {
		t.Errorf("%s isn't %s", plans[0], plans[texts])
	}
	// And it shows what a mistake in it looks like.
	wrong, err := Parse(`RANK items FOR USER "u" FILTER unseen AND categry = "jazz"`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = wrong.Compile(s)
	if shown := "\n    " + strings.ReplaceAll(err.Error(), "\n", "\n    ") + "\n"; !strings.Contains(page, shown) {
		t.Errorf("the page doesn't show%s", shown)
	}
	for _, c := range s.Cohorts {
		x, err := ParseFilter(c.Where)
		if err == nil {
			_, err = CompileFilter(x, &s.Users, true)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// Each word of the language is explained, and the bounds are those of the source.
func TestTheDocumentationNamesEveryWord(t *testing.T) {
	page := readDocs(t)
	_, grammar, _ := strings.Cut(page, "```ebnf\n")
	for _, c := range clauses {
		if !strings.Contains(page, "| `"+c.words) {
			t.Errorf("the clause %s isn't explained", c.words)
		}
		first, _, _ := strings.Cut(c.words, " ")
		if !strings.Contains(grammar, `"`+first+`"`) {
			t.Errorf("%s isn't in the grammar", first)
		}
	}
	for _, key := range queryKeys {
		if !strings.Contains(page, `"`+key+`"`) {
			t.Errorf("the key %s isn't explained", key)
		}
	}
	for _, word := range append(conditionWords[1:len(conditionWords):len(conditionWords)], opWords[1:]...) {
		if !strings.Contains(page, "`"+word+"`") || !strings.Contains(grammar, `"`+strings.ToUpper(word)+`"`) {
			t.Errorf("%s isn't explained", word)
		}
	}
	for what, bound := range map[string]int{
		"bytes of a text": maxText, "bytes of JSON": maxJSON,
		"values in JSON, arrays and objects among them": maxNodes, "values of an `IN`": maxValues, "excluded items": maxExclude,
		"pins": maxPins, "buried items": maxBuries, "boosts": maxBoosts, "rules of a kind in `DIVERSIFY`": maxRules,
		"depth of a filter: `AND`, `OR`, `NOT`, parentheses":   maxDepth,
		"comparisons and conditions of all filters of a query": maxConditions,
	} {
		if row := "| " + what + " | " + thousands(bound) + " |"; !strings.Contains(page, row) {
			t.Errorf("there is no row %s", row)
		}
	}
}

func thousands(n int) string {
	s := ""
	for ; n >= 1000; n /= 1000 {
		s = "," + string([]byte{'0' + byte(n/100%10), '0' + byte(n/10%10), '0' + byte(n%10)}) + s
	}
	digits := strings.TrimLeft(string([]byte{'0' + byte(n/100%10), '0' + byte(n/10%10), '0' + byte(n%10)}), "0")
	return digits + s
}

// What a field can be asked is in the table of operators exactly if the compiler lets it pass.
func TestTheTableOfOperatorsIsWhatCompiles(t *testing.T) {
	page := readDocs(t)
	s := shop()
	byType := map[string]string{}
	for _, f := range s.Items.Fields {
		byType[f.Type.String()] = f.Name
	}
	values := []schema.Value{schema.String("x"), schema.Int(5), schema.Bool(true), schema.String("2024-05-01")}
	passes := func(field, kind string) bool {
		for _, v := range values {
			for _, x := range map[string][]Expr{
				"=":      {Compare{field, Equal, v}, Compare{field, NotEqual, v}},
				"<":      {Compare{field, Less, v}, Compare{field, GreaterEqual, v}},
				"IN":     {In{field, []schema.Value{v, v}}},
				"WITHIN": {Within{field, 1000000}, Near{field, 1, 2, 3}},
				"has":    {Has{field}},
			}[kind] {
				if _, err := CompileFilter(x, &s.Items, false); err == nil {
					return true
				}
			}
		}
		return false
	}
	rows := 0
	row := regexp.MustCompile("(?m)^\\| `([a-z]+)` " + strings.Repeat(`\|([^|]*)`, 5) + `\|[^|]*\|$`)
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		rows++
		for i, kind := range []string{"=", "<", "IN", "WITHIN", "has"} {
			said := strings.TrimSpace(m[2+i]) != ""
			if got := passes(byType[m[1]], kind); got != said {
				t.Errorf("%s %s: the page says %t, the compiler %t", m[1], kind, said, got)
			}
		}
	}
	if rows != len(byType) {
		t.Errorf("the table has %d rows for %d types", rows, len(byType))
	}
}
