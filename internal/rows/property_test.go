package rows

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// attribute writes one as dumps have it: everything that would end it, or the line, is escaped.
func attribute(name, value string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(value)) // into memory
	return fmt.Sprintf(" %s=\"%s\"", name, b.String())
}

// Whatever letters a title has, and in whatever order the attributes stand, a post is read back as it was written.
func TestPostsAreReadBackAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.OneOf(rapid.RuneFrom([]rune("ab<>&\"'\n\t ü😀|]")), rapid.RuneFrom([]rune{'x', 'ß'}))
		title := rapid.StringOfN(letters, 0, 150, 600).Draw(t, "title")
		tags := rapid.SliceOfN(rapid.StringMatching(`[a-z0-9.#+-]{1,35}`), 0, 5).Draw(t, "tags")
		created := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "created")).UTC()
		number := rapid.Uint64Range(1, 1<<62).Draw(t, "number")
		kind := rapid.IntRange(1, 2).Draw(t, "kind")
		tagText := ""
		for _, tag := range tags {
			tagText += "<" + tag + ">"
		}
		attributes := []string{
			attribute("Id", fmt.Sprint(number)), attribute("PostTypeId", fmt.Sprint(kind)), attribute("Title", title),
			attribute("Tags", tagText), attribute("CreationDate", created.Format("2006-01-02T15:04:05.000")),
			attribute("Body", rapid.StringOf(letters).Draw(t, "body")),
		}
		line := "<row" + strings.Join(rapid.Permutation(attributes).Draw(t, "order"), "") + " />"

		a, err := parseAttributes([]byte(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got, err := postRow(Place{"f", 1}, a)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		want := tidal.Put{Kind: tidal.Item, ID: fmt.Sprint(number), Fields: tidal.Fields{
			"created": schema.Time(created.UnixMilli()), "post_type": schema.String(postKinds[kind]),
		}}
		if title != "" {
			want.Fields["title"] = schema.String(title)
		}
		if len(tags) > 0 {
			want.Fields["tags"] = schema.Tags(tags)
		}
		if g, w := describe(got.Records[0]), describe(want); g != w {
			t.Fatalf("%s\ngot  %s\nwant %s", line, g, w)
		}
	})
}

// A file under names of its own, in another order and with columns that nobody asked for, means through its mapping
// what the plain file means.
func TestAMappedFileMeansWhatThePlainOneMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.Permutation(mappedFields).Draw(t, "columns")
		name := func(field string) string { return "their " + field }
		var plain, theirs bytes.Buffer
		a, b := csv.NewWriter(&plain), csv.NewWriter(&theirs)
		head := append([]string{"junk"}, fields...)
		for i := range head[1:] {
			head[i+1] = name(head[i+1])
		}
		_ = a.Write(mappedFields) // into memory
		_ = b.Write(append(head, "item"))
		for range rapid.IntRange(1, 20).Draw(t, "rows") {
			values := map[string]string{
				"type":    rapid.SampledFrom([]string{"view", "like", ""}).Draw(t, "type"),
				"item":    rapid.StringMatching(`[a-c"; ,\n]{0,5}`).Draw(t, "item"),
				"user":    rapid.StringMatching(`[a-c]{0,3}`).Draw(t, "user"),
				"weight":  rapid.SampledFrom([]string{"", "1", "2.5", "-1", "x"}).Draw(t, "weight"),
				"time":    rapid.SampledFrom([]string{"", "5", "1.25", "2024-05-06T00:00:00Z", "soon"}).Draw(t, "time"),
				"creator": rapid.StringMatching(`[a-c]{0,3}`).Draw(t, "creator"),
				"cohorts": rapid.StringMatching(`[a-c;]{0,3}`).Draw(t, "cohorts"),
			}
			row, theirRow := []string{}, []string{"junk"}
			for _, f := range mappedFields {
				row = append(row, values[f])
			}
			for _, f := range fields {
				theirRow = append(theirRow, values[f])
			}
			_ = a.Write(row)
			_ = b.Write(append(theirRow, "not this one"))
		}
		a.Flush()
		b.Flush()
		mapping := "columns:\n"
		for _, f := range rapid.Permutation(mappedFields).Draw(t, "mapping") {
			mapping += "  " + f + ": " + name(f) + "\n"
		}
		m, err := ParseMapping("m.yaml", []byte(mapping))
		if err != nil {
			t.Fatal(err)
		}
		want, err := readAll(openCSV, plain.String())
		if err != nil {
			t.Fatal(err)
		}
		format, _ := Find("csv")
		if format, err = format.Map(m); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(format.Open, theirs.String())
		// A row with two faults is told by the first, and what comes first is a matter of order.
		if err != nil || sound(got) != sound(want) || strings.Count(got, "\n") != strings.Count(want, "\n") {
			t.Fatalf("%v\ngot\n%s\nwant\n%s\nof %s", err, got, want, theirs.String())
		}
	})
}

// sound are the lines of a description that tell of usable rows.
func sound(description string) string {
	var kept []string
	for _, line := range strings.Split(description, "\n") {
		if line != "" && line[0] >= '0' && line[0] <= '9' {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func TestNamesOfFormatsReadAsASentence(t *testing.T) {
	if got, want := Names(), "movielens, csv, ndjson, stackexchange or ordered"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if f, ok := Find("xml"); ok {
		t.Errorf("xml is %+v", f.Name)
	}
}
