package wal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidaldb/tidal/internal/fault"
)

// memLog opens a new log in memory.
func memLog(t testing.TB, bytes int64) *Log {
	t.Helper()
	log, _, err := Open(Options{FS: pebblevfs.NewMem(), Dir: "wal", Identity: testIdentity, SegmentBytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func appendOne(t testing.TB, log *Log, index, term uint64, data string) {
	t.Helper()
	if err := log.Append([]Entry{{KindBatch, term, index, []byte(data)}}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestATailWaitsUntilAnEntryIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := memLog(t, 4096)
		tail := log.Tail(1)
		defer tail.Close()
		got := make(chan Entry)
		go func() {
			defer close(got)
			for {
				e, err := tail.Next(context.Background())
				if err != nil {
					if !errors.Is(err, fault.ErrClosed) {
						t.Errorf("next: %v", err)
					}
					return
				}
				got <- e
			}
		}()
		arrived := func() (e Entry, ok bool) {
			synctest.Wait()
			select {
			case e, ok = <-got:
			default:
			}
			return e, ok
		}
		appendOne(t, log, 1, 1, "a")
		appendOne(t, log, 2, 1, "b")
		if e, ok := arrived(); ok {
			t.Fatalf("entry %d arrived before it was durable", e.Index)
		}
		if err := log.Sync(); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"a", "b"} {
			if e, ok := arrived(); !ok || e.Index != uint64(i+1) || string(e.Data) != want {
				t.Fatalf("got %v, %v", e, ok)
			}
		}
		if e, ok := arrived(); ok {
			t.Fatalf("entry %d came from nowhere", e.Index)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, ok := <-got; ok {
			t.Fatal("the tail went on after Close")
		}
	})
}

func TestATailEndsWithItsContextAndGoesOnWithTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := memLog(t, 4096)
		tail := log.Tail(1)
		defer tail.Close()
		ctx, cancel := context.WithCancel(context.Background())
		failed := make(chan error)
		go func() {
			_, err := tail.Next(ctx)
			failed <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		appendOne(t, log, 1, 1, "a")
		if err := log.Sync(); err != nil {
			t.Fatal(err)
		}
		if e, err := tail.Next(context.Background()); err != nil || e.Index != 1 {
			t.Fatalf("got %v, %v", e, err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestATailStepsBackToWhatSupersedes(t *testing.T) {
	log := memLog(t, 4096)
	defer log.Close()
	tail := log.Tail(1)
	defer tail.Close()
	next := func(index, term uint64) {
		t.Helper()
		e, err := tail.Next(context.Background())
		if err != nil || e.Index != index || e.Term != term {
			t.Fatalf("got %d/%d, %v; want %d/%d", e.Index, e.Term, err, index, term)
		}
	}
	for i := uint64(1); i <= 5; i++ {
		appendOne(t, log, i, 1, "x")
	}
	if err := log.Sync(); err != nil {
		t.Fatal(err)
	}
	next(1, 1)
	next(2, 1)
	next(3, 1)
	// Entry 3 was delivered, 4 and 5 were read ahead.
	appendOne(t, log, 3, 2, "y")
	appendOne(t, log, 4, 2, "y")
	if err := log.Sync(); err != nil {
		t.Fatal(err)
	}
	next(3, 2)
	next(4, 2)
	// What was read ahead, but not delivered, is exchanged too.
	for i := uint64(5); i <= 8; i++ {
		appendOne(t, log, i, 2, "y")
	}
	if err := log.Sync(); err != nil {
		t.Fatal(err)
	}
	next(5, 2)
	appendOne(t, log, 7, 3, "z")
	if err := log.Sync(); err != nil {
		t.Fatal(err)
	}
	next(6, 2)
	next(7, 3)
	// What was released can't be had any more.
	if err := log.Reset(20, 4); err != nil {
		t.Fatal(err)
	}
	if _, err := tail.Next(context.Background()); !errors.Is(err, fault.ErrNotFound) {
		t.Fatalf("after a reset: %v", err)
	}
}

// TestReadersAndTailsRunBesideTheWriter is for the race detector: one writer, two readers, a tail.
func TestReadersAndTailsRunBesideTheWriter(t *testing.T) {
	const last = 2000
	log := memLog(t, 4096)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				first, end := log.FirstIndex(), log.LastIndex()+1
				entries, err := log.Entries(first, end, 1<<16)
				if err != nil && !errors.Is(err, fault.ErrNotFound) {
					t.Errorf("entries %d to %d: %v", first, end, err)
					return
				}
				for i, e := range entries {
					if e.Index != first+uint64(i) || string(e.Data) != fmt.Sprint("payload ", e.Index) {
						t.Errorf("entry %d is %d %q", first+uint64(i), e.Index, e.Data)
						return
					}
				}
			}
		})
	}
	tail := log.Tail(1)
	defer tail.Close()
	wg.Go(func() {
		defer cancel()
		for want := uint64(1); want <= last; {
			e, err := tail.Next(ctx)
			if err != nil || e.Index > want {
				t.Errorf("tail: %d, %v; want %d", e.Index, err, want)
				return
			}
			want = e.Index + 1 // it steps back when an entry is written again
		}
	})
	for i := uint64(1); i <= last; i++ {
		appendOne(t, log, i, 1, fmt.Sprint("payload ", i))
		if i%7 == 0 && i > 10 {
			for j := i - 3; j <= i; j++ {
				appendOne(t, log, j, 2, fmt.Sprint("payload ", j))
			}
		}
		if i%5 == 0 {
			if err := log.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := log.Sync(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}
