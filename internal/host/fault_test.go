package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/vfs"
)

// faulty is a disk whose n-th write, sync or file creation fails, and every one after it.
type faulty struct {
	left  atomic.Int64
	kinds map[errorfs.OpKind]bool
	err   error
}

func (f *faulty) observe(op errorfs.Op) error {
	if f.kinds[op.Kind] && f.left.Add(-1) < 0 {
		return f.err
	}
	return nil
}

// TestADiskThatFailsStopsWritesAndNothingElse lets the disk fail at each of its operations in turn.
func TestADiskThatFailsStopsWritesAndNothingElse(t *testing.T) {
	for name, f := range map[string]*faulty{
		"write": {kinds: map[errorfs.OpKind]bool{errorfs.OpFileWriteAt: true}, err: errorfs.ErrInjected},
		"sync": {
			kinds: map[errorfs.OpKind]bool{errorfs.OpFileSync: true, errorfs.OpFileSyncData: true},
			err:   errorfs.ErrInjected,
		},
		"full": {
			kinds: map[errorfs.OpKind]bool{errorfs.OpFileWriteAt: true, errorfs.OpCreate: true},
			err:   syscall.ENOSPC,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for n := int64(0); ; n++ {
				if !failAt(t, f, n) {
					t.Logf("%d operations failed in turn", n)
					return
				}
			}
		})
	}
}

// failAt writes until operation n fails, and reports whether it did.
func failAt(t *testing.T, f *faulty, n int64) bool {
	t.Helper()
	mem := pebblevfs.NewMem()
	opts := host.Options{FS: errorfs.Wrap(mem, errorfs.InjectorFunc(f.observe)), Dir: "db", SegmentBytes: 900}
	f.left.Store(1 << 40)
	r := mustOpen(t, opts)
	f.left.Store(n)
	var claims []claim
	var failed error
	failures := 0
	for i := range 12 {
		c := claim{producer: "p", number: uint64(i + 1), item: fmt.Sprint("item", i), n: 2}
		_, err := write(context.Background(), r, c.producer, c.number, c.item, c.n)
		c.acked = err == nil
		claims = append(claims, c)
		switch {
		case err == nil && failed != nil:
			t.Fatalf("operation %d: a write succeeded after the disk failed", n)
		case err != nil && !errors.Is(err, fault.ErrDisk):
			t.Fatalf("operation %d: write: %v, want %v", n, err, fault.ErrDisk)
		case err != nil && !errors.Is(err, f.err):
			t.Fatalf("operation %d: write: %v doesn't name the cause", n, err)
		case err != nil:
			failed = err
			failures++
		}
	}
	// What answers a second failed write is the end of the loop, so by then everybody may know of it.
	// The operation may also have come behind the last write: the log makes room ahead.
	if err := r.Failure(); (failures > 1 || err != nil) && !errors.Is(err, f.err) {
		t.Fatalf("operation %d: %d writes failed, and the replica says %v", n, failures, err)
	}
	if failed != nil { // reads go on, and show what was acknowledged
		for _, c := range claims {
			if got := total(t, r, c.item); c.acked && got != c.n {
				t.Fatalf("operation %d: %v reads as %d", n, &c, got)
			}
		}
	}
	err := r.Close()
	if failed != nil && !errors.Is(err, fault.ErrDisk) {
		t.Fatalf("operation %d: close: %v, want %v", n, err, fault.ErrDisk)
	}
	if again := r.Close(); !errors.Is(again, err) {
		t.Fatalf("operation %d: second close: %v, the first said %v", n, again, err)
	}
	f.left.Store(1 << 40)
	r = mustOpen(t, opts)
	verify(t, r, claims)
	retryAll(t, r, claims)
	mustClose(t, r)
	return failed != nil
}

// stalled is a disk whose syncs wait while it is held.
type stalled struct {
	mu   sync.Mutex
	gate chan struct{}
}

func (s *stalled) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gate := make(chan struct{})
	s.gate = gate
	return func() { close(gate) }
}

func (s *stalled) observe(op errorfs.Op) error {
	if op.Kind == errorfs.OpFileSyncData {
		s.mu.Lock()
		gate := s.gate
		s.mu.Unlock()
		if gate != nil {
			<-gate
		}
	}
	return nil
}

func openStalled(t *testing.T, maxWaiting int) (*stalled, *host.Replica) {
	t.Helper()
	s := &stalled{}
	r := mustOpen(t, host.Options{
		FS: errorfs.Wrap(pebblevfs.NewMem(), errorfs.InjectorFunc(s.observe)), Dir: "db", MaxWaiting: maxWaiting,
	})
	return s, r
}

// TestALoneWriterNeverWaitsOnATimer runs in a bubble whose clock moves only when everybody waits for it.
func TestALoneWriterNeverWaitsOnATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := mustOpen(t, host.Options{FS: pebblevfs.NewMem(), Dir: "db"})
		for i := range 20 {
			mustWrite(t, r, fmt.Sprint(i))
		}
		mustClose(t, r)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("opening, 20 writes and closing waited for %v", waited)
		}
	})
}

