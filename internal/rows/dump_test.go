package rows

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
)

// Dumps with whatever a row can suffer from.
const (
	posts = "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<posts>\r\n" +
		`  <row Id="1" PostTypeId="1" CreationDate="2010-08-25T19:50:51.187" Score="8" Body="&lt;p&gt;a&#xA;b&lt;/p&gt;" Title="Why &lt;b&gt; &amp; how?" Tags="&lt;domain&gt;&lt;naming&gt;" />
  <row Id="2" PostTypeId="2" ParentId="1" CreationDate="2010-08-25T19:53:00" Body="" />
  <row Id="3" PostTypeId="1" CreationDate="2024-01-01T00:00:00.000" Title="since 2023" Tags="|b|a|a|"></row>
  <row Id="4" PostTypeId="5" CreationDate="2010-08-25T19:53:00" />
  <row Id="5" PostTypeId="99" CreationDate="2010-08-25T19:53:00" />

  <row Id="6" CreationDate="2010-08-25T19:53:00" />
  <row Id="0" PostTypeId="1" CreationDate="2010-08-25T19:53:00" />
  <row Id="07" PostTypeId="1" CreationDate="2010-08-25T19:53:00" />
  <row Id="-7" PostTypeId="1" CreationDate="2010-08-25T19:53:00" />
  <row PostTypeId="1" CreationDate="2010-08-25T19:53:00" />
  <row Id="8" PostTypeId="1" CreationDate="2010-08-25" />
  <row Id="8" PostTypeId="1" CreationDate="0001-01-01T00:00:00" />
  <row Id="8" PostTypeId="1" />
  <row Id="8" Id="9" PostTypeId="1" CreationDate="2010-08-25T19:53:00" />
  <row Id="8" PostTypeId="x" CreationDate="2010-08-25T19:53:00" />
  <row Id="9" PostTypeId="1" CreationDate="2010-08-25T19:53:00" Tags="a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q" />
</posts>
<more>
`
	votes = `<?xml version="1.0" encoding="utf-8"?>
<votes>
  <row Id="1" PostId="1" VoteTypeId="2" CreationDate="2010-08-25T00:00:00.000" />
  <row Id="2" PostId="1" VoteTypeId="3" CreationDate="2010-08-26T00:00:00.000" />
  <row Id="3" PostId="2" VoteTypeId="1" CreationDate="2010-08-27T00:00:00.000" />
  <row Id="4" PostId="2" VoteTypeId="10" CreationDate="2010-08-27T00:00:00.000" />
  <row Id="5" PostId="2" VoteTypeId="16" CreationDate="2010-08-27T00:00:00.000" />
  <row Id="6" PostId="2" VoteTypeId="14" CreationDate="2010-08-27T00:00:00.000" />
  <row Id="7" PostId="2" VoteTypeId="0" CreationDate="2010-08-27T00:00:00.000" />
  <row Id="8" VoteTypeId="10" CreationDate="2010-08-27T00:00:00.000" />
  <row Id="9" PostId="2 VoteTypeId="2" CreationDate="2010-08-27T00:00:00.000" />
  <row Id="10" PostId="2" VoteTypeId="2" CreationDate="2010-08-27T00:00:00.000
  <row Id="11" PostId="2" VoteTypeId="2" CreationDate="2010-08-27T00:00:00.000">
  <row Id="12" PostId="2" VoteTypeId="2" CreationDate="2010-08-27T00:00:00.000" /><row />
  <post Id="13" PostId="2" VoteTypeId="2" CreationDate="2010-08-27T00:00:00.000" />
  <row Id="14" PostId="2" VoteTypeId="2" CreationDate="2010-08-27T00:00:00.000">text</row>
  <row Id="15" PostId="&#x1;" VoteTypeId="2" CreationDate="2010-08-27T00:00:00.000" />
  <!-- a comment -->
  <row Id="16" PostId="2" VoteTypeId="2" CreationDate="2010-08-28T00:00:00.000" />
</votes>
`
)

func TestADumpThatIsNoneIsRefusedAsAWhole(t *testing.T) {
	const head = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
	for text, says := range map[string]string{
		"":                       "f: there is no root element; want <posts> or <votes>",
		head:                     "f: there is no root element",
		head + "<comments>\n":    `f:2: "<comments>" isn't <posts> or <votes>`,
		"user,item\n":            `f:1: "user,item" isn't <posts> or <votes>`,
		"<?xml encoding=\"latin": "f:1: XML syntax error",
		"<?xml version=\"1.0\" encoding=\"utf-16\"?>\n<posts>": `f:1: xml: encoding "utf-16" declared`,
		strings.Repeat(" ", maxLine+1):                         "longer than 1048576 bytes; want <posts> or <votes>",
	} {
		if got, err := readAll(openDump, text); got != "" || !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %q %v, want %s", text, got, err, says)
		}
	}
}

