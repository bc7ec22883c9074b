package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/id"
)

// stamping gives requests positions: number n has n·1000.
type stamping struct{ *fakeDB }

func (s stamping) Write(ctx context.Context, r tidal.Request) (tidal.Receipt, error) {
	receipt, err := s.fakeDB.Write(ctx, r)
	if err == nil {
		receipt.Position = tidal.Position{Seq: id.Seq(1000 * r.Number)}
	}
	return receipt, err
}

// ackedBy imports a text into db and returns the acknowledgements.
func ackedBy(t *testing.T, db target, text string) string {
	t.Helper()
	var told strings.Builder
	if _, _, err := importText(db, text, func(im *importer) { im.acks = &acks{&told} }); err != nil {
		t.Fatal(err)
	}
	return told.String()
}

func TestAnAcknowledgementNamesTheLastRowOfItsRequest(t *testing.T) {
	// Rows 1, 257 … 384 and 400 can't be used; the third request is therefore never sent.
	text := rowsOf(500, func(i int) bool { return i == 0 || i >= 256 && i < 384 || i == 399 })
	db := &fakeDB{}
	if got, want := ackedBy(t, stamping{db}, text), "0:0:1000 128\n0:0:2000 256\n0:0:4000 500\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	// Again: the requests that the database is asked for, which are the first and the last of what it knows without a
	// gap, and those behind them.
	if got, want := ackedBy(t, stamping{db}, text), "0:0:1000 128\n0:0:2000 256\n0:0:4000 500\n"; got != want {
		t.Errorf("again: got\n%swant\n%s", got, want)
	}
}

// brokenPipe takes so many lines.
type brokenPipe struct{ lines int }

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.lines == 0 {
		return 0, io.ErrClosedPipe
	}
	b.lines--
	return len(p), nil
}

// Who asked for acknowledgements and can't be told doesn't get an import behind their back.
func TestAnImportWhoseAcknowledgementsNobodyTakesEnds(t *testing.T) {
	db := &fakeDB{}
	_, _, err := importText(stamping{db}, rowsOf(200*rowsPerRequest, nil), func(im *importer) {
		im.acks = &acks{&brokenPipe{3}}
	})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if db.flying != 0 || len(db.accepted) > 4+inFlight {
		t.Errorf("%d under way, %d accepted", db.flying, len(db.accepted))
	}
}

func TestAcksThatNobodyCanTakeAreAUsageError(t *testing.T) {
	dir, file := filepath.Join(t.TempDir(), "db"), write(t, "e.csv", eventsCSV)
	for fd, says := range map[string]string{"0": "from 1 on", "-1": "from 1 on", "987": "isn't open for writing"} {
		o := cli(t, nil, "import", "--dir", dir, "--format", "csv", "--acks", fd, file)
		if o.code != exitUsage || !strings.Contains(o.stderr, says) {
			t.Errorf("--acks %s: exit %d, %s", fd, o.code, o.stderr)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused command line left a database behind: %v", err)
	}
}

func TestAcknowledgementsCanGoToStandardOutput(t *testing.T) {
	o := good(t, "import", "--dir", filepath.Join(t.TempDir(), "db"), "--format", "csv", "--acks", "1", "--json",
		write(t, "e.csv", eventsCSV))
	position, rest, _ := strings.Cut(o.stdout, " 3\n")
	if _, err := id.ParsePosition(position); err != nil || answer[importResult](t, outcome{stdout: rest}).Imported != 3 {
		t.Errorf("%v %s", err, o.stdout)
	}
}

// What was acknowledged is there after a SIGKILL, however little of the file was.
func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	const total, wanted = 200 * rowsPerRequest, 20
	dir := filepath.Join(t.TempDir(), "db")
	var text strings.Builder
	text.WriteString("type,item,user\n")
	for i := range total {
		fmt.Fprintf(&text, "like,item-%d,u\n", i)
	}
	args := []string{"import", "--dir", dir, "--format", "csv", "--lane", "l", "--acks", "3", "-"}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	child := program(t, args...)
	child.ExtraFiles = []*os.File{in} // file descriptor 3
	feed, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close() // the child has its own
	// Half the rows, and no end: the child waits for more when it's killed.
	half := text.String()[:text.Len()/2]
	go func() { _, _ = io.WriteString(feed, half) }()
	acked := readAcks(t, out, wanted)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil || child.ProcessState.Exited() {
		t.Fatalf("the process wasn't killed: %v", child.ProcessState)
	}
	v := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json"))
	if acked < wanted*rowsPerRequest || v.Signals < uint64(acked) {
		t.Errorf("%d rows were acknowledged, %d are there", acked, v.Signals)
	}
	// The rest goes on behind them, and nothing counts twice.
	o := cli(t, strings.NewReader(text.String()), "import", "--dir", dir, "--format", "csv", "--lane", "l", "--json", "-")
	if got := answer[importResult](t, o); got.Imported != total || got.Already < acked || got.Signals+got.Already != total {
		t.Errorf("%+v after %d acknowledged rows", got, acked)
	}
}

// readAcks reads some acknowledgements and returns the row of the last; each has to name a position and a later row.
func readAcks(t *testing.T, from io.Reader, lines int) (row int64) {
	t.Helper()
	scan := bufio.NewScanner(from)
	for range lines {
		if !scan.Scan() {
			t.Fatalf("acknowledgements end at row %d: %v", row, scan.Err())
		}
		var position string
		var next int64
		if n, err := fmt.Sscanf(scan.Text(), "%s %d", &position, &next); n != 2 || err != nil {
			t.Fatalf("%q: %v", scan.Text(), err)
		}
		if _, err := id.ParsePosition(position); err != nil || next <= row || next%rowsPerRequest != 0 {
			t.Fatalf("%q behind row %d: %v", scan.Text(), row, err)
		}
		row = next
	}
	return row
}
