package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/workload"
)

// afterKill is what a fresh process found in a directory whose import was killed.
type afterKill struct {
	OpenSeconds float64 `json:"open_seconds"`
	Signals     int64   `json:"signals"`
	// Lost counts the signals of acknowledged rows that no cell counts, Double those counted beyond all that was sent.
	Lost   int64 `json:"lost"`
	Double int64 `json:"double"`
}

// checkKilled opens a directory, for writing as an import does, and holds the totals of its items' cells against the
// rows that were acknowledged, and those that may have been sent.
func checkKilled(dir, rows string, items, acked, sent int) (a afterKill, err error) {
	f, err := os.Open(rows)
	if err != nil {
		return a, fmt.Errorf("read the cells of the rows: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// As many names as the file was made with.
	w, err := workload.New(workload.Config{Dist: workload.Uniform, Items: items})
	if err != nil {
		return a, err
	}
	atLeast, atMost, err := countRows(f, items*workload.Types, acked, sent)
	if err != nil {
		return a, err
	}
	began := time.Now()
	r, err := host.Open(context.Background(), host.Options{Dir: dir, MustExist: true, Now: time.Now})
	if err != nil {
		return a, fmt.Errorf("open %s: %w", dir, err)
	}
	a.OpenSeconds = time.Since(began).Seconds()
	defer func() { err = errors.Join(err, r.Close()) }()
	return a, r.Read(func(e *engine.Engine) error {
		var cell algebra.SignalState
		for i := range atMost {
			_, err := e.ReadCell(w.Item(uint32(i/workload.Types)), workload.TypeName(uint8(i%workload.Types)), &cell)
			got := cell.Total()
			switch {
			case errors.Is(err, tidal.ErrNotFound):
				got = 0 // no row of the item is there
			case err != nil:
				return err
			}
			a.Signals += got
			a.Lost += max(0, int64(atLeast[i])-got)
			a.Double += max(0, got-int64(atMost[i]))
		}
		return nil
	})
}

// eachAck calls f with the row of every acknowledgement, "position row" on a line of its own. A line without its end is
// one that the process didn't get to write.
func eachAck(acks io.Reader, f func(row int) error) error {
	in := bufio.NewReader(acks)
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read acknowledgements: %w", err)
		}
		_, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		row, err := strconv.Atoi(text)
		if err != nil || row < 1 {
			return fmt.Errorf("%q is no acknowledgement", line)
		}
		if err := f(row); err != nil {
			return err
		}
	}
}
