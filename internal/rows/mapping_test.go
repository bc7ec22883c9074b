package rows

import (
	"bufio"
	"errors"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// mapped reads CSV through a mapping.
func mapped(t *testing.T, mapping, csv string) (string, error) {
	t.Helper()
	m, err := ParseMapping("m.yaml", []byte(mapping))
	if err != nil {
		t.Fatal(err)
	}
	f, _ := Find("csv")
	if f, err = f.Map(m); err != nil {
		t.Fatal(err)
	}
	return readAll(f.Open, csv)
}

func TestAMappingExplainsTheColumnsOfAFile(t *testing.T) {
	got, err := mapped(t, `
# Orders of a shop.
columns:
  item: "product id"
  user: customer
  weight: 7
  time: bought
  cohorts: [country, device]
constants:
  type: purchase
  creator: acme
time_formats: [datetime, date, "02.01.2006 15:04 -0700", unix_ms]
`, "order,customer,product id,country,device,bought,7\n"+
		"1,ada,p1,se,phone,2024-05-06 07:08:09.25,2.5\n"+
		"2,bob,p2,,,2024-05-06,\n"+
		"3,bob,p3,de;at,,06.05.2024 07:08 +0200,1\n"+
		"4,bob,p4,,,1714979289250,1\n"+
		"5,bob,p5,,,yesterday,1\n"+
		"6,bob,p6,,,,heavy\n"+
		"7,bob,p7\n")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "mapped.txt", got)
}

func TestAConstantIsTheSameInEveryRow(t *testing.T) {
	got, err := mapped(t, `
columns: {item: i}
constants: {type: view, user: "12", weight: 3, time: 2024-05-06T00:00:00Z, cohorts: "a;b"}
`, "i\nx\ny\n")
	want := `2: view("x" by "12" × 3 at 2024-05-06T00:00:00Z in ["a" "b"])` + "\n" +
		`3: view("y" by "12" × 3 at 2024-05-06T00:00:00Z in ["a" "b"])` + "\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

func TestAMappingThatCanNotBeMeantIsRefusedWithItsLine(t *testing.T) {
	const good = "columns:\n  item: i\n  type: t\n"
	for text, says := range map[string]string{
		"":                                    "m.yaml:1: the mapping is empty",
		"# nothing\n":                         "m.yaml:1: the mapping is empty",
		"columns":                             "m.yaml:1: the mapping: want lines of the form key: value",
		good + "rows:\n  item: i\n":           `m.yaml:4: the mapping: there is no "rows"; there are columns, constants, time_formats`,
		good + "  price: p\n":                 `m.yaml:4: columns: there is no "price"; there are type, item, user`,
		good + "  time_ms: p\n":               `m.yaml:4: columns: there is no "time_ms"`,
		good + "  item: p\n":                  "m.yaml:4: columns: item appears twice",
		good + "  user:\n":                    "m.yaml:4: columns: user needs the name of a column",
		good + "  user: [a, b]\n":             "m.yaml:4: columns: user needs the name of a column",
		good + "  cohorts: [a, {b: c}]\n":     "m.yaml:4: columns: cohorts needs the name of a column",
		"columns: [item, type]\n":             "m.yaml:1: columns: want lines of the form key: value",
		"columns:\n  item: i\n":               "m.yaml:1: nothing says where type comes from",
		"constants:\n  type: t\n":             "m.yaml:1: nothing says where item comes from",
		good + "constants:\n  item: p\n":      "m.yaml:5: item is a constant here and a column in line 2",
		good + "constants:\n  size: xl\n":     `m.yaml:5: constants: there is no "size"`,
		good + "constants:\n  weight: -1\n":   "m.yaml:5: constants: weight -1 is not a number above 0",
		good + "constants:\n  time: soon\n":   `m.yaml:5: constants: time "soon" is neither RFC 3339`,
		good + "constants:\n  user: \"\"\n":   "m.yaml:5: constants: user needs a value",
		good + "time_formats: [unix, x]\n":    `m.yaml:4: time_formats: "x" is none of rfc3339`,
		good + "time_formats: []\n":           "m.yaml:4: time_formats: the list is empty",
		good + "time_formats: \"15:04:05\"":   "m.yaml:4: time_formats:",
		good + "---\n" + good:                 "m.yaml:5: a second document begins here",
		"columns:\n  item: \"i\n":             "m.yaml:2: isn't YAML",
		strings.Repeat("#\n", 2000):           "m.yaml:1: the mapping is too long",
		strings.Repeat("#", maxMapping+1):     "m.yaml:1: the mapping is too long",
		good + "time_formats: [\"%d\", date]": "m.yaml:4: time_formats:",
	} {
		m, err := ParseMapping("m.yaml", []byte(text))
		if m != nil || !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60q:\n%v, want\n%s", text, err, says)
		}
	}
}

