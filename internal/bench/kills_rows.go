package bench

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/workload"
	"github.com/tidaldb/tidal/schema"
)

// The rows of [Kills] lie in the 45 days from killsBegin on, in the order of time to within two hours, so that every
// size of bucket and several epochs are used.
const (
	killsBegin  = 1_748_736_000_000 // 2025-06-01T00:00:00Z
	killsSpan   = 45 * 24 * int64(time.Hour/time.Millisecond)
	killsSpread = 2 * time.Hour

	killsCreators = 500
)

// killsSchema declares the workload's types so that each kind of record comes up: unique users, plain sums, marks that
// are set and cleared, hides.
func killsSchema() *schema.Schema {
	s := workload.Schema(false)
	for i := range s.Signals {
		t := &s.Signals[i]
		switch t.Name {
		case "view":
			t.UniqueUsers = true
		case "like":
			t.Sets = []schema.Mark{schema.Liked}
		case "skip":
			t.Meaning, t.Clears = schema.HardNegative, []schema.Mark{schema.Liked}
		case "start":
			t.Sets = []schema.Mark{schema.InProgress}
		case "complete":
			t.Clears = []schema.Mark{schema.InProgress}
		case "purchase":
			t.Permanent = true
		}
	}
	return s
}

// killRows is what is known of the rows of a file.
type killRows struct {
	// cells has, by row, the item's number · [workload.Types] + the type's.
	cells []uint32
	bytes int64 // of the file
	// impliedCells and impliedUsers are how many cells and records of users the rows make.
	impliedCells, impliedUsers int
}

// writeRows invents a CSV file, which follows from the workload alone.
func writeRows(file string, w *workload.Workload, n int) (k *killRows, err error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("write the rows: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriterSize(f, 1<<20)
	k = &killRows{cells: make([]uint32, 0, n)}
	cells, users := make([]uint64, 0, 3*n), make([]uint64, 0, 2*n)
	source, rng := w.Source(0), rand.New(rand.NewPCG(w.Config().Seed, 1<<62))
	line := []byte("type,item,user,weight,time_ms,creator,cohorts\n")
	events := make([]workload.Event, 1)
	for row := range n {
		k.bytes += int64(len(line))
		if _, err := out.Write(line); err != nil {
			return nil, fmt.Errorf("write the rows: %w", err)
		}
		source.Next(killsBegin+killsSpan*int64(row)/int64(n), events)
		r := killRow{Event: events[0], luck: rng.Uint64()}
		line = r.appendTo(line[:0], w)
		k.cells = append(k.cells, r.Item*uint32(workload.Types)+uint32(r.Type))
		cells, users = r.keys(w, cells, users)
	}
	k.bytes += int64(len(line))
	_, err = out.Write(line)
	if err := errors.Join(err, out.Flush()); err != nil {
		return nil, fmt.Errorf("write the rows: %w", err)
	}
	k.impliedCells, k.impliedUsers = distinct(cells), distinct(users)
	return k, nil
}

// killRow is a signal with what luck adds.
type killRow struct {
	workload.Event
	luck uint64
}

// known reports whether the row names its user, as 15 of 16 do.
func (r *killRow) known() bool { return r.luck&15 != 0 }

// creator returns the number of the row's creator, 0 for none, as 7 of 8 rows have it.
func (r *killRow) creator() uint32 {
	if r.luck>>4&7 != 0 {
		return 0
	}
	return r.Item%killsCreators + 1
}

func (r *killRow) appendTo(line []byte, w *workload.Workload) []byte {
	line = append(line, workload.TypeName(r.Type)...)
	line = append(append(line, ','), w.Item(r.Item)...)
	line = append(line, ',')
	if r.known() {
		line = append(line, w.User(r.User)...)
	}
	// Weights from 1/16 to 64, in steps of a sixteenth.
	line = strconv.AppendFloat(append(line, ','), float64(1+r.luck>>7&1023)/16, 'g', -1, 64)
	line = strconv.AppendInt(append(line, ','), r.Time, 10)
	line = append(line, ',')
	if c := r.creator(); c > 0 {
		line = strconv.AppendUint(append(line, "creator-"...), uint64(c), 10)
	}
	line = append(line, ',')
	if r.known() {
		line = append(line, strings.Join(w.Cohorts(r.User), ";")...)
	}
	return append(line, '\n')
}

// keys appends a number for each cell and each record of a user that the row has a part in. Records are alike if their
// numbers are.
func (r *killRow) keys(w *workload.Workload, cells, users []uint64) (c, u []uint64) {
	item, kind, user := uint64(r.Item), uint64(r.Type), uint64(r.User)
	cells = append(cells, item<<8|kind)
	if !r.known() {
		return cells, users
	}
	pair := uint64(w.CohortPair(r.User))
	const cohort, creator = 1 << 60, 2 << 60
	cells = append(cells, cohort|(1+pair%20)<<40|item<<8|kind, cohort|(101+pair/20)<<40|item<<8|kind)
	if c := uint64(r.creator()); c > 0 {
		cells = append(cells, creator|c<<40|user<<8|kind)
	}
	const met, hidden = 1 << 60, 2 << 60
	users = append(users, user, met|user<<24|item)
	if workload.TypeName(r.Type) == "skip" {
		users = append(users, hidden|user<<24|item)
	}
	return cells, users
}

func distinct(keys []uint64) int {
	slices.Sort(keys)
	return len(slices.Compact(keys))
}

// write writes the cells of the rows, for the processes that look what is there after a kill.
func (k *killRows) write(file string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write the cells of the rows: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriter(f)
	var number [4]byte
	for _, cell := range k.cells {
		binary.LittleEndian.PutUint32(number[:], cell)
		if _, err := out.Write(number[:]); err != nil {
			return fmt.Errorf("write the cells of the rows: %w", err)
		}
	}
	return out.Flush()
}

// countRows counts, by cell, the first low rows of such a file, and the first high ones.
func countRows(r io.Reader, cells, low, high int) (atLeast, atMost []int32, err error) {
	atLeast, atMost = make([]int32, cells), make([]int32, cells)
	in := bufio.NewReaderSize(r, 1<<20)
	var number [4]byte
	for row := range high {
		if _, err := io.ReadFull(in, number[:]); err != nil {
			if errors.Is(err, io.EOF) {
				break // there are no more rows
			}
			return nil, nil, fmt.Errorf("read the cells of the rows: %w", err)
		}
		cell := binary.LittleEndian.Uint32(number[:])
		if int(cell) >= cells {
			return nil, nil, fmt.Errorf("row %d is of cell %d of %d", row+1, cell, cells)
		}
		if row < low {
			atLeast[cell]++
		}
		atMost[cell]++
	}
	return atLeast, atMost, nil
}