func TestMoreThanMaxWaitingIsRefusedWhileTheDiskStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, maxWaiting = 40, 8
		s, r := openStalled(t, maxWaiting)
		release := s.hold()
		var mu sync.Mutex
		claims := make([]claim, callers)
		refused, written := 0, 0
		var wg sync.WaitGroup
		for i := range callers {
			claims[i] = claim{producer: fmt.Sprint("p", i), number: 1, item: fmt.Sprint("item", i), n: 1}
			wg.Go(func() {
				_, err := write(context.Background(), r, claims[i].producer, 1, claims[i].item, 1)
				mu.Lock()
				defer mu.Unlock()
				claims[i].acked = err == nil
				switch {
				case errors.Is(err, fault.ErrOverloaded):
					refused++
				case err != nil:
					t.Errorf("write: %v", err)
				default:
					written++
				}
			})
			synctest.Wait() // one by one, so that it is known how many are stamped
		}
		mu.Lock()
		// Two appends with one request each are under way, and the queue is full.
		if refused != callers-2-maxWaiting || written != 0 {
			t.Errorf("%d callers: %d refused, %d answered while the disk stalls", callers, refused, written)
		}
		mu.Unlock()
		release()
		wg.Wait()
		verify(t, r, claims)
		for i := range claims { // a refused request is a fresh one
			_, err := write(context.Background(), r, claims[i].producer, 1, claims[i].item, 1)
			if err != nil || total(t, r, claims[i].item) != 1 {
				t.Errorf("retry of %v: %v, counted %d", &claims[i], err, total(t, r, claims[i].item))
			}
		}
		mustClose(t, r)
	})
}

func TestACallerMayStopWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := openStalled(t, 0)
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := write(gone, r, "p", 1, "never", 1); !errors.Is(err, context.Canceled) || errors.Is(err,
			fault.ErrUnknown) {
			t.Errorf("with a context that had ended: %v", err)
		}
		release := s.hold()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := write(ctx, r, "p", 1, "item", 3)
		if !errors.Is(err, fault.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
		release()
		receipt, err := write(context.Background(), r, "p", 1, "item", 3)
		if err != nil || !receipt.Duplicate {
			t.Errorf("retry of the request: %+v, %v", receipt, err)
		}
		if n := total(t, r, "item"); n != 3 {
			t.Errorf("request counts %d times, want 3", n)
		}
		if n := total(t, r, "never"); n != 0 {
			t.Errorf("request that was never handed in counts %d times", n)
		}
		mustClose(t, r)
	})
}

// TestCloseAnswersEveryWriter closes while many write: each gets a receipt or learns that the database was closed.
func TestCloseAnswersEveryWriter(t *testing.T) {
	for round := range 20 {
		mem := pebblevfs.NewMem()
		r := mustOpen(t, host.Options{FS: mem, Dir: "db", SegmentBytes: 1 << 16})
		var mu sync.Mutex
		var claims []claim
		var wg sync.WaitGroup
		begun := make(chan struct{}, 64)
		for w := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					c := claim{producer: fmt.Sprint("p", w), number: uint64(i + 1), item: fmt.Sprintf("item-%d-%d", w,
						i), n: 1}
					_, err := write(context.Background(), r, c.producer, c.number, c.item, c.n)
					c.acked = err == nil
					mu.Lock()
					claims = append(claims, c)
					mu.Unlock()
					if err != nil {
						if !errors.Is(err, fault.ErrClosed) && !errors.Is(err, fault.ErrUnknown) {
							t.Errorf("write: %v", err)
						}
						return
					}
					select {
					case begun <- struct{}{}:
					default:
					}
				}
			})
		}
		for range round {
			<-begun
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Fatalf("close: %v", err)
		}
		wg.Wait()
		if _, err := write(context.Background(), r, "", 0, "late", 1); !errors.Is(err, fault.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
		r = mustOpen(t, host.Options{FS: mem, Dir: "db"})
		verify(t, r, claims)
		mustClose(t, r)
	}
}

// TestOneProcessHoldsADirectory opens a directory twice: the second opener is told what holds it, and may read.
func TestOneProcessHoldsADirectory(t *testing.T) {
	for name, opts := range map[string]host.Options{
		"memory": {FS: pebblevfs.NewMem(), Dir: "db"},
		"disk":   {FS: vfs.Default, Dir: t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			r := mustOpen(t, opts)
			_, err := open(opts)
			if !errors.Is(err, fault.ErrLocked) || !strings.Contains(err.Error(), opts.FS.PathJoin(opts.Dir,
				vfs.LockName)) {
				t.Errorf("second open: %v", err)
			}
			mustWrite(t, r, "item")
			reader := opts
			reader.ReadOnly = true
			seen, err := host.Open(context.Background(), reader)
			if err != nil {
				t.Fatalf("read beside the writer: %v", err)
			}
			if total(t, seen, "item") != 1 {
				t.Error("a reader beside the writer doesn't see what was acknowledged")
			}
			if _, err := write(context.Background(), seen, "", 0, "item", 1); err == nil {
				t.Error("a reader may write")
			}
			mustClose(t, seen)
			mustClose(t, r)
			mustClose(t, mustOpen(t, opts))
		})
	}
}
