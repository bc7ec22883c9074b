package rows

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
)

// readAll reads every row of a text, and describes each on a line: what it means, or why it can't be used.
func readAll(open opener, text string) (string, error) {
	in := open("f", bufio.NewReaderSize(strings.NewReader(text), 16))
	var b strings.Builder
	for {
		r, err := in.Next()
		var bad *Error
		switch {
		case errors.Is(err, io.EOF):
			return b.String(), nil
		case errors.As(err, &bad):
			fmt.Fprintf(&b, "%s: %v\n", bad.Cause, bad)
		case err != nil:
			return b.String(), err
		default:
			fmt.Fprintf(&b, "%d:", r.Line)
			for _, record := range r.Records {
				b.WriteString(describe(record))
			}
			b.WriteByte('\n')
		}
	}
}

func describe(record tidal.Record) string {
	put, ok := record.(tidal.Put)
	if !ok {
		return describeSignal(record.(tidal.Signal))
	}
	text := fmt.Sprintf(" put %v %q {", put.Kind, put.ID)
	for i, name := range slices.Sorted(maps.Keys(put.Fields)) {
		if i > 0 {
			text += ", "
		}
		text += name + ": " + put.Fields[name].String()
	}
	return text + "}"
}

func describeSignal(s tidal.Signal) string {
	text := fmt.Sprintf(" %s(%q by %q × %v", s.Type, s.Item, s.User, s.Weight)
	if !s.Time.IsZero() {
		text += " at " + s.Time.UTC().Format("2006-01-02T15:04:05.999Z07:00")
	}
	if s.Creator != "" {
		text += " of " + s.Creator
	}
	if s.Cohorts != nil {
		text += fmt.Sprintf(" in %q", s.Cohorts)
	}
	return text + ")"
}

func TestRowsOfEveryFormat(t *testing.T) {
	for _, c := range []struct {
		name string
		open opener
		text string
	}{
		{"movielens", openMovieLens, strings.Join([]string{
			"196\t242\t3\t881250949", "186\t302\t4\t891717742", "22\t377\t1\t878887116\r", "", "1\t2\t4.5\t0",
			"1\t2\t2.5\t-1", "1\t2\t3", "1\t2\t3\t4\t5", "1\t2\t0\t4", "1\t2\t6\t4", "1\t2\tNaN\t4", "1\t2\t\t4", "1\t2\t3\tx",
			"\t2\t3\t4", strings.Repeat("x", maxLine+1), "no end\t2\t5\t4.5",
		}, "\n")},
		{"csv", openCSV, strings.Join([]string{
			"\ufefftype,item,user,weight,time,creator,cohorts\r", "like,a,ada,,881250949.5,,", "",
			`view,"a, ""b""",,2.5,1998-04-22T23:10:38+02:00,cy,x;y`, "view,\"two\nlines\",u,1,,,",
			"like,a,u", "like,a,u,1,,,,", `like,"a"x,u,1,,,`, `like,a"b,u,1,,,`, "like,a,u,0,,,", "like,a,u,-1,,,",
			"like,a,u,Inf,,,", "like,a,u,1e-9,,,", "like,a,u,1000001,,,", "like,a,u,1,yesterday,,",
			"like,a,u,1,893286638000,,", "like,a,u,1,0001-01-01T00:00:00Z,,", ",,,,,,", `like,"open,u,1,,,`, "like,b,u,1,,,",
		}, "\n")},
		{"csv-millis", openCSV, "time_ms,time,item,type\n893286638500,,a,like\n1,1,a,like\n1.5,,a,like\n999999999999999,,a,like"},
		{"ndjson", openNDJSON, strings.Join([]string{
			`{"type":"like","item":"a"}`, "",
			`{"type":"view","item":"ü","user":"ada","weight":0.5,"time":881250949.25,"creator":"cy","cohorts":["x","y"]}`,
			`{"type":"view","item":"a","time":"1998-04-22T23:10:38Z","weight":null}`, `{"type":"view","item":"a","time_ms":893286638500}`,
			`[]`, `{"type":"like","item":"a"} x`, `{"type":"like","item":"a"`, `{"type":"like","item":"a","Item":"b"}`,
			`{"type":"like","item":"a","item":"b"}`, `{"type":"like","item":5}`, `{"type":"like","item":"a","weight":"1"}`,
			`{"type":"like","item":"a","weight":1e400}`, `{"type":"like","item":"a","weight":0}`, `{"type":"like","item":"a","time":1e9}`,
			`{"type":"like","item":"a","time":true}`, `{"type":"like","item":"a","cohorts":"x"}`,
			`{"type":"like","item":"a","cohorts":[1]}`, `{"type":"like","item":"a","time_ms":1.5}`, "{\"type\":\"\xff\"}", `{"type":}`,
		}, "\n")},
		{"ordered", openOrdered, "1 6393\n1\t2\r\n\n 2  a \n3\n4 5 6\n" + strings.Repeat("x", maxLine+1) + "\n5 6"},
		{"posts", openDump, posts},
		{"votes", openDump, votes},
	} {
		got, err := readAll(c.open, c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		golden(t, c.name+".txt", got)
	}
}

func TestACSVFileWithoutUsableColumnsIsRefusedAsAWhole(t *testing.T) {
	for text, says := range map[string]string{
		"type,item,price\n":  `f:1: unknown column "price"; columns are type, item`,
		"type,item,type\n":   `f:1: column "type" appears twice`,
		"\n\ntype,user\n":    `f:3: the first row doesn't name the column "item"`,
		"\"type,item\n":      "never closed; the first row has to name the columns",
		"like,a,ada,1,0,,,,": `f:1: unknown column "like"`,
	} {
		if _, err := readAll(openCSV, text); !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %s", text, err, says)
		}
	}
	if got, err := readAll(openCSV, ""); got != "" || err != nil {
		t.Errorf("an empty file has no rows: %q %v", got, err)
	}
}

