package host_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/retention"
)

// briefly keeps the log no longer than its checkpoint needs.
var briefly = retention.Policy{Retention: 1, RetryHorizon: 1}

func mustCheckpoint(t *testing.T, r *host.Replica) {
	t.Helper()
	if err := r.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// fill writes n requests under a lane, beginning with a number, and returns the first receipt.
func fill(t *testing.T, r *host.Replica, from, n int) (first replica.Receipt) {
	t.Helper()
	for i := range n {
		number := from + i
		got, err := write(context.Background(), r, "p", uint64(number), fmt.Sprintf("item-%d", number%40), 3)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = got
		}
	}
	return first
}

func TestTheLogGoesBehindTheCheckpoint(t *testing.T) {
	opts := host.Options{FS: pebblevfs.NewMem(), Dir: "db", SegmentBytes: 4096, Retention: briefly, FinalBytes: 1 << 30}
	var clock atomic.Int64 // milliseconds
	clock.Store(1_700_000_000_000)
	opts.Now = func() time.Time { return time.UnixMilli(clock.Add(1)) }
	r := mustOpen(t, opts)
	first := fill(t, r, 1, 1000) // more than a page of the lane's runs
	mustCheckpoint(t, r)
	fill(t, r, 1001, 30)
	before, counted := digest(r), counters(r)
	mustClose(t, r)
	if n := len(segments(t, opts.FS)); n > 4 {
		t.Fatalf("%d files of the log are there behind a checkpoint", n)
	}

	r = mustOpen(t, opts)
	if r.Recovery().FirstIndex == 1 {
		t.Fatal("the log still begins at its first entry")
	}
	if digest(r) != before {
		t.Fatal("opened from a checkpoint, the state is another")
	}
	if got := counters(r); got.Signals != counted.Signals || got.Records != counted.Records || got.Newest != counted.Newest {
		t.Errorf("counters are %+v, were %+v", got, counted)
	}
	// Retries are known from before the checkpoint and from behind it.
	for _, number := range []uint64{1, 300, 1000, 1001, 1030} {
		got, err := write(context.Background(), r, "p", number, fmt.Sprintf("item-%d", number%40), 3)
		if err != nil || !got.Duplicate {
			t.Errorf("retry of request %d: %+v, %v", number, got, err)
		}
	}
	if _, err := r.Original(first.First); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("original of an event whose log is gone: %v", err)
	}
	last := fill(t, r, 1031, 1)
	if _, err := r.Original(last.First); err != nil {
		t.Errorf("original of the latest event: %v", err)
	}
	mustClose(t, r)
}

func TestACheckpointOrTheWholeLogMustBeThere(t *testing.T) {
	mem := pebblevfs.NewMem()
	opts := host.Options{FS: mem, Dir: "db", SegmentBytes: 4096, Retention: briefly, FinalBytes: 1}
	r := mustOpen(t, opts)
	fill(t, r, 1, 300)
	mustCheckpoint(t, r)
	mustClose(t, r)
	if err := mem.RemoveAll("db/store"); err != nil {
		t.Fatal(err)
	}
	_, err := open(opts)
	var damage *fault.Corrupt
	if !errors.As(err, &damage) || damage.File == "" {
		t.Fatalf("without its checkpoint the database opens with %v", err)
	}
}

func TestAWholeLogMakesUpForALostCheckpoint(t *testing.T) {
	mem := pebblevfs.NewMem()
	opts := host.Options{FS: mem, Dir: "db", SegmentBytes: 4096, FinalBytes: 1}
	r := mustOpen(t, opts)
	fill(t, r, 1, 300)
	mustCheckpoint(t, r)
	before := digest(r)
	mustClose(t, r)
	if err := mem.RemoveAll("db/store"); err != nil {
		t.Fatal(err)
	}
	r = mustOpen(t, opts)
	if digest(r) != before {
		t.Error("the state that the log alone makes is another")
	}
	mustClose(t, r)
}

