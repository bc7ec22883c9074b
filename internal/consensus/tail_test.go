package consensus

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// twin is the tail as it would be if memory cost nothing: every entry ever appended, and the index from which the
// tail must still have them.
type twin struct {
	entries []*pb.Entry
	first   uint64
}

func (w *twin) append(entries []*pb.Entry) {
	w.entries = append(slices.Clone(w.entries[:entries[0].GetIndex()-1]), entries...)
}

// compact lets go of applied entries that are beyond either bound.
func (w *twin) compact(applied uint64) {
	n, bytes := 0, 0
	for i := uint64(len(w.entries)); i > w.first; i-- {
		n, bytes = n+1, bytes+len(w.entries[i-1].GetData())
		if i <= applied && (n > keptEntries || bytes > keptBytes) {
			w.first = i
		}
	}
}

// TestTailAnswersLikeAnUncompactedTwin: whatever was appended, superseded and compacted, the tail gives the entries
// and terms of its twin, or says that they are compacted or not there yet; it keeps what followers need and holds
// at most about twice that.
func TestTailAnswersLikeAnUncompactedTwin(t *testing.T) {
	seed := seedOf(t)
	for round := range 60 {
		rng := rand.New(rand.NewPCG(seed, uint64(round)))
		tl, err := newTail(Config{})
		if err != nil {
			t.Fatal(err)
		}
		w, term, applied := &twin{}, uint64(1), uint64(0)
		size := []int{10, 100, 200 << 10}[rng.IntN(3)]
		for range 150 {
			if rng.IntN(10) == 0 {
				term++
			}
			from := uint64(len(w.entries)) + 1
			if back := from - 1 - applied; back > 0 && rng.IntN(4) == 0 {
				from -= rng.Uint64N(back) + 1
				term++
			}
			var entries []*pb.Entry
			for i := range 1 + rng.IntN(40) {
				entries = append(entries, &pb.Entry{
					Index: new(from + uint64(i)), Term: new(term), Data: make([]byte, rng.IntN(size)),
				})
			}
			tl.append(entries)
			w.append(entries)
			if behind := uint64(len(w.entries)) - applied; rng.IntN(2) == 0 && behind > 0 {
				applied += rng.Uint64N(behind) + 1
				tl.compact(applied)
				w.compact(applied)
				if lazy := w.first - tl.offset(); lazy >= keptEntries {
					t.Fatalf("tail still holds %d entries that nobody needs", lazy)
				}
			}
			compareTails(t, rng, tl, w)
		}
	}
}

func compareTails(t *testing.T, rng *rand.Rand, tl *tail, w *twin) {
	t.Helper()
	first, _ := tl.FirstIndex()
	last, _ := tl.LastIndex()
	if last != uint64(len(w.entries)) {
		t.Fatalf("last index is %d, want %d", last, len(w.entries))
	}
	if first > w.first+1 {
		t.Fatalf("tail starts at %d, entries from %d on are needed", first, w.first+1)
	}
	bytes := 0
	for _, e := range tl.entries[1:] {
		bytes += len(e.GetData())
	}
	if bytes != tl.bytes {
		t.Fatalf("tail counts %d bytes and holds %d", tl.bytes, bytes)
	}
	for i := first - 1; i <= last; i++ {
		want := uint64(0)
		if i > 0 {
			want = w.entries[i-1].GetTerm()
		}
		if got, err := tl.Term(i); err != nil || got != want {
			t.Fatalf("term of %d is %d, %v; want %d", i, got, err, want)
		}
	}
	lo := first + rng.Uint64N(last-first+1)
	hi := lo + 1 + rng.Uint64N(last-lo+1)
	maxSize := rng.Uint64N(1 << 20)
	got, err := tl.Entries(lo, hi, maxSize)
	if err != nil || len(got) == 0 || !slices.Equal(got, w.entries[lo-1:lo-1+uint64(len(got))]) {
		t.Fatalf("entries %d…%d: %d entries, %v", lo, hi, len(got), err)
	}
	total := uint64(0)
	for _, e := range got {
		total += uint64(len(e.GetData()))
	}
	if len(got) > 1 && total > maxSize {
		t.Fatalf("%d entries of %d bytes exceed %d", len(got), total, maxSize)
	}
	if _, err := tl.Entries(first-1, last+1, 1); !errors.Is(err, raft.ErrCompacted) {
		t.Fatalf("entry before the first: %v", err)
	}
	if _, err := tl.Entries(first, last+2, 1); !errors.Is(err, raft.ErrUnavailable) {
		t.Fatalf("entry after the last: %v", err)
	}
	if _, err := tl.Term(last + 1); !errors.Is(err, raft.ErrUnavailable) {
		t.Fatalf("term after the last: %v", err)
	}
}

// TestTailLeavesEntriesHandedOutAlone: Raft keeps slices that Entries returned; a superseding append must not write
// into them.
func TestTailLeavesEntriesHandedOutAlone(t *testing.T) {
	tl, err := newTail(Config{})
	if err != nil {
		t.Fatal(err)
	}
	entry := func(index, term uint64) *pb.Entry { return &pb.Entry{Index: new(index), Term: new(term)} }
	tl.append([]*pb.Entry{entry(1, 1), entry(2, 1), entry(3, 1)})
	held, err := tl.Entries(1, 4, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(held)
	tl.append([]*pb.Entry{entry(2, 2)})
	tl.append([]*pb.Entry{entry(3, 2), entry(4, 2)})
	if !slices.Equal(held, before) {
		t.Fatal("entries handed out have changed")
	}
}

// seedOf returns TIDAL_SEED, or a fixed seed, and says on failure how to use it again.
func seedOf(t *testing.T) uint64 {
	seed := uint64(1)
	if s := os.Getenv("TIDAL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay: TIDAL_SEED=%d go test ./internal/consensus -run '^%s$'", seed, t.Name())
		}
	})
	return seed
}