func TestAMappingAndAFileThatDoNotMeetAreRefused(t *testing.T) {
	const mapping = "constants:\n  type: view\ncolumns:\n  user: u\n  item: product\n"
	for csv, says := range map[string]string{
		"u,item\n":            `m.yaml:5: f has no column "product"; its columns are u, item`,
		"u,product,product\n": `m.yaml:5: f has two columns "product"`,
		"\"u,product\n":       "the first row has to name the columns",
	} {
		if got, err := mapped(t, mapping, csv); got != "" || !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %q %v, want %s", csv, got, err, says)
		}
	}
	if got, err := mapped(t, mapping, ""); got != "" || err != nil {
		t.Errorf("an empty file has no rows: %q %v", got, err)
	}
}

func TestAConstantTypeHasToBeInTheSchema(t *testing.T) {
	m, err := ParseMapping("m.yaml", []byte("columns:\n  item: i\nconstants:\n  type: buy\n"))
	if err != nil {
		t.Fatal(err)
	}
	csv, _ := Find("csv")
	f, err := csv.Map(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Fits(schema.Events()); err == nil || !strings.Contains(err.Error(), `m.yaml:4: unknown signal type "buy"`) {
		t.Error(err)
	}
	if err := csv.Fits(schema.Events()); err != nil {
		t.Error("the format without the mapping changed, too:", err)
	}
}

func TestOnlyCSVTakesAMapping(t *testing.T) {
	f, _ := Find("ndjson")
	if _, err := f.Map(&Mapping{}); !errors.Is(err, tidal.ErrInput) {
		t.Error(err)
	}
}

func TestEveryFormatFitsItsOwnSchemaAndNoEmptyOne(t *testing.T) {
	for i := range formats {
		f := formats[i]
		if err := f.Fits(f.Schema()); err != nil {
			t.Error(err)
		}
		without := f.Schema()
		without.Signals = without.Signals[1:]
		if err := f.Fits(without); (err != nil) != f.fixed {
			t.Errorf("%s without its first signal type: %v", f.Name, err)
		}
	}
	dump, _ := Find("stackexchange")
	s := dump.Schema()
	s.Items.Fields[1].Type = schema.TypeKeyword
	if err := dump.Fits(s); err == nil || !strings.Contains(err.Error(), `no item field "tags" of the type tags`) {
		t.Error(err)
	}
}

// Whatever a mapping file holds, it's refused with its place or it reads rows.
func FuzzMapping(f *testing.F) {
	f.Add("columns:\n  item: i\n  type: t\n")
	f.Add("columns: {item: i}\nconstants: {type: view, weight: 1, cohorts: a;b}\ntime_formats: [unix, \"02.01.2006\"]\n")
	f.Add("a: &x [*x]\n? b\n: c\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMapping("m.yaml", []byte(text))
		if err != nil {
			if !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), "m.yaml:") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		in := openMapped("f", bufio.NewReader(strings.NewReader("i,t,c\nx,view,1\n")), m)
		if _, err := in.Next(); err != nil && !errors.Is(err, tidal.ErrInput) {
			var bad *Error
			if !errors.As(err, &bad) {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}
