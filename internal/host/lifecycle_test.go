package host_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/lifecycle"
)

// TestTheTransitionsOfOneWrite compares all that one write goes through with a golden file, its times masked.
func TestTheTransitionsOfOneWrite(t *testing.T) {
	var events lifecycle.Recorder
	opts := host.Options{FS: pebblevfs.NewMem(), Dir: "db"}
	mustClose(t, mustOpen(t, opts)) // makes it, and gives it a schema
	opts.Tracer = &events
	r := mustOpen(t, opts)
	mustWrite(t, r, "jazz")
	mustClose(t, r)
	if err := events.Check(); err != nil {
		t.Errorf("illegal history: %v", err)
	}
	if open := events.Open(); len(open) != 0 {
		t.Errorf("still open after close: %v", open)
	}
	got := regexp.MustCompile(`(?m)^\d+`).ReplaceAllString(events.String(), "·")
	const golden = "testdata/one_write.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("transitions are\n%s\nwant\n%s", got, want)
	}
}

// TestEveryHistoryIsLegal records writers side by side, retries, a restart and a failing disk.
func TestEveryHistoryIsLegal(t *testing.T) {
	mem := pebblevfs.NewMem()
	f := &faulty{kinds: map[errorfs.OpKind]bool{errorfs.OpFileSyncData: true}, err: errorfs.ErrInjected}
	for round, syncs := range []int64{1 << 40, 1 << 40, 4} {
		var events lifecycle.Recorder
		f.left.Store(1 << 40)
		r := mustOpen(t, host.Options{
			FS: errorfs.Wrap(mem, errorfs.InjectorFunc(f.observe)), Dir: "db", SegmentBytes: 3000, Tracer: &events,
		})
		f.left.Store(syncs)
		var wg sync.WaitGroup
		for w := range 6 {
			wg.Go(func() {
				for i := range 30 {
					number := uint64(round*30 + i - i%3 + 1) // every request three times
					item := fmt.Sprint("item", number)
					_, err := write(context.Background(), r, fmt.Sprint("p", w), number, item, 1)
					if err != nil && round < 2 {
						t.Errorf("write: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if err := r.Close(); (err != nil) != (round == 2) {
			t.Errorf("round %d: close: %v", round, err)
		}
		if err := events.Check(); err != nil {
			t.Fatalf("round %d: illegal history: %v", round, err)
		}
		if open := events.Open(); len(open) != 0 && round < 2 {
			t.Errorf("round %d: still open after close: %v", round, open)
		}
		text := events.String()
		for _, want := range []string{"cause=duplicate", "served-by", "caused-by"} {
			if !strings.Contains(text, want) {
				t.Errorf("round %d: nothing has %q", round, want)
			}
		}
		if failed := strings.Contains(text, "failed cause=disk"); failed != (round == 2) {
			t.Errorf("round %d: disk failed: %v\n%s", round, failed, text[max(0, len(text)-3000):])
		}
	}
}