// An unclosed quote costs a bounded part of the file, not all that follows.
func TestAnUnclosedQuoteSwallowsALimitedPart(t *testing.T) {
	text := "type,item\nlike,\"a\n" + strings.Repeat("like,b\n", 20_000)
	got, err := readAll(openCSV, text)
	if err != nil || !strings.HasPrefix(got, "quotes: f:2: a quote is opened and not closed") {
		t.Fatalf("%.100q %v", got, err)
	}
	if rows := strings.Count(got, "like("); rows < 20_000-maxQuoted/len("like,b\n")-1 {
		t.Errorf("only %d of 20,000 rows are left", rows)
	}
}

// Wherever our reader finds no fault, it reads what the standard library's reader reads.
func FuzzCSVAgainstTheStandardLibrary(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "\"a\"\"b\",\n", "\"x\ny\",z\r\n", "a\"b,c\n\n\"", "\r\n,,\n", "\"a\"b\n1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "\r") { // the two differ in carriage returns in the middle of a line
			return
		}
		ours := csvRows{lines: lines{r: bufio.NewReaderSize(strings.NewReader(text), 16), Place: Place{File: "f"}}}
		theirs := csv.NewReader(strings.NewReader(text))
		theirs.FieldsPerRecord = -1
		for {
			at, err := ours.readFields()
			want, wantErr := theirs.Read()
			if errors.Is(err, io.EOF) != errors.Is(wantErr, io.EOF) {
				t.Fatalf("%q: %v, the standard library: %v", text, err, wantErr)
			}
			if err != nil || wantErr != nil {
				if (err == nil) != (wantErr == nil) {
					t.Fatalf("%q: %v, the standard library: %v", text, err, wantErr)
				}
				return // after a fault the two go on in different places
			}
			if line, _ := theirs.FieldPos(0); !slices.Equal(ours.fields, want) || at.Line != line {
				t.Fatalf("%q: line %d %q, the standard library: line %d %q", text, at.Line, ours.fields, line, want)
			}
		}
	})
}

// Whatever a file holds, every row is usable or has a place and a reason, and reading comes to an end.
func FuzzRows(f *testing.F) {
	for i := range formats {
		f.Add(uint8(i), "196\t242\t3\t881250949\n")
		f.Add(uint8(i), "type,item,weight\nlike,a,1\n")
		f.Add(uint8(i), `{"type":"like","item":"a","cohorts":["x"],"time":5}`)
		f.Add(uint8(i), posts)
		f.Add(uint8(i), votes)
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		in := formats[int(which)%len(formats)].Open("f", bufio.NewReaderSize(strings.NewReader(text), 16))
		last := 0
		for range strings.Count(text, "\n") + 2 {
			r, err := in.Next()
			var bad *Error
			switch {
			case errors.Is(err, io.EOF), errors.Is(err, tidal.ErrInput):
				return
			case errors.As(err, &bad):
				r.Place = bad.Place
				if bad.Reason == "" || bad.Cause == "" {
					t.Fatalf("%q: no reason: %+v", text, bad)
				}
			case err != nil:
				t.Fatalf("%q: %v", text, err)
			case len(r.Records) == 0:
				t.Fatalf("%q: a row without records", text)
			}
			if r.Line <= last {
				t.Fatalf("%q: line %d comes after line %d", text, r.Line, last)
			}
			last = r.Line
		}
		t.Fatalf("%q: more rows than lines", text)
	})
}