// TestAReaderBesideAWriter opens for reading what somebody writes: while the log is whole that works.
func TestAReaderBesideAWriter(t *testing.T) {
	mem := pebblevfs.NewMem()
	opts := host.Options{FS: mem, Dir: "db", SegmentBytes: 4096}
	r := mustOpen(t, opts)
	fill(t, r, 1, 300)
	mustCheckpoint(t, r)
	read := opts
	read.ReadOnly = true
	beside := mustOpen(t, read)
	if got, want := total(t, beside, "item-1"), total(t, r, "item-1"); got != want {
		t.Errorf("the reader counts %d, the writer %d", got, want)
	}
	mustClose(t, beside)
	mustClose(t, r)

	opts.Retention = briefly
	r = mustOpen(t, opts)
	fill(t, r, 301, 300)
	mustCheckpoint(t, r)
	fill(t, r, 601, 1) // with this append the files go
	mustCheckpoint(t, r)
	fill(t, r, 602, 1)
	if beside, err := open(read); !errors.Is(err, fault.ErrLocked) {
		t.Errorf("a reader beside a writer whose log began to go: %v", err)
		if err == nil {
			mustClose(t, beside)
		}
	}
	mustClose(t, r)
	beside = mustOpen(t, read)
	if got := total(t, beside, "item-1"); got == 0 {
		t.Error("the reader of a closed database finds nothing")
	}
	mustClose(t, beside)
}

// TestAnIdleDatabaseLetsItsLogGo waits: what was written is in the checkpoint within hours, and its log is gone some
// time after the retention, though nothing else happens.
func TestAnIdleDatabaseLetsItsLogGo(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: three days of an idle database's clock take a while")
	}
	synctest.Test(t, func(t *testing.T) {
		mem := pebblevfs.NewMem()
		opts := host.Options{FS: mem, Dir: "db", Retention: retention.Policy{Retention: 48 * 3600 * 1000}}
		r := mustOpen(t, opts)
		first := fill(t, r, 1, 50)
		wait := func(d time.Duration) { // in the bubble's time
			<-time.After(d)
			synctest.Wait()
		}
		wait(26 * time.Hour)
		if _, err := r.Original(first.First); err != nil {
			t.Errorf("after a day the event is gone from the log: %v", err)
		}
		wait(48 * time.Hour)
		if _, err := r.Original(first.First); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("a day after the retention the event is still in the log: %v", err)
		}
		if got := total(t, r, "item-1"); got == 0 {
			t.Error("the state is gone as well")
		}
		fill(t, r, 51, 1)
		mustClose(t, r)
	})
}

// TestACheckpointThatIsAskedForDoesntGiveWay asks for one while writers keep the loop busy, and every range is due again as soon
// as it is committed: without end, if the checkpoint gave way to them, for it may lag as far as they go.
func TestACheckpointThatIsAskedForDoesntGiveWay(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: writers that keep the loop busy for seconds")
	}
	r := mustOpen(t, host.Options{FS: pebblevfs.NewMem(), Dir: "db", RangeBytes: 1 << 10, LagBytes: 1 << 40})
	const writers, most = 4, 150_000 // with many processors they write more meanwhile, and each checkpoint has more to do
	var stop atomic.Bool
	var running sync.WaitGroup
	var ranOut atomic.Int32
	began := make(chan struct{}, writers)
	for w := range writers {
		running.Go(func() {
			for n := range most {
				if n == 3_000 { // the loop has been busy for longer than it takes to notice
					began <- struct{}{}
				}
				if stop.Load() {
					return
				}
				if _, err := write(context.Background(), r, fmt.Sprint("writer ", w), uint64(n+1), "item", 1); err != nil {
					t.Error(err)
					return
				}
			}
			ranOut.Add(1)
		})
	}
	for range writers {
		<-began
	}
	for range 3 {
		if err := r.Checkpoint(context.Background()); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	running.Wait()
	if n := ranOut.Load(); n > 0 {
		t.Errorf("%d of %d writers were through before the checkpoint", n, writers)
	}
	mustClose(t, r)
}
