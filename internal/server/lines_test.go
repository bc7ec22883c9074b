package server

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type linesDoc struct {
	FirstLine int64 `json:"first_line"`
	LastLine  int64 `json:"last_line"`
	Number    int64
	Kept      int64
	Receipt   *receiptDoc
	Problem   *problemDoc
}

// sendLines sends lines and returns what came back.
func (w *world) sendLines(query, body string, headers ...string) (int, []linesDoc, string) {
	w.t.Helper()
	got := w.send("POST", "/v1/signals"+query, body, append([]string{"Content-Type", typeLines}, headers...)...)
	var out []linesDoc
	if got.status == 200 {
		for line := range strings.Lines(got.body) {
			var d linesDoc
			if err := json.Unmarshal([]byte(line), &d); err != nil {
				w.t.Fatalf("%q: %v", line, err)
			}
			out = append(out, d)
		}
	}
	return got.status, out, got.body
}

func (w *world) total(item, signal string) int64 {
	w.t.Helper()
	c, err := w.db.Cell(w.t.Context(), item, signal, time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Total
}

func views(n int) string {
	return strings.Repeat(`{"type":"view","item":"a","user":"u"}`+"\n", n)
}

func TestLinesAreWrittenRequestByRequest(t *testing.T) {
	w := open(t, nil)
	status, got, body := w.sendLines("?batch=2", views(5))
	if status != 200 || len(got) != 3 {
		t.Fatalf("%d %s", status, body)
	}
	for i, want := range []linesDoc{{FirstLine: 1, LastLine: 2, Kept: 2}, {FirstLine: 3, LastLine: 4, Kept: 4}, {FirstLine: 5, LastLine: 5, Kept: 5}} {
		r := got[i].Receipt
		if r == nil || r.Position == "" || int64(r.Count) != want.LastLine-want.FirstLine+1 {
			t.Errorf("receipt %+v", r)
		}
		got[i].Receipt = nil
		if got[i] != want {
			t.Errorf("got %+v, want %+v", got[i], want)
		}
	}
	if n := w.total("a", "view"); n != 5 {
		t.Errorf("%d views", n)
	}
	// An empty line ends a request, blanks around lines mean nothing, and the last line needs no end.
	_, got, _ = w.sendLines("", "\n\n"+views(1)+"\r\n  "+views(2)+"\n\n"+strings.TrimSpace(views(1)))
	if len(got) != 3 || got[0].FirstLine != 3 || got[1].FirstLine != 5 || got[1].LastLine != 6 || got[2].LastLine != 9 {
		t.Errorf("%+v", got)
	}
	if status, got, body := w.sendLines("", "\n"); status != 200 || len(got) != 0 {
		t.Errorf("%d %s", status, body)
	}
}

func TestTheSameLinesUnderALaneCountOnce(t *testing.T) {
	w := open(t, nil)
	for range 2 {
		if status, _, body := w.sendLines("?lane=import&batch=3", views(10)); status != 200 {
			t.Fatal(body)
		}
	}
	if n := w.total("a", "view"); n != 10 {
		t.Errorf("%d views", n)
	}
	_, got, _ := w.sendLines("?lane=import&batch=3", views(13))
	// The fourth request had one line; now it has three.
	if last := got[len(got)-1]; last.Problem == nil || last.Problem.Code != "key_reused" || last.Kept != 9 {
		t.Errorf("%+v", last)
	}
	_, got, _ = w.sendLines("?lane=import&batch=3&number=5", views(3))
	if len(got) != 1 || got[0].Number != 5 || got[0].Receipt.Duplicate {
		t.Errorf("%+v", got)
	}
}

func TestARefusedLineSaysWhatWasKept(t *testing.T) {
	w := open(t, nil)
	for _, c := range []struct{ line, code, field string }{
		{`{"type":"view","item":""}`, "refused", "item"},
		{`{"type":"view","itm":"a"}`, "refused", "itm"},
		{`{"type":"view","item":"a"`, "malformed", ""},
		{`[]`, "malformed", ""},
		{strings.Repeat("x", maxLine), "too_large", ""},
		{`{"type":"view","item":"a","key":"k"}`, "refused", "key"},
	} {
		// In the second request: the first one is answered before.
		status, got, body := w.sendLines("?batch=2", views(2)+views(1)+c.line+"\n"+views(2))
		if status != 200 || len(got) != 2 {
			t.Fatalf("%.40s: %d %s", c.line, status, body)
		}
		p := got[1].Problem
		if p == nil || p.Code != c.code || p.Field != c.field || p.Line == nil || *p.Line != 4 || p.Kept == nil || *p.Kept != 2 || p.Record != nil {
			t.Errorf("%.40s: %s", c.line, body)
		}
		// In the first one: nothing is kept, and the status says so.
		got2 := w.send("POST", "/v1/signals", c.line, "Content-Type", typeLines)
		if got2.status < 400 || !strings.Contains(got2.body, `"kept":0`) || !strings.Contains(got2.body, `"line":1`) && len(c.line) > 1 {
			if c.field != "key" { // alone in its request a key may stand
				t.Errorf("%.40s: %d %s", c.line, got2.status, got2.body)
			}
		}
	}
	all := w.seen.requests()
	if last := all[len(all)-2]; last.Code != "refused" || last.Status != 200 {
		t.Errorf("the recorder was told of %+v", last)
	}
	for query, field := range map[string]string{
		"?batch=1001": "batch", "?batch=-1": "batch", "?number=2": "number", "?lane=l&number=-2": "number", "?lanes=l": "lanes",
	} {
		if p := w.refuses(400, "refused", "POST", "/v1/signals"+query, views(1), "Content-Type", typeLines); p.Field != field {
			t.Errorf("%s: field %q", query, p.Field)
		}
	}
	w.refuses(400, "refused", "POST", "/v1/signals", views(1), "Content-Type", typeLines, "Idempotency-Key", "k")
	w.refuses(400, "malformed", "POST", "/v1/signals?lane=l", `{"type":"view","item":"a"}`)
	g, z := compressed(t, []byte(views(1000)))
	for encoding, body := range map[string]string{"gzip": g, "zstd": z} {
		if status, got, body := w.sendLines("?batch=1000", body, "Content-Encoding", encoding); status != 200 || len(got) != 1 {
			t.Errorf("%s: %d %s", encoding, status, body)
		}
	}
}

// TestLinesAreAnsweredWhileTheyCome holds a stream open: each request is acknowledged before the next one is sent.
func TestLinesAreAnsweredWhileTheyCome(t *testing.T) {
	w := open(t, nil)
	for _, h2 := range []bool{false, true} {
		client := w.client(h2)
		in, out := io.Pipe()
		r, err := http.NewRequestWithContext(t.Context(), "POST", w.http.URL+"/v1/signals", in)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", typeLines)
		first := make(chan error, 1)
		go func() {
			_, err := io.WriteString(out, views(1)+"\n")
			first <- err
		}()
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		back := bufio.NewReader(res.Body)
		for i := 1; i <= 5; i++ {
			line, err := back.ReadString('\n')
			if err != nil || !strings.Contains(line, fmt.Sprintf(`"kept":%d`, i)) {
				t.Fatalf("h2 %v: %q %v", h2, line, err)
			}
			if i < 5 {
				if _, err := io.WriteString(out, views(1)+"\n"); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(back); err != nil || len(rest) > 0 {
			t.Errorf("%q %v", rest, err)
		}
		res.Body.Close()
	}
}

// TestCuttingLinesDependsOnTheBodyAlone reads a body in pieces of any size: the requests are the same.
func TestCuttingLinesDependsOnTheBodyAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"", "{}", `{"type":"view"}`, `{"item":"` + strings.Repeat("x", 30000) + `"}`}), 0, 60).Draw(t, "lines")
		batch := rapid.IntRange(1, 7).Draw(t, "batch")
		body := strings.Join(lines, "\n")
		whole := cut(t, strings.NewReader(body), batch)
		sizes := rapid.SliceOfN(rapid.IntRange(1, 5000), 1, 20).Draw(t, "pieces")
		if got := cut(t, &pieces{body, sizes, 0}, batch); fmt.Sprint(got) != fmt.Sprint(whole) {
			t.Fatalf("%v, then %v", whole, got)
		}
		n := 0
		for _, text := range lines {
			if text != "" {
				n++
			}
		}
		sum := 0
		for _, g := range whole {
			if sum += g[2]; g[2] > batch || g[2] == 0 {
				t.Fatalf("a request of %d lines", g[2])
			}
		}
		if sum != n {
			t.Fatalf("%d lines of %d", sum, n)
		}
	})
}

// cut returns first line, last line and number of signals of each request.
func cut(t *rapid.T, in io.Reader, batch int) (out [][3]int) {
	r := &lineReader{in: bufio.NewReaderSize(in, maxLine), batch: batch}
	for {
		g, err := r.next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, [3]int{int(g.first), int(g.last), len(g.signals)})
	}
}

// pieces is a reader that gives little at a time.
type pieces struct {
	text  string
	sizes []int
	at    int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := min(len(b), len(p.text), p.sizes[p.at%len(p.sizes)])
	p.at++
	copy(b, p.text[:n])
	p.text = p.text[n:]
	return n, nil
}