// A dump that was cut says so, so that nobody takes its rows for all there are.
func TestADumpWithoutItsEndIsRefusedBehindItsRows(t *testing.T) {
	got, err := readAll(openDump, votes[:strings.Index(votes, "</votes>")])
	if !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), "f:20: the file ends without </votes>") {
		t.Error(err)
	}
	if !strings.Contains(got, `19: upvote("2"`) {
		t.Errorf("the row in front of the cut is missing:\n%s", got)
	}
}

func TestOnlySoundRowsOfOtherKindsAreLeftOutQuietly(t *testing.T) {
	quiet := map[string]bool{}
	in := openDump("f", bufio.NewReader(strings.NewReader(votes)))
	for {
		_, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		var bad *Error
		if errors.As(err, &bad) {
			quiet[bad.Cause] = quiet[bad.Cause] || bad.LeftOut
		}
	}
	for cause, want := range map[string]bool{
		"deletion": true, "approve_edit_suggestion": true, "unknown_kind": true, causeXML: false, causeID: false,
	} {
		if got, ok := quiet[cause]; got != want || !ok && cause != causeID {
			t.Errorf("%s: left out %t, want %t", cause, got, want)
		}
	}
}

// A row that isn't closed ends with its line, however much follows.
func TestAnUnclosedAttributeCostsOneRow(t *testing.T) {
	row := `<row PostId="2" VoteTypeId="2" CreationDate="2010-08-27T00:00:00.000" />` + "\n"
	text := "<votes>\n" + `<row PostId="` + "\n" + strings.Repeat(row, 1000) + "</votes>\n"
	got, err := readAll(openDump, text)
	if err != nil || strings.Count(got, "upvote(") != 1000 || !strings.HasPrefix(got, "xml: f:2: ") {
		t.Errorf("%v %.300s", err, got)
	}
}

// data returns a file of the folder TIDAL_DATA, and skips the test where it isn't.
func data(t *testing.T, path ...string) string {
	t.Helper()
	folder := os.Getenv("TIDAL_DATA")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "data")
	}
	file := filepath.Join(append([]string{folder}, path...)...)
	if _, err := os.Stat(file); err != nil {
		t.Skipf("%s isn't here: %v; name the folder that holds it with TIDAL_DATA", path[0], err)
	}
	return file
}

// tallyFile reads a file to its end and counts what its rows are.
func tallyFile(t *testing.T, open opener, path string) map[string]int {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	in := open(path, bufio.NewReader(file))
	counts := map[string]int{}
	for {
		r, err := in.Next()
		var bad *Error
		switch {
		case errors.Is(err, io.EOF):
			return counts
		case errors.As(err, &bad):
			counts[bad.Cause]++
		case err != nil:
			t.Fatal(err)
		default:
			switch record := r.Records[0].(type) {
			case tidal.Signal:
				counts[record.Type]++
			case tidal.Put:
				kind, _ := record.Fields["post_type"].Text()
				counts[kind]++
			}
		}
	}
}

func TestTheDumpOfBicyclesMetaIsReadWhole(t *testing.T) {
	for name, want := range map[string]map[string]int{
		"Votes.xml": {
			"upvote": 5136, "downvote": 281, "accept": 158, "deletion": 39, "undeletion": 3, "moderator_review": 30,
			"approve_edit_suggestion": 18, "close": 6,
		},
		"Posts.xml": {"question": 453, "answer": 971, "tag_wiki_excerpt": 11, "tag_wiki": 11},
	} {
		got := tallyFile(t, openDump, data(t, "stackexchange-bicycles-meta", name))
		for kind := range want {
			if got[kind] != want[kind] {
				t.Errorf("%s: %d of the kind %s, want %d", name, got[kind], kind, want[kind])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestOrderedVideoIsReadWhole(t *testing.T) {
	got := tallyFile(t, openOrdered, data(t, "ordered-video", "Video.txt"))
	if len(got) != 1 || got["purchase"] != 287_107 {
		t.Error(got)
	}
}
